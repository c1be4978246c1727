import type pg from 'pg';
import { Connection } from '../db/connection.ts';
import { waitAtMost, Watchdog } from '../db/watchdog.ts';
import type { Logger } from '../logger.ts';

/**
 * Waking: says that the logs of some schools grew, in this process at once and in the others by NOTIFY. A wake carries
 * no event and may be lost: whoever is woken reads the log, and the poll of src/events/log-reader.ts runs underneath.
 */
export interface Notifier {
  notify(schoolIds: readonly string[]): void;
  /** `null` stands for every school: something may have been missed. */
  onNotify(listener: (schoolIds: readonly string[] | null) => void): () => void;
  close(): Promise<void>;
}

const channel = 'sfera_events';
/** Milliseconds from one NOTIFY of a process to the next; the first goes at once, and wakes in between travel together. */
const notifyEvery = 25;
const heartbeatEvery = 10_000;
/** Milliseconds that the listening connection may be silent while an answer is due. */
const answerWithinMs = 5000;
/** Milliseconds that `close` waits for pending notifications to be sent. */
const flushWithinMs = 1000;
/** Ids of 36 characters that fit a NOTIFY's 8,000 bytes with room to spare. */
const idsPerNotify = 200;

/** @param connectionString of a PostgreSQL server; undefined for the embedded database, which has one process. */
export function createNotifier(pool: pg.Pool, connectionString: string | undefined, log: Logger): Notifier {
  const listeners = new Set<(schoolIds: readonly string[] | null) => void>();
  const tell = (schoolIds: readonly string[] | null) => {
    for (const listener of listeners) listener(schoolIds);
  };
  const others = connectionString === undefined ? null : connectOthers(pool, connectionString, log, tell);
  return {
    notify(schoolIds) {
      tell(schoolIds);
      others?.notify(schoolIds);
    },
    onNotify(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      listeners.clear();
      await others?.close();
    },
  };
}

function connectOthers(
  pool: pg.Pool,
  connectionString: string,
  log: Logger,
  tell: (schoolIds: readonly string[] | null) => void,
) {
  const pending = new Set<string>();
  /** Runs from each NOTIFY until the next may go. */
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> = Promise.resolve();
  const listening = listen(connectionString, log, tell);

  const rest = () => {
    timer = undefined;
    if (pending.size > 0) sending = send();
  };

  const send = async () => {
    timer = setTimeout(rest, notifyEvery);
    const ids = [...pending];
    pending.clear();
    try {
      for (let at = 0; at < ids.length; at += idsPerNotify)
        await pool.query('select pg_notify($1, $2)', [channel, ids.slice(at, at + idsPerNotify).join(',')]);
    } catch (error) {
      // The others' poll finds what this wake would have told.
      log.warn({ err: error }, 'notify failed');
    }
  };

  return {
    notify(schoolIds: readonly string[]) {
      for (const id of schoolIds) pending.add(id);
      if (timer === undefined && pending.size > 0) sending = send();
    },
    async close() {
      clearTimeout(timer);
      await waitAtMost(flushWithinMs, sending.then(() => (pending.size > 0 ? send() : undefined)));
      clearTimeout(timer);
      await listening.close();
    },
  };
}

/** Keeps one connection on LISTEN, with a heartbeat, and comes back when it breaks. */
function listen(connectionString: string, log: Logger, tell: (schoolIds: readonly string[] | null) => void) {
  const watchdog = new Watchdog(answerWithinMs);
  let closed = false;
  let client: Connection | undefined;
  let timer: NodeJS.Timeout | undefined;

  const connect = async () => {
    const next = new Connection({ connectionString, application_name: 'sfera listen', keepAlive: true, watchdog });
    client = next;
    let broken = false;
    const again = (error?: Error) => {
      if (broken) return;
      broken = true;
      clearTimeout(timer);
      next.end().catch(() => undefined);
      if (closed) return;
      if (error !== undefined) log.warn({ err: error }, 'listen connection lost');
      timer = setTimeout(() => void connect(), 1000);
    };
    next.on('error', again);
    next.on('end', () => again());
    next.on('notification', ({ payload }) => tell(payload === undefined ? null : payload.split(',')));
    try {
      await next.connect();
      await next.query(`listen ${channel}`);
      tell(null);
      const beat = () => {
        timer = setTimeout(() => {
          next.query('select 1').then(beat, again);
        }, heartbeatEvery);
      };
      beat();
    } catch (error) {
      again(error as Error);
    }
  };
  void connect();

  return {
    async close() {
      closed = true;
      clearTimeout(timer);
      await watchdog.close(client?.end() ?? Promise.resolve());
    },
  };
}
