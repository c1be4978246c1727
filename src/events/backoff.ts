import { setTimeout as pause } from 'node:timers/promises';
import { isUnanswered } from '../db/availability.ts';

/** Trying again what failed, a few times within a few seconds. */

/** Milliseconds before each further attempt, give or take a half, so that many do not come back at one moment. */
const delaysMs = [100, 500, 2000];
/** Milliseconds after the first attempt past which no other begins: an attempt that waits for a lock takes seconds itself. */
const maxElapsedMs = 6000;

/** The failed attempts at one thing. */
export class Backoff {
  readonly #began = performance.now();
  #failures = 0;

  /**
   * Resolves when the next attempt is due.
   * @throws `error` after the last attempt, unless the database cannot be reached, and when the signal aborts.
   */
  async next(error: unknown, signal: AbortSignal): Promise<void> {
    // A stream outlives a database that does not answer at all: it goes on from its place, and loses nothing.
    const isLost = isUnanswered(error);
    const delay = delaysMs[this.#failures] ?? (isLost ? delaysMs.at(-1)! : undefined);
    this.#failures += 1;
    if (delay === undefined || signal.aborted || (!isLost && performance.now() + delay - this.#began > maxElapsedMs)) throw error;
    await pause(delay * (0.5 + Math.random()), undefined, { signal }).catch(() => {
      throw error;
    });
  }
}

/** Answers what `attempt` does, trying again where it throws. @throws what the last attempt threw. */
export async function retry<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (const backoff = new Backoff(); ; ) {
    try {
      return await attempt();
    } catch (error) {
      await backoff.next(error, signal);
    }
  }
}
