import cluster, { type Worker } from 'node:cluster';
import { randomUUID } from 'node:crypto';
import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client';
import { NoAnswer } from '../db/availability.ts';
import type { Logger } from '../logger.ts';

/**
 * A Prometheus scrape of several workers: it reaches one of them, which asks the primary process, which asks all that
 * listen. A worker that starts or stops is left out; one that does not answer in time is left out and counted.
 */

/** Milliseconds that each worker has to send its metrics. */
const answerWithinMs = 1000;
/** Milliseconds that the primary process has to send the sum. */
const gatherWithinMs = 3000;

/** Metrics as JSON, as prom-client aggregates them. */
type Counted = object[];

type ToPrimary = { scrape: 'all'; id: string } | { scrape: 'own'; id: string; counted: Counted | null };
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

/** In a worker: sends its metrics whenever the primary process asks. */
export function answerScrapes(registry: Registry): void {
  process.on('message', ({ scrape, id }: ToWorker) => {
    if (scrape !== 'own') return;
    const tell = (counted: Counted | null): void => void process.send!({ scrape, id, counted } satisfies ToPrimary);
    registry.getMetricsAsJSON().then(tell, () => tell(null));
  });
}

/** In the primary process: gathers the metrics of the workers. @param listening the workers that serve now. */
export function gatherScrapes(listening: ReadonlySet<Worker>, log: Logger): void {
  const registry = new Registry();
  const workers = new Gauge({ name: 'sfera_workers', help: 'Workers whose metrics are in this scrape.', registers: [registry] });
  const silent = new Counter({ name: 'sfera_workers_silent_total', help: 'Workers left out of a scrape because they did not answer within a second.', registers: [registry] });
  const waiting = new Map<string, (worker: Worker, counted: Counted | null) => void>();

  const gather = async (): Promise<string> => {
    const requestInfo = new Set(listening);
    const counted: Counted[] = [];
    const id = randomUUID();
    if (requestInfo.size > 0)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, answerWithinMs);
        const leave = (worker: Worker, own: Counted | null): void => {
          if (!requestInfo.delete(worker)) return;
          if (own !== null) counted.push(own);
          if (requestInfo.size > 0) return;
          clearTimeout(timer);
          resolve();
        };
        waiting.set(id, leave);
        for (const worker of requestInfo) worker.send({ scrape: 'own', id } satisfies ToWorker, (error) => error && leave(worker, null));
      });
    waiting.delete(id);
    workers.set(counted.length);
    silent.inc(requestInfo.size);
    return AggregatorRegistry.aggregate([...counted, await registry.getMetricsAsJSON()]).metrics();
  };

  cluster.on('message', (worker, message: ToPrimary) => {
    if (message.scrape === 'own') waiting.get(message.id)?.(worker, message.counted);
    if (message.scrape === 'all')
      gather().then(
        (text) => worker.isConnected() && worker.send({ scrape: 'all', id: message.id, text } satisfies ToWorker, () => undefined),
        (error: unknown) => log.error({ err: error }, 'the metrics of the workers could not be added up'),
      );
  });
}
