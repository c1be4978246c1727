import { domainToASCII } from 'node:url';
import { clauseOf, where } from '../policy/can.ts';
import { findRows } from '../reader/select.ts';
import type { Tx } from '../db/transaction.ts';
import { conflict, forbidden, invalid, unauthenticated } from '../errors.ts';
import { record } from '../events/record.ts';
import { authorize, find, lockUnread } from './access.ts';
import { actingUserId, mutate, type Context } from './context.ts';
import { loadFactsOfUser } from './user-facts.ts';
import { endGrants, lockForEnding } from './roles.ts';
import { changesNothing, type RoleGrant, type User } from './entities.ts';
import { endSessionsOfUser } from './sessions.ts';
import { refuseTaken, signInNameOf } from './sign-in-names.ts';
import { alphabeticalKey, normalizeLine, normalizeOptionalLine, searchable } from './text.ts';

/** People: their names, contact details and accounts. */

export interface Names {
  surname: string;
  givenName: string;
  patronymic?: string | null;
}

export const fullNameColumns = ['surname', 'givenName', 'patronymic'] as const;

export const fullName = (names: Names): string =>
  fullNameColumns
    .map((column) => names[column])
    .filter(Boolean)
    .join(' ');

/** Returns a short name, such as «Иванова М. П.» */
export const shortName = ({ surname, givenName, patronymic }: Names): string =>
  [surname, ...[givenName, patronymic].filter((part) => part).map((part) => `${initial.exec(part!)?.[0]}.`)].join(' ');

/** Matches the first letter with its combining marks. */
const initial = /^.\p{M}*/su;

function nameFields(names: Names) {
  const surname = normalizeLine('surname', names.surname, 100);
  const givenName = normalizeLine('givenName', names.givenName, 100);
  const patronymic = normalizeOptionalLine('patronymic', names.patronymic, 100) ?? null;
  return {
    surname,
    givenName,
    patronymic,
    searchText: searchable(fullName({ surname, givenName, patronymic })),
    sortKey: alphabeticalKey([surname, givenName, patronymic]),
  };
}

export interface NewUser extends Names {
  signInName?: string | null;
  passwordHash?: string | null;
  email?: string | null;
  phone?: string | null;
  locale?: string;
}

/**
 * A step: creates a person without a role.
 * @throws CONFLICT if another person has the sign-in name, or one that looks the same.
 */
export async function createUser(tx: Tx, input: NewUser): Promise<User> {
  const signInName = input.signInName ? signInNameOf(input.signInName) : null;
  const { email = null, phone = null } = contactFields(input);
  if (signInName !== null) await refuseTaken(tx, signInName);
  return tx.prisma.user.create({
    data: { ...nameFields(input), signInName, passwordHash: input.passwordHash ?? null, email, phone, locale: input.locale ?? 'ru' },
  });
}

/**
 * Checks the input of `createUser` before the password is hashed, which is slow.
 * @throws INVALID, as `createUser` would.
 */
export function checkNewUser(input: NewUser & { signInName: string }): void {
  nameFields(input);
  signInNameOf(input.signInName);
}

function contactFields(input: { email?: string | null; phone?: string | null }): { email?: string | null; phone?: string | null } {
  const email = normalizeOptionalLine('email', input.email, 254);
  if (email && !isEmail(email)) throw invalid('email', ['Неверный адрес электронной почты.', 'This is not a valid e-mail address.']);
  const phone = normalizeOptionalLine('phone', input.phone, 30)?.replace(/[\s()\p{Pd}]/gu, '');
  if (phone && !/^\+?\d{5,15}$/.test(phone))
    throw invalid('phone', [
      'Телефон должен содержать от 5 до 15 цифр, можно с +.',
      'A phone number must have 5 to 15 digits, with or without a +.',
    ]);
  return { ...(input.email === undefined ? {} : { email: email ?? null }), ...(input.phone === undefined ? {} : { phone: phone ?? null }) };
}

