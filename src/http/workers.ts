import cluster, { type Worker } from 'node:cluster';
import type { Config } from '../config.ts';
import type { Logger } from '../logger.ts';
import { gatherScrapes } from './scrape.ts';

/**
 * Runs `WORKERS=n` worker processes that share one port, to use all cores of a machine. The primary process only
 * supervises them. The workers share nothing but the database, like processes on several machines.
 */

/** Seconds that workers may take to exit after `stopSeconds`, before they are killed. */
const closingSeconds = 3;
/** The server stops after this many failures of workers within a minute. */
const maxFailures = 5;
const minuteMs = 60_000;

/**
 * Starts the workers, replaces workers that exit, and stops all of them on SIGTERM and SIGINT. Calls `ready` once all
 * workers listen.
 */
export function superviseWorkers(config: Config, log: Logger, ready: () => void): Promise<void> {
  return new Supervisor(config, log).run(ready);
}

class Supervisor {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #running = new Set<Worker>();
  readonly #listening = new Set<Worker>();
  /** Unix times in ms of the failures within the last minute. */
  #failedAt: number[] = [];
  #hasStarted = false;
  #isStopping = false;
  #exitCode = 0;

  constructor(config: Config, log: Logger) {
    this.#config = config;
    this.#log = log;
  }

  async run(ready: () => void): Promise<void> {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => this.#stop(signal));
    gatherScrapes(this.#listening, this.#log);
    // The first worker starts alone: it applies the migrations, and a start error is printed only once.
    await this.#startWorker(0);
    this.#hasStarted = true;
    await Promise.all(Array.from({ length: this.#config.workers - 1 }, (_, n) => this.#startWorker(n + 1)));
    if (!this.#isStopping) ready();
  }

  /** Starts a worker, and replaces it when it exits. Resolves when the worker listens. */
  #startWorker(index: number): Promise<void> {
    // Only the first worker runs the housekeeping job, because one process per database is enough.
    const worker = cluster.fork(index === 0 ? {} : { HOUSEKEEPING: 'false' });
    this.#running.add(worker);
    worker.once('disconnect', () => this.#listening.delete(worker));
    worker.once('exit', (code: number | null, signal: string | null) => this.#replace({ worker, index, code, signal }));
    return new Promise((resolve) => {
      worker.once('listening', () => {
        this.#listening.add(worker);
        this.#log.info({ worker: worker.id, pid: worker.process.pid }, 'a worker listens');
        resolve();
      });
    });
  }

  /**
   * Starts another worker in place of one that exited. If the server has not started yet, exits the primary process
   * instead. After `maxFailures`, stops the server.
   */
  #replace({ worker, index, code, signal }: { worker: Worker; index: number; code: number | null; signal: string | null }): void {
    this.#running.delete(worker);
    this.#listening.delete(worker);
    if (this.#isStopping) {
      this.#exitCode ||= code ?? 0;
      return this.#exitIfDone();
    }
    // The first worker has printed why it cannot start, and the others could not start either.
    if (!this.#hasStarted) process.exit(code || 1);
    this.#log.warn({ worker: worker.id, code, signal }, 'a worker ended');
    const now = Date.now();
    if (code !== 0) this.#failedAt = [...this.#failedAt.filter((failedAt) => failedAt > now - minuteMs), now];
    if (this.#failedAt.length < maxFailures) return void this.#startWorker(index);
    process.stderr.write(`Workers failed ${maxFailures} times within a minute, so the server stops.\n`);
    this.#exitCode = 1;
    this.#stop('SIGTERM');
  }

  #stop(signal: NodeJS.Signals): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#log.info({ signal }, 'stopping all workers');
    const { stopDelaySeconds, stopSeconds } = this.#config;
    setTimeout(() => this.#kill(), (stopDelaySeconds + stopSeconds + closingSeconds) * 1000).unref();
    for (const worker of this.#running) worker.process.kill(signal);
    this.#exitIfDone();
  }

  #kill(): void {
    for (const { process: worker } of this.#running) worker.kill('SIGKILL');
    process.exit(1);
  }

  #exitIfDone(): void {
    if (this.#running.size === 0) process.exit(this.#exitCode);
  }
}
