import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config.ts';
import type { Database } from '../db/client.ts';
import { rateLimited } from '../errors.ts';
import { deviceCookieSeconds } from './device-cookie.ts';
import { countTry, extendWindow, forgetTries, returnToken, takeToken, type Bucket } from './limits.ts';
import { fingerprint } from './seal.ts';

/** How often passwords may be tried. */

const windowSeconds = 15 * 60;
/** Seconds that a try waits for its turn among those of its address. */
const maxWaitSeconds = 5;

export interface PasswordTry {
  /** As it was typed, folded: it need not be the name of anybody. */
  signInName: string;
  address: string | null;
  /** The device where this account signed in before: `findDevice` of src/auth/device-cookie.ts. */
  device: string | null;
}

/**
 * Admits one try of a password, or refuses it unread. Returns what to call when the password was right or was not looked at.
 *
 * A known device has `signInTries` of its own in a quarter of an hour; past them it is known no more. Tries of all other
 * browsers share a bucket of the account, which gives them `signInTries` in any quarter of an hour, and a bucket of their
 * address, in which they queue for some seconds: guessing gets slow, and the next right password still gets in.
 * @throws RATE_LIMITED with the time until the next try.
 */
export async function admitTry({ db, config }: { db: Database; config: Config }, of: PasswordTry): Promise<() => Promise<unknown>> {
  const key = (purpose: string, text: string) => fingerprint(config.secretKey, purpose, text);
  if (of.device !== null) {
    const device = key('sign-in device', of.device);
    // Counted before the password is tried, so that tries at one moment do not pass together.
    if (await countTry(db, device, config.signInTries, windowSeconds)) return () => forgetTries(db, device);
    await extendWindow(db, device, deviceCookieSeconds);
  }
  const account = bucketOfAccount(key('sign-in account', of.signInName), config.signInTries);
  const address: Bucket = { key: key('sign-in address', of.address ?? ''), burst: config.signInTries * 10, intervalSeconds: 1 };
  const ofAccount = await takeToken(db, account);
  if (!ofAccount.taken) throw rateLimited(ofAccount.waitSeconds);
  const ofAddress = await takeToken(db, address, maxWaitSeconds);
  if (!ofAddress.taken) {
    await returnToken(db, account);
    throw rateLimited(ofAddress.waitSeconds);
  }
  if (ofAddress.waitSeconds > 0) await sleep(ofAddress.waitSeconds * 1000);
  return () => Promise.all([returnToken(db, account), returnToken(db, address)]);
}

/** Half of the tries at once and half spread over the window: in no window of that length there are more. */
function bucketOfAccount(key: Bucket['key'], tries: number): Bucket {
  const burst = Math.ceil(tries / 2);
  return { key, burst, intervalSeconds: windowSeconds / Math.max(1, tries - burst) };
}
