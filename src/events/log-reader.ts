import type pg from 'pg';
import type { Logger } from '../logger.ts';
import type { Notifier } from './notifier.ts';
import type { EventType } from './catalog.ts';

/** Reads the logs, once for each school in a process, however many subscriptions need the events. */

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

export interface LogReader {
  /** Buffers the newest events of a school until the returned function is called. */
  retain(schoolId: string): () => void;
  bounds(schoolId: string): Promise<LogBounds | null>;
  /** Returns at most `limit` events after `seq`, in order; null if the log no longer holds the next one. */
  read(schoolId: string, seq: bigint, limit: number): Promise<readonly LoggedEvent[] | null>;
  /** Returns the buffered events after `seq`; null if they are not all buffered. */
  readBuffered(schoolId: string, seq: bigint): readonly LoggedEvent[] | null;
  /** Returns the newest sequence number that was read of a retained school; null before its first read. */
  head(schoolId: string): bigint | null;
  /** Returns the milliseconds since the log of a retained school was last read to its end. */
  age(schoolId: string): number;
  /** Reads the log to its end, so that `onRead` gets all changes of rights up to now. @throws if that fails. */
  refresh(schoolId: string): Promise<void>;
  /** Calls the listener after new events of a retained school were read. Returns a function that removes it. */
  onAppend(listener: (schoolId: string) => void): () => void;
  /** Resolves when a retained school's log may have grown past `seq`, or when the signal aborts. */
  waitForAppend(schoolId: string, seq: bigint, signal: AbortSignal): Promise<void>;
  /** `schools`: retained ones. `lagSeconds`: the age of the oldest notification whose events are not read yet. */
  stats(): { schools: number; lagSeconds: number };
  close(): void;
}

/** Events of each school that are kept in memory. */
const bufferSize = 1000;
const pollIntervalMs = 1000;
const batchSize = 500;

interface SchoolBuffer {
  retainCount: number;
  /** The newest sequence number that was read; null before the first read. */
  head: bigint | null;
  /** The newest events up to `head`, without gaps. */
  recent: LoggedEvent[];
  waiters: Set<() => void>;
  isReading: boolean;
  /** Whether to read once more, because a notification came during the read. */
  shouldReadAgain: boolean;
  notifiedAt: number | null;
  /** The time of the last read to the end of the log, by `performance.now()`. */
  readAt: number;
  /** Callbacks that wait for a read that has not begun yet. They get whether it succeeded. */
  refreshCallbacks: ((succeeded: boolean) => void)[];
}

