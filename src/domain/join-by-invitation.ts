import { loadActors } from '../auth/actors.ts';
import { countTry, giveBackAll, returnToken, secondsLeft, takeToken, type GiveBack } from '../auth/limits.ts';
import { demandPassword, hashPassword } from '../auth/passwords.ts';
import { fingerprint, hashCode } from '../auth/seal.ts';
import type { Tx } from '../db/transaction.ts';
import { conflict, forbidden, notFound, rateLimited, Refusal, unauthenticated } from '../errors.ts';
import { record } from '../events/record.ts';
import { lock } from './access.ts';
import { nameOfClass } from './classes.ts';
import { mutate, refusalOf, type Context } from './context.ts';
import { alreadyEnrolled, enrol } from './enrolments.ts';
import { linkClosed, statusOf, type InvitationPreview } from './invitation-link.ts';
import { followRules } from './chat-membership-rules.ts';
import { grant } from './roles.ts';
import type { Invitation, User } from './entities.ts';
import { checkNewUser, insertUser } from './users.ts';

/** Joins people to a school by invitation links. Regulation 2.2 a, 2.3 a, 2.4 a, 2.5 a. */

/** The limit of unknown codes from one network address in 15 minutes. */
const maxUnknownCodes = 20;
const windowSeconds = 15 * 60;

/**
 * Returns the invitation of a code, in any state. Returns null for an unknown code, and counts a failure. A code has 160
 * random bits and cannot be guessed, so a known code is accepted even after too many failures.
 * @throws RATE_LIMITED for an unknown code, after too many of them.
 */
export async function findByCode(ctx: Context, code: string): Promise<Invitation | null> {
  const found = await ctx.db.prisma.invitation.findUnique({ where: { codeHash: hashCode(code) } });
  if (found !== null) return found;
  const key = fingerprint(ctx.config.secretKey, 'invitation address', ctx.address ?? '');
  if (await countTry(ctx.db, key, maxUnknownCodes, windowSeconds)) return null;
  throw rateLimited(await secondsLeft(ctx.db, key));
}

/**
 * Returns what a link leads to, also for an anonymous actor: the school, the class, the role and, for a personal
 * invitation, the given name of its person. Null for an unknown code and a link that is not active.
 * @throws RATE_LIMITED after too many unknown codes.
 */
export async function previewInvitation(ctx: Context, code: string): Promise<InvitationPreview | null> {
  const found = await findByCode(ctx, code);
  if (found === null || statusOf(found) !== 'ACTIVE') return null;
  const { schoolId, userId, role, expiresAt } = found;
  const person = userId === null ? null : await ctx.db.prisma.user.findUniqueOrThrow(nameAndClass(userId, schoolId));
  const classId = person === null ? found.classId : (person.enrolments[0]?.classId ?? null);
  const school = await ctx.db.prisma.school.findUniqueOrThrow({ where: { id: schoolId } });
  const ofClass = classId === null ? null : await ctx.db.prisma.class.findUniqueOrThrow({ where: { id: classId } });
  return { schoolName: school.name, className: ofClass && nameOfClass(ofClass), role, expiresAt, givenName: person?.givenName ?? null };
}

/** The query of a person's given name and present class in the school. */
const nameAndClass = (id: string, schoolId: string) =>
  ({ where: { id }, select: { givenName: true, enrolments: { where: { schoolId, endedAt: null }, select: { classId: true } } } }) as const;

/**
 * Joins a signed-in person by a link, with the role and the class of the link. Changes nothing and takes no seat for a
 * person who has both already. Regulation 2.2 a, 2.3 a, 2.4 a, 2.5 a.
 */
export async function acceptInvitation(ctx: Context, input: { code: string }): Promise<User> {
  const { actor } = ctx;
  if (actor.kind === 'anonymous') throw unauthenticated();
  if (actor.kind !== 'user') throw forbidden('2.5 a');
  const found = await findByCode(ctx, input.code);
  if (found === null) throw notFound('code');
  if (found.userId !== null) throw statusOf(found) === 'ACTIVE' ? linkIsPersonal() : notFound('code');
  const user = await mutate(ctx, async (tx) => {
    await join(tx, found, actor.userId);
    return tx.prisma.user.findUniqueOrThrow({ where: { id: actor.userId } });
  });
  await renewRights(ctx);
  return user;
}

