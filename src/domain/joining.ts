import { loadActors } from '../auth/actors.ts';
import { countTry, returnToken, secondsLeft, takeToken } from '../auth/limits.ts';
import { demandPassword, hashPassword } from '../auth/passwords.ts';
import { fingerprint, hashCode } from '../auth/seal.ts';
import type { Tx } from '../db/transaction.ts';
import { conflict, forbidden, notFound, rateLimited, Refusal, unauthenticated } from '../errors.ts';
import { record } from '../events/log.ts';
import { lock } from './access.ts';
import { nameOfClass } from './classes.ts';
import { change, type Context } from './context.ts';
import { elsewhere, enrol } from './enrolments.ts';
import { closed, statusOf } from './links.ts';
import { followRules } from './membership.ts';
import { grant } from './roles.ts';
import type { Invitation, User } from './rows.ts';
import { checkNewUser, createUser } from './users.ts';

/** Joining a school by an invitation link: the only way in for those who are not known yet. Regulation 2.2 a, 2.3 a, 2.4 a, 2.5 a. */

/** Codes that open nothing, per address in a quarter of an hour. */
const failures = 20;
const windowSeconds = 15 * 60;

/**
 * The invitation of a code, whatever its state; null and a counted failure for a code that is none. Codes have 160 random
 * bits: whoever shows a right one did not guess it, and is let through whatever was counted.
 * @throws RATE_LIMITED for too many codes that are none.
 */
async function guarded(ctx: Context, code: string): Promise<Invitation | null> {
  const found = await ctx.db.prisma.invitation.findUnique({ where: { codeHash: hashCode(code) } });
  if (found !== null) return found;
  const key = fingerprint(ctx.config.secretKey, 'invitation address', ctx.address ?? '');
  if (await countTry(ctx.db, key, failures, windowSeconds)) return null;
  throw rateLimited(await secondsLeft(ctx.db, key));
}

export interface InvitationPreview {
  schoolName: string;
  className: string | null;
  role: Invitation['role'];
  expiresAt: Date;
}

/**
 * What a link leads to, for whoever holds it, signed in or not: a school and a class, no people. Null when it opens nothing.
 * @throws RATE_LIMITED after too many codes that were none.
 */
export async function previewInvitation(ctx: Context, code: string): Promise<InvitationPreview | null> {
  const found = await guarded(ctx, code);
  if (found === null || statusOf(found) !== 'ACTIVE') return null;
  const { role, expiresAt } = found;
  const school = await ctx.db.prisma.school.findUniqueOrThrow({ where: { id: found.schoolId } });
  const ofClass = found.classId === null ? null : await ctx.db.prisma.class.findUniqueOrThrow({ where: { id: found.classId } });
  return { schoolName: school.name, className: ofClass && nameOfClass(ofClass), role, expiresAt };
}

/**
 * A signed-in person joins by a link: the role and the class that the link says, never what the person says. Somebody who
 * has both already changes nothing and uses nothing. Regulation 2.2 a, 2.3 a, 2.4 a, 2.5 a.
 */
export async function acceptInvitation(ctx: Context, input: { code: string }): Promise<User> {
  const { actor } = ctx;
  if (actor.kind === 'anonymous') throw unauthenticated();
  if (actor.kind !== 'user') throw forbidden('2.5 a');
  const found = await guarded(ctx, input.code);
  if (found === null) throw notFound('code');
  const user = await change(ctx, async (tx) => {
    await join(tx, found, actor.userId);
    return tx.user.findUniqueOrThrow({ where: { id: actor.userId } });
  });
  await renewRights(ctx);
  return user;
}

export interface SignUpInput {
  code: string;
  surname: string;
  givenName: string;
  patronymic?: string | null;
  signInName: string;
  password: string;
}

/**
 * A person who has no account yet makes one and joins by the link, both or neither. Regulation 2.2 a, 2.3 a, 2.4 a, 2.5 a.
 * @throws RATE_LIMITED after too many attempts by the link or from the address that came to nothing.
 */
export async function signUp(ctx: Context, input: SignUpInput): Promise<{ userId: string }> {
  const { code, password, ...particulars } = input;
  const found = await guarded(ctx, code);
  if (found === null) throw notFound('code');
  const status = statusOf(found);
  if (status !== 'ACTIVE') throw closed(status, 'code');
  checkNewUser(particulars);
  demandPassword(password, particulars.signInName);
  const release = await admitSignUp(ctx, found.id);
  // Twenty milliseconds of work, which no transaction waits for, and which a name that is taken costs too.
  const passwordHash = await hashPassword(password);
  const userId = await change(ctx, async (tx) => {
    const user = await createUser(tx, { ...particulars, passwordHash, locale: ctx.language });
    await join(tx, found, user.id);
    return user.id;
  });
  await release();
  return { userId };
}

/**
 * Sign-ups that come to nothing, above all for names that are taken: names are unique over all schools, so that each such
 * answer tells of somebody's account. A class that signs up in one lesson, or all classes of a school in a day, need fewer.
 */
const failedSignUps = { link: { burst: 40, intervalSeconds: 60 }, address: { burst: 120, intervalSeconds: 20 } };

