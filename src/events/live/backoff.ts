import { setTimeout as pause } from 'node:timers/promises';
import { isUnanswered } from '../../db/availability.ts';

/** Retries a failed operation a few times within a few seconds. */

/** Milliseconds before each further attempt, varied by up to a half, so that many clients do not retry at once. */
const delaysMs = [100, 500, 2000];
/**
 * Milliseconds after the first attempt within which another attempt may start. This limit does not apply while the
 * database cannot be reached. One attempt may take seconds, since it may wait for a lock.
 */
const maxElapsedMs = 6000;

export class Backoff {
  readonly #startedAt = performance.now();
  #failures = 0;

  /**
   * Resolves when the next attempt is due. The number of attempts is unlimited while the database cannot be reached.
   * @throws `error` after the last attempt, and when the signal aborts.
   */
  async next(error: unknown, signal: AbortSignal): Promise<void> {
    // Never gives up while the database cannot be reached. When it can be reached again, the client's stream continues from
    // its position in the log and loses no event.
    const isLost = isUnanswered(error);
    const delay = delaysMs[this.#failures] ?? (isLost ? delaysMs.at(-1)! : undefined);
    this.#failures += 1;
    if (delay === undefined || signal.aborted || (!isLost && performance.now() + delay - this.#startedAt > maxElapsedMs)) throw error;
    await pause(delay * (0.5 + Math.random()), undefined, { signal }).catch(() => {
      throw error;
    });
  }
}

/** Returns the result of `attempt`, retrying when it throws. @throws the error of the last attempt. */
export async function retry<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (const backoff = new Backoff(); ;) {
    try {
      return await attempt();
    } catch (error) {
      await backoff.next(error, signal);
    }
  }
}
