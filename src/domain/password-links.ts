import { randomBytes } from 'node:crypto';
import { deletePendingSignIns } from '../auth/adapter.ts';
import { countTry, secondsLeft, takeToken } from '../auth/limits.ts';
import { demandPassword, hashPassword } from '../auth/passwords.ts';
import { fingerprint, hashCode } from '../auth/seal.ts';
import type { Tx } from '../db/transaction.ts';
import { conflict, notFound, rateLimited } from '../errors.ts';
import { record } from '../events/record.ts';
import { lockUnread } from './access.ts';
import { mutate, type Context } from './context.ts';
import type { PasswordLink, User } from './entities.ts';
import type { Mail } from './mailer.ts';
import { passwordMail } from './password-mail.ts';
import { endSessionsOfUser } from './sessions.ts';
import { findBySignInName, normalizeSignInName } from './sign-in-names.ts';

/**
 * One-time links by which people set a new password. Staff hand a link over, or the server sends it by e-mail. Regulation 2.2
 * h.
 */

type Channel = PasswordLink['channel'];

/** Hours for which a link works. A printed link takes days to reach a pupil, a mail minutes. */
const ttlHours: Record<Channel, number> = { HANDED_OVER: 72, MAILED: 1 };

export interface CreatedLink {
  /** The URL, which nobody can read again: the database has only a hash of its code. The code has 256 random bits. */
  link: string;
  expiresAt: Date;
}

/**
 * Within the caller's transaction: creates a link. The person's former link of the same channel stops working. A link
 * of the other channel keeps working, so that a stranger who requests mails does not end a link that staff handed over.
 */
export async function createLink(ctx: Context, tx: Tx, userId: string, channel: Channel): Promise<CreatedLink> {
  const code = randomBytes(32).toString('base64url');
  const expiresAt = new Date(Date.now() + ttlHours[channel] * 3_600_000);
  const columns = { codeHash: hashCode(code), createdAt: new Date(), expiresAt };
  const where = { userId_channel: { userId, channel } };
  await tx.prisma.passwordLink.upsert({ where, create: { userId, channel, ...columns }, update: columns });
  return { link: `${ctx.config.publicUrl}/reset/${code}`, expiresAt };
}

/**
 * Within the caller's transaction: replaces the password hash, and deletes the person's one-time links and pending
 * sign-ins. Does not end sessions.
 */
export async function replacePassword(tx: Tx, userId: string, passwordHash: string | null): Promise<void> {
  await tx.prisma.user.update({ where: { id: userId }, data: { passwordHash } });
  await tx.prisma.passwordLink.deleteMany({ where: { userId } });
  await deletePendingSignIns(tx, userId);
}

/**
 * Within the caller's transaction: records an event of a person in the log of each school where the person has a role,
 * and in the log of `schoolId`, if given.
 */
export async function recordOfPerson(
  tx: Tx,
  type: 'password.reset' | 'password.changed' | 'passwordLink.mailed',
  userId: string,
  schoolId?: string,
): Promise<void> {
  const grants = await tx.prisma.roleGrant.findMany({ where: { userId, endedAt: null }, select: { schoolId: true } });
  const schoolIds = new Set([...(schoolId === undefined ? [] : [schoolId]), ...grants.map((grant) => grant.schoolId)]);
  for (const id of schoolIds) record(tx, type, { schoolId: id, userId });
}

/** The limit of unknown codes from one network address in 15 minutes. */
const maxUnknownCodes = 20;
const windowSeconds = 15 * 60;

/**
 * Returns the person of a code; null for a code that is unknown, used or expired, and for a deactivated person. Counts each
 * such code as a failure of the network address.
 * @throws RATE_LIMITED after too many failures from the network address.
 */
