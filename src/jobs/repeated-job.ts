import { waitAtMost } from '../db/watchdog.ts';
import type { Logger } from '../logger.ts';

/** Milliseconds that `close` waits for the current run. */
const closeWithinMs = 1000;

export interface RepeatedJobOptions {
  /** Does the work that is due at an instant. It may run twice, and in several processes at once. */
  run: (instant: Date) => Promise<void>;
  /** Returns when to run again. */
  nextAfter: (instant: Date) => Date;
  log: Logger;
  /** The line of the log after a failed run. The next run tries again. */
  failure: string;
  /** Returns the present time. */
  clock?: () => Date;
}

/** Runs a job now and at each `nextAfter`, until it is closed. */
export class RepeatedJob {
  readonly #options: Required<RepeatedJobOptions>;
  #timer: NodeJS.Timeout | undefined;
  /** The current or last run. */
  #run: Promise<void>;
  #isClosed = false;

  constructor(options: RepeatedJobOptions) {
    this.#options = { clock: () => new Date(), ...options };
    this.#run = this.#runOnce();
  }

  /** Stops the timer, and waits at most `closeWithinMs` for the current run. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await waitAtMost(closeWithinMs, this.#run);
  }

  async #runOnce(): Promise<void> {
    const { run, nextAfter, log, failure, clock } = this.#options;
    try {
      await run(clock());
    } catch (error) {
      log.warn({ err: error }, failure);
    }
    if (this.#isClosed) return;
    const now = clock();
    this.#timer = setTimeout(
      () => {
        this.#run = this.#runOnce();
      },
      nextAfter(now).getTime() - now.getTime(),
    );
  }
}
