import { newId } from '../db/ids.ts';
import type { Tx } from '../db/transaction.ts';
import { conflict } from '../errors.ts';
import { record } from '../events/record.ts';
import type { Plain } from '../reader/row-view.ts';
import { authorize, find, findFor, lock } from './access.ts';
import { endAll as endAssignments } from './assignments.ts';
import { actingUserId, mutate, type Context } from './context.ts';
import { withdrawAll } from './enrolments.ts';
import { paginateChildren } from './connection.ts';
import { readable } from './resources.ts';
import { followRules } from './chat-membership-rules.ts';
import { revokeWithoutRole } from './issue-personal-invitations.ts';
import type { Page, PageArgs, RoleGrant, User } from './entities.ts';

/** Grants and ends roles of people in schools. An ended role stays as a row with `endedAt`. */

export interface GrantRoleInput {
  schoolId: string;
  userId: string;
  role: RoleGrant['role'];
}

/**
 * Grants a role in the school to a person whom the actor may see. Does nothing if the person has the role. Regulation 2.1 g.
 */
export async function grantRole(ctx: Context, input: GrantRoleInput): Promise<RoleGrant> {
  const school = await findFor(ctx, 'School', input.schoolId, 'role.grant');
  const person = await find(ctx, 'User', input.userId, 'userId');
  return mutate(ctx, async (tx) => {
    await lock(tx, 'School', school.id, 'hold');
    await lock(tx, 'User', person.id);
    const granted = await grant(tx, { schoolId: school.id, userId: person.id, role: input.role, grantedById: actingUserId(ctx) });
    await followRules(tx, school.id, person.id);
    return granted;
  });
}

/**
 * Within the caller's transaction: grants a role. The caller has locked the school with `hold`, and the person. Afterwards the
 * caller calls `followRules`, which changes the members of chats.
 * @throws CONFLICT if a pupil would become staff of the same school, if a member of staff would become a pupil there, and for
 *   a deactivated person.
 */
export async function grant(tx: Tx, input: GrantRoleInput & { grantedById: string | null }): Promise<RoleGrant> {
  const [granted] = await grantAll(tx, input.schoolId, [{ ...input, planId: null }]);
  return tx.prisma.roleGrant.findUniqueOrThrow({ where: { id: granted! } });
}

export type NewGrant = Pick<RoleGrant, 'userId' | 'role' | 'grantedById' | 'planId'>;

/**
 * Within the caller's transaction: grants roles in a school, like `grant`. `grants` may have several roles for one person.
 * Returns the ids.
 */
export async function grantAll(tx: Tx, schoolId: string, grants: readonly NewGrant[]): Promise<string[]> {
  const people = await tx.prisma.user.findMany({
    where: { id: { in: [...new Set(grants.map(({ userId }) => userId))] } },
    select: { id: true, deactivatedAt: true, grants: { where: { schoolId, endedAt: null }, select: { id: true, role: true } } },
  });
  const byId = new Map(people.map((person) => [person.id, person]));
  const startedAt = new Date();
  const added: (NewGrant & { id: string })[] = [];
  const ids = grants.map(({ userId, role, grantedById, planId }) => {
    const person = byId.get(userId)!;
    const held = heldGrant(person, role);
    if (held !== undefined) return held.id;
    const id = newId();
    person.grants.push({ id, role });
    added.push({ id, userId, role, grantedById, planId });
    return id;
  });
  await tx.prisma.roleGrant.createMany({ data: added.map((one) => ({ ...one, schoolId, startedAt })) });
  for (const { id, userId } of added) record(tx, 'role.granted', { schoolId, grantId: id, userId });
  await deleteLinksOfOtherSchools(
    tx,
    schoolId,
    added.map(({ userId }) => userId),
  );
  return ids;
}

/**
 * Deletes the password links that staff of another school may have handed over to these people. Only the operator resets the
 * password of a person with roles in two schools.
 */
async function deleteLinksOfOtherSchools(tx: Tx, schoolId: string, userIds: string[]): Promise<void> {
  if (userIds.length === 0) return;
  await tx.prisma.passwordLink.deleteMany({
    where: { userId: { in: userIds }, channel: 'HANDED_OVER', user: { grants: { some: { schoolId: { not: schoolId } } } } },
  });
}

type HeldGrant = Pick<Plain<RoleGrant>, 'id' | 'role'>;

/** Returns the person's current grant of this role, if there is one. @throws CONFLICT if the person may not have the role. */
function heldGrant(
  { deactivatedAt, grants }: { deactivatedAt: Date | null; grants: readonly HeldGrant[] },
  role: RoleGrant['role'],
): HeldGrant | undefined {
  if (deactivatedAt !== null)
    throw conflict(['Учётная запись этого человека закрыта.', 'This person’s account has been deactivated.'], { path: ['userId'] });
  const held = grants.find((present) => present.role === role);
  if (held === undefined && grants.some((present) => (present.role === 'STUDENT') !== (role === 'STUDENT')))
    throw conflict(
      ['В одной школе нельзя быть и учеником, и сотрудником.', 'A person cannot be both a pupil and staff of the same school.'],
      { path: ['role'] },
    );
  return held;
}

/**
 * Ends a role. Also ends the assignments of a teacher, or the enrolment of a pupil. Does nothing for an ended role.
 * Regulation 2.1 g.
 * @throws CONFLICT for the last platform administrator of a school.
 */
