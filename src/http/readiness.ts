import { readOnlyState, sqlStateOf } from '../db/availability.ts';
import type { Database } from '../db/client.ts';

/** Checks whether this process can serve requests, over the connections that requests use. */

export type Status = 'ready' | 'read-only' | 'no database';

/** Milliseconds that the database has to answer. */
const answerWithinMs = 2000;
/** Milliseconds for which a status is cached, so that many probes cost as much as one. */
const rememberedMs = 1000;

/** Appends no row to the event log; a database that cannot write the log refuses the statement. */
const append = `with head as (update event_head set seq = seq where false)
  insert into event (school_id, seq, type, topics, payload, actor, causation, at)
  select school_id, seq, type, topics, payload, actor, causation, at from event where false`;

export class Readiness {
  readonly #db: Pick<Database, 'pool' | 'reads'>;
  #status: Status = 'no database';
  #askedAt = -Infinity;
  /** The check under way. No other begins while the database has not answered it. */
  #asking: Promise<void> | undefined;

  constructor(db: Pick<Database, 'pool' | 'reads'>) {
    this.#db = db;
  }

  /** Returns the status. Asks the database at most once a second. */
  async status(): Promise<Status> {
    if (performance.now() - this.#askedAt > rememberedMs) this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    if (this.#asking === undefined) return this.#status;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        this.#status = 'no database';
        resolve();
      }, Math.max(0, this.#askedAt + answerWithinMs - performance.now()));
    });
    await Promise.race([this.#asking, late]);
    clearTimeout(timer);
    return this.#status;
  }

  async #ask(): Promise<void> {
    this.#askedAt = performance.now();
    const { pool, reads } = this.#db;
    try {
      await Promise.all([reads.query({ text: 'select 1' }), pool.query(append)]);
      this.#status = 'ready';
    } catch (error) {
      this.#status = sqlStateOf(error) === readOnlyState ? 'read-only' : 'no database';
    }
  }
}
