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
/** Failures of workers within a minute after which the server stops. */
const maxFailures = 5;
const minuteMs = 60_000;

/**
 * Starts the workers, replaces those that exit, and stops all of them on SIGTERM and SIGINT. Calls `ready` once all
 * listen.
 */
export async function superviseWorkers({ workers, stopDelaySeconds, stopSeconds }: Config, log: Logger, ready: () => void): Promise<void> {
  const running = new Set<Worker>();
  const listening = new Set<Worker>();
  let failures: number[] = [];
  let started = false;
  let stopping = false;
  let exitCode = 0;

  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) return;
    stopping = true;
    log.info({ signal }, 'stopping all workers');
    setTimeout(
      () => {
        for (const { process: worker } of running) worker.kill('SIGKILL');
        process.exit(1);
      },
      (stopDelaySeconds + stopSeconds + closingSeconds) * 1000,
    ).unref();
    for (const worker of running) worker.process.kill(signal);
    exitIfDone();
  };

  const exitIfDone = (): void => {
    if (running.size === 0) process.exit(exitCode);
  };

  /** Starts a worker, and replaces it when it exits. Resolves when the worker listens. */
  const startWorker = (index: number): Promise<void> => {
    // Only the first worker runs the housekeeping job, since one process of a database is enough.
    const worker = cluster.fork(index === 0 ? {} : { HOUSEKEEPING: 'false' });
    running.add(worker);
    worker.once('disconnect', () => listening.delete(worker));
    worker.once('exit', (code: number | null, signal: string | null) => {
      running.delete(worker);
      listening.delete(worker);
      if (stopping) {
        exitCode ||= code ?? 0;
        return exitIfDone();
      }
      // The first worker has printed why it cannot start, and the others could not start either.
      if (!started) process.exit(code || 1);
      log.warn({ worker: worker.id, code, signal }, 'a worker ended');
      if (code !== 0) failures = [...failures.filter((failedAt) => failedAt > Date.now() - minuteMs), Date.now()];
      if (failures.length < maxFailures) return void startWorker(index);
      process.stderr.write(`Workers failed ${maxFailures} times within a minute, so the server stops.\n`);
      exitCode = 1;
      stop('SIGTERM');
    });
    return new Promise((resolve) => {
      worker.once('listening', () => {
        listening.add(worker);
        log.info({ worker: worker.id, pid: worker.process.pid }, 'a worker listens');
        resolve();
      });
    });
  };

  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  gatherScrapes(listening, log);
  // The first worker starts alone: it applies the migrations, and a start error is printed only once.
  await startWorker(0);
  started = true;
  await Promise.all(Array.from({ length: workers - 1 }, (_, n) => startWorker(n + 1)));
  if (!stopping) ready();
}
