import { Socket } from 'node:net';
import type pg from 'pg';
import type { Logger } from '../logger.ts';
import { Connection, type ConnectionConfig } from './connection.ts';
import { isFull } from './pool.ts';
import { flushAtEndOfTick } from '../reader/batching.ts';

/** Statements that read, outside any transaction. */
export interface PipelinedPool {
  query<R extends pg.QueryResultRow>(query: pg.QueryConfig | pg.Query): Promise<pg.QueryResult<R>>;
  /** Statements that are under way. */
  inFlightCount(): number;
  /** Ends one connection, so that the pool may open one. */
  closeOne(): void;
  end(): Promise<void>;
}

interface PipelinedConnection {
  client: Connection;
  socket: Socket;
  /** It is used no more: the next statement opens another one. */
  onLost(error?: Error): void;
  /** Whether the server refused the connection because of its limits. */
  isRefused: boolean;
  inFlight: number;
  /** What is sent in this turn goes together at its end. */
  isCorked: boolean;
}

/** Milliseconds for which no connection is opened after the server refused one. */
const restMs = 5000;

/** After these errors the server ends the connection, a moment later; what has no code is no answer of the server. */
const ending = /^(08|57P)/;

/**
 * Connections on which many statements are under way at once, answered in their order: no statement waits for a
 * connection, and the statements of one turn leave in one write, which is most of what a small one costs. A connection
 * that breaks fails what was under way on it, and is opened anew when it is next needed. If there can be none, the pool
 * reads.
 */
export function createPipelinedPool(config: ConnectionConfig, count: number, pool: pg.Pool, log: Logger): PipelinedPool {
  const readers: (PipelinedConnection | undefined)[] = Array.from({ length: count });
  let restUntil = 0;
  let ended = false;

  const open = (at: number): PipelinedConnection => {
    const socket = new Socket();
    const client = new Connection({ ...config, pipeline: true, stream: () => socket });
    const onLost = (error?: Error): void => {
      if (readers[at] !== reader) return;
      readers[at] = undefined;
      // Where it is not over yet, it answers what was sent and then ends: nothing is left open.
      client.end().catch(() => undefined);
      if (!ended && error !== undefined) log.warn({ err: error }, 'A database connection was lost.');
    };
    const reader: PipelinedConnection = { client, socket, onLost, isRefused: false, inFlight: 0, isCorked: false };
    client.on('error', onLost);
    client.on('end', () => onLost());
    // What waits for it is told by `end`.
    client.connect().catch((error: Error) => {
      reader.isRefused = isFull(error);
      if (reader.isRefused) restUntil = performance.now() + restMs;
      onLost(reader.isRefused ? undefined : error);
    });
    readers[at] = reader;
    return reader;
  };

  /** Returns an idle reader, or the one with the fewest statements; undefined if there can be none. */
  const choose = (): PipelinedConnection | undefined => {
    let best: PipelinedConnection | undefined;
    for (let at = 0; at < count; at += 1) {
      const reader = readers[at] ?? ((best === undefined || best.inFlight > 0) && performance.now() > restUntil ? open(at) : undefined);
      if (reader === undefined) continue;
      if (reader.inFlight === 0) return reader;
      if (best === undefined || reader.inFlight < best.inFlight) best = reader;
    }
    return best;
  };

  const byPool = <R extends pg.QueryResultRow>(query: pg.QueryConfig | pg.Query): Promise<pg.QueryResult<R>> => {
    // A statement that waited for a refused connection was never sent, so the pool may send it.
    if ('submit' in query) Object.assign(query, { callback: undefined });
    return new Promise((resolve, reject) => {
      pool.query<R>(query as pg.QueryConfig, (error: Error | null, result) => (error ? reject(error) : resolve(result)));
    });
  };

  return {
    query<R extends pg.QueryResultRow>(query: pg.QueryConfig | pg.Query) {
      const reader = choose();
      if (reader === undefined) return byPool<R>(query);
      reader.inFlight += 1;
      if (!reader.isCorked) {
        reader.isCorked = true;
        reader.socket.cork();
        flushAtEndOfTick(() => {
          reader.isCorked = false;
          reader.socket.uncork();
        });
      }
      return new Promise<pg.QueryResult<R>>((resolve, reject) => {
        reader.client.query(query as pg.QueryConfig, (error: Error | null, result) => {
          reader.inFlight -= 1;
          if (error && reader.isRefused) return resolve(byPool<R>(query));
          if (error && ending.test((error as { code?: string }).code ?? '08')) reader.onLost(error);
          else if (reader.client.retired) reader.onLost();
          if (error) reject(error);
          else resolve(result as pg.QueryResult<R>);
        });
      });
    },
    inFlightCount: () => readers.reduce((sum, reader) => sum + (reader?.inFlight ?? 0), 0),
    closeOne() {
      let best: PipelinedConnection | undefined;
      for (const reader of readers) if (reader !== undefined && (best === undefined || reader.inFlight < best.inFlight)) best = reader;
      if (best === undefined) return;
      restUntil = performance.now() + restMs;
      best.onLost();
    },
    async end() {
      ended = true;
      await Promise.all(readers.map(async (reader) => reader?.client.end()));
    },
  };
}
