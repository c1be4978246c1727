import { deleteExpired } from '../auth/adapter.ts';
import { deleteExpiredTries } from '../auth/limits.ts';
import type { Config } from '../config.ts';
import type { Database } from '../db/client.ts';
import { waitAtMost } from '../db/watchdog.ts';
import type { Logger } from '../logger.ts';

/** Deletes rows that are kept no longer. Each step may run twice, and in several processes at once. */

const every = 3_600_000;
/** Events deleted by one statement, so that none holds a school's log for long. */
const batch = 5000;
/** Milliseconds that stopping waits for a run that is under way. */
const stopWithinMs = 1000;

/** Deletes at once and then each hour. Returns a function that stops it. */
export function startHousekeeping(db: Database, config: Config, log: Logger): () => Promise<void> {
  const run = async () => {
    try {
      await deleteExpired(db);
      await deleteExpiredTries(db);
      await db.pool.query("delete from idempotency_key where at < now() - interval '1 day'");
      await trimLogs(db, config.eventDays);
      log.debug('housekeeping deleted what is kept no longer');
    } catch (error) {
      log.warn({ err: error }, 'housekeeping failed; it is tried again in an hour');
    }
  };
  let running = run();
  const timer = setInterval(() => {
    running = run();
  }, every);
  return async () => {
    clearInterval(timer);
    await waitAtMost(stopWithinMs, running);
  };
}

/**
 * Deletes events older than `days`, oldest first. The same statement moves the school's `oldest`, so that a cursor before
 * it is refused as soon as its events are gone.
 */
export async function trimLogs(db: Database, days: number): Promise<void> {
  const { rows: schools } = await db.pool.query<{ school_id: string }>('select school_id from event_head');
  for (const { school_id } of schools)
    for (;;) {
      const { rowCount } = await db.pool.query(
        `with gone as (
           delete from event where school_id = $1 and seq in (
             -- The oldest first, then their age: asked the other way round, it would read all that is kept to find that little is old.
             select seq from (select seq, at from event where school_id = $1 order by seq limit $3) as oldest where at < now() - $2 * interval '1 day')
           returning seq
         ), moved as (
           update event_head set oldest = greatest(oldest, (select max(seq) + 1 from gone))
           where school_id = $1 and exists (select 1 from gone))
         select seq from gone`,
        [school_id, days, batch],
      );
      if ((rowCount ?? 0) < batch) break;
    }
}
