import { deleteExpired } from '../auth/adapter.ts';
import { deleteExpiredTries } from '../auth/limits.ts';
import type { Config } from '../config.ts';
import type { Database } from '../db/client.ts';
import { waitAtMost } from '../db/watchdog.ts';
import type { Logger } from '../logger.ts';

/** What is over and no longer kept. Each step is safe to run twice and by several processes at once. */

const every = 3_600_000;
/** Events deleted by one statement, so that none holds a school's log for long. */
const batch = 5000;
/** Milliseconds that stopping waits for a run that is under way. */
const stopWithinMs = 1000;

/** Runs now and each hour; the answer stops it. */
export function startHousekeeping(db: Database, config: Config, log: Logger): () => Promise<void> {
  const run = async () => {
    try {
      await deleteExpired(db);
      await deleteExpiredTries(db);
      await db.pool.query("delete from idempotency_key where at < now() - interval '1 day'");
      await db.pool.query('delete from password_link where expires_at < now()');
      await trimLogs(db, config.eventDays);
      log.debug('what is over was forgotten');
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
 * Forgets events older than `days`, from the oldest on, and moves each school's `oldest` with them in one statement, so
 * that a cursor is never taken for good when its events are gone.
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