/** @param onRead gets new events before the listeners do, and an empty list if `refresh` found none. */
export function createLogReader(
  pool: pg.Pool,
  notifier: Notifier,
  log: Logger,
  onRead: (schoolId: string, events: readonly LoggedEvent[]) => void,
): LogReader {
  const schools = new Map<string, SchoolBuffer>();
  const appendListeners = new Set<(schoolId: string) => void>();
  let isPolling = false;

  const bounds = async (schoolId: string): Promise<LogBounds | null> => {
    const { rows } = await pool.query<{ seq: string; oldest: string }>({
      name: 'tail-extent',
      text: 'select seq, oldest from event_head where school_id = $1',
      values: [schoolId],
    });
    const row = rows[0];
    return row === undefined ? null : { oldest: BigInt(row.oldest), head: BigInt(row.seq) };
  };

  const readBuffered = (schoolId: string, seq: bigint): readonly LoggedEvent[] | null => {
    const { head = null, recent = [] } = schools.get(schoolId) ?? {};
    if (head !== null && seq >= head) return [];
    const first = recent[0];
    return first !== undefined && seq + 1n >= first.seq ? recent.slice(Number(seq + 1n - first.seq)) : null;
  };

  /** Reads the next batch. Returns whether it reached the end of the log. */
  const fetchNext = async (schoolId: string, school: SchoolBuffer): Promise<boolean> => {
    let isAtEnd = true;
    if (school.head === null) school.head = (await bounds(schoolId))?.head ?? 0n;
    else {
      const rows = await select(pool, schoolId, school.head, batchSize);
      isAtEnd = rows.length < batchSize;
      if (isAtEnd) school.readAt = performance.now();
      if (rows.length === 0) return isAtEnd;
      onRead(schoolId, rows);
      school.recent.push(...rows);
      if (school.recent.length > bufferSize) school.recent.splice(0, school.recent.length - bufferSize);
      school.head = rows.at(-1)!.seq;
      for (const listener of appendListeners) listener(schoolId);
    }
    for (const resolve of [...school.waiters]) resolve();
    return isAtEnd;
  };

  const onNotified = (schoolId: string): void => {
    const school = schools.get(schoolId);
    if (school === undefined) return;
    school.notifiedAt ??= performance.now();
    startReading(schoolId, school);
  };

  const startReading = (schoolId: string, school: SchoolBuffer): void => {
    school.shouldReadAgain = true;
    if (!school.isReading) void readToEnd(schoolId, school);
  };

  const readToEnd = async (schoolId: string, school: SchoolBuffer): Promise<void> => {
    school.isReading = true;
    const callbacks: SchoolBuffer['refreshCallbacks'] = [];
    try {
      while (school.shouldReadAgain) {
        school.shouldReadAgain = false;
        callbacks.push(...school.refreshCallbacks.splice(0));
        if (!(await fetchNext(schoolId, school))) school.shouldReadAgain = true;
        else if (callbacks.length > 0) {
          onRead(schoolId, []);
          for (const done of callbacks.splice(0)) done(true);
        }
      }
      school.notifiedAt = null;
    } catch (error) {
      // The poll reads again within a second.
      log.warn({ err: error }, 'reading the log failed');
      for (const done of [...callbacks, ...school.refreshCallbacks.splice(0)]) done(false);
    } finally {
      school.isReading = false;
    }
  };

  const poll = async (): Promise<void> => {
    if (isPolling || schools.size === 0) return;
    isPolling = true;
    try {
      const heads = await pool.query<{ school_id: string; seq: string }>({
        name: 'tail-heads',
        text: 'select school_id, seq from event_head where school_id = any($1::uuid[])',
        values: [[...schools.keys()]],
      });
      for (const { school_id, seq } of heads.rows) if (BigInt(seq) > (schools.get(school_id)?.head ?? -1n)) onNotified(school_id);
    } catch (error) {
      log.warn({ err: error }, 'polling the log failed');
    } finally {
      isPolling = false;
    }
  };

  const stopListening = notifier.onNotify((schoolIds) => {
    for (const id of schoolIds ?? schools.keys()) onNotified(id);
  });
  const timer = setInterval(() => void poll(), pollIntervalMs);

  return {
    bounds,

    retain(schoolId) {
      const school = schools.get(schoolId) ?? {
        retainCount: 0,
        head: null,
        recent: [],
        waiters: new Set(),
        isReading: false,
        shouldReadAgain: false,
        notifiedAt: null,
        readAt: -Infinity,
        refreshCallbacks: [],
      };
      school.retainCount += 1;
      schools.set(schoolId, school);
      if (school.head === null) onNotified(schoolId);
      return () => {
        school.retainCount -= 1;
        if (school.retainCount === 0 && schools.get(schoolId) === school) schools.delete(schoolId);
      };
    },

    head: (schoolId) => schools.get(schoolId)?.head ?? null,

    readBuffered,

    async read(schoolId, seq, limit) {
      const buffered = readBuffered(schoolId, seq);
      if (buffered !== null) return buffered.slice(0, limit);
      const school = schools.get(schoolId);
      const head = school?.head ?? null;
      const events = await select(pool, schoolId, seq, limit);
      // The log has no gaps, so a missing event was deleted.
      const next = events[0]?.seq ?? (head === null ? seq + 1n : null);
      if (next !== seq + 1n) return null;
      // `onRead` has not got the newer events yet, so the cached rights may be older than they are.
      return school === undefined ? events : events.filter((event) => head !== null && event.seq <= head);
    },

    age: (schoolId) => performance.now() - (schools.get(schoolId)?.readAt ?? -Infinity),

    async refresh(schoolId) {
      const school = schools.get(schoolId);
      if (school === undefined) return;
      const succeeded = await new Promise<boolean>((resolve) => {
        school.refreshCallbacks.push(resolve);
        startReading(schoolId, school);
      });
      if (!succeeded) throw new Error('the log could not be read');
    },

    onAppend(listener) {
      appendListeners.add(listener);
      return () => appendListeners.delete(listener);
    },

    waitForAppend(schoolId, seq, signal) {
      const school = schools.get(schoolId);
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
    },

    stats() {
      const now = performance.now();
      const lags = [...schools.values()].map((school) => (school.notifiedAt === null ? 0 : now - school.notifiedAt));
      return { schools: schools.size, lagSeconds: Math.max(0, ...lags) / 1000 };
    },

    close() {
      stopListening();
      clearInterval(timer);
      appendListeners.clear();
      for (const { waiters, refreshCallbacks } of schools.values()) {
        for (const resolve of [...waiters]) resolve();
        for (const done of refreshCallbacks.splice(0)) done(false);
      }
      schools.clear();
    },
  };
}

async function select(pool: pg.Pool, schoolId: string, seq: bigint, limit: number): Promise<LoggedEvent[]> {
  const { rows } = await pool.query<Omit<LoggedEvent, 'schoolId' | 'seq'> & { seq: string }>({
    name: 'tail-read',
    text: `select seq, type, topics, payload, actor, causation, at from event
           where school_id = $1 and seq > $2 order by seq limit $3`,
    values: [schoolId, seq.toString(), limit],
  });
  return rows.map((row) => ({ ...row, schoolId, seq: BigInt(row.seq) }));
}
