import { domainToASCII } from 'node:url';
import { clauseOf, where } from '../policy/can.ts';
import { findRows } from '../reader/select.ts';
import type { Tx } from '../db/transaction.ts';
import { forbidden, invalid, unauthenticated } from '../errors.ts';
import { record } from '../events/record.ts';
import { authorize, lockUnread } from './access.ts';
import { actingUserId, mutate, type Context } from './context.ts';
import { changesNothing, type User } from './entities.ts';
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

/** Returns the checked names, with the search text and the sort key. @throws INVALID at the name at fault. */
export function nameFields(names: Names) {
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
 * Within the caller's transaction: inserts a person without a role. A person with a sign-in name counts as joined.
 * @throws CONFLICT if another person has the sign-in name, or a name that looks the same.
 */
export async function insertUser(tx: Tx, input: NewUser): Promise<User> {
  const signInName = input.signInName ? signInNameOf(input.signInName) : null;
  const { email = null, phone = null } = contactFields(input);
  if (signInName !== null) await refuseTaken(tx, signInName);
  const joinedAt = signInName === null ? null : new Date();
  return tx.prisma.user.create({
    data: {
      ...nameFields(input),
      signInName,
      joinedAt,
      passwordHash: input.passwordHash ?? null,
      email,
      phone,
      locale: input.locale ?? 'ru',
    },
  });
}

/**
 * Checks the input of `insertUser` before the password is hashed, which is slow.
 * @throws INVALID, as `insertUser` would.
 */
export function checkNewUser(input: NewUser & { signInName: string }): void {
  nameFields(input);
  signInNameOf(input.signInName);
}

/** Returns the checked contact details that the input has. @throws INVALID at the field at fault. */
export function contactFields(input: { email?: string | null; phone?: string | null }): { email?: string | null; phone?: string | null } {
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

const handSetColumns = ['surname', 'givenName', 'patronymic', 'email', 'phone'] as const;

/**
 * Returns the new value of `handSet`, the columns whose values an import keeps: the columns that it has already, and the
 * columns of names and contact details that `data` changes.
 */
export const handSetAfter = (current: User, data: Partial<User>): string[] => [
  ...new Set([...current.handSet, ...handSetColumns.filter((column) => data[column] !== undefined && data[column] !== current[column])]),
];

/**
 * Returns whether the text is one e-mail address. A label of the domain that mixes Latin with Cyrillic or Greek letters is
 * refused, because it may imitate another domain.
 */
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
 * Updates the actor's own details, and records the change in each school where the actor has a role. Does nothing if nothing
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
    const user = await tx.prisma.user.update({ where: { id: userId }, data: { ...data, handSet: handSetAfter(current, data) } });
    for (const schoolId of new Set(grants.map((grant) => grant.schoolId))) record(tx, 'profile.updated', { schoolId, userId });
    return user;
  });
}
/** Returns the person; null if the actor may not read the contact details. Batched. Regulation 2.1 a, 152-ФЗ. */
export function contactOf(ctx: Context, user: User): Promise<User | null> {
  return ctx.loaders.of<User>('User.contact', user.id, async (ids) => {
    const rows = await findRows<User>(ctx.db, 'User', { where: { AND: [{ id: { in: ids } }, where(ctx.actor, 'user.readContact')] } });
    return new Map(rows.map((row) => [row.id, row]));
  });
}
