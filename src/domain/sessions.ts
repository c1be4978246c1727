import { deleteGrants } from '../auth/adapter.ts';
import { findDevice, addDevice } from '../auth/device-cookie.ts';
import { verifyPassword } from '../auth/passwords.ts';
import { admitTry } from '../auth/sign-in-limits.ts';
import type { Tx } from '../db/transaction.ts';
import { forbidden, Refusal, unauthenticated } from '../errors.ts';
import { record } from '../events/record.ts';
import { authorize, find } from './access.ts';
import { paginateChildren } from './connection.ts';
import { mutate, type Context } from './context.ts';
import { readable } from './resources.ts';
import type { Page, PageArgs, Session, User } from './entities.ts';
import { findBySignInName, normalizeSignInName } from './sign-in-names.ts';

/** Signs people in, and starts and ends their sessions. Regulation 2.2 h, 2.5 d. */

/** The refusal for an unknown account, a wrong password and a deactivated person, so that the three look alike. */
const wrongCredentials = (): Refusal =>
  new Refusal('INVALID', ['Неверный логин или пароль.', 'The sign-in name or the password is wrong.'], { path: ['password'] });

export interface SignInInput {
  signInName: string;
  password: string;
  /** The device cookie of the browser, if it sent one. */
  deviceCookie?: string | undefined;
}

/**
 * Returns the id of the person with this sign-in name and password, and the device cookie for the browser.
 * src/auth/sign-in-limits.ts limits the attempts.
 * @throws INVALID if the name and the password do not match; RATE_LIMITED, UNAVAILABLE.
 */
export async function signIn(ctx: Context, input: SignInInput): Promise<{ userId: string; deviceCookie: string }> {
  const { db, config } = ctx;
  const signInName = normalizeSignInName(input.signInName);
  const user = await findBySignInName(db, signInName);
  // Checks the cookie for an unknown name too, so that known and unknown names take the same time. No cookie is valid for
  // an unknown name.
  const device = findDevice(config.secretKey, user ?? { id: '', passwordHash: null }, input.deviceCookie);
  const attempt = await admitTry(ctx, { signInName, address: ctx.address, device });
  const isCorrect = await verifyPassword(user?.passwordHash ?? null, input.password).catch(async (error: unknown) => {
    await attempt.takeBack();
    throw error;
  });
  // The password may have been reset or changed, or the person deactivated, while the hash was computed.
  if (!isCorrect || user === null || (await findBySignInName(db, signInName))?.passwordHash !== user.passwordHash) throw wrongCredentials();
  await attempt.succeed();
  return { userId: user.id, deviceCookie: addDevice(config.secretKey, user, input.deviceCookie) };
}

/**
 * Starts a session of a person in a client. Records an event, so that the person learns of a sign-in by somebody else.
 * `grantId` is the grant of the authorization server, if there is one. Regulation 2.2 h.
 */
export function startSession(
  ctx: Context,
  data: { userId: string; clientId: string; grantId?: string | null; device?: string | null },
): Promise<Session> {
  const expiresAt = new Date(Date.now() + ctx.config.sessionDays * 86_400_000);
  return mutate(ctx, async (tx) => {
    const session = await tx.prisma.session.create({ data: { ...data, expiresAt } });
    await recordSessions(tx, 'session.started', [session]);
    return session;
  });
}

/** Ends a session of the actor: its tokens become invalid. Does nothing for an ended session. */
export async function endSession(ctx: Context, input: { sessionId: string }): Promise<Session> {
  const found = await find(ctx, 'Session', input.sessionId, 'sessionId');
  authorize(ctx, 'session.end', found);
  return mutate(ctx, async (tx) => {
    await end(tx, { id: found.id });
    return tx.prisma.session.findUniqueOrThrow({ where: { id: found.id } });
  });
}

/** Ends all sessions of the actor except the current one. Returns the sessions that it ended. */
export function endOtherSessions(ctx: Context): Promise<Session[]> {
  const { actor } = ctx;
  if (actor.kind === 'anonymous') throw unauthenticated();
  if (actor.kind !== 'user') throw forbidden('2.2 h');
  return mutate(ctx, (tx) => endOtherSessionsOfUser(tx, actor.userId, actor.sessionId));
}

/** Ends the session of a grant that the authorization server revoked. */
export function endSessionOfGrant(ctx: Context, grantId: string): Promise<Session[]> {
  return mutate(ctx, (tx) => end(tx, { grantId }));
}

export async function endSessionsOfUser(tx: Tx, userId: string): Promise<void> {
  await end(tx, { userId });
}

/** Within the caller's transaction: ends all sessions of a person except one. Returns the sessions that it ended. */
export const endOtherSessionsOfUser = (tx: Tx, userId: string, keptSessionId: string): Promise<Session[]> =>
  end(tx, { userId, id: { not: keptSessionId } });

export async function endSessionsOfClient(tx: Tx, clientId: string): Promise<void> {
  await end(tx, { clientId });
}

interface SessionFilter {
  id?: string | { not: string };
  userId?: string;
  grantId?: string;
  clientId?: string;
}

/** Ends sessions with their grants, codes and refresh tokens. */
async function end(tx: Tx, where: SessionFilter): Promise<Session[]> {
  const ended = await tx.prisma.session.updateManyAndReturn({ where: { ...where, endedAt: null }, data: { endedAt: new Date() } });
  const grantIds = ended.flatMap(({ grantId }) => (grantId === null ? [] : [grantId]));
  if (grantIds.length > 0) await deleteGrants(tx, grantIds);
  await recordSessions(tx, 'session.ended', ended);
  return ended;
}

/** Records an event in the log of each school where the person has a role, because people have no logs of their own. */
async function recordSessions(tx: Tx, type: 'session.started' | 'session.ended', sessions: readonly Session[]): Promise<void> {
  const roles = await tx.prisma.roleGrant.findMany({
    where: { userId: { in: sessions.map(({ userId }) => userId) }, endedAt: null },
    distinct: ['userId', 'schoolId'],
    select: { userId: true, schoolId: true },
  });
  for (const { id: sessionId, userId } of sessions)
    for (const { schoolId } of roles.filter((role) => role.userId === userId)) record(tx, type, { schoolId, sessionId, userId });
}

/** Returns the person's sessions that have not ended, newest first. Only the person may read them. */
export function sessionsOf(ctx: Context, { id }: Pick<User, 'id'>, args: PageArgs): Promise<Page<Session>> {
  const order = { tag: 'session', keys: [{ field: 'id', direction: 'desc', type: 'string' }] } as const;
  return paginateChildren<Session>(ctx, { model: 'User', id, relation: 'sessions' }, args, {
    order,
    filter: () => ({ AND: [{ endedAt: null, expiresAt: { gt: new Date() } }, readable(ctx.actor, 'Session')] }),
  });
}
