import { conflict } from '../errors.ts';
import { record } from '../events/record.ts';
import { authorize, lock } from './access.ts';
import { actingUserId, mutate, type Context } from './context.ts';
import type { RoleGrant, User } from './entities.ts';
import { findUserInSchool } from './find-user-in-school.ts';
import { endGrants, lockForEnding } from './roles.ts';
import { endSessionsOfUser } from './sessions.ts';

/** Deactivates and reactivates the accounts of people. */

/**
 * Deactivates a person: ends the roles, assignments, enrolment, chat memberships and sessions in one transaction. The rows
 * stay for the audit. Regulation 2.1 a.
 * @throws CONFLICT for the school's last administrator, and for a person who also has a role in another school.
 */
export async function deactivateUser(ctx: Context, input: { userId: string; schoolId: string }): Promise<User> {
  const { schoolId, userId, facts } = await findUserInSchool(ctx, input);
  authorize(ctx, 'user.deactivate', facts);
  return mutate(ctx, async (tx) => {
    const { user, grants } = await lockForEnding(tx, schoolId, userId);
    if (user.deactivatedAt !== null) return user;
    refuseOtherSchools(grants, schoolId);
    // Ends the sessions before the roles, because the event of a session is recorded in each school where the person has a
    // role. Afterwards there would be no such school.
    await endSessionsOfUser(tx, user.id);
    await endGrants(tx, grants, actingUserId(ctx));
    await tx.prisma.passwordLink.deleteMany({ where: { userId: user.id } });
    record(tx, 'user.deactivated', { schoolId, userId });
    return tx.prisma.user.update({ where: { id: user.id }, data: { deactivatedAt: new Date() } });
  });
}

/**
 * Lets a deactivated person sign in again. The person has no role until `grantRole`. Does nothing for an active account.
 * Regulation 2.1 a.
 */
export async function reactivateUser(ctx: Context, input: { userId: string; schoolId: string }): Promise<User> {
  const { schoolId, userId, facts } = await findUserInSchool(ctx, input);
  authorize(ctx, 'user.reactivate', facts);
  return mutate(ctx, async (tx) => {
    const user = await lock(tx, 'User', userId);
    if (user.deactivatedAt === null) return user;
    record(tx, 'user.reactivated', { schoolId, userId });
    return tx.prisma.user.update({ where: { id: userId }, data: { deactivatedAt: null } });
  });
}

function refuseOtherSchools(grants: readonly RoleGrant[], schoolId: string): void {
  if (grants.some((grant) => grant.schoolId !== schoolId))
    throw conflict(
      [
        'У человека есть роль и в другой школе. Завершите его роль здесь.',
        'The person has a role in another school too. End the role here instead.',
      ],
      { path: ['userId'] },
    );
}
