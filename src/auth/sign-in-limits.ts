import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config.ts';
import type { Database } from '../db/client.ts';
import { rateLimited } from '../errors.ts';
import { deviceCookieSeconds } from './device-cookie.ts';
import { countTry, extendWindow, forgetTries, returnTry, returnToken, takeToken, type Bucket } from './limits.ts';
import { fingerprint } from './seal.ts';

/** Limits password attempts. */

const windowSeconds = 15 * 60;
/** Longest time in seconds that an attempt waits in the queue of its address. */
const maxWaitSeconds = 5;

export interface PasswordTry {
  /** The typed sign-in name, in NFC and lower case. An account with this name need not exist. */
  signInName: string;
  address: string | null;
  /** The device's name from its cookie (`findDevice` of src/auth/device-cookie.ts); null for an unknown browser. */
  device: string | null;
}

interface AdmittedTry {
  succeed(): Promise<unknown>;
  takeBack(): Promise<unknown>;
}

/**
 * Admits one password attempt, or refuses it before the password is checked. Returns what to call afterwards unless the
 * password was wrong: `succeed` when it was right, `takeBack` when it was not checked.
 *
 * A known device has `signInTries` attempts of its own in 15 minutes; after that it counts as unknown. All unknown
 * browsers share two buckets: one per account, which admits `signInTries` attempts in any 15 minutes, and one per address,
 * where attempts queue for up to `maxWaitSeconds`. Guessing becomes slow, and the next right password still gets in.
 * @throws RATE_LIMITED with the seconds until the next attempt.
 */
export async function admitTry({ db, config }: { db: Database; config: Config }, attempt: PasswordTry): Promise<AdmittedTry> {
  const key = (purpose: string, text: string) => fingerprint(config.secretKey, purpose, text);
  if (attempt.device !== null) {
    const device = key('sign-in device', attempt.device);
    // Counts before the password is checked, so that simultaneous attempts cannot all pass.
    if (await countTry(db, device, config.signInTries, windowSeconds)) return { succeed: () => forgetTries(db, device), takeBack: () => returnTry(db, device) };
    await extendWindow(db, device, deviceCookieSeconds);
  }
  const account = bucketOfAccount(key('sign-in account', attempt.signInName), config.signInTries);
  const address: Bucket = { key: key('sign-in address', attempt.address ?? ''), burst: config.signInTries * 10, intervalSeconds: 1 };
  const ofAccount = await takeToken(db, account);
  if (!ofAccount.taken) throw rateLimited(ofAccount.waitSeconds);
  const ofAddress = await takeToken(db, address, maxWaitSeconds);
  if (!ofAddress.taken) {
    await returnToken(db, account);
    throw rateLimited(ofAddress.waitSeconds);
  }
  if (ofAddress.waitSeconds > 0) await sleep(ofAddress.waitSeconds * 1000);
  const takeBack = () => Promise.all([returnToken(db, account), returnToken(db, address)]);
  return { succeed: takeBack, takeBack };
}

/** Half of the attempts at once and half spread over the window, so that no window of that length has more than `tries`. */
function bucketOfAccount(key: Bucket['key'], tries: number): Bucket {
  const burst = Math.ceil(tries / 2);
  return { key, burst, intervalSeconds: windowSeconds / Math.max(1, tries - burst) };
}