/**
 * Returns the refusal of a personal invitation to a person who can sign in. Such an invitation is for a person without a
 * login.
 */
const linkIsPersonal = (): Refusal =>
  conflict(
    [
      'Это личная ссылка для того, у кого ещё нет логина. Откройте её в браузере и выберите логин и пароль.',
      'This is a personal link for someone without a login. Open it in a browser and choose a login and a password.',
    ],
    { path: ['code'] },
  );

export interface SignUpInput {
  code: string;
  surname: string;
  givenName: string;
  patronymic?: string | null;
  signInName: string;
  password: string;
}

/**
 * Creates an account and joins by the link, both or neither. Regulation 2.2 a, 2.3 a, 2.4 a, 2.5 a.
 * @throws RATE_LIMITED after too many failed attempts with the link or from the address.
 */
export async function signUp(ctx: Context, input: SignUpInput): Promise<{ userId: string }> {
  const { code, password, ...particulars } = input;
  const found = await findByCode(ctx, code);
  if (found === null || found.userId !== null) throw notFound('code');
  const status = statusOf(found);
  if (status !== 'ACTIVE') throw linkClosed(status, 'code');
  checkNewUser(particulars);
  demandPassword(password, particulars.signInName);
  const giveBack = await admitSignUp(ctx, found.id);
  try {
    const userId = await createMember(ctx, found, input);
    await giveBack();
    return { userId };
  } catch (error) {
    // The server could not process the attempt, so the attempt does not count as failed. Otherwise a whole class that tries
    // again would use up the limit of the link.
    if (refusalOf(error)?.code === 'UNAVAILABLE') await giveBack();
    throw error;
  }
}

async function createMember(ctx: Context, invitation: Invitation, { code: _, password, ...particulars }: SignUpInput): Promise<string> {
  // Hashes before the transaction, because hashing takes 20 ms. The transaction checks whether the name is taken.
  const passwordHash = await hashPassword(password);
  return mutate(ctx, async (tx) => {
    const user = await insertUser(tx, { ...particulars, passwordHash, locale: ctx.language });
    await join(tx, invitation, user.id);
    return user.id;
  });
}

/**
 * Limits of failed sign-ups. Most sign-ups fail because the name is taken. This failure reveals that an account exists, since
 * names are unique over all schools. A class that signs up in one lesson, or a school that signs up in a day, stays below the
 * limits.
 */
const failedSignUps = { link: { burst: 40, intervalSeconds: 60 }, address: { burst: 120, intervalSeconds: 20 } };

/**
 * Counts an attempt to sign up, before the server checks whether the name is taken. Returns a function that takes the attempt
 * back, so that only failed attempts count. The function never throws.
 * @throws RATE_LIMITED after too many failed attempts with the invitation or from the network address.
 */
export async function admitSignUp(ctx: Context, invitationId: string): Promise<() => Promise<void>> {
  const key = (purpose: string, text: string) => fingerprint(ctx.config.secretKey, purpose, text);
  const buckets = [
    { key: key('sign-up address', ctx.address ?? ''), ...failedSignUps.address },
    { key: key('sign-up link', invitationId), ...failedSignUps.link },
  ];
  const taken: GiveBack[] = [];
  const giveBack = () => giveBackAll(ctx.log, taken);
  try {
    for (const bucket of buckets) {
      const token = await takeToken(ctx.db, bucket);
      if (!token.taken) throw rateLimited(token.waitSeconds);
      taken.push(() => returnToken(ctx.db, bucket));
    }
    return giveBack;
  } catch (error) {
    await giveBack();
    throw error;
  }
}

