import cluster, { type Worker } from 'node:cluster';
import { randomUUID } from 'node:crypto';
import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client';
import { NoAnswer } from '../db/availability.ts';
import type { Logger } from '../logger.ts';

/**
 * A Prometheus scrape reaches one worker, which asks the primary process, which asks all listening workers. A worker
 * that starts or stops is left out; one that does not answer in time is left out and counted.
 */

/** Milliseconds that a worker may take to send its metrics. */
const answerWithinMs = 1000;
/** Milliseconds that the primary process may take to send the sum. */
const gatherWithinMs = 3000;

type MetricsJson = object[];

type ToPrimary = { scrape: 'all'; id: string } | { scrape: 'own'; id: string; metrics: MetricsJson | null };
type ToWorker = { scrape: 'own'; id: string } | { scrape: 'all'; id: string; text: string };

/** In a worker: returns the metrics of all workers. @throws NoAnswer when the primary process does not answer. */
export function scrapeAll(): Promise<string> {
  const id = randomUUID();
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      process.off('message', take);
    };
    const take = (message: ToWorker) => {
      if (message.scrape !== 'all' || message.id !== id) return;
      end();
      resolve(message.text);
    };
    const timer = setTimeout(() => {
      end();
      reject(new NoAnswer('The primary process did not answer.'));
    }, gatherWithinMs);
    process.on('message', take);
    process.send!({ scrape: 'all', id } satisfies ToPrimary);
  });
}

/** In a worker: answers the primary process's requests for its metrics. */
export function answerScrapes(registry: Registry): void {
  process.on('message', ({ scrape, id }: ToWorker) => {
    if (scrape !== 'own') return;
    const send = (metrics: MetricsJson | null): void => void process.send!({ scrape, id, metrics } satisfies ToPrimary);
    registry.getMetricsAsJSON().then(send, () => send(null));
  });
}

/** In the primary process: gathers the metrics of the workers. @param listening the listening workers. */
export function gatherScrapes(listening: ReadonlySet<Worker>, log: Logger): void {
  const registry = new Registry();
  const workers = new Gauge({ name: 'sfera_workers', help: 'Workers whose metrics are in this scrape.', registers: [registry] });
  const silent = new Counter({
    name: 'sfera_workers_silent_total',
    help: 'Workers left out of a scrape because they did not answer within a second.',
    registers: [registry],
  });
  const scrapes = new Map<string, (worker: Worker, metrics: MetricsJson | null) => void>();

  const gather = async (): Promise<string> => {
    const pending = new Set(listening);
    const received: MetricsJson[] = [];
    const id = randomUUID();
    if (pending.size > 0)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, answerWithinMs);
        const take = (worker: Worker, metrics: MetricsJson | null): void => {
          if (!pending.delete(worker)) return;
          if (metrics !== null) received.push(metrics);
          if (pending.size > 0) return;
          clearTimeout(timer);
          resolve();
        };
        scrapes.set(id, take);
        for (const worker of pending) worker.send({ scrape: 'own', id } satisfies ToWorker, (error) => error && take(worker, null));
      });
    scrapes.delete(id);
    workers.set(received.length);
    silent.inc(pending.size);
    return AggregatorRegistry.aggregate([...received, await registry.getMetricsAsJSON()]).metrics();
  };

  cluster.on('message', (worker, message: ToPrimary) => {
    if (message.scrape === 'own') scrapes.get(message.id)?.(worker, message.metrics);
    if (message.scrape === 'all')
      gather().then(
        (text) => worker.isConnected() && worker.send({ scrape: 'all', id: message.id, text } satisfies ToWorker, () => undefined),
        (error: unknown) => log.error({ err: error }, 'the metrics of the workers could not be added up'),
      );
  });
}