/** Returns whether the text is one e-mail address, whose labels do not mix scripts to imitate another one. */
function isEmail(text: string): boolean {
  const domain = /^[^\s@<>()[\],;:"\\]+@([^\s@.]+(?:\.[^\s@.]+)+)$/u.exec(text)?.[1];
  if (domain === undefined || domainToASCII(domain) === '') return false;
  return domain.split('.').every((label) => !(/\p{Script=Latin}/u.test(label) && /[\p{Script=Cyrillic}\p{Script=Greek}]/u.test(label)));
}

export interface UpdateProfileInput {
  surname?: string | null;
  givenName?: string | null;
  patronymic?: string | null;
  email?: string | null;
  phone?: string | null;
  locale?: 'ru' | 'en' | null;
}

/**
 * Updates the actor's own details, and records it in each school where the person has a role. Does nothing if nothing
 * changes. Regulation 1.4.
 */
export async function updateProfile(ctx: Context, input: UpdateProfileInput): Promise<User> {
  const userId = actingUserId(ctx);
  if (userId === null) throw ctx.actor.kind === 'anonymous' ? unauthenticated() : forbidden(clauseOf('profile.update'));
  authorize(ctx, 'profile.update', { userId, places: [], chats: [] });
  const contact = contactFields(input);
  return mutate(ctx, async (tx) => {
    await lockUnread(tx, 'User', userId);
    const { grants, ...current } = await tx.prisma.user.findUniqueOrThrow({
      where: { id: userId },
      include: { grants: { where: { endedAt: null } } },
    });
    const names = nameFields({
      surname: input.surname ?? current.surname,
      givenName: input.givenName ?? current.givenName,
      patronymic: input.patronymic === undefined ? current.patronymic : input.patronymic,
    });
    const data: Partial<User> = { ...names, ...contact, ...(input.locale ? { locale: input.locale } : {}) };
    if (changesNothing(current, data)) return current;
    const user = await tx.prisma.user.update({ where: { id: userId }, data });
    for (const schoolId of new Set(grants.map((grant) => grant.schoolId))) record(tx, 'profile.updated', { schoolId, userId });
    return user;
  });
}

/**
 * Deactivates a person: ends the roles, assignments, enrolment, chat memberships and sessions in one transaction. The
 * rows stay for the audit. Regulation 2.1 a.
 * @throws CONFLICT for the school's last administrator, and for a person who has a role in another school too.
 */
export async function deactivateUser(ctx: Context, input: { userId: string; schoolId: string }): Promise<User> {
  const school = await find(ctx, 'School', input.schoolId, 'schoolId');
  const found = await find(ctx, 'User', input.userId, 'userId');
  const facts = await loadFactsOfUser(ctx.db, found.id);
  // Only what ties the person to this school counts, so that nobody is deactivated from a school of somebody else.
  authorize(ctx, 'user.deactivate', { ...facts, places: facts.places.filter((at) => at.schoolId === school.id) });
  return mutate(ctx, async (tx) => {
    const { user, grants } = await lockForEnding(tx, school.id, found.id);
    if (user.deactivatedAt !== null) return user;
    refuseOtherSchools(grants, school.id);
    // Ends the sessions first, because their events are recorded in the schools where the person has a role.
    await endSessionsOfUser(tx, user.id);
    await endGrants(tx, grants, actingUserId(ctx));
    record(tx, 'user.deactivated', { schoolId: school.id, userId: user.id });
    return tx.prisma.user.update({ where: { id: user.id }, data: { deactivatedAt: new Date() } });
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

/** Returns the person, if the actor may read the contact details; batched. Regulation 2.1 a, 152-ФЗ. */
export function contactOf(ctx: Context, user: User): Promise<User | null> {
  return ctx.loaders.of<User>('User.contact', user.id, async (ids) => {
    const rows = await findRows<User>(ctx.db, 'User', { where: { AND: [{ id: { in: ids } }, where(ctx.actor, 'user.readContact')] } });
    return new Map(rows.map((row) => [row.id, row]));
  });
}
