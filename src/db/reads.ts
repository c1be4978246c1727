import { Socket } from 'node:net';
import type pg from 'pg';
import type { Logger } from '../log.ts';
import { Connection, type ConnectionConfig } from './connection.ts';
import { isFull } from './pool.ts';
import { sendAtEndOfTurn } from './turn.ts';

/** Statements that read, outside any transaction. */
export interface Reads {
  query<R extends pg.QueryResultRow>(query: pg.QueryConfig | pg.Query): Promise<pg.QueryResult<R>>;
  /** Statements that are under way. */
  underWay(): number;
  /** Ends one connection, so that the pool may open one. */
  yieldOne(): void;
  end(): Promise<void>;
}

interface Reader {
  client: Connection;
  socket: Socket;
  /** It is used no more: the next statement opens another one. */
  lost(error?: Error): void;
  /** Whether the server refused the connection because of its limits. */
  refused: boolean;
  underWay: number;
  /** What is sent in this turn goes together at its end. */
  held: boolean;
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
export function createReads(config: ConnectionConfig, count: number, pool: pg.Pool, log: Logger): Reads {
  const readers: (Reader | undefined)[] = Array.from({ length: count });
  let restUntil = 0;
  let ended = false;

  const open = (at: number): Reader => {
    const socket = new Socket();
    const client = new Connection({ ...config, pipeline: true, stream: () => socket });
    const lost = (error?: Error): void => {
      if (readers[at] !== reader) return;
      readers[at] = undefined;
      // Where it is not over yet, it answers what was sent and then ends: nothing is left open.
      client.end().catch(() => undefined);
      if (!ended && error !== undefined) log.warn({ err: error }, 'A database connection was lost.');
    };
    const reader: Reader = { client, socket, lost, refused: false, underWay: 0, held: false };
    client.on('error', lost);
    client.on('end', () => lost());
    // What waits for it is told by `end`.
    client.connect().catch((error: Error) => {
      reader.refused = isFull(error);
      if (reader.refused) restUntil = performance.now() + restMs;
      lost(reader.refused ? undefined : error);
    });
    readers[at] = reader;
    return reader;
  };

  /** Returns an idle reader, or the one with the fewest statements; undefined if there can be none. */
  const choose = (): Reader | undefined => {
    let best: Reader | undefined;
    for (let at = 0; at < count; at += 1) {
      const reader = readers[at] ?? ((best === undefined || best.underWay > 0) && performance.now() > restUntil ? open(at) : undefined);
      if (reader === undefined) continue;
      if (reader.underWay === 0) return reader;
      if (best === undefined || reader.underWay < best.underWay) best = reader;
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
      reader.underWay += 1;
      if (!reader.held) {
        reader.held = true;
        reader.socket.cork();
        sendAtEndOfTurn(() => {
          reader.held = false;
          reader.socket.uncork();
        });
      }
      return new Promise<pg.QueryResult<R>>((resolve, reject) => {
        reader.client.query(query as pg.QueryConfig, (error: Error | null, result) => {
          reader.underWay -= 1;
          if (error && reader.refused) return resolve(byPool<R>(query));
          if (error && ending.test((error as { code?: string }).code ?? '08')) reader.lost(error);
          else if (reader.client.retired) reader.lost();
          if (error) reject(error);
          else resolve(result as pg.QueryResult<R>);
        });
      });
    },
    underWay: () => readers.reduce((sum, reader) => sum + (reader?.underWay ?? 0), 0),
    yieldOne() {
      let best: Reader | undefined;
      for (const reader of readers) if (reader !== undefined && (best === undefined || reader.underWay < best.underWay)) best = reader;
      if (best === undefined) return;
      restUntil = performance.now() + restMs;
      best.lost();
    },
    async end() {
      ended = true;
      await Promise.all(readers.map(async (reader) => reader?.client.end()));
    },
  };
}