/** Admits one attempt to sign up, before anything is looked up for it. Returns what to call when it succeeded. */
async function admitSignUp(ctx: Context, invitationId: string): Promise<() => Promise<unknown>> {
  const key = (purpose: string, text: string) => fingerprint(ctx.config.secretKey, purpose, text);
  const buckets = [
    { key: key('sign-up link', invitationId), ...failedSignUps.link },
    { key: key('sign-up address', ctx.address ?? ''), ...failedSignUps.address },
  ];
  const taken = await Promise.all(buckets.map((bucket) => takeToken(ctx.db, bucket)));
  const release = () => Promise.all(buckets.filter((_, n) => taken[n]!.taken).map((bucket) => returnToken(ctx.db, bucket)));
  if (taken.every((one) => one.taken)) return release;
  await release();
  throw rateLimited(Math.max(...taken.filter((one) => !one.taken).map((one) => one.waitSeconds)));
}

/**
 * The step: the use is counted, then the role and the place are given; on the last seat one of many wins. Whoever has
 * exactly what the link gives uses nothing, whatever became of the link.
 * @throws CONFLICT for a link that opens no more, for somebody who has lost since what the same link gave, and for roles
 * and classes that exclude one another.
 */
async function join(tx: Tx, invitation: Invitation, userId: string): Promise<void> {
  const { id, schoolId, classId, codeHash } = invitation;
  await lock(tx, 'School', schoolId, 'hold');
  const archived = classId !== null && (await lock(tx, 'Class', classId, 'hold')).archivedAt !== null;
  await lock(tx, 'User', userId);
  if (await hasJoined(tx, invitation, userId)) return;
  if (archived) throw closed('REVOKED', 'code');
  const used = await tx.invitationUse.count({ where: { invitationId: id, userId } });
  if (used > 0) throw await whyLost(tx, invitation, userId);
  const counted = await tx.$executeRaw`
    update invitation set use_count = use_count + 1
    where id = ${id}::uuid and code_hash = ${codeHash} and use_count < max_uses and revoked_at is null and expires_at > now()`;
  if (counted === 0) throw await whyClosed(tx, id);
  await tx.invitationUse.create({ data: { schoolId, invitationId: id, userId } });
  record(tx, 'invitation.accepted', { schoolId, invitationId: id, userId });
  await admit(tx, invitation, userId);
}

/** Does the person hold the role that the link gives, and for a pupil the place in its class? */
async function hasJoined(tx: Tx, { schoolId, classId, role }: Invitation, userId: string): Promise<boolean> {
  if ((await tx.roleGrant.count({ where: { schoolId, userId, role, endedAt: null } })) === 0) return false;
  return classId === null || (await tx.enrolment.count({ where: { classId, studentId: userId, endedAt: null } })) > 0;
}

/**
 * Why a link does not let a person in again: it opens no more, the pupil has moved to another class, or the school ended
 * what the link gave. Who ended it decides about a return, so the way back is a new link.
 */
async function whyLost(tx: Tx, { id, schoolId, classId }: Invitation, userId: string): Promise<Refusal> {
  const status = statusOf(await tx.invitation.findUniqueOrThrow({ where: { id } }));
  if (status !== 'ACTIVE' && status !== 'USED_UP') return closed(status, 'code');
  const present = classId === null ? null : await tx.enrolment.findFirst({ where: { studentId: userId, endedAt: null } });
  if (present !== null) return atCode(await elsewhere(tx, present, schoolId));
  return conflict(
    ['Вы уже входили по этой ссылке, но школа с тех пор завершила ваше участие. Попросите у администратора новую ссылку.', 'You joined by this link before, and the school has ended your membership since. Ask the administrator for a new link.'],
    { path: ['code'] },
  );
}

async function admit(tx: Tx, { schoolId, classId, role, createdById }: Invitation, userId: string): Promise<void> {
  try {
    await grant(tx, { schoolId, userId, role, grantedById: createdById });
    if (classId === null) await followRules(tx, schoolId, userId);
    else await enrol(tx, { schoolId, classId, studentId: userId });
  } catch (error) {
    throw error instanceof Refusal ? atCode(error) : error;
  }
}

/** What the steps call a role or a pupil is the code to the person who joins. */
const atCode = ({ code, text, clause }: Refusal): Refusal =>
  new Refusal(code, text, { path: ['code'], ...(clause === undefined ? {} : { clause }) });

async function whyClosed(tx: Tx, id: string) {
  const status = statusOf(await tx.invitation.findUniqueOrThrow({ where: { id } }));
  // Still open, it has got another link meanwhile.
  return status === 'ACTIVE' ? notFound('code') : closed(status, 'code');
}

/** The person has rights that the request did not begin with: the rest of the answer is read with them. */
async function renewRights(ctx: Context): Promise<void> {
  const [fresh] = ctx.credential === null ? [] : await loadActors(ctx.db, [ctx.credential]);
  if (fresh === undefined || !('kind' in fresh)) return;
  const { actor, loaders } = ctx.renew(fresh);
  Object.assign(ctx, { actor, loaders });
}
