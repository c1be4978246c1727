import cluster, { type Worker } from 'node:cluster';
import { randomUUID } from 'node:crypto';
import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client';
import { NoAnswer } from '../db/availability.ts';
import { waitAtMost } from '../db/watchdog.ts';
import type { Logger } from '../logger.ts';

/**
 * A Prometheus scrape reaches one worker. This worker asks the primary process for the sum of all metrics, and the
 * primary process asks all listening workers. The sum leaves out workers that are starting or stopping, and workers
 * that do not answer in time. `sfera_workers_silent_total` counts the workers that do not answer.
 */

/** Milliseconds that a worker may take to send its metrics. */
const answerWithinMs = 1000;
/** Milliseconds that the primary process may take to add up the metrics of all workers and send the result. */
const gatherWithinMs = 3000;

type MetricsJson = object[];

type ToPrimary = { scrape: 'all'; id: string } | { scrape: 'own'; id: string; metrics: MetricsJson | null };
type ToWorker = { scrape: 'own'; id: string } | { scrape: 'all'; id: string; text: string };

/** In a worker: returns the metrics, summed over all workers. @throws NoAnswer when the primary process does not answer. */
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

/**
 * In the primary process: answers workers that ask for the metrics of all workers.
 * @param listening the listening workers, whose metrics are added up.
 */
export function gatherScrapes(listening: ReadonlySet<Worker>, log: Logger): void {
  const gatherer = new MetricsGatherer(listening);
  cluster.on('message', (worker, message: ToPrimary) => {
    if (message.scrape === 'own') gatherer.take(worker, message);
    if (message.scrape === 'all')
      gatherer.gather().then(
        (text) => worker.isConnected() && worker.send({ scrape: 'all', id: message.id, text } satisfies ToWorker, () => undefined),
        (error: unknown) => log.error({ err: error }, 'the metrics of the workers could not be added up'),
      );
  });
}

/** A scrape for which the primary process collects the metrics of the workers. */
interface Scrape {
  pending: Set<Worker>;
  received: MetricsJson[];
  /** Called when no worker is pending. */
  complete(): void;
}

/** Asks the listening workers for their metrics and adds them up. */
class MetricsGatherer {
  readonly #listening: ReadonlySet<Worker>;
  readonly #scrapes = new Map<string, Scrape>();
  readonly #registry = new Registry();
  readonly #workers = new Gauge({ name: 'sfera_workers', help: 'Workers whose metrics are in this scrape.', registers: [this.#registry] });
  readonly #silent = new Counter({
    name: 'sfera_workers_silent_total',
    help: 'Workers left out of a scrape because they did not answer within a second.',
    registers: [this.#registry],
  });

  constructor(listening: ReadonlySet<Worker>) {
    this.#listening = listening;
  }

  /** Returns the metrics as text, each summed over all workers that answered. */
  async gather(): Promise<string> {
    const { pending, received } = await this.#ask();
    this.#workers.set(received.length);
    this.#silent.inc(pending.size);
    return AggregatorRegistry.aggregate([...received, await this.#registry.getMetricsAsJSON()]).metrics();
  }

  /** Adds the metrics of a worker to its scrape. `metrics` is null if the worker could not read them. */
  take(worker: Worker, { id, metrics }: { id: string; metrics: MetricsJson | null }): void {
    const scrape = this.#scrapes.get(id);
    if (!scrape?.pending.delete(worker)) return;
    if (metrics !== null) scrape.received.push(metrics);
    if (scrape.pending.size === 0) scrape.complete();
  }

  /** Asks every listening worker. Resolves when all workers have answered, or after `answerWithinMs`. */
  async #ask(): Promise<Scrape> {
    const id = randomUUID();
    const scrape: Scrape = { pending: new Set(this.#listening), received: [], complete: () => undefined };
    if (scrape.pending.size === 0) return scrape;
    const allAnswered = new Promise<void>((resolve) => (scrape.complete = resolve));
    this.#scrapes.set(id, scrape);
    for (const worker of this.#listening)
      worker.send({ scrape: 'own', id } satisfies ToWorker, (error) => error && this.take(worker, { id, metrics: null }));
    await waitAtMost(answerWithinMs, allAnswered);
    this.#scrapes.delete(id);
    return scrape;
  }
}
