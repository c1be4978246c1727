import type { Database } from '../db/client.ts';
import type { Logger } from '../logger.ts';
import type { Fingerprint } from './seal.ts';

/** Rate limits stored in PostgreSQL, so that all processes share them. Keys contain no personal data. */

/**
 * Counts one attempt and returns whether it was within the limit. The window starts with the first attempt and lasts
 * `windowSeconds`; attempts beyond the limit do not extend the window. Uses one statement, so that simultaneous
 * attempts all count.
 */
export async function countTry(db: Database, key: Fingerprint, limit: number, windowSeconds: number): Promise<boolean> {
  const { rows } = await db.pool.query<{ count: number }>(
    `insert into rate_limit as r (key, count, resets_at) values ($1, 1, now() + $2 * interval '1 second')
     on conflict (key) do update set
       count = case when r.resets_at <= now() then 1 else least(r.count, 1000000000) + 1 end,
       resets_at = case when r.resets_at <= now() then excluded.resets_at else r.resets_at end
     returning count`,
    [key, windowSeconds],
  );
  return rows[0]!.count <= limit;
}

/** Returns the seconds until the window of a key ends; 0 if the key has no window. */
export async function secondsLeft(db: Database, key: Fingerprint): Promise<number> {
  const { rows } = await db.pool.query<{ seconds: number }>(
    `select extract(epoch from resets_at - now())::float8 as seconds from rate_limit where key = $1`,
    [key],
  );
  return Math.max(0, rows[0]?.seconds ?? 0);
}

/** Makes the window of a key end `seconds` from now. Keeps the count, so a key beyond its limit stays beyond the limit. */
export async function extendWindow(db: Database, key: Fingerprint, seconds: number): Promise<void> {
  await db.pool.query(`update rate_limit set resets_at = now() + $2 * interval '1 second' where key = $1`, [key, seconds]);
}

/** Takes back the count of one attempt that should not count. */
export async function returnTry(db: Database, key: Fingerprint): Promise<void> {
  await db.pool.query('update rate_limit set count = greatest(count - 1, 0) where key = $1', [key]);
}

export async function forgetTries(db: Database, key: Fingerprint): Promise<void> {
  await db.pool.query('delete from rate_limit where key = $1', [key]);
}

/** A token bucket: `burst` tokens at once, then one token every `intervalSeconds`. */
export interface Bucket {
  key: Fingerprint;
  burst: number;
  intervalSeconds: number;
}

/**
 * The current time in SQL, rounded to ms like the column `resets_at`. Without the rounding, a full bucket could count
 * as not quite full.
 */
const now = 'now()::timestamptz(3)';

export interface Taken {
  taken: boolean;
  /** Seconds until the taken token may be used. If no token was taken, seconds until the next token is free. */
  waitSeconds: number;
}

/**
 * Takes a token if one is free. With `maxWaitSeconds`, also takes a token that becomes free within that time; such
 * tokens go to callers in the order of the calls. The caller must wait `waitSeconds` before it goes on.
 *
 * Uses the generic cell rate algorithm: `resets_at` is the time when the bucket is full again. A time in the past
 * means a full bucket, like a missing row. Uses one statement, so that two callers cannot take the same token.
 */
export async function takeToken(db: Database, { key, burst, intervalSeconds }: Bucket, maxWaitSeconds = 0): Promise<Taken> {
  const capacity = burst * intervalSeconds;
  const { rows } = await db.pool.query<{ seconds: number }>(
    `insert into rate_limit as r (key, count, resets_at) values ($1, 1, ${now} + $2 * interval '1 second')
     on conflict (key) do update set resets_at = greatest(r.resets_at, ${now}) + $2 * interval '1 second'
       where greatest(r.resets_at, ${now}) + $2 * interval '1 second' <= ${now} + $3 * interval '1 second'
     returning extract(epoch from resets_at - ${now})::float8 as seconds`,
    [key, intervalSeconds, capacity + maxWaitSeconds],
  );
  if (rows[0] !== undefined) return { taken: true, waitSeconds: Math.max(0, rows[0].seconds - capacity) };
  return { taken: false, waitSeconds: Math.max(0, (await secondsLeft(db, key)) + intervalSeconds - capacity) };
}

export async function returnToken(db: Database, { key, intervalSeconds }: Bucket): Promise<void> {
  await db.pool.query(`update rate_limit set resets_at = resets_at - $2 * interval '1 second' where key = $1`, [key, intervalSeconds]);
}

export type GiveBack = () => Promise<void>;

/**
 * Gives back the tokens and counts that an attempt has taken. Logs failures instead of throwing them, because they do
 * not change the result of the attempt.
 */
export async function giveBackAll(log: Logger, all: readonly GiveBack[]): Promise<void> {
  for (const { reason } of (await Promise.allSettled(all.map((giveBack) => giveBack()))).filter((result) => result.status === 'rejected'))
    log.warn({ err: reason as unknown }, 'a rate limit keeps an attempt that should not count');
}

/** Deletes expired windows, for a job. Returns the number of rows. */
export async function deleteExpiredTries(db: Database): Promise<number> {
  return (await db.pool.query('delete from rate_limit where resets_at < now()')).rowCount ?? 0;
}
