import { readOnlyState, sqlStateOf } from '../db/availability.ts';
import type { Database } from '../db/client.ts';

/** Checks whether this process can serve requests, over the connections that requests use. */

export type Status = 'ready' | 'read-only' | 'no database';

const answerWithinMs = 2000;
/** Milliseconds for which a status is cached, so that many probes cost as much as one. */
const cachedMs = 1000;

/** A statement that inserts no row into the event log, but fails if the database cannot write to the log. */
const append = `with head as (update event_head set seq = seq where false)
  insert into event (school_id, seq, type, topics, payload, actor, causation, at)
  select school_id, seq, type, topics, payload, actor, causation, at from event where false`;

export class Readiness {
  readonly #db: Pick<Database, 'pool' | 'reads'>;
  #status: Status = 'no database';
  #checkedAt = -Infinity;
  /** The running check. The next check starts only after the database has answered this one. */
  #checking: Promise<void> | undefined;

  constructor(db: Pick<Database, 'pool' | 'reads'>) {
    this.#db = db;
  }

  /** Returns the status. Queries the database at most once a second. */
  async status(): Promise<Status> {
    if (performance.now() - this.#checkedAt > cachedMs) this.#checking ??= this.#check().finally(() => (this.#checking = undefined));
    if (this.#checking === undefined) return this.#status;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(
        () => {
          this.#status = 'no database';
          resolve();
        },
        Math.max(0, this.#checkedAt + answerWithinMs - performance.now()),
      );
    });
    await Promise.race([this.#checking, timeout]);
    clearTimeout(timer);
    return this.#status;
  }

  async #check(): Promise<void> {
    this.#checkedAt = performance.now();
    const { pool, reads } = this.#db;
    try {
      await Promise.all([reads.query({ text: 'select 1' }), pool.query(append)]);
      this.#status = 'ready';
    } catch (error) {
      this.#status = sqlStateOf(error) === readOnlyState ? 'read-only' : 'no database';
    }
  }
}