export async function endRole(ctx: Context, input: { grantId: string }): Promise<RoleGrant> {
  const { id, schoolId, userId } = await find(ctx, 'RoleGrant', input.grantId, 'grantId');
  authorize(ctx, 'role.end', { schoolId });
  return mutate(ctx, async (tx) => {
    const { grants } = await lockForEnding(tx, schoolId, userId);
    await endGrants(
      tx,
      grants.filter((present) => present.id === id),
      actingUserId(ctx),
    );
    return tx.prisma.roleGrant.findUniqueOrThrow({ where: { id } });
  });
}

/**
 * Locks the rows that change when a person's roles in a school end: the school, the classes of the person's assignments and
 * enrolment, and the person. Because of the lock of the school, the last two administrators cannot leave at once. Returns the
 * person, with the current roles in every school.
 */
export async function lockForEnding(tx: Tx, schoolId: string, userId: string): Promise<{ user: User; grants: RoleGrant[] }> {
  await lock(tx, 'School', schoolId);
  const current = { schoolId, endedAt: null };
  const classes = await tx.prisma.class.findMany({
    where: { OR: [{ assignments: { some: { ...current, userId } } }, { enrolments: { some: { ...current, studentId: userId } } }] },
    orderBy: { id: 'asc' },
    select: { id: true },
  });
  for (const { id } of classes) await lock(tx, 'Class', id, 'hold');
  const user = await lock(tx, 'User', userId);
  return { user, grants: await tx.prisma.roleGrant.findMany({ where: { userId, endedAt: null }, orderBy: { id: 'asc' } }) };
}

/**
 * Within the caller's transaction, after `lockForEnding`: ends current roles of people in one school, and calls
 * `followRules`. Revokes the personal invitation of a person without a role in the school.
 */
export async function endGrants(tx: Tx, grants: readonly GrantToEnd[], endedById: string | null): Promise<void> {
  const [first] = grants;
  if (first === undefined) return;
  await endRoles(tx, grants, endedById);
  const userIds = [...new Set(grants.map(({ userId }) => userId))];
  await followRules(tx, first.schoolId, ...userIds);
  await revokeWithoutRole(tx, first.schoolId, userIds);
}

type GrantToEnd = Pick<Plain<RoleGrant>, 'id' | 'schoolId' | 'userId' | 'role'>;

/** The assignments and enrolments that ended together with roles. */
export interface EndedWithRoles {
  assignments: readonly { id: string; userId: string }[];
  enrolments: readonly { id: string; studentId: string }[];
}

/**
 * Within the caller's transaction: ends current roles of people in one school. Also ends the assignments of teachers and the
 * enrolments of pupils. Afterwards the caller calls `followRules`, which changes the members of chats, and
 * `revokeWithoutRole`, which revokes personal invitations.
 * @throws CONFLICT for the last platform administrator of a school.
 */
export async function endRoles(tx: Tx, grants: readonly GrantToEnd[], endedById: string | null): Promise<EndedWithRoles> {
  const holders = (role: RoleGrant['role']) => grants.filter((held) => held.role === role).map(({ userId }) => userId);
  const [first] = grants;
  if (first === undefined) return { assignments: [], enrolments: [] };
  const { schoolId } = first;
  await refuseLastAdministrator(tx, schoolId, holders('PLATFORM_ADMINISTRATOR'));
  const ofTeachers = { schoolId, userId: { in: holders('TEACHER') }, endedAt: null };
  const assignments = await tx.prisma.assignment.findMany({ where: ofTeachers, orderBy: { id: 'asc' } });
  await endAssignments(tx, assignments);
  const ofPupils = { schoolId, studentId: { in: holders('STUDENT') }, endedAt: null };
  const enrolments = await tx.prisma.enrolment.findMany({ where: ofPupils, orderBy: { id: 'asc' } });
  await withdrawAll(tx, enrolments);
  await tx.execute('update role_grant set ended_at = greatest(started_at, $2), ended_by_id = $3 where id = any($1::uuid[])', [
    grants.map(({ id }) => id),
    new Date().toISOString(),
    endedById,
  ]);
  for (const { id, userId } of grants) record(tx, 'role.ended', { schoolId, grantId: id, userId });
  return { assignments, enrolments };
}

async function refuseLastAdministrator(tx: Tx, schoolId: string, userIds: readonly string[]): Promise<void> {
  if (userIds.length === 0) return;
  const others = await tx.prisma.roleGrant.count({
    where: { schoolId, role: 'PLATFORM_ADMINISTRATOR', endedAt: null, userId: { notIn: [...userIds] } },
  });
  if (others === 0)
    throw conflict([
      'Это последний администратор школы: сначала назначьте другого.',
      'This is the last platform administrator of the school: appoint another first.',
    ]);
}

/** Returns a person's roles that the actor may read, earliest first. */
export function rolesOf(ctx: Context, user: User, args: PageArgs & { includeEnded?: boolean | null }): Promise<Page<RoleGrant>> {
  const order = { tag: 'role', keys: [{ field: 'id', direction: 'asc', type: 'string' }] } as const;
  return paginateChildren<RoleGrant>(ctx, { model: 'User', id: user.id, relation: 'grants' }, args, {
    order,
    filter: () => ({ AND: [args.includeEnded ? {} : { endedAt: null }, readable(ctx.actor, 'RoleGrant')] }),
  });
}
