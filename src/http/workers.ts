import cluster, { type Worker } from 'node:cluster';
import type { Config } from '../config.ts';
import type { Logger } from '../logger.ts';
import { gatherScrapes } from './scrape.ts';

/**
 * `WORKERS=n`: a process that serves nothing itself keeps n workers, which share one port and so use the cores of one
 * machine. They know of one another no more than processes on several machines do: what they share is the database.
 */

/** Seconds that workers have to end, after those for requests under way, before they are killed. */
const closingSeconds = 3;
/** Failures within a minute after which starting another worker helps nobody. */
const failuresAllowed = 5;
const minute = 60_000;

/** Starts the workers, replaces one that ends, and stops them all on SIGTERM and SIGINT; `ready` is called once all listen. */
export async function superviseWorkers({ workers, stopDelaySeconds, stopSeconds }: Config, log: Logger, ready: () => void): Promise<void> {
  const running = new Set<Worker>();
  const listening = new Set<Worker>();
  let failures: number[] = [];
  let begun = false;
  let stopping = false;
  let exitCode = 0;

  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) return;
    stopping = true;
    log.info({ signal }, 'stopping all workers');
    setTimeout(() => {
      for (const { process: stuck } of running) stuck.kill('SIGKILL');
      process.exit(1);
    }, (stopDelaySeconds + stopSeconds + closingSeconds) * 1000).unref();
    for (const worker of running) worker.process.kill(signal);
    leave();
  };

  const leave = (): void => {
    if (running.size === 0) process.exit(exitCode);
  };

  /** Keeps a worker in this place, and resolves when the first one there listens. */
  const keep = (place: number): Promise<void> => {
    // What is over is forgotten once, not once by each.
    const worker = cluster.fork(place === 0 ? {} : { HOUSEKEEPING: 'false' });
    running.add(worker);
    worker.once('disconnect', () => listening.delete(worker));
    worker.once('exit', (code: number | null, signal: string | null) => {
      running.delete(worker);
      listening.delete(worker);
      if (stopping) {
        exitCode ||= code ?? 0;
        return leave();
      }
      // The first one has said why it cannot start, and the others could not either.
      if (!begun) process.exit(code || 1);
      log.warn({ worker: worker.id, code, signal }, 'a worker ended');
      if (code !== 0) failures = [...failures.filter((at) => at > Date.now() - minute), Date.now()];
      if (failures.length < failuresAllowed) return void keep(place);
      process.stderr.write(`Workers failed ${failuresAllowed} times within a minute, so the server stops.\n`);
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
  // It is alone at first, so that it migrates for all and says but once what is wrong.
  await keep(0);
  begun = true;
  await Promise.all(Array.from({ length: workers - 1 }, (_, n) => keep(n + 1)));
  if (!stopping) ready();
}
