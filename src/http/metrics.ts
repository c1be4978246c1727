import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Database } from '../db/client.ts';
import type { LiveEvents } from '../events/live/subscription.ts';
import type { ExecutionCounts } from './live/subscription-operation.ts';
import { answerScrapes, scrapeAll } from './scrape.ts';

export interface Metrics {
  registry: Registry;
  /** Returns the metrics in Prometheus' text format: those of this process, or with several workers the sum of all workers. */
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
  addStreamMetrics(registry, liveEvents, counts);
  addDatabaseMetrics(registry, db);
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

function addStreamMetrics(registry: Registry, { rights, reader, broadcaster }: LiveEvents, counts: ExecutionCounts): void {
  addGauge(registry, { name: 'sfera_subscribers', help: 'Subscriptions open now.', read: () => rights.stats().subscribers });
  addGauge(registry, {
    name: 'sfera_log_lag_seconds',
    help: 'Age of the oldest notification whose events have not been read yet.',
    read: () => reader.stats().lagSeconds,
    aggregator: 'max',
  });
  addGauge(registry, { name: 'sfera_followed_schools', help: 'Schools whose log is followed.', read: () => reader.stats().schools });
  addCounter(registry, {
    name: 'sfera_stream_executions_total',
    help: 'Times that an item of a stream was executed.',
    read: () => counts.executions,
  });
  addCounter(registry, {
    name: 'sfera_stream_serialisations_total',
    help: 'Times that a result for several subscribers was written as JSON.',
    read: () => counts.serialisations,
  });
  addCounter(registry, {
    name: 'sfera_stream_shared_messages_total',
    help: 'Messages with a result that several subscribers share.',
    read: () => broadcaster.stats().deliveredCount,
  });
}

function addDatabaseMetrics(registry: Registry, { pool, reads }: Database): void {
  addGauge(registry, {
    name: 'sfera_db_pool_connections',
    help: 'Connections to the database, except those for reads.',
    read: () => pool.totalCount,
  });
  addGauge(registry, { name: 'sfera_db_pool_idle', help: 'Idle connections.', read: () => pool.idleCount });
  addGauge(registry, { name: 'sfera_db_reads', help: 'Read statements under way.', read: () => reads.inFlightCount() });
  addGauge(registry, { name: 'sfera_db_pool_waiting', help: 'Requests that wait for a connection.', read: () => pool.waitingCount });
}

/** A metric whose value is read at each scrape. `aggregator` combines the gauges of several workers. */
interface PolledMetric {
  name: string;
  help: string;
  read(): number;
  aggregator?: 'sum' | 'max';
}

function addGauge(registry: Registry, { name, help, read, aggregator = 'sum' }: PolledMetric): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    aggregator,
    collect() {
      this.set(read());
    },
  });
}

function addCounter(registry: Registry, { name, help, read }: PolledMetric): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(read());
    },
  });
}
