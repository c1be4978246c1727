import { randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { invalid } from '../errors.ts';
import { Semaphore } from './semaphore.ts';

/** Parameters of OWASP's password storage cheat sheet: argon2id, 19 MiB, two passes, one lane. */
const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/**
 * Lets at most two calls hash at a time. A hash occupies one of libuv's four threads. Token signing, DNS and files use
 * these threads too, so two of them stay free even when many people sign in. At 20 ms for a hash, the last of 200
 * waiting calls starts within two seconds.
 */
const threads = new Semaphore({ concurrency: 2, maxWaiting: 200 });

const minLength = 8;
const maxLength = 200;

/** The most common passwords, and Russian words typed on either keyboard layout. */
const commonPasswords = new Set([
  '12345678',
  '123456789',
  '1234567890',
  '0987654321',
  '87654321',
  '11111111',
  '00000000',
  '12341234',
  '11223344',
  '88888888',
  'password',
  'password1',
  'passw0rd',
  'qwertyui',
  'qwerty123',
  'qwerty12',
  'qwertyuiop',
  '1q2w3e4r',
  '1q2w3e4r5t',
  '1qaz2wsx',
  'q1w2e3r4',
  'qazwsxedc',
  'asdfghjk',
  'asdfghjkl',
  'zxcvbnm1',
  'abcd1234',
  'abc12345',
  'iloveyou',
  'sunshine',
  'princess',
  'football',
  'baseball',
  'superman',
  'welcome1',
  'administrator',
  'admin123',
  'letmein1',
  'trustno1',
  'marina12',
  'йцукенгш',
  'йцукен12',
  'йцукен123',
  'пароль12',
  'пароль123',
  'gfhjkm12',
  'gfhjkm123',
  'lbvf1234',
  'привет12',
  'zaq12wsx',
]);

/**
 * Normalises a password to NFKC. Truncates a long text first, because NFKC takes a second for 20,000 combining marks.
 * NFKC combines at most four UTF-16 units to one character, so the truncated text is still too long for a password.
 */
const normalize = (password: string): string => password.slice(0, maxLength * 4 + 1).normalize('NFKC');

/**
 * Checks a new password: 8 to 200 characters after NFKC, not the sign-in name, and not one of the most common
 * passwords.
 * @throws INVALID at `path`.
 */
export function demandPassword(password: string, signInName: string, path = 'password'): void {
  const text = normalize(password);
  const length = [...text].length;
  if (length < minLength || length > maxLength)
    throw invalid(path, [
      `В пароле должно быть от ${minLength} до ${maxLength} символов.`,
      `A password must have ${minLength} to ${maxLength} characters.`,
    ]);
  const folded = text.toLowerCase();
  if (folded === normalize(signInName).toLowerCase())
    throw invalid(path, ['Пароль не должен совпадать с логином.', 'The password must not be the sign-in name.']);
  if (commonPasswords.has(folded))
    throw invalid(path, [
      'Это один из самых частых паролей. Придумайте другой.',
      'This is one of the most common passwords. Choose another.',
    ]);
}

/**
 * Returns the hash in the PHC string format. Takes about 20 ms of one core.
 * @throws UNAVAILABLE when too many hashes wait.
 */
export function hashPassword(password: string): Promise<string> {
  return threads.run(() => hash(normalize(password), cost));
}

const base64 = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '');

/**
 * A random hash, which `verifyPassword` checks for a missing account, so that the answer takes as long as for an
 * existing one.
 */
const decoyHash = `$argon2id$v=19$m=${cost.memoryCost},t=${cost.timeCost},p=${cost.parallelism}$${base64(randomBytes(16))}$${base64(randomBytes(32))}`;

/**
 * Returns whether the password matches. For a missing account (null) it returns false after the same work, so that the
 * time does not show whether the account exists.
 * @throws UNAVAILABLE when too many hashes wait.
 */
export async function verifyPassword(storedHash: string | null, password: string): Promise<boolean> {
  const matches = await threads.run(() => verify(storedHash ?? decoyHash, normalize(password)));
  return matches && storedHash !== null;
}
