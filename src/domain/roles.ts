import type { Tx } from '../db/transaction.ts';
import { conflict } from '../errors.ts';
import { record } from '../events/record.ts';
import { authorize, find, findFor, lock } from './access.ts';
import { end as endAssignment } from './assignments.ts';
import { actingUserId, mutate, type Context } from './context.ts';
import { withdraw } from './enrolments.ts';
import { nowOrAfter } from './intervals.ts';
import { paginateChildren } from './connection.ts';
import { readable } from './resources.ts';
import { followRules } from './chat-membership-rules.ts';
import { revokeWithoutRole } from './issue-personal-invitations.ts';
import type { Page, PageArgs, RoleGrant, User } from './entities.ts';

/** Roles of people in schools, as intervals. */

export interface GrantRoleInput {
  schoolId: string;
  userId: string;
  role: RoleGrant['role'];
}

/** Grants a role in the school to a visible person. Does nothing if the person has the role. Regulation 2.1 g. */
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
 * Grants a role within a transaction. The caller has locked the school (shared) and the person, and calls `followRules`
 * afterwards.
 * @throws CONFLICT if a pupil would become staff of the same school or staff a pupil, and for a deactivated person.
 */
export async function grant(tx: Tx, input: GrantRoleInput & { grantedById: string | null }): Promise<RoleGrant> {
  const { schoolId, userId, role } = input;
  const { deactivatedAt, grants } = await tx.prisma.user.findUniqueOrThrow({
    where: { id: userId },
    include: { grants: { where: { schoolId, endedAt: null } } },
  });
  if (deactivatedAt !== null)
    throw conflict(['Учётная запись этого человека закрыта.', 'This person’s account has been deactivated.'], { path: ['userId'] });
  const held = grants.find((present) => present.role === role);
  if (held !== undefined) return held;
  if (grants.some((present) => (present.role === 'STUDENT') !== (role === 'STUDENT')))
    throw conflict(
      ['В одной школе нельзя быть и учеником, и сотрудником.', 'A person cannot be both a pupil and staff of the same school.'],
      { path: ['role'] },
    );
  const created = await tx.prisma.roleGrant.create({ data: { ...input, startedAt: new Date() } });
  record(tx, 'role.granted', { schoolId, grantId: created.id, userId });
  return created;
}

/**
 * Ends a role, and with it the assignments of a teacher or the enrolment of a pupil. Does nothing for an ended role.
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
 * Locks the rows that change when a person's roles in a school end: the school, the classes of the person's assignments
 * and enrolment, and the person. The lock of the school keeps the last two administrators from leaving at once. Returns
 * the person, with the current roles in every school.
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
 * Ends current roles of one person in one school within a transaction, after `lockForEnding`; calls `followRules`. The
 * personal invitation ends with the last role.
 */
export async function endGrants(tx: Tx, grants: readonly RoleGrant[], endedById: string | null): Promise<void> {
  for (const present of grants) {
    const { id, schoolId, userId, role } = present;
    if (role === 'PLATFORM_ADMINISTRATOR') await refuseLastAdministrator(tx, schoolId, userId);
    if (role === 'TEACHER') await endAssignments(tx, schoolId, userId);
    if (role === 'STUDENT') await endEnrolment(tx, schoolId, userId);
    await tx.prisma.roleGrant.update({ where: { id }, data: { endedAt: nowOrAfter(present.startedAt), endedById } });
    record(tx, 'role.ended', { schoolId, grantId: id, userId });
  }
  const [first] = grants;
  if (first === undefined) return;
  await followRules(tx, first.schoolId, first.userId);
  await revokeWithoutRole(tx, first.schoolId, first.userId);
}

async function refuseLastAdministrator(tx: Tx, schoolId: string, userId: string): Promise<void> {
  const others = await tx.prisma.roleGrant.count({
    where: { schoolId, role: 'PLATFORM_ADMINISTRATOR', endedAt: null, userId: { not: userId } },
  });
  if (others === 0)
    throw conflict([
      'Это последний администратор школы: сначала назначьте другого.',
      'This is the last platform administrator of the school: appoint another first.',
    ]);
}

async function endAssignments(tx: Tx, schoolId: string, userId: string): Promise<void> {
  const assignments = await tx.prisma.assignment.findMany({ where: { schoolId, userId, endedAt: null }, orderBy: { id: 'asc' } });
  for (const assignment of assignments) await endAssignment(tx, assignment);
}

async function endEnrolment(tx: Tx, schoolId: string, studentId: string): Promise<void> {
  const enrolment = await tx.prisma.enrolment.findFirst({ where: { schoolId, studentId, endedAt: null } });
  if (enrolment !== null) await withdraw(tx, enrolment);
}

/** Returns a person's roles that the actor may read, earliest first. */
export function rolesOf(ctx: Context, user: User, args: PageArgs & { includeEnded?: boolean | null }): Promise<Page<RoleGrant>> {
  const order = { tag: 'role', keys: [{ field: 'id', direction: 'asc', type: 'string' }] } as const;
  return paginateChildren<RoleGrant>(ctx, { model: 'User', id: user.id, relation: 'grants' }, args, {
    order,
    filter: () => ({ AND: [args.includeEnded ? {} : { endedAt: null }, readable(ctx.actor, 'RoleGrant')] }),
  });
}
