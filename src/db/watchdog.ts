import { NoAnswer } from './availability.ts';

/**
 * Deadlines that this process watches. PostgreSQL has deadlines of its own, which end statements that run too long, but
 * only while PostgreSQL works. If it hangs or its host disappears, this process gets no error, and would wait forever.
 */

/** A connection that the watchdog checks. */
export interface Watched {
  /** The client waits for the rest of a handshake, the answer to a statement, the end of the connection, or nothing. */
  readonly awaiting: 'handshake' | 'answer' | 'end' | null;
  /** The number of bytes that arrived from the server. */
  readonly bytesRead: number;
  /** Milliseconds that the server may be silent during a statement. By default, the limit of the `Watchdog` applies. */
  answerWithinMs?: number | undefined;
  /** Breaks the connection; its statements in flight fail with the error. */
  destroy(error: Error): void;
  /** Closes the connection as soon as no statement is in flight. */
  retire(reason: Error): void;
  once(event: 'end', listener: () => void): unknown;
}

/** How long a connection has been silent, and the bytes that it had received at the last check. */
interface Silence {
  ms: number;
  bytesRead: number;
}

/** Milliseconds that the server may be silent during a statement, by default: five seconds more than `statement_timeout`. */
export const answerWithinMs = 20_000;
/** Milliseconds that the server may be silent during a handshake, and at the end of a connection. */
const handshakeWithinMs = 5000;
const endWithinMs = 3000;
/** Milliseconds that `close` waits for statements in flight. */
const closeWithinMs = 3000;

/** Waits until the promise settles, at most `ms` milliseconds. Ignores the result and the error of the promise. */
export async function waitAtMost(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([promise.catch(() => undefined), new Promise((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}

/**
 * Checks all connections every second, so that single statements need no timers. Breaks a connection if the client
 * waits and the server has been silent for too long. Counts silence in checks, not by the clock, for the case that this
 * process was stopped (SIGSTOP). The time of the stop must not count: answers that arrived in it wait in the sockets.
 */
export class Watchdog {
  readonly #silences = new Map<Watched, Silence>();
  readonly #answerWithinMs: number;
  readonly #handshakeWithinMs: number;
  readonly #intervalMs: number;
  readonly #timer: NodeJS.Timeout;

  constructor(answerMs = answerWithinMs, handshakeMs = Math.min(handshakeWithinMs, answerMs)) {
    this.#answerWithinMs = answerMs;
    this.#handshakeWithinMs = handshakeMs;
    this.#intervalMs = Math.min(1000, answerMs / 4);
    this.#timer = setInterval(() => this.#check(), this.#intervalMs).unref();
  }

  watch(connection: Watched): void {
    this.#silences.set(connection, { ms: 0, bytesRead: 0 });
    connection.once('end', () => this.#silences.delete(connection));
  }

  #check(): void {
    for (const [connection, silence] of this.#silences) {
      const { awaiting, bytesRead } = connection;
      silence.ms = awaiting === null || bytesRead !== silence.bytesRead ? 0 : silence.ms + this.#intervalMs;
      silence.bytesRead = bytesRead;
      if (awaiting === null) continue;
      const limitMs = { handshake: this.#handshakeWithinMs, answer: connection.answerWithinMs ?? this.#answerWithinMs, end: endWithinMs }[
        awaiting
      ];
      if (silence.ms >= limitMs)
        connection.destroy(new NoAnswer(`The database was silent for ${silence.ms} ms while the client waited for: ${awaiting}.`));
    }
  }

  /**
   * Retires every connection. Called when the server has become read-only: another server may have taken over its
   * address, and new connections then reach that server.
   */
  renew(reason: Error): void {
    for (const connection of [...this.#silences.keys()]) connection.retire(reason);
  }

  /** Waits until the pools have ended (`ending`). Breaks the connections that are still open after `closeWithinMs`. */
  async close(ending: Promise<unknown>): Promise<void> {
    const force = setTimeout(() => {
      for (const connection of [...this.#silences.keys()]) connection.destroy(new NoAnswer('The database is being closed.'));
    }, closeWithinMs);
    try {
      await ending;
    } finally {
      clearTimeout(force);
      clearInterval(this.#timer);
    }
  }
}
