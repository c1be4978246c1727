import { demandPassword, hashPassword, verifyPassword } from '../auth/passwords.ts';
import { admitTry } from '../auth/sign-in-limits.ts';
import type { Tx } from '../db/transaction.ts';
import { conflict, forbidden, invalid, unauthenticated, type Refusal } from '../errors.ts';
import { clauseOf } from '../policy/can.ts';
import { authorize, find, lock } from './access.ts';
import { actingUserId, mutate, type Context } from './context.ts';
import type { User } from './entities.ts';
import { findUserInSchool } from './find-user-in-school.ts';
import { createLink, recordOfPerson, replacePassword, type CreatedLink } from './password-links.ts';
import { endOtherSessionsOfUser, endSessionsOfUser } from './sessions.ts';
import { findBySignInName, normalizeSignInName } from './sign-in-names.ts';

/** Resets and changes passwords. Regulation 2.1 a, 2.2 h. */

/** A new one-time link and its person. */
export interface ResetPassword extends CreatedLink {
  user: User;
}

/**
 * Resets a person's password. The former password stops working at once, all sessions end, and the result is a one-time link
 * to hand over. A second call creates another link, and the former link stops working. Regulation 2.1 a.
 * @throws CONFLICT for the actor's own password, for a deactivated person, and for a person without a sign-in name. CONFLICT
 *   for a person who also has a role in another school: only the operator resets the password of such a person.
 */
export async function resetPassword(ctx: Context, input: { userId: string; schoolId: string }): Promise<ResetPassword> {
  const { schoolId, userId, facts } = await findUserInSchool(ctx, input);
  authorize(ctx, 'password.reset', facts);
  if (userId === actingUserId(ctx)) throw refusalOfOwn();
  return mutate(ctx, async (tx) => {
    const user = await lock(tx, 'User', userId);
    refuseWithoutPassword(user);
    if (ctx.actor.kind !== 'operator') await refuseOtherSchools(tx, user.id, schoolId);
    await endSessionsOfUser(tx, user.id);
    await replacePassword(tx, user.id, null);
    const created = await createLink(ctx, tx, user.id, 'HANDED_OVER');
    await recordOfPerson(tx, 'password.reset', user.id, schoolId);
    return { ...created, user };
  });
}

const refusalOfOwn = (): Refusal =>
  conflict(
    ['Свой пароль вы меняете сами, указав нынешний.', 'You change your own password yourself, with the current one: see changePassword.'],
    { path: ['userId'] },
  );

async function refuseOtherSchools(tx: Tx, userId: string, schoolId: string): Promise<void> {
  if ((await tx.prisma.roleGrant.count({ where: { userId, endedAt: null, schoolId: { not: schoolId } } })) > 0)
    throw conflict(
      [
        'У человека есть роль и в другой школе, поэтому его пароль может сбросить только оператор сервера.',
        'The person has a role in another school too, so only the operator of the server can reset the password.',
      ],
      { path: ['userId'] },
    );
}

function refuseWithoutPassword({ signInName, deactivatedAt }: User): void {
  if (deactivatedAt !== null)
    throw conflict(['Учётная запись этого человека закрыта.', 'This person’s account has been deactivated.'], { path: ['userId'] });
  if (signInName === null)
    throw conflict(
      [
        'У этого человека ещё нет логина и пароля. Передайте ему личное приглашение.',
        'This person has no sign-in name and no password yet. Hand over the personal invitation instead.',
      ],
      { path: ['userId'] },
    );
}

/**
 * Resets the password of the person with a sign-in name, or of the only platform administrator of a school. The operator
 * calls this when an administrator has lost the password.
 * @throws INVALID at `signInName` for an unknown name; CONFLICT for a school without an administrator or with several.
 */
export async function resetPasswordAsOperator(ctx: Context, of: { signInName: string } | { schoolId: string }): Promise<ResetPassword> {
  const userId = 'signInName' in of ? await findIdByName(ctx, of.signInName) : await findAdministrator(ctx, of.schoolId);
  const grant = await ctx.db.prisma.roleGrant.findFirst({ where: { userId }, orderBy: { id: 'desc' } });
  if (grant === null)
    throw conflict(['У этого человека нет роли ни в одной школе.', 'This person has no role in any school.'], { path: ['signInName'] });
  return resetPassword(ctx, { userId, schoolId: grant.schoolId });
}

