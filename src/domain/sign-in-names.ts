import type { Database } from '../db/client.ts';
import type { Tx } from '../db/transaction.ts';
import { conflict, invalid } from '../errors.ts';
import { lockName } from './access.ts';
import type { User } from './entities.ts';

/** Sign-in names: unique over all schools, look-alikes included. */

/**
 * Normalises a typed name. Returns '' for a text that is too long, because NFC takes a second for 20,000 combining
 * marks.
 */
export const normalizeSignInName = (text: string): string => (text.length > 256 ? '' : text.normalize('NFC').trim().toLowerCase());

/** Returns the person with a normalised name; null for an unknown name and for a deactivated person. */
export async function findBySignInName(db: Database, signInName: string): Promise<User | null> {
  // PostgreSQL refuses text with U+0000 and lone surrogates, which no name has.
  if (/\u0000|\p{Surrogate}/u.test(signInName)) return null;
  const user = await db.prisma.user.findUnique({ where: { signInName } });
  return user?.deactivatedAt === null ? user : null;
}

/**
 * Returns a sign-in name for storage, in lower case.
 * @throws INVALID unless the name has 3 to 64 Latin or Russian letters, digits and `. _ - @`. INVALID if one word mixes both
 *   alphabets.
 */
export function signInNameOf(text: string): string {
  const name = normalizeSignInName(text);
  if (!/^[a-zа-яё0-9._@-]{3,64}$/u.test(name))
    throw invalid('signInName', [
      'Логин должен содержать от 3 до 64 букв, цифр и знаков . _ - @.',
      'A sign-in name must have 3 to 64 letters, digits and the characters . _ - @.',
    ]);
  if (/[a-z]\d*[а-яё]|[а-яё]\d*[a-z]/u.test(name))
    throw invalid('signInName', [
      'В одном слове есть и русские, и латинские буквы. Проверьте раскладку клавиатуры.',
      'One word has both Latin and Russian letters. Check the keyboard layout.',
    ]);
  return name;
}

/**
 * Lower-case characters that look the same: each character of `from` looks like the character at the same position of `to`.
 * The index app_user_sign_in_name_look_idx has the same pairs.
 */
const lookAlikes = { from: 'асеорху01зб', to: 'aceopxyol36' };

/**
 * Refuses a taken sign-in name.
 * @throws CONFLICT if a person has this name, or a name that looks the same: «сор» in Russian letters is «cop». Names are
 *   unique over all schools, so the answer reveals that an account exists, but neither its person nor its school. `signUp`
 *   therefore limits failed attempts.
 */
export async function refuseTaken(tx: Tx, name: string): Promise<void> {
  const key = name.replace(/./gu, (sign) => lookAlikes.to[lookAlikes.from.indexOf(sign)] ?? sign);
  await lockName(tx, 'sign-in name', `sign-in name ${key}`);
  const taken = await tx.query(
    `select 1 from app_user where translate(sign_in_name, '${lookAlikes.from}', '${lookAlikes.to}') = $1 limit 1`,
    [key],
  );
  if (taken.length > 0)
    throw conflict(['Этот логин нельзя использовать. Выберите другой.', 'This sign-in name cannot be used. Choose another.'], {
      path: ['signInName'],
    });
}
