import type { Tx } from '../db/transaction.ts';
import { conflict } from '../errors.ts';
import { record } from '../events/record.ts';
import { authorize, lockUnread } from './access.ts';
import { mutate, type Context } from './context.ts';
import { changesNothing, type RoleGrant, type User } from './entities.ts';
import { normalizeExternalIds, replaceExternalIds, withExternalIdConflict, type ExternalId } from './external-ids.ts';
import { findUserInSchool } from './find-user-in-school.ts';
import { contactFields, handSetAfter, nameFields, type Names } from './users.ts';

/** Corrects the details of people. An administrator calls this. */

export interface UpdateUserInput extends Partial<{ [K in keyof Names]: string | null }> {
  userId: string;
  schoolId: string;
  email?: string | null;
  phone?: string | null;
  externalIds?: readonly ExternalId[] | null;
}

/**
 * Corrects the names, the contact details and the external ids of a person. An omitted field keeps its value. Does nothing if
 * nothing changes. Records a change of names or contact details in each school where the person has a role. Adds the changed
 * columns to `handSet`, so that imports keep them. Regulation 2.1 a.
 * @throws CONFLICT for names of a person who has roles only in other schools. CONFLICT for contact details of a person who
 *   also has a role in another school, since the e-mail address receives links for a new password.
 */
export async function updateUser(ctx: Context, input: UpdateUserInput): Promise<User> {
  const { schoolId, userId, facts } = await findUserInSchool(ctx, input);
  authorize(ctx, 'user.update', facts);
  const contact = contactFields(input);
  const ids = normalizeExternalIds(input.externalIds);
  return withExternalIdConflict(
    mutate(ctx, async (tx) => {
      await lockUnread(tx, 'User', userId);
      const { grants, ...current } = await tx.prisma.user.findUniqueOrThrow({
        where: { id: userId },
        include: { grants: { where: { endedAt: null } } },
      });
      const replaced = ids !== undefined && (await replaceExternalIds(tx, { type: 'User', schoolId, id: userId }, ids));
      const data: Partial<User> = { ...correctedNames(current, input), ...contact };
      const isChanged = !changesNothing(current, data);
      if (isChanged) refuseOthers(grants, schoolId, !changesNothing(current, contact));
      const schoolIds = [...(replaced || isChanged ? [schoolId] : []), ...(isChanged ? grants.map((grant) => grant.schoolId) : [])];
      for (const id of new Set(schoolIds)) record(tx, 'user.updated', { schoolId: id, userId });
      return isChanged ? write(tx, current, data) : current;
    }),
  );
}

const correctedNames = (current: User, { surname, givenName, patronymic }: UpdateUserInput) =>
  nameFields({
    surname: surname ?? current.surname,
    givenName: givenName ?? current.givenName,
    patronymic: patronymic === undefined ? current.patronymic : patronymic,
  });

const write = (tx: Tx, current: User, data: Partial<User>): Promise<User> =>
  tx.prisma.user.update({ where: { id: current.id }, data: { ...data, handSet: handSetAfter(current, data) } });

function refuseOthers(grants: readonly RoleGrant[], schoolId: string, changesContact: boolean): void {
  const others = grants.filter((grant) => grant.schoolId !== schoolId);
  if (others.length > 0 && (changesContact || others.length === grants.length))
    throw conflict(
      [
        'У этого человека есть роль в другой школе. Контакты он меняет сам в своём профиле, имя исправляет его школа.',
        'This person has a role in another school. They change their contact details in their own profile; that school corrects the name.',
      ],
      { path: ['userId'] },
    );
}
