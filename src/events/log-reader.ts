import type pg from 'pg';
import type { Logger } from '../logger.ts';
import type { Notifier } from './notifier.ts';
import type { EventType } from './catalog.ts';

/** Reading the logs: once for a process and school, however many follow it. */

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

/** What is bufferSize of a log: the events from `oldest` to `head`; a fresh log has oldest 1 and head 0. */
export interface LogBounds {
  oldest: bigint;
  head: bigint;
}

export interface LogReader {
  /** Keeps the newest events of a school at hand until the answer is called. */
  retain(schoolId: string): () => void;
  bounds(schoolId: string): Promise<LogBounds | null>;
  /** The events after `seq`, in order, at most `limit`: none when there are none yet, null when the next one is no longer bufferSize. */
  read(schoolId: string, seq: bigint, limit: number): Promise<readonly LoggedEvent[] | null>;
  /** As `read`, of what is at hand: never waits, and answers null where it would have to. */
  readBuffered(schoolId: string, seq: bigint): readonly LoggedEvent[] | null;
  /** The newest sequence number read of a joined school; null before the first look. */
  head(schoolId: string): bigint | null;
  /** Milliseconds since the log of a joined school was last read to its end. */
  age(schoolId: string): number;
  /** Reads the log of a joined school to its end, so that all changes of rights up to now are noted. @throws where it could not be read. */
  refresh(schoolId: string): Promise<void>;
  /** Calls the listener when the log of a joined school grew here; the answer stops it. */
  onAppend(listener: (schoolId: string) => void): () => void;
  /** Resolves when the joined school's log may have grown past `seq`, or when the signal aborts. */
  waitForAppend(schoolId: string, seq: bigint, signal: AbortSignal): Promise<void>;
  /** Schools followed, and the seconds since the oldest wake that is not answered yet. */
  stats(): { schools: number; lagSeconds: number };
  close(): void;
}

/** Events of a school bufferSize in memory for those who follow it live. */
const bufferSize = 1000;
const pollEvery = 1000;
const batch = 500;

interface Followed {
  followers: number;
  /** The newest sequence number read here; null until the first look. */
  head: bigint | null;
  /** The newest events, without a gap, up to `head`. */
  recent: LoggedEvent[];
  waiting: Set<() => void>;
  reading: boolean;
  /** A wake came during the reading: one more look is due. */
  again: boolean;
  wokenAt: number | null;
  /** When the log was last read to its end, by `performance.now()`. */
  readAt: number;
  /** Callbacks that wait for a reading that begins from now on; called with whether it succeeded. */
  refreshing: ((succeeded: boolean) => void)[];
}

