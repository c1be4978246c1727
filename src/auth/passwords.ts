import { randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { invalid } from '../errors.ts';
import { Semaphore } from './semaphore.ts';

/** Passwords, as OWASP's cheat sheet has them: argon2id, 19 MiB, two passes, one lane. */
const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/**
 * argon2 runs in the four threads of libuv, which signing of tokens, DNS and files use too: passwords take half of them,
 * so that a storm of sign-ins does not hold up the rest. At 20 ms each, the last of 200 waiting hashes starts within two
 * seconds.
 */
const threads = new Semaphore({ concurrency: 2, maxWaiting: 200 });

const least = 8;
const most = 200;

/** The ones that are tried first everywhere, and the Russian words typed on either keyboard. */
const common = new Set([
  '12345678', '123456789', '1234567890', '0987654321', '87654321', '11111111', '00000000', '12341234', '11223344',
  '88888888', 'password', 'password1', 'passw0rd', 'qwertyui', 'qwerty123', 'qwerty12', 'qwertyuiop', '1q2w3e4r', '1q2w3e4r5t',
  '1qaz2wsx', 'q1w2e3r4', 'qazwsxedc', 'asdfghjk', 'asdfghjkl', 'zxcvbnm1', 'abcd1234', 'abc12345', 'iloveyou', 'sunshine',
  'princess', 'football', 'baseball', 'superman', 'welcome1', 'administrator', 'admin123', 'letmein1', 'trustno1', 'marina12',
  'йцукенгш', 'йцукен12', 'йцукен123', 'пароль12', 'пароль123', 'gfhjkm12', 'gfhjkm123', 'lbvf1234', 'привет12', 'zaq12wsx',
]);

/**
 * Normalises a password. Cuts it where it is too long to be one: NFKC makes one character of four UTF-16 units at most, and
 * takes a second for 20,000 combining marks.
 */
const normal = (password: string): string => password.slice(0, most * 4 + 1).normalize('NFKC');

/**
 * The rule for a new password: 8 to 200 characters after NFKC, not the sign-in name, not one of the most common.
 * @throws INVALID at `path`.
 */
export function demandPassword(password: string, signInName: string, path = 'password'): void {
  const text = normal(password);
  const length = [...text].length;
  if (length < least || length > most)
    throw invalid(path, [`В пароле должно быть от ${least} до ${most} символов.`, `A password has from ${least} to ${most} characters.`]);
  const folded = text.toLowerCase();
  if (folded === normal(signInName).toLowerCase())
    throw invalid(path, ['Пароль не должен совпадать с логином.', 'The password must not be the sign-in name.']);
  if (common.has(folded))
    throw invalid(path, ['Это один из самых частых паролей. Придумайте другой.', 'This is one of the most common passwords. Choose another.']);
}

/** Returns the hash to store, in PHC's format. Takes about 20 ms of one core. @throws UNAVAILABLE when too many hashes wait. */
export function hashPassword(password: string): Promise<string> {
  return threads.run(() => hash(normal(password), cost));
}

/** The hash of a random password, which stands in for that of a missing account. */
let decoyHash: Promise<string> | undefined;

/**
 * Returns whether the password is right. For a missing account (null) it does the same work and returns false.
 * @throws UNAVAILABLE when too many hashes wait.
 */
export async function verifyPassword(kept: string | null, password: string): Promise<boolean> {
  decoyHash ??= hash(randomBytes(16).toString('base64'), cost);
  const against = kept ?? (await decoyHash);
  const right = await threads.run(() => verify(against, normal(password)));
  return right && kept !== null;
}