/**
 * Within the caller's transaction: counts the use, then grants the role and enrols the pupil. If several people join at
 * once, only one gets the last seat. A person who has exactly what the link gives takes no seat, even if the link is
 * closed.
 * @throws CONFLICT for a closed link, for a person who used this link before and has since lost the role or the class,
 *   and for roles and classes that exclude one another.
 */
async function join(tx: Tx, invitation: Invitation, userId: string): Promise<void> {
  const { id, schoolId, classId, codeHash } = invitation;
  await lock(tx, 'School', schoolId, 'hold');
  const archived = classId !== null && (await lock(tx, 'Class', classId, 'hold')).archivedAt !== null;
  await lock(tx, 'User', userId);
  if (await hasJoined(tx, invitation, userId)) return;
  if (archived) throw linkClosed('REVOKED', 'code');
  const used = await tx.prisma.invitationUse.count({ where: { invitationId: id, userId } });
  if (used > 0) throw await refusalOfReturn(tx, invitation, userId);
  const [counted] = await tx.execute(countUse, [id, codeHash]);
  if (counted === undefined) throw await refusalOfClosed(tx, id);
  await tx.prisma.invitationUse.create({ data: { schoolId, invitationId: id, userId } });
  record(tx, 'invitation.accepted', { schoolId, invitationId: id, userId });
  await admit(tx, invitation, userId);
}

/** Takes a seat of a link if the link is open and still has this code. */
export const countUse = `
  update invitation set use_count = use_count + 1
  where id = $1 and code_hash = $2 and use_count < max_uses and revoked_at is null and expires_at > now()
  returning id`;

/** Returns whether the person has the role that the link gives, and a pupil is in the class of the link. */
async function hasJoined(tx: Tx, { schoolId, classId, role }: Invitation, userId: string): Promise<boolean> {
  if ((await tx.prisma.roleGrant.count({ where: { schoolId, userId, role, endedAt: null } })) === 0) return false;
  return classId === null || (await tx.prisma.enrolment.count({ where: { classId, studentId: userId, endedAt: null } })) > 0;
}

/**
 * Returns why a link does not admit a person again: the link is closed, the pupil has moved to another class, or the school
 * ended what the link gave. The school lets a person return by a new link.
 */
async function refusalOfReturn(tx: Tx, { id, schoolId, classId }: Invitation, userId: string): Promise<Refusal> {
  const status = statusOf(await tx.prisma.invitation.findUniqueOrThrow({ where: { id } }));
  if (status !== 'ACTIVE' && status !== 'USED_UP') return linkClosed(status, 'code');
  const present = classId === null ? null : await tx.prisma.enrolment.findFirst({ where: { studentId: userId, endedAt: null } });
  if (present !== null) return atCode(await alreadyEnrolled(tx, present, schoolId));
  return conflict(
    [
      'Вы уже вступали в школу по этой ссылке, но с тех пор школа закрыла вам доступ. Попросите у администратора новую ссылку.',
      'You have joined by this link before, but the school has since ended your access. Ask the administrator for a new link.',
    ],
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

/** Points a refusal at `code`, the only field that the joining person filled in. */
const atCode = ({ code, text, clause }: Refusal): Refusal =>
  new Refusal(code, text, { path: ['code'], ...(clause === undefined ? {} : { clause }) });

async function refusalOfClosed(tx: Tx, id: string) {
  const status = statusOf(await tx.prisma.invitation.findUniqueOrThrow({ where: { id } }));
  // The link does not work. If the invitation is active all the same, somebody has replaced its link meanwhile.
  return status === 'ACTIVE' ? notFound('code') : linkClosed(status, 'code');
}

/** Loads the rights of the actor again: the rest of the response is read with the new rights. */
async function renewRights(ctx: Context): Promise<void> {
  const [fresh] = ctx.credential === null ? [] : await loadActors(ctx.db, [ctx.credential]);
  if (fresh === undefined || !('kind' in fresh)) return;
  const { actor, loaders } = ctx.renew(fresh);
  Object.assign(ctx, { actor, loaders });
}
