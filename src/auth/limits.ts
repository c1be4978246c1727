import type { Database } from '../db/client.ts';
import type { Fingerprint } from './seal.ts';

/** Tries counted in PostgreSQL, so that every process of the server counts together. Keys name nobody. */

/**
 * Counts one try and says whether it was within the limit. The window begins with its first try and lasts
 * `windowSeconds`; tries beyond the limit do not lengthen it. One statement, so that tries at one moment are all counted.
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

/** Takes one counted try back: it was not a failure. */
export async function returnTry(db: Database, key: Fingerprint): Promise<void> {
  await db.pool.query('update rate_limit set count = greatest(count - 1, 0) where key = $1', [key]);
}

/** Forgets every try of this key. */
export async function forgetTries(db: Database, key: Fingerprint): Promise<void> {
  await db.pool.query('delete from rate_limit where key = $1', [key]);
}

/** For a job: deletes windows that are over. Answers how many. */
export async function deleteExpiredTries(db: Database): Promise<number> {
  return (await db.pool.query('delete from rate_limit where resets_at < now()')).rowCount ?? 0;
}
