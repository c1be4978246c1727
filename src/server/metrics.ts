import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { Kind, type DefinitionNode } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Database } from '../db/client.ts';
import type { Feed } from '../events/follow.ts';
import type { GraphContext } from '../graphql/context.ts';

export interface Metrics {
  registry: Registry;
  requests: Counter<'method' | 'status'>;
  operations: Counter<'type' | 'outcome'>;
  duration: Histogram<'type'>;
  sockets: Gauge;
}

/** What Prometheus reads at /metrics. No label names a person, a school or an operation. */
export function createMetrics(db: Database, feed: Feed): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({ name, help, registers, collect() { this.set(read()); } });
  gauge('sfera_subscribers', 'Subscriptions open now.', () => feed.hearing.stats().listeners);
  gauge('sfera_log_lag_seconds', 'Age of the oldest wake whose events are not read yet.', () => feed.tail.stats().lagSeconds);
  gauge('sfera_followed_schools', 'Schools whose log is followed.', () => feed.tail.stats().schools);
  gauge('sfera_db_pool_connections', 'Connections to the database.', () => db.pool.totalCount);
  gauge('sfera_db_pool_idle', 'Connections that nobody uses.', () => db.pool.idleCount);
  gauge('sfera_db_pool_waiting', 'Requests that wait for a connection.', () => db.pool.waitingCount);
  return {
    registry,
    requests: new Counter({ name: 'sfera_http_requests_total', help: 'HTTP requests answered.', labelNames: ['method', 'status'], registers }),
    operations: new Counter({ name: 'sfera_operations_total', help: 'GraphQL operations, by their type and outcome.', labelNames: ['type', 'outcome'], registers }),
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

/** Counts and times the operations that pass Yoga's pipeline, on HTTP and on the socket. */
export function useMetrics({ operations, duration }: Metrics): Plugin<GraphContext> {
  return {
    onExecute({ args }) {
      const begun = performance.now();
      const definition = args.document.definitions.find(
        (node: DefinitionNode) => node.kind === Kind.OPERATION_DEFINITION && (!args.operationName || node.name?.value === args.operationName),
      );
      const type = definition?.kind === Kind.OPERATION_DEFINITION ? definition.operation : 'query';
      return {
        onExecuteDone({ result }) {
          const failed = 'errors' in result && result.errors !== undefined;
          operations.inc({ type, outcome: failed ? 'error' : 'ok' });
          duration.observe({ type }, (performance.now() - begun) / 1000);
        },
      };
    },
    onSubscribe: () => ({
      onSubscribeResult({ result }) {
        operations.inc({ type: 'subscription', outcome: Symbol.asyncIterator in result ? 'ok' : 'error' });
      },
    }),
  };
}
