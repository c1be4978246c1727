import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { Connection } from '../db/connection.ts';
import { waitAtMost, Watchdog } from '../db/watchdog.ts';
import type { Logger } from '../logger.ts';

const channel = 'sfera_events';
const signalChannel = 'sfera_signals';
/** Maximum number of signals that wait for a connection to the database. Each further signal replaces the oldest one. */
const maxWaitingSignals = 100;
/** Milliseconds between two NOTIFYs of a process. Notifications in between are sent together. */
const notifyIntervalMs = 25;
const heartbeatIntervalMs = 10_000;
/** The listening connection counts as broken if it owes an answer and sends nothing for this number of milliseconds. */
const answerTimeoutMs = 5000;
/** Milliseconds that `close` waits for pending notifications to be sent. */
const flushTimeoutMs = 1000;
/** Maximum number of ids in one NOTIFY. An id has 36 characters, and PostgreSQL limits the payload to 8,000 bytes. */
const idsPerNotify = 200;

/** Gets the schools whose logs grew, or null for all schools if notifications may have been lost. */
type Listener = (schoolIds: readonly string[] | null) => void;

/** Gets the text of a signal that another process sent. */
type SignalListener = (text: string) => void;

/**
 * Notifies that the logs of some schools grew: in this process at once, in the other processes by NOTIFY. A
 * notification holds no event and may be lost: listeners read the log, and src/events/log-reader.ts also polls it. Also
 * carries signals (src/events/live/signals.ts) to the other processes, as texts.
 */
export class Notifier {
  readonly #listeners = new Set<Listener>();
  readonly #signalListeners = new Set<SignalListener>();
  readonly #remote: RemoteNotifier | null;
  readonly #remoteSignals: RemoteSignals | null;

