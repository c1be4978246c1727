import { Socket } from 'node:net';
import type pg from 'pg';
import type { Logger } from '../logger.ts';
import { Connection, type ConnectionConfig } from './connection.ts';
import { isFull } from './pool.ts';
import { flushAtEndOfTick } from '../reader/batching.ts';

/** Executes statements that read, outside transactions. */
export interface PipelinedPool {
  query<R extends pg.QueryResultRow>(query: pg.QueryConfig | pg.Query): Promise<pg.QueryResult<R>>;
  /** Returns the number of statements that wait for their answer. */
  inFlightCount(): number;
  /** Ends one connection, so that the pool of transactions may open one. */
  closeOne(): void;
  end(): Promise<void>;
}

interface PipelinedConnection {
  client: Connection;
  socket: Socket;
  /** Removes the connection, so that the next statement opens another one. */
  onLost(error?: Error): void;
  /** Whether the server refused the connection because of its connection limit. */
  isRefused: boolean;
  inFlight: number;
  /** Whether the socket collects the statements of this turn, to send them in one write. */
  isCorked: boolean;
}

/** Milliseconds without opening a connection after the server refused one. */
const backoffMs = 5000;

/** SQLSTATE classes after which the server closes the connection. Errors without a code are not from the server. */
const connectionEnds = /^(08|57P)/;

/**
 * Creates connections with pipelining: many statements are in flight at once, and the server answers them in order. So
 * no statement waits for a connection, and the statements of one turn leave in one write, which is most of the cost of
 * a small statement. The statements in flight on a broken connection fail, and the next statement opens a new one.
 * Without any connection, `pool` executes the statements.
 */
export function createPipelinedPool(config: ConnectionConfig, count: number, pool: pg.Pool, log: Logger): PipelinedPool {
  const connections: (PipelinedConnection | undefined)[] = Array.from({ length: count });
  let backoffUntil = 0;
  let ended = false;

  const open = (index: number): PipelinedConnection => {
    const socket = new Socket();
    const client = new Connection({ ...config, pipeline: true, stream: () => socket });
    const onLost = (error?: Error): void => {
      if (connections[index] !== connection) return;
      connections[index] = undefined;
      // Unless the connection is broken, it ends after the answers to the statements in flight.
      client.end().catch(() => undefined);
      if (!ended && error !== undefined) log.warn({ err: error }, 'A database connection was lost.');
    };
    const connection: PipelinedConnection = { client, socket, onLost, isRefused: false, inFlight: 0, isCorked: false };
    client.on('error', onLost);
    client.on('end', () => onLost());
    // The client itself fails the statements that wait for the connection.
    client.connect().catch((error: Error) => {
      connection.isRefused = isFull(error);
      if (connection.isRefused) backoffUntil = performance.now() + backoffMs;
      onLost(connection.isRefused ? undefined : error);
    });
    connections[index] = connection;
    return connection;
  };

  /** Returns an idle connection, or the one with the fewest statements; undefined if no connection may be opened. */
  const chooseConnection = (): PipelinedConnection | undefined => {
    let best: PipelinedConnection | undefined;
    for (let index = 0; index < count; index += 1) {
      const connection =
        connections[index] ?? ((best === undefined || best.inFlight > 0) && performance.now() > backoffUntil ? open(index) : undefined);
      if (connection === undefined) continue;
      if (connection.inFlight === 0) return connection;
      if (best === undefined || connection.inFlight < best.inFlight) best = connection;
    }
    return best;
  };

  const queryPool = <R extends pg.QueryResultRow>(query: pg.QueryConfig | pg.Query): Promise<pg.QueryResult<R>> => {
    // A statement that waited for a refused connection was never sent, so the pool may execute it.
    if ('submit' in query) Object.assign(query, { callback: undefined });
    return new Promise((resolve, reject) => {
      pool.query<R>(query as pg.QueryConfig, (error: Error | null, result) => (error ? reject(error) : resolve(result)));
    });
  };

  return {
    query<R extends pg.QueryResultRow>(query: pg.QueryConfig | pg.Query) {
      const connection = chooseConnection();
      if (connection === undefined) return queryPool<R>(query);
      connection.inFlight += 1;
      if (!connection.isCorked) {
        connection.isCorked = true;
        connection.socket.cork();
        flushAtEndOfTick(() => {
          connection.isCorked = false;
          connection.socket.uncork();
        });
      }
      return new Promise<pg.QueryResult<R>>((resolve, reject) => {
        connection.client.query(query as pg.QueryConfig, (error: Error | null, result) => {
          connection.inFlight -= 1;
          if (error && connection.isRefused) return resolve(queryPool<R>(query));
          if (error && connectionEnds.test((error as { code?: string }).code ?? '08')) connection.onLost(error);
          else if (connection.client.retired) connection.onLost();
          if (error) reject(error);
          else resolve(result as pg.QueryResult<R>);
        });
      });
    },
    inFlightCount: () => connections.reduce((sum, connection) => sum + (connection?.inFlight ?? 0), 0),
    closeOne() {
      let best: PipelinedConnection | undefined;
      for (const connection of connections)
        if (connection !== undefined && (best === undefined || connection.inFlight < best.inFlight)) best = connection;
      if (best === undefined) return;
      backoffUntil = performance.now() + backoffMs;
      best.onLost();
    },
    async end() {
      ended = true;
      await Promise.all(connections.map(async (connection) => connection?.client.end()));
    },
  };
}
