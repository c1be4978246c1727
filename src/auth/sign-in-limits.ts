import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config.ts';
import type { Database } from '../db/client.ts';
import { rateLimited } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { deviceCookieSeconds } from './device-cookie.ts';
import {
  countTry,
  extendWindow,
  forgetTries,
  giveBackAll,
  returnTry,
  returnToken,
  takeToken,
  type Bucket,
  type GiveBack,
} from './limits.ts';
import { fingerprint } from './seal.ts';

const windowSeconds = 15 * 60;
/** Maximum seconds that a password attempt waits for a free token in the bucket of its client address. */
const maxWaitSeconds = 5;
/**
 * Number of wrong passwords from one address for one account within `firstTriesSeconds`. After so many, this address
 * can no longer take the last token of the account's bucket. That token is kept for other addresses, so that the owner
 * of the account can sign in while someone else guesses the password.
 */
const firstTries = 2;
const firstTriesSeconds = 24 * 3600;

export interface PasswordTry {
  /** The entered sign-in name, in NFC and lower case. An account with this name need not exist. */
  signInName: string;
  address: string | null;
  /** The device's name from its cookie (`findDevice` of src/auth/device-cookie.ts); null for an unknown browser. */
  device: string | null;
}

interface AdmittedTry {
  succeed(): Promise<void>;
  takeBack(): Promise<void>;
}

/**
 * Admits one password attempt, or refuses it before the password is checked. Returns two callbacks that do not throw.
 * Call `succeed` if the password was right, `takeBack` if it was not checked, and neither if it was wrong.
 *
 * A browser that has signed in to this account before (`device`) has `signInTries` attempts of its own in 15 minutes.
 * When these are used up, the browser counts as unknown. An attempt of an unknown browser takes two tokens: one from
 * the bucket of its address, one from the bucket of the account.
 * - For a token of the address, the attempt waits up to `maxWaitSeconds`.
 * - The bucket of the account admits at most `signInTries` attempts in any 15 minutes. Its last token is only for
 *   addresses with fewer than `firstTries` wrong passwords for this account in a day.
 *
 * So a guesser with a few addresses cannot take the last token. The owner of the account can still sign in with a new
 * browser at another address. At the guesser's address, the owner needs a browser that has signed in before.
 * @throws RATE_LIMITED with the seconds until the next attempt.
 */
export async function admitTry(
  { db, config, log }: { db: Database; config: Config; log: Logger },
  attempt: PasswordTry,
): Promise<AdmittedTry> {
  const key = (purpose: string, text: string) => fingerprint(config.secretKey, purpose, text);
  if (attempt.device !== null) {
    const device = key('sign-in device', attempt.device);
    // Counts before the password is checked, so that simultaneous attempts cannot all pass.
    if (await countTry(db, device, config.signInTries, windowSeconds))
      return {
        succeed: () => giveBackAll(log, [() => forgetTries(db, device)]),
        takeBack: () => giveBackAll(log, [() => returnTry(db, device)]),
      };
    await extendWindow(db, device, deviceCookieSeconds);
  }
  const { signInName } = attempt;
  const clientAddress = attempt.address ?? '';
  const address: Bucket = { key: key('sign-in address', clientAddress), burst: config.signInTries * 10, intervalSeconds: 1 };
  const account = bucketOfAccount(key('sign-in account', signInName), config.signInTries);
  const pair = key('sign-in account and address', JSON.stringify([signInName, clientAddress]));
  const taken: GiveBack[] = [];
  const takeBack = () => giveBackAll(log, taken);
  try {
    // Takes from the address first, so that attempts beyond the limit of the address write no row for a sign-in name.
    const waitSeconds = await take(db, taken, address, maxWaitSeconds);
    const isFirst = await countTry(db, pair, firstTries, firstTriesSeconds);
    taken.push(() => returnTry(db, pair));
    await take(db, taken, isFirst ? account : { ...account, burst: Math.max(1, account.burst - 1) });
    if (waitSeconds > 0) await sleep(waitSeconds * 1000);
  } catch (error) {
    await takeBack();
    throw error;
  }
  return { succeed: takeBack, takeBack };
}

/**
 * Takes a token from the bucket. Adds to `taken` a callback that returns the token to the bucket. Returns the seconds
 * until the token may be used.
 * @throws RATE_LIMITED
 */
async function take(db: Database, taken: GiveBack[], bucket: Bucket, maxWait = 0): Promise<number> {
  const token = await takeToken(db, bucket, maxWait);
  if (!token.taken) throw rateLimited(token.waitSeconds);
  taken.push(() => returnToken(db, bucket));
  return token.waitSeconds;
}

/** Allows half of the attempts at once, and spreads the rest over the window. So no window has more than `tries` attempts. */
function bucketOfAccount(key: Bucket['key'], tries: number): Bucket {
  const burst = Math.ceil(tries / 2);
  return { key, burst, intervalSeconds: windowSeconds / Math.max(1, tries - burst) };
}
