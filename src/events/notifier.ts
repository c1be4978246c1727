import type pg from 'pg';
import { Connection } from '../db/connection.ts';
import { waitAtMost, Watchdog } from '../db/watchdog.ts';
import type { Logger } from '../logger.ts';

/**
 * Notifies that the logs of some schools grew: in this process at once, in the other processes by NOTIFY. A
 * notification holds no event and may be lost: listeners read the log, and src/events/log-reader.ts also polls it.
 */
export interface Notifier {
  notify(schoolIds: readonly string[]): void;
  /** Calls the listener with the schools, or with null for all schools if notifications may have been lost. */
  onNotify(listener: (schoolIds: readonly string[] | null) => void): () => void;
  close(): Promise<void>;
}

const channel = 'sfera_events';
/** Milliseconds between two NOTIFYs of a process. Notifications in between are sent together. */
const notifyIntervalMs = 25;
const heartbeatIntervalMs = 10_000;
/** Milliseconds that the listening connection may be silent while an answer is due. */
const answerTimeoutMs = 5000;
/** Milliseconds that `close` waits for pending notifications to be sent. */
const flushTimeoutMs = 1000;
/** Ids of 36 characters in one NOTIFY, whose payload has at most 8,000 bytes. */
const idsPerNotify = 200;

/** @param connectionString of a PostgreSQL server; undefined for the embedded database, which only one process uses. */
export function createNotifier(pool: pg.Pool, connectionString: string | undefined, log: Logger): Notifier {
  const listeners = new Set<(schoolIds: readonly string[] | null) => void>();
  const emit = (schoolIds: readonly string[] | null) => {
    for (const listener of listeners) listener(schoolIds);
  };
  const remote = connectionString === undefined ? null : connectRemote(pool, connectionString, log, emit);
  return {
    notify(schoolIds) {
      emit(schoolIds);
      remote?.notify(schoolIds);
    },
    onNotify(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      listeners.clear();
      await remote?.close();
    },
  };
}

function connectRemote(pool: pg.Pool, connectionString: string, log: Logger, emit: (schoolIds: readonly string[] | null) => void) {
  const pending = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> = Promise.resolve();
  const listening = listen(connectionString, log, emit);

  const sendPending = () => {
    timer = undefined;
    if (pending.size > 0) sending = send();
  };

  const send = async () => {
    timer = setTimeout(sendPending, notifyIntervalMs);
    const ids = [...pending];
    pending.clear();
    try {
      for (let offset = 0; offset < ids.length; offset += idsPerNotify)
        await pool.query('select pg_notify($1, $2)', [channel, ids.slice(offset, offset + idsPerNotify).join(',')]);
    } catch (error) {
      // The other processes find the events by their polls.
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
      await waitAtMost(
        flushTimeoutMs,
        sending.then(() => (pending.size > 0 ? send() : undefined)),
      );
      clearTimeout(timer);
      await listening.close();
    },
  };
}

/** Keeps one connection on LISTEN, with a heartbeat. Reconnects a second after it breaks. */
function listen(connectionString: string, log: Logger, emit: (schoolIds: readonly string[] | null) => void) {
  const watchdog = new Watchdog(answerTimeoutMs);
  let closed = false;
  let client: Connection | undefined;
  let timer: NodeJS.Timeout | undefined;

  const connect = async () => {
    const next = new Connection({ connectionString, application_name: 'sfera listen', keepAlive: true, watchdog });
    client = next;
    let broken = false;
    const reconnect = (error?: Error) => {
      if (broken) return;
      broken = true;
      clearTimeout(timer);
      next.end().catch(() => undefined);
      if (closed) return;
      if (error !== undefined) log.warn({ err: error }, 'listen connection lost');
      timer = setTimeout(() => void connect(), 1000);
    };
    next.on('error', reconnect);
    next.on('end', () => reconnect());
    next.on('notification', ({ payload }) => emit(payload === undefined ? null : payload.split(',')));
    try {
      await next.connect();
      await next.query(`listen ${channel}`);
      emit(null);
      const heartbeat = () => {
        timer = setTimeout(() => {
          next.query('select 1').then(heartbeat, reconnect);
        }, heartbeatIntervalMs);
      };
      heartbeat();
    } catch (error) {
      reconnect(error as Error);
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
