import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Database } from '../db/client.ts';
import type { LiveEvents } from '../events/live/subscription.ts';
import type { ExecutionCounts } from './live/subscription-operation.ts';
import { answerScrapes, scrapeAll } from './scrape.ts';

export interface Metrics {
  registry: Registry;
  /**
   * Returns the metrics in Prometheus' text format: of this process, or the sum of all workers if there are several.
   */
  text(): Promise<string>;
  requests: Counter<'method' | 'status'>;
  operations: Counter<'type' | 'outcome'>;
  duration: Histogram<'type'>;
  sockets: Gauge;
}

/** Creates the metrics that Prometheus reads at /metrics. No label names a person, a school or an operation. */
export function createMetrics(db: Database, liveEvents: LiveEvents, counts: ExecutionCounts, workers: number): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  if (workers > 1) answerScrapes(registry);
  const gauge = (name: string, help: string, read: () => number, aggregator: 'sum' | 'max' = 'sum') =>
    new Gauge({
      name,
      help,
      registers,
      aggregator,
      collect() {
        this.set(read());
      },
    });
  gauge('sfera_subscribers', 'Subscriptions open now.', () => liveEvents.rights.stats().subscribers);
  gauge(
    'sfera_log_lag_seconds',
    'Age of the oldest notification whose events have not been read yet.',
    () => liveEvents.reader.stats().lagSeconds,
    'max',
  );
  gauge('sfera_followed_schools', 'Schools whose log is followed.', () => liveEvents.reader.stats().schools);
  const count = (name: string, help: string, read: () => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  count('sfera_stream_executions_total', 'Times that an item of a stream was executed.', () => counts.executions);
  count(
    'sfera_stream_serialisations_total',
    'Times that a result for several subscribers was written as JSON.',
    () => counts.serialisations,
  );
  count(
    'sfera_stream_shared_messages_total',
    'Messages with a result that several subscribers share.',
    () => liveEvents.broadcaster.stats().deliveredCount,
  );
  gauge('sfera_db_pool_connections', 'Connections to the database, except those for reads.', () => db.pool.totalCount);
  gauge('sfera_db_pool_idle', 'Idle connections.', () => db.pool.idleCount);
  gauge('sfera_db_reads', 'Read statements under way.', () => db.reads.inFlightCount());
  gauge('sfera_db_pool_waiting', 'Requests that wait for a connection.', () => db.pool.waitingCount);
  return {
    registry,
    text: () => (workers > 1 ? scrapeAll() : registry.metrics()),
    requests: new Counter({
      name: 'sfera_http_requests_total',
      help: 'HTTP requests answered.',
      labelNames: ['method', 'status'],
      registers,
    }),
    operations: new Counter({
      name: 'sfera_operations_total',
      help: 'GraphQL operations, by their type and outcome.',
      labelNames: ['type', 'outcome'],
      registers,
    }),
    duration: new Histogram({
      name: 'sfera_operation_seconds',
      help: 'Time to answer a query or mutation.',
      labelNames: ['type'],
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
      registers,
    }),
    sockets: new Gauge({ name: 'sfera_websockets', help: 'WebSockets open now.', registers }),
  };
}

/** Counts a query or mutation, and its duration. @param startedAt its `performance.now`. */
export function recordOperation({ operations, duration }: Metrics, type: string, startedAt: number, failed: boolean): void {
  operations.inc({ type, outcome: failed ? 'error' : 'ok' });
  duration.observe({ type }, (performance.now() - startedAt) / 1000);
}