async function findIdByName(ctx: Context, text: string): Promise<string> {
  const user = await findBySignInName(ctx.db, normalizeSignInName(text));
  if (user === null) throw invalid('signInName', ['Пользователя с таким логином нет.', 'There is no active user with this sign-in name.']);
  return user.id;
}

async function findAdministrator(ctx: Context, schoolId: string): Promise<string> {
  const school = await find(ctx, 'School', schoolId, 'schoolId');
  const administrators = await ctx.db.prisma.user.findMany({
    where: { signInName: { not: null }, grants: { some: { schoolId: school.id, role: 'PLATFORM_ADMINISTRATOR', endedAt: null } } },
    select: { id: true, signInName: true },
    orderBy: { signInName: 'asc' },
  });
  const [only, ...others] = administrators;
  const names = administrators.map(({ signInName }) => signInName).join(', ');
  if (only === undefined)
    throw conflict(
      [
        'В этой школе нет администратора с логином: создайте ссылку командой invite-administrator.',
        'This school has no administrator with a sign-in name: use invite-administrator.',
      ],
      { path: ['schoolId'] },
    );
  if (others.length > 0)
    throw conflict(
      [
        `В этой школе несколько администраторов, укажите --login одного из них: ${names}.`,
        `This school has several administrators; give the --login of one: ${names}.`,
      ],
      { path: ['schoolId'] },
    );
  return only.id;
}

export interface ChangePasswordInput {
  currentPassword: string;
  newPassword: string;
}

const wrongPassword = (): Refusal => invalid('currentPassword', ['Неверный пароль.', 'The password is wrong.']);

/**
 * Changes the actor's own password, and ends the actor's other sessions. Regulation 2.2 h.
 * @throws INVALID at `currentPassword` for a wrong password, and at `newPassword` for a password that breaks the rules;
 *   CONFLICT for a person who signs in without a password; RATE_LIMITED by the same limits as signing in; UNAVAILABLE.
 */
export async function changePassword(ctx: Context, { currentPassword, newPassword }: ChangePasswordInput): Promise<User> {
  const { actor } = ctx;
  if (actor.kind !== 'user') throw actor.kind === 'anonymous' ? unauthenticated() : forbidden(clauseOf('password.change'));
  const { userId, sessionId } = actor;
  authorize(ctx, 'password.change', { userId, places: [], chats: [] });
  const { signInName, passwordHash } = await ctx.db.prisma.user.findUniqueOrThrow({ where: { id: userId } });
  if (signInName === null)
    throw conflict(['Вы входите без пароля этого сервера.', 'You sign in without a password of this server.'], {
      path: ['currentPassword'],
    });
  demandPassword(newPassword, signInName, 'newPassword');
  if (newPassword === currentPassword)
    throw invalid('newPassword', ['Новый пароль должен отличаться от нынешнего.', 'The new password must differ from the current one.']);
  await verifyCurrent(ctx, { signInName, passwordHash, sessionId }, currentPassword);
  const newHash = await hashPassword(newPassword);
  return mutate(ctx, async (tx) => {
    // The password may have been reset or changed since it was verified.
    if ((await lock(tx, 'User', userId)).passwordHash !== passwordHash) throw wrongPassword();
    await endOtherSessionsOfUser(tx, userId, sessionId);
    await replacePassword(tx, userId, newHash);
    await recordOfPerson(tx, 'password.changed', userId);
    return tx.prisma.user.findUniqueOrThrow({ where: { id: userId } });
  });
}

/**
 * Verifies the password within the limits of signing in. The session counts as a known device, whose attempts have a limit of
 * their own. So a stranger who guesses at the sign-in page cannot use up the attempts of the person.
 * @throws INVALID, RATE_LIMITED, UNAVAILABLE.
 */
async function verifyCurrent(
  ctx: Context,
  account: { signInName: string; passwordHash: string | null; sessionId: string },
  password: string,
): Promise<void> {
  const attempt = await admitTry(ctx, { signInName: account.signInName, address: ctx.address, device: `session ${account.sessionId}` });
  const isCorrect = await verifyPassword(account.passwordHash, password).catch(async (error: unknown) => {
    await attempt.takeBack();
    throw error;
  });
  if (!isCorrect) throw wrongPassword();
  await attempt.succeed();
}
