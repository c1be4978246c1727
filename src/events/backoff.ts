import { setTimeout as pause } from 'node:timers/promises';

/** Trying again what failed, a few times within a few seconds. */

/** Milliseconds before each further attempt, give or take a half, so that many do not come back at one moment. */
const delaysMs = [100, 500, 2000];
/** Milliseconds after the first attempt past which no other begins: an attempt that waits for a lock takes seconds itself. */
const maxElapsedMs = 6000;

/** The failed attempts at one thing. */
export class Backoff {
  readonly #began = performance.now();
  #failures = 0;

  /** Resolves when the next attempt is due. @throws `error` after the last attempt, and when the signal aborts. */
  async next(error: unknown, signal: AbortSignal): Promise<void> {
    const delay = delaysMs[this.#failures];
    this.#failures += 1;
    if (delay === undefined || signal.aborted || performance.now() + delay - this.#began > maxElapsedMs) throw error;
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
