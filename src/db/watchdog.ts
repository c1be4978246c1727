import { NoAnswer } from './availability.ts';

/**
 * Client-side deadlines. The server's own deadlines end statements that run too long, but a server that hangs, or a host
 * that disappears, keeps none of them, and no error reports its connections as broken.
 */

/** What the watchdog needs of a connection. */
export interface Watched {
  /** What the client waits for: the rest of a handshake, the answer to a statement, the end of the connection, or nothing. */
  readonly owed: 'handshake' | 'answer' | 'end' | null;
  /** Set by every message of the server; the watchdog clears it. */
  heard: boolean;
  /** Milliseconds of silence allowed to a statement, instead of the default. */
  answerWithinMs?: number | undefined;
  /** Breaks the connection; everything under way on it fails with the error. */
  destroy(error: Error): void;
  /** Closes the connection as soon as nothing is under way on it. */
  retire(reason: Error): void;
  once(event: 'end', call: () => void): unknown;
}

/** Milliseconds of silence: five more than `statement_timeout` allows. */
export const answerWithinMs = 20_000;
const handshakeWithinMs = 5000;
const endWithinMs = 3000;
/** Milliseconds that `close` waits for what is under way. */
const closeWithinMs = 3000;

/** Waits until the promise settles, at most `ms` milliseconds. Ignores its result and its error. */
export async function waitAtMost(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([promise.catch(() => undefined), new Promise((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}

/**
 * Checks all connections every second, and breaks those on which the client waits and the server was silent for too long.
 * Costs statements nothing. Counts silence in checks, not by the clock: a process that was stopped itself finds answers
 * waiting when it goes on.
 */
export class Watchdog {
  readonly #silence = new Map<Watched, number>();
  readonly #answerWithinMs: number;
  readonly #handshakeWithinMs: number;
  readonly #everyMs: number;
  readonly #timer: NodeJS.Timeout;

  constructor(within = answerWithinMs, handshakeWithin = Math.min(handshakeWithinMs, within)) {
    this.#answerWithinMs = within;
    this.#handshakeWithinMs = handshakeWithin;
    this.#everyMs = Math.min(1000, within / 4);
    this.#timer = setInterval(() => this.#check(), this.#everyMs).unref();
  }

  watch(connection: Watched): void {
    this.#silence.set(connection, 0);
    connection.once('end', () => this.#silence.delete(connection));
  }

  #check(): void {
    for (const [connection, before] of this.#silence) {
      const { owed, heard } = connection;
      connection.heard = false;
      const silence = owed === null || heard ? 0 : before + this.#everyMs;
      this.#silence.set(connection, silence);
      if (owed === null) continue;
      const allowed = {
        handshake: this.#handshakeWithinMs,
        answer: connection.answerWithinMs ?? this.#answerWithinMs,
        end: endWithinMs,
      }[owed];
      if (silence >= allowed) connection.destroy(new NoAnswer(`The database was silent for ${silence} ms while it owed: ${owed}.`));
    }
  }

  /** Retires every connection, so that new ones lead to the server that answers at the address now. */
  renew(reason: Error): void {
    for (const connection of [...this.#silence.keys()]) connection.retire(reason);
  }

  /** Waits for all connections to end, and breaks those that are left after `closeWithinMs`. */
  async close(ending: Promise<unknown>): Promise<void> {
    const force = setTimeout(() => {
      for (const connection of [...this.#silence.keys()]) connection.destroy(new NoAnswer('The database is being closed.'));
    }, closeWithinMs);
    try {
      await ending;
    } finally {
      clearTimeout(force);
      clearInterval(this.#timer);
    }
  }
}
