import type pg from 'pg';
import type { Logger } from '../logger.ts';
import type { Notifier } from './notifier.ts';
import type { EventType } from './catalog.ts';

/** Reads the logs. A process reads each school's log once, for all of its subscriptions. */

export interface LoggedEvent {
  schoolId: string;
  seq: bigint;
  type: EventType;
  topics: readonly string[];
  payload: Record<string, string>;
  actor: string;
  causation: string | null;
  at: Date;
}

/** The sequence numbers of the events that a log holds: `oldest` to `head`. A new log has `oldest` 1 and `head` 0. */
export interface LogBounds {
  oldest: bigint;
  head: bigint;
}

/** Maximum number of events of each school that are kept in memory. */
const bufferSize = 1000;
const pollIntervalMs = 1000;
const batchSize = 500;

/** Invalidates cached rights by new events, so that no listener delivers an event by rights that are older than the event. */
export interface RightsInvalidator {
  /**
   * Receives new events before the listeners do. At the end of each `refresh`, also receives an empty list, which invalidates
   * the rights of services.
   */
  invalidate(schoolId: string, events: readonly LoggedEvent[]): void;
}

/** The newest events of one school, in memory. They are kept until each caller of `retain` has released the school. */
class SchoolBuffer {
  readonly schoolId: string;
  retainCount = 0;
  /** The newest sequence number that was read; null before the first read. */
  head: bigint | null = null;
  /** The newest events up to `head`, without gaps. */
  readonly recent: LoggedEvent[] = [];
  readonly waiters = new Set<() => void>();
  isReading = false;
  /** Whether to read once more, because a notification arrived during the read. */
  shouldReadAgain = false;
  notifiedAt: number | null = null;
  /** The time of the last read to the end of the log, by `performance.now()`. */
  readAt = -Infinity;
  /** Callbacks of `refresh` for the next read, which has not begun yet. Each callback gets whether that read succeeded. */
  refreshCallbacks: ((succeeded: boolean) => void)[] = [];

  constructor(schoolId: string) {
    this.schoolId = schoolId;
  }

  append(events: readonly LoggedEvent[]): void {
    this.recent.push(...events);
    if (this.recent.length > bufferSize) this.recent.splice(0, this.recent.length - bufferSize);
    this.head = events.at(-1)!.seq;
  }

  /** Returns the events after `seq`; null if they are not all buffered. */
  read(seq: bigint): readonly LoggedEvent[] | null {
    if (this.head !== null && seq >= this.head) return [];
    const first = this.recent[0];
    return first !== undefined && seq + 1n >= first.seq ? this.recent.slice(Number(seq + 1n - first.seq)) : null;
  }

  wakeWaiters(): void {
    for (const resolve of [...this.waiters]) resolve();
  }

  settleRefreshes(succeeded: boolean): void {
    for (const done of this.refreshCallbacks.splice(0)) done(succeeded);
  }
}

export class LogReader {
  readonly #pool: pg.Pool;
  readonly #log: Logger;
  readonly #rights: RightsInvalidator;
  readonly #schools = new Map<string, SchoolBuffer>();
  readonly #appendListeners = new Set<(schoolId: string) => void>();
  readonly #stopListening: () => void;
  readonly #timer: NodeJS.Timeout;
  #isPolling = false;

