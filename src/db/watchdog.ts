import { NoAnswer } from './availability.ts';

/**
 * Deadlines of this side. The server's own deadlines end what runs too long, but a server that hangs, or a host that is
 * gone without a word, keeps none of them and no connection is ever reported as broken.
 */

/** A connection, as far as it is watched. */
export interface Watched {
  /** What the server owes: the rest of a handshake, the answer to a statement, the end of the connection, or nothing. */
  readonly owed: 'handshake' | 'answer' | 'end' | null;
  /** Set by every message of the server. */
  heard: boolean;
  /** Milliseconds of silence allowed to a statement, where not the usual ones. */
  answerWithinMs?: number | undefined;
  /** Breaks the connection; everything under way on it fails with the error. */
  destroy(error: Error): void;
  /** Gives the connection up as soon as nothing is under way on it. */
  retire(reason: Error): void;
  once(event: 'end', call: () => void): unknown;
}

/** Milliseconds of silence: five more than `statement_timeout` allows. */
export const answerWithinMs = 20_000;
const handshakeWithinMs = 5000;
const endWithinMs = 3000;
/** Milliseconds that `close` waits for what is under way. */
const closeWithinMs = 3000;

/** Waits for the promise, whatever comes of it, but no longer than this. */
export async function waitAtMost(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([promise.catch(() => undefined), new Promise((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}

/**
 * Looks at all connections every second, and breaks those on which the server owes something and was silent for too long.
 * Statements pay nothing for it. Silence is counted in looks, not by the clock: a process that was stopped itself finds
 * answers waiting for it when it goes on.
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
    this.#timer = setInterval(() => this.#look(), this.#everyMs).unref();
  }

  watch(connection: Watched): void {
    this.#silence.set(connection, 0);
    connection.once('end', () => this.#silence.delete(connection));
  }

  #look(): void {
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

  /** Gives up every connection, so that the next statements are sent to whatever answers at the address now. */
  renew(reason: Error): void {
    for (const connection of [...this.#silence.keys()]) connection.retire(reason);
  }

  /** Waits for the end of all connections, which was asked for politely, and breaks those that are left after some seconds. */
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