async function findPersonByCode(ctx: Context, code: string): Promise<Pick<User, 'id' | 'signInName'> | null> {
  const link = await ctx.db.prisma.passwordLink.findUnique({
    where: { codeHash: hashCode(code) },
    select: { expiresAt: true, user: { select: { id: true, signInName: true, deactivatedAt: true } } },
  });
  if (link !== null && link.expiresAt > new Date() && link.user.deactivatedAt === null) return link.user;
  const key = fingerprint(ctx.config.secretKey, 'password link address', ctx.address ?? '');
  if (await countTry(ctx.db, key, maxUnknownCodes, windowSeconds)) return null;
  throw rateLimited(await secondsLeft(ctx.db, key));
}

/** Returns whether the code of a link works. @throws RATE_LIMITED after too many wrong codes. */
export async function isCurrentCode(ctx: Context, code: string): Promise<boolean> {
  return (await findPersonByCode(ctx, code)) !== null;
}

/**
 * Sets a new password by a one-time link, and ends all of the person's sessions and links.
 * @throws NOT_FOUND for a code that is unknown, used or expired; INVALID at `newPassword`; RATE_LIMITED, UNAVAILABLE.
 */
export async function setPasswordByLink(ctx: Context, input: { code: string; newPassword: string }): Promise<void> {
  const person = await findPersonByCode(ctx, input.code);
  if (person === null) throw notFound('code');
  demandPassword(input.newPassword, person.signInName ?? '', 'newPassword');
  const passwordHash = await hashPassword(input.newPassword);
  await mutate(ctx, async (tx) => {
    await lockUnread(tx, 'User', person.id);
    // Reads the link again under the lock, so that only one of two people with the same link sets the password.
    const current = { codeHash: hashCode(input.code), expiresAt: { gt: new Date() }, user: { deactivatedAt: null } };
    if ((await tx.prisma.passwordLink.count({ where: current })) === 0) throw notFound('code');
    await endSessionsOfUser(tx, person.id);
    await replacePassword(tx, person.id, passwordHash);
    await recordOfPerson(tx, 'password.changed', person.id);
  });
}

/** Limits of requests for mails, higher for a network address, because a whole school may share one. */
const requests = { address: { burst: 30, intervalSeconds: 60 }, account: { burst: 3, intervalSeconds: 1200 } };

/**
 * Sends a one-time link to the e-mail address of an account. Does nothing for an unknown name and for an account without an
 * e-mail address. Neither the result nor the response time reveals this.
 * @throws RATE_LIMITED after too many requests from the network address or for the name, even an unknown name; CONFLICT if
 *   the server sends no mail.
 */
export async function mailPasswordLink(ctx: Context, input: { signInName: string }): Promise<void> {
  const { mailer } = ctx;
  if (mailer === null) throw conflict(['Этот сервер не отправляет писем.', 'This server sends no e-mail.']);
  const signInName = normalizeSignInName(input.signInName);
  const key = (purpose: string, text: string) => fingerprint(ctx.config.secretKey, purpose, text);
  for (const bucket of [
    // Checks the limit of the network address first. A request over this limit is refused before it writes a row for its
    // sign-in name. So a stranger with many invented names cannot fill the table `rate_limit`.
    { key: key('password mail address', ctx.address ?? ''), ...requests.address },
    { key: key('password mail account', signInName), ...requests.account },
  ]) {
    const { taken, waitSeconds } = await takeToken(ctx.db, bucket);
    if (!taken) throw rateLimited(waitSeconds);
  }
  mailer.post(() => composeMail(ctx, signInName));
}

/**
 * Creates the link and its mail. Returns null for an unknown name, a deactivated person, and a person without an e-mail
 * address.
 */
async function composeMail(ctx: Context, signInName: string): Promise<Mail | null> {
  const user = await findBySignInName(ctx.db, signInName);
  if (user === null || user.email === null) return null;
  const mail = { to: user.email, locale: user.locale, givenName: user.givenName };
  return mutate(ctx, async (tx) => {
    await lockUnread(tx, 'User', user.id);
    const { link } = await createLink(ctx, tx, user.id, 'MAILED');
    await recordOfPerson(tx, 'passwordLink.mailed', user.id);
    return passwordMail(mail, link);
  });
}
