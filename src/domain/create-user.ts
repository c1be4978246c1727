import type { Tx } from '../db/transaction.ts';
import { record } from '../events/record.ts';
import { findFor, lock } from './access.ts';
import { followRules } from './chat-membership-rules.ts';
import { lockOpenClass } from './classes.ts';
import { actingUserId, mutate, type Context } from './context.ts';
import { enrol } from './enrolments.ts';
import type { RoleGrant, User } from './entities.ts';
import { normalizeExternalIds, replaceExternalIds, withExternalIdConflict, type ExternalId } from './external-ids.ts';
import { idempotent, type Repeatable } from './idempotency.ts';
import { classOf } from './invitations.ts';
import { issuePersonalInvitations } from './issue-personal-invitations.ts';
import { grant } from './roles.ts';
import { contactFields, insertUser, nameFields, type Names } from './users.ts';

/** Creates people before they can sign in. */

export interface CreateUserInput extends Names, Repeatable {
  schoolId: string;
  role: RoleGrant['role'];
  classId?: string | null;
  email?: string | null;
  phone?: string | null;
  externalIds?: readonly ExternalId[] | null;
}

/**
 * Creates a person with a role and a personal invitation, and a pupil also with a class. By the link of the invitation the
 * person chooses a login and a password. Regulation 2.1 f.
 * @throws INVALID for a pupil without a class and for another role with a class; CONFLICT for an archived class and for an
 *   external id that another person of the school has.
 */
export async function createUser(ctx: Context, input: CreateUserInput): Promise<User> {
  const school = await findFor(ctx, 'School', input.schoolId, 'user.create');
  const schoolId = school.id;
  const classId = await classOf(ctx, school, input);
  const { surname, givenName, patronymic } = nameFields(input);
  const person = { surname, givenName, patronymic, ...contactFields(input) };
  const ids = normalizeExternalIds(input.externalIds) ?? [];
  const insert = async (tx: Tx): Promise<User> => {
    await lock(tx, 'School', schoolId, 'hold');
    if (classId !== null) await lockOpenClass(tx, classId, 'hold');
    const user = await insertUser(tx, person);
    record(tx, 'user.created', { schoolId, userId: user.id });
    await replaceExternalIds(tx, { type: 'User', schoolId, id: user.id }, ids);
    await grant(tx, { schoolId, userId: user.id, role: input.role, grantedById: actingUserId(ctx) });
    if (classId === null) await followRules(tx, schoolId, user.id);
    else await enrol(tx, { schoolId, classId, studentId: user.id });
    await issuePersonalInvitations(ctx, tx, { schoolId, userIds: [user.id] });
    return user;
  };
  return withExternalIdConflict(
    mutate(ctx, (tx) =>
      idempotent(ctx, tx, {
        action: 'user.create',
        input,
        load: (id) => tx.prisma.user.findUniqueOrThrow({ where: { id } }),
        create: () => insert(tx),
      }),
    ),
  );
}
