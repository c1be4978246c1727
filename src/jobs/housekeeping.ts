import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { deleteExpired } from '../auth/adapter.ts';
import { deleteExpiredTries } from '../auth/limits.ts';
import type { Config } from '../config.ts';
import type { Database } from '../db/client.ts';
import { waitAtMost } from '../db/watchdog.ts';
import { planRowDays } from '../domain/plans/plan-age.ts';
import { uploadFolder } from '../domain/uploads.ts';
import type { Logger } from '../logger.ts';

/** Deletes expired data. A step may run twice, and in several processes at once, without harm. */

const intervalMs = 3_600_000;
/** Events that one statement deletes. Deleting more of them would lock the school's event log for too long. */
const batch = 5000;
/** Milliseconds that `close` waits for the current run. */
const closeWithinMs = 1000;

/** Deletes expired data now and every hour, until it is closed. */
export class Housekeeping {
  readonly #db: Database;
  readonly #config: Config;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  /** The current or last run. */
  #run: Promise<void>;

  constructor(db: Database, config: Config, log: Logger) {
    this.#db = db;
    this.#config = config;
    this.#log = log;
    this.#run = this.#deleteExpired();
    this.#timer = setInterval(() => {
      this.#run = this.#deleteExpired();
    }, intervalMs);
  }

  /** Stops the timer, and waits at most `closeWithinMs` for the current run. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await waitAtMost(closeWithinMs, this.#run);
  }

  async #deleteExpired(): Promise<void> {
    try {
      await deleteExpired(this.#db);
      await deleteExpiredTries(this.#db);
      await this.#db.pool.query("delete from idempotency_key where at < now() - interval '1 day'");
      await this.#db.pool.query('delete from password_link where expires_at < now()');
      await this.#db.pool.query('delete from roster_download where expires_at < now()');
      await deleteOldUploads(this.#db, this.#config);
      await this.#db.pool.query(
        `delete from plan_row r using plan p where p.id = r.plan_id and p.applies_at is null
           and coalesce(p.applied_at, p.created_at) < now() - $1 * interval '1 day'`,
        [planRowDays],
      );
      await trimLogs(this.#db, this.#config.eventDays);
      this.#log.debug('expired data was deleted');
    } catch (error) {
      this.#log.warn({ err: error }, 'housekeeping failed; the next attempt is in an hour');
    }
  }
}

/** Deletes uploads that are older than a day. Also deletes files without an upload, which a killed process left. */
export async function deleteOldUploads(db: Database, config: Config): Promise<void> {
  const before = new Date(Date.now() - 86_400_000);
  await db.prisma.upload.deleteMany({ where: { createdAt: { lt: before } } });
  const folder = uploadFolder(config);
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const file = join(folder, name);
    const found = await stat(file).catch(() => null);
    if (found !== null && found.mtime < before) await rm(file, { force: true });
  }
}

/**
 * Deletes events older than `days`, oldest first. The same statement raises `event_head.oldest` of the
 * school, so that a subscription that asks for deleted events gets `ResyncRequired`.
 */
export async function trimLogs(db: Database, days: number): Promise<void> {
  const { rows: schools } = await db.pool.query<{ school_id: string }>('select school_id from event_head');
  for (const { school_id } of schools)
    for (;;) {
      const { rowCount } = await db.pool.query(
        `with deleted as (
           delete from event where school_id = $1 and seq in (
             -- Takes the oldest first and then checks their age: a search by age would read the whole log to find that nothing is old.
             select seq from (select seq, at from event where school_id = $1 order by seq limit $3) as oldest where at < now() - $2 * interval '1 day')
           returning seq
         ), moved as (
           update event_head set oldest = greatest(oldest, (select max(seq) + 1 from deleted))
           where school_id = $1 and exists (select 1 from deleted))
         select seq from deleted`,
        [school_id, days, batch],
      );
      if ((rowCount ?? 0) < batch) break;
    }
}