  /** @param connectionString undefined for the embedded database, which only one process uses. */
  constructor(pool: pg.Pool, connectionString: string | undefined, log: Logger) {
    const hasOthers = connectionString !== undefined;
    const signals = new RemoteSignals(pool, log, (text) => {
      for (const listener of this.#signalListeners) listener(text);
    });
    const emit = {
      events: (schoolIds: readonly string[] | null) => this.#emit(schoolIds),
      signal: (text: string) => signals.receive(text),
    };
    this.#remote = hasOthers ? new RemoteNotifier(pool, new NotifyListener(connectionString, log, emit), log) : null;
    this.#remoteSignals = hasOthers ? signals : null;
  }

  notify(schoolIds: readonly string[]): void {
    this.#emit(schoolIds);
    this.#remote?.notify(schoolIds);
  }

  /** Adds a listener. Returns a function that removes it. */
  onNotify(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Sends a signal to the other processes, in the order of the calls. It may be lost. */
  sendSignal(text: string): void {
    this.#remoteSignals?.send(text);
  }

  /** Adds a listener for the signals of other processes. Returns a function that removes it. */
  onSignal(listener: SignalListener): () => void {
    this.#signalListeners.add(listener);
    return () => this.#signalListeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    this.#signalListeners.clear();
    await this.#remoteSignals?.close();
    await this.#remote?.close();
  }

  #emit(schoolIds: readonly string[] | null): void {
    for (const listener of this.#listeners) listener(schoolIds);
  }
}

/** Notifies the other processes, at most once each `notifyIntervalMs`. */
class RemoteNotifier {
  readonly #pool: pg.Pool;
  readonly #listener: NotifyListener;
  readonly #log: Logger;
  readonly #pending = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> = Promise.resolve();

  constructor(pool: pg.Pool, listener: NotifyListener, log: Logger) {
    this.#pool = pool;
    this.#listener = listener;
    this.#log = log;
  }

  notify(schoolIds: readonly string[]): void {
    for (const id of schoolIds) this.#pending.add(id);
    if (this.#timer === undefined && this.#pending.size > 0) this.#sending = this.#send();
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await waitAtMost(
      flushTimeoutMs,
      this.#sending.then(() => (this.#pending.size > 0 ? this.#send() : undefined)),
    );
    clearTimeout(this.#timer);
    await this.#listener.close();
  }

  async #send(): Promise<void> {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#pending.size > 0) this.#sending = this.#send();
    }, notifyIntervalMs);
    const ids = [...this.#pending];
    this.#pending.clear();
    try {
      for (let offset = 0; offset < ids.length; offset += idsPerNotify)
        await this.#pool.query('select pg_notify($1, $2)', [channel, ids.slice(offset, offset + idsPerNotify).join(',')]);
    } catch (error) {
      // The other processes find the events by their polls.
      this.#log.warn({ err: error }, 'notify failed');
    }
  }
}

/** Sends signals to the other processes, by one statement at a time so that they keep their order. */
class RemoteSignals {
  readonly #pool: pg.Pool;
  readonly #log: Logger;
  readonly #emit: SignalListener;
  /** The start of every text that this process sends. By it the process recognises its own texts, which it also receives. */
  readonly #origin = `${randomUUID()} `;
  readonly #waiting: string[] = [];
  #sending: Promise<void> | null = null;

  constructor(pool: pg.Pool, log: Logger, emit: SignalListener) {
    this.#pool = pool;
    this.#log = log;
    this.#emit = emit;
  }

  send(text: string): void {
    if (this.#waiting.push(this.#origin + text) > maxWaitingSignals) this.#waiting.shift();
    this.#sending ??= this.#sendWaiting();
  }

  receive(text: string): void {
    if (!text.startsWith(this.#origin)) this.#emit(text.slice(this.#origin.length));
  }

  async close(): Promise<void> {
    await waitAtMost(flushTimeoutMs, this.#sending ?? Promise.resolve());
    this.#waiting.length = 0;
  }

  async #sendWaiting(): Promise<void> {
    while (this.#waiting.length > 0)
      try {
        await this.#pool.query('select pg_notify($1, text) from unnest($2::text[]) text', [signalChannel, this.#waiting.splice(0)]);
      } catch (error) {
        this.#log.warn({ err: error }, 'signals were lost');
      }
    this.#sending = null;
  }
}

/** The callbacks of a listening connection: one for new events, one for signals. */
interface Emit {
  events: Listener;
  signal: SignalListener;
}

/** Keeps one connection on LISTEN, with a heartbeat. Reconnects a second after it breaks. */
class NotifyListener {
  readonly #connectionString: string;
  readonly #log: Logger;
  readonly #emit: Emit;
  readonly #watchdog = new Watchdog(answerTimeoutMs);
  #connection: Connection | undefined;
  #isBroken = false;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(connectionString: string, log: Logger, emit: Emit) {
    this.#connectionString = connectionString;
    this.#log = log;
    this.#emit = emit;
    void this.#connect();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#watchdog.close(this.#connection?.end() ?? Promise.resolve());
  }

  async #connect(): Promise<void> {
    const connection = new Connection({
      connectionString: this.#connectionString,
      application_name: 'sfera listen',
      keepAlive: true,
      watchdog: this.#watchdog,
    });
    this.#connection = connection;
    this.#isBroken = false;
    connection.on('error', (error) => this.#reconnect(connection, error));
    connection.on('end', () => this.#reconnect(connection));
    connection.on('notification', ({ channel: from, payload }) => {
      if (from === signalChannel) this.#emit.signal(payload ?? '');
      else this.#emit.events(payload === undefined ? null : payload.split(','));
    });
    try {
      await connection.connect();
      await connection.query(`listen ${channel}; listen ${signalChannel}`);
      this.#emit.events(null);
      this.#scheduleHeartbeat(connection);
    } catch (error) {
      this.#reconnect(connection, error as Error);
    }
  }

  #scheduleHeartbeat(connection: Connection): void {
    this.#timer = setTimeout(() => {
      connection.query('select 1').then(
        () => this.#scheduleHeartbeat(connection),
        (error: Error) => this.#reconnect(connection, error),
      );
    }, heartbeatIntervalMs);
  }

  /** Replaces a broken connection. Ignores further errors of the same connection. */
  #reconnect(broken: Connection, error?: Error): void {
    if (this.#isBroken || this.#connection !== broken) return;
    this.#isBroken = true;
    clearTimeout(this.#timer);
    broken.end().catch(() => undefined);
    if (this.#isClosed) return;
    if (error !== undefined) this.#log.warn({ err: error }, 'listen connection lost');
    this.#timer = setTimeout(() => void this.#connect(), 1000);
  }
}