/** @param read is called with new events of a joined school before listeners get them, and with none if `refresh` found none. */
export function createLogReader(pool: pg.Pool, notifier: Notifier, log: Logger, read: (schoolId: string, events: readonly LoggedEvent[]) => void): LogReader {
  const followed = new Map<string, Followed>();
  const growing = new Set<(schoolId: string) => void>();
  let polling = false;

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
    const { head = null, recent = [] } = followed.get(schoolId) ?? {};
    if (head !== null && seq >= head) return [];
    const first = recent[0];
    return first !== undefined && seq + 1n >= first.seq ? recent.slice(Number(seq + 1n - first.seq)) : null;
  };

  /** Reads the next batch. Returns whether it reached the end of the log. */
  const look = async (schoolId: string, school: Followed): Promise<boolean> => {
    let ended = true;
    if (school.head === null) school.head = (await bounds(schoolId))?.head ?? 0n;
    else {
      const rows = await select(pool, schoolId, school.head, batch);
      ended = rows.length < batch;
      if (ended) school.readAt = performance.now();
      if (rows.length === 0) return ended;
      read(schoolId, rows);
      school.recent.push(...rows);
      if (school.recent.length > bufferSize) school.recent.splice(0, school.recent.length - bufferSize);
      school.head = rows.at(-1)!.seq;
      for (const listener of growing) listener(schoolId);
    }
    for (const resolve of [...school.waiting]) resolve();
    return ended;
  };

  const wake = (schoolId: string): void => {
    const school = followed.get(schoolId);
    if (school === undefined) return;
    school.wokenAt ??= performance.now();
    lookAgain(schoolId, school);
  };

  const lookAgain = (schoolId: string, school: Followed): void => {
    school.again = true;
    if (!school.reading) void lookUntilQuiet(schoolId, school);
  };

  const lookUntilQuiet = async (schoolId: string, school: Followed): Promise<void> => {
    school.reading = true;
    const refreshing: Followed['refreshing'] = [];
    try {
      while (school.again) {
        school.again = false;
        refreshing.push(...school.refreshing.splice(0));
        if (!(await look(schoolId, school))) school.again = true;
        else if (refreshing.length > 0) {
          read(schoolId, []);
          for (const done of refreshing.splice(0)) done(true);
        }
      }
      school.wokenAt = null;
    } catch (error) {
      // The poll looks again in a second.
      log.warn({ err: error }, 'reading the log failed');
      for (const done of [...refreshing, ...school.refreshing.splice(0)]) done(false);
    } finally {
      school.reading = false;
    }
  };

  const poll = async (): Promise<void> => {
    if (polling || followed.size === 0) return;
    polling = true;
    try {
      const heads = await pool.query<{ school_id: string; seq: string }>({
        name: 'tail-heads',
        text: 'select school_id, seq from event_head where school_id = any($1::uuid[])',
        values: [[...followed.keys()]],
      });
      for (const { school_id, seq } of heads.rows)
        if (BigInt(seq) > (followed.get(school_id)?.head ?? -1n)) wake(school_id);
    } catch (error) {
      log.warn({ err: error }, 'polling the log failed');
    } finally {
      polling = false;
    }
  };

  const stopWaking = notifier.onNotify((schoolIds) => {
    for (const id of schoolIds ?? followed.keys()) wake(id);
  });
  const timer = setInterval(() => void poll(), pollEvery);

  return {
    bounds,

    retain(schoolId) {
      const school = followed.get(schoolId) ?? {
        followers: 0, head: null, recent: [], waiting: new Set(), reading: false, again: false, wokenAt: null, readAt: -Infinity, refreshing: [],
      };
      school.followers += 1;
      followed.set(schoolId, school);
      if (school.head === null) wake(schoolId);
      return () => {
        school.followers -= 1;
        if (school.followers === 0 && followed.get(schoolId) === school) followed.delete(schoolId);
      };
    },

    head: (schoolId) => followed.get(schoolId)?.head ?? null,

    readBuffered,

    async read(schoolId, seq, limit) {
      const near = readBuffered(schoolId, seq);
      if (near !== null) return near.slice(0, limit);
      const school = followed.get(schoolId);
      const head = school?.head ?? null;
      const events = await select(pool, schoolId, seq, limit);
      // The log has no gaps: what is missing was there and is forgotten.
      const next = events[0]?.seq ?? (head === null ? seq + 1n : null);
      if (next !== seq + 1n) return null;
      // What is newer than what `read` was called with may come with rights that are older.
      return school === undefined ? events : events.filter((event) => head !== null && event.seq <= head);
    },

    age: (schoolId) => performance.now() - (followed.get(schoolId)?.readAt ?? -Infinity),

    async refresh(schoolId) {
      const school = followed.get(schoolId);
      if (school === undefined) return;
      const succeeded = await new Promise<boolean>((resolve) => {
        school.refreshing.push(resolve);
        lookAgain(schoolId, school);
      });
      if (!succeeded) throw new Error('the log could not be read');
    },

    onAppend(listener) {
      growing.add(listener);
      return () => growing.delete(listener);
    },

    waitForAppend(schoolId, seq, signal) {
      const school = followed.get(schoolId);
      if (school === undefined || signal.aborted || (school.head !== null && school.head > seq)) return Promise.resolve();
      return new Promise((resolve) => {
        const done = () => {
          signal.removeEventListener('abort', done);
          school.waiting.delete(done);
          resolve();
        };
        school.waiting.add(done);
        signal.addEventListener('abort', done, { once: true });
      });
    },

    stats() {
      const now = performance.now();
      const lags = [...followed.values()].map((school) => (school.wokenAt === null ? 0 : now - school.wokenAt));
      return { schools: followed.size, lagSeconds: Math.max(0, ...lags) / 1000 };
    },

    close() {
      stopWaking();
      clearInterval(timer);
      growing.clear();
      for (const { waiting, refreshing } of followed.values()) {
        for (const resolve of [...waiting]) resolve();
        for (const done of refreshing.splice(0)) done(false);
      }
      followed.clear();
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