  constructor(pool: pg.Pool, notifier: Notifier, log: Logger, rights: RightsInvalidator) {
    this.#pool = pool;
    this.#log = log;
    this.#rights = rights;
    this.#stopListening = notifier.onNotify((schoolIds) => {
      for (const id of schoolIds ?? this.#schools.keys()) this.#onNotified(id);
    });
    this.#timer = setInterval(() => void this.#poll(), pollIntervalMs);
  }

  /** Buffers the newest events of a school until the returned function is called. */
  retain(schoolId: string): () => void {
    const school = this.#schools.get(schoolId) ?? new SchoolBuffer(schoolId);
    school.retainCount += 1;
    this.#schools.set(schoolId, school);
    if (school.head === null) this.#onNotified(schoolId);
    return () => {
      school.retainCount -= 1;
      if (school.retainCount === 0 && this.#schools.get(schoolId) === school) this.#schools.delete(schoolId);
    };
  }

  async bounds(schoolId: string): Promise<LogBounds | null> {
    const { rows } = await this.#pool.query<{ seq: string; oldest: string }>({
      name: 'log-bounds',
      text: 'select seq, oldest from event_head where school_id = $1',
      values: [schoolId],
    });
    const row = rows[0];
    return row === undefined ? null : { oldest: BigInt(row.oldest), head: BigInt(row.seq) };
  }

  /** Returns at most `limit` events after `seq`, in order; null if the log no longer holds the event that follows `seq`. */
  async read(schoolId: string, seq: bigint, limit: number): Promise<readonly LoggedEvent[] | null> {
    const buffered = this.readBuffered(schoolId, seq);
    if (buffered !== null) return buffered.slice(0, limit);
    const school = this.#schools.get(schoolId);
    const head = school?.head ?? null;
    const events = await select(this.#pool, schoolId, seq, limit);
    // The log has no gaps, so a missing event was deleted.
    const next = events[0]?.seq ?? (head === null ? seq + 1n : null);
    if (next !== seq + 1n) return null;
    // Leaves out the events after `head`. `#fetchNext` has not read them yet, so they have not invalidated cached rights, and
    // could be delivered by rights that are older than the events.
    return school === undefined ? events : events.filter((event) => head !== null && event.seq <= head);
  }

  /** Returns the buffered events after `seq`; null if they are not all buffered. */
  readBuffered(schoolId: string, seq: bigint): readonly LoggedEvent[] | null {
    return this.#schools.get(schoolId)?.read(seq) ?? null;
  }

  /** Returns the newest sequence number that was read; null before the first read, or if the school is not retained. */
  head(schoolId: string): bigint | null {
    return this.#schools.get(schoolId)?.head ?? null;
  }

  /** Returns the milliseconds since the school's log was last read to its end; Infinity without such a read. */
  age(schoolId: string): number {
    return performance.now() - (this.#schools.get(schoolId)?.readAt ?? -Infinity);
  }

  /**
   * Reads the log to its end, so that every change of rights up to now has invalidated the cached rights.
   * @throws Error if reading fails.
   */
  async refresh(schoolId: string): Promise<void> {
    const school = this.#schools.get(schoolId);
    if (school === undefined) return;
    const succeeded = await new Promise<boolean>((resolve) => {
      school.refreshCallbacks.push(resolve);
      this.#startReading(school);
    });
    if (!succeeded) throw new Error('the log could not be read');
  }

  /**
   * Calls the listener after each read of new events of a school that `retain` keeps. Returns a function that removes
   * the listener.
   */
  onAppend(listener: (schoolId: string) => void): () => void {
    this.#appendListeners.add(listener);
    return () => this.#appendListeners.delete(listener);
  }

  /** Resolves when the school's log may have grown past `seq`, the signal aborts, or the school is not retained. */
  waitForAppend(schoolId: string, seq: bigint, signal: AbortSignal): Promise<void> {
    const school = this.#schools.get(schoolId);
    if (school === undefined || signal.aborted || (school.head !== null && school.head > seq)) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done);
        school.waiters.delete(done);
        resolve();
      };
      school.waiters.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  /**
   * `schools`: the number of schools that `retain` keeps. `lagSeconds`: the age of the oldest notification whose
   * events are not read yet.
   */
  stats(): { schools: number; lagSeconds: number } {
    const now = performance.now();
    const lags = [...this.#schools.values()].map(({ notifiedAt }) => (notifiedAt === null ? 0 : now - notifiedAt));
    return { schools: this.#schools.size, lagSeconds: Math.max(0, ...lags) / 1000 };
  }

  close(): void {
    this.#stopListening();
    clearInterval(this.#timer);
    this.#appendListeners.clear();
    for (const school of this.#schools.values()) {
      school.wakeWaiters();
      school.settleRefreshes(false);
    }
    this.#schools.clear();
  }

  #onNotified(schoolId: string): void {
    const school = this.#schools.get(schoolId);
    if (school === undefined) return;
    school.notifiedAt ??= performance.now();
    this.#startReading(school);
  }

  #startReading(school: SchoolBuffer): void {
    school.shouldReadAgain = true;
    if (!school.isReading) void this.#readToEnd(school);
  }

  async #readToEnd(school: SchoolBuffer): Promise<void> {
    school.isReading = true;
    const callbacks: SchoolBuffer['refreshCallbacks'] = [];
    try {
      while (school.shouldReadAgain) {
        school.shouldReadAgain = false;
        callbacks.push(...school.refreshCallbacks.splice(0));
        if (!(await this.#fetchNext(school))) school.shouldReadAgain = true;
        else if (callbacks.length > 0) {
          this.#rights.invalidate(school.schoolId, []);
          for (const done of callbacks.splice(0)) done(true);
        }
      }
      school.notifiedAt = null;
    } catch (error) {
      // The poll reads the log again within a second.
      this.#log.warn({ err: error }, 'reading the log failed');
      for (const done of callbacks) done(false);
      school.settleRefreshes(false);
    } finally {
      school.isReading = false;
    }
  }

  /** Reads the next batch. Returns whether the batch reached the end of the log. */
  async #fetchNext(school: SchoolBuffer): Promise<boolean> {
    const { schoolId } = school;
    let isAtEnd = true;
    if (school.head === null) school.head = (await this.bounds(schoolId))?.head ?? 0n;
    else {
      const events = await select(this.#pool, schoolId, school.head, batchSize);
      isAtEnd = events.length < batchSize;
      if (isAtEnd) school.readAt = performance.now();
      if (events.length === 0) return isAtEnd;
      this.#rights.invalidate(schoolId, events);
      school.append(events);
      for (const listener of this.#appendListeners) listener(schoolId);
    }
    school.wakeWaiters();
    return isAtEnd;
  }

  async #poll(): Promise<void> {
    if (this.#isPolling || this.#schools.size === 0) return;
    this.#isPolling = true;
    try {
      const heads = await this.#pool.query<{ school_id: string; seq: string }>({
        name: 'log-heads',
        text: 'select school_id, seq from event_head where school_id = any($1::uuid[])',
        values: [[...this.#schools.keys()]],
      });
      for (const { school_id, seq } of heads.rows)
        if (BigInt(seq) > (this.#schools.get(school_id)?.head ?? -1n)) this.#onNotified(school_id);
    } catch (error) {
      this.#log.warn({ err: error }, 'polling the log failed');
    } finally {
      this.#isPolling = false;
    }
  }
}

async function select(pool: pg.Pool, schoolId: string, seq: bigint, limit: number): Promise<LoggedEvent[]> {
  const { rows } = await pool.query<Omit<LoggedEvent, 'schoolId' | 'seq'> & { seq: string }>({
    name: 'log-read',
    text: `select seq, type, topics, payload, actor, causation, at from event
           where school_id = $1 and seq > $2 order by seq limit $3`,
    values: [schoolId, seq.toString(), limit],
  });
  return rows.map((row) => ({ ...row, schoolId, seq: BigInt(row.seq) }));
}
