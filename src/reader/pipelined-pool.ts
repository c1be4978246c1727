import { Socket } from 'node:net';
import type pg from 'pg';
import { flushAtEndOfTick } from './batching.ts';

/** Executes statements that read, outside transactions. */
export interface Reads {
  query<R extends pg.QueryResultRow>(query: pg.QueryConfig | pg.Query): Promise<pg.QueryResult<R>>;
  /** Returns the number of statements that wait for their answer. */
  inFlightCount(): number;
  end(): Promise<void>;
}

/** A connection in the pipeline mode of node-postgres. */
export interface PipelineClient extends Pick<pg.Client, 'connect' | 'end' | 'query'> {
  /** Whether the connection takes no new statements. */
  readonly retired: boolean;
  on(event: 'error' | 'end', listener: (error?: Error) => void): unknown;
}

export interface PipelinedPoolOptions {
  /** Largest number of connections. */
  max: number;
  /** Creates a connection that communicates over the socket. */
  createClient(socket: Socket): PipelineClient;
  /** Executes the statements while there is no connection. */
  fallback: pg.Pool;
  /** Returns whether the server refused a connection because of its connection limit. */
  isFull(error: unknown): boolean;
  /** Called when a connection is lost, with the reason. */
  onLost(error: Error): void;
}

interface PipelinedConnection {
  client: PipelineClient;
  socket: Socket;
  /** Whether the server refused the connection because of its connection limit. */
  isRefused: boolean;
  inFlight: number;
  /** Whether the socket collects the statements of this turn, to send them in one write. */
  isCorked: boolean;
}

/** Milliseconds for which the pool opens no connection after the server refused a connection. */
const backoffMs = 5000;

/**
 * SQLSTATE classes after which the server closes the connection. An error without a code is not from the server, and
 * counts as 08.
 */
const connectionEnds = /^(08|57P)/;

/**
 * Executes statements that read, outside transactions, on connections with pipelining: many statements are in flight
 * at once, and the server answers them in order. No statement waits for a free connection. All statements of one
 * turn share one write; the write is most of the cost of a small statement. When a connection breaks, its
 * statements in flight fail, and the next statement opens a new connection. While there is no connection,
 * `fallback` executes the statements.
 */
export class PipelinedPool implements Reads {
  readonly #options: PipelinedPoolOptions;
  readonly #connections: (PipelinedConnection | undefined)[];
  #backoffUntil = 0;
  #isEnded = false;

  constructor(options: PipelinedPoolOptions) {
    this.#options = options;
    this.#connections = Array.from({ length: options.max });
  }

  query<R extends pg.QueryResultRow>(query: pg.QueryConfig | pg.Query): Promise<pg.QueryResult<R>> {
    const connection = this.#chooseConnection();
    if (connection === undefined) return this.#queryFallback<R>(query);
    connection.inFlight += 1;
    corkUntilEndOfTick(connection);
    return new Promise((resolve, reject) => {
      connection.client.query(query as pg.QueryConfig, (error: Error | null, result) => {
        connection.inFlight -= 1;
        if (error && connection.isRefused) return resolve(this.#queryFallback<R>(query));
        if (error && connectionEnds.test((error as { code?: string }).code ?? '08')) this.#remove(connection, error);
        else if (connection.client.retired) this.#remove(connection);
        if (error) reject(error);
        else resolve(result as pg.QueryResult<R>);
      });
    });
  }

  inFlightCount(): number {
    return this.#connections.reduce((sum, connection) => sum + (connection?.inFlight ?? 0), 0);
  }

  /** Ends the connection with the fewest statements, so that the pool for transactions can open a connection. */
  closeOne(): void {
    const open = this.#connections.filter((connection) => connection !== undefined);
    if (open.length === 0) return;
    this.#backoffUntil = performance.now() + backoffMs;
    this.#remove(open.reduce((best, connection) => (connection.inFlight < best.inFlight ? connection : best)));
  }

  async end(): Promise<void> {
    this.#isEnded = true;
    await Promise.all(this.#connections.map(async (connection) => connection?.client.end()));
  }

  /**
   * Returns an idle connection or a new one. If none is idle and none may be opened, returns the connection with the fewest
   * statements in flight, or undefined if there is no connection.
   */
  #chooseConnection(): PipelinedConnection | undefined {
    let best: PipelinedConnection | undefined;
    for (let index = 0; index < this.#connections.length; index += 1) {
      const connection = this.#connections[index] ?? (this.#mayOpen(best) ? this.#open(index) : undefined);
      if (connection === undefined) continue;
      if (connection.inFlight === 0) return connection;
      if (best === undefined || connection.inFlight < best.inFlight) best = connection;
    }
    return best;
  }

  #mayOpen(best: PipelinedConnection | undefined): boolean {
    return (best === undefined || best.inFlight > 0) && performance.now() > this.#backoffUntil;
  }

  #open(index: number): PipelinedConnection {
    const socket = new Socket();
    const client = this.#options.createClient(socket);
    const connection: PipelinedConnection = { client, socket, isRefused: false, inFlight: 0, isCorked: false };
    const remove = (error?: Error): void => this.#remove(connection, error);
    client.on('error', remove);
    client.on('end', () => remove());
    // When this fails, the client itself rejects the statements that wait for the connection.
    client.connect().catch((error: Error) => {
      connection.isRefused = this.#options.isFull(error);
      if (connection.isRefused) this.#backoffUntil = performance.now() + backoffMs;
      remove(connection.isRefused ? undefined : error);
    });
    this.#connections[index] = connection;
    return connection;
  }

  /** Removes the connection, so that the next statement opens another one. */
  #remove(connection: PipelinedConnection, error?: Error): void {
    const index = this.#connections.indexOf(connection);
    if (index < 0) return;
    this.#connections[index] = undefined;
    // If the connection still works, `end` closes it only after the answers to its statements in flight have arrived.
    connection.client.end().catch(() => undefined);
    if (!this.#isEnded && error !== undefined) this.#options.onLost(error);
  }

  #queryFallback<R extends pg.QueryResultRow>(query: pg.QueryConfig | pg.Query): Promise<pg.QueryResult<R>> {
    // The statement may have waited for a connection that the server then refused. It was never sent in that case, so
    // the fallback pool may execute it.
    if ('submit' in query) Object.assign(query, { callback: undefined });
    return new Promise((resolve, reject) => {
      this.#options.fallback.query<R>(query as pg.QueryConfig, (error: Error | null, result) => (error ? reject(error) : resolve(result)));
    });
  }
}

/** Makes the socket send the statements of this turn in one write. */
function corkUntilEndOfTick(connection: PipelinedConnection): void {
  if (connection.isCorked) return;
  connection.isCorked = true;
  connection.socket.cork();
  flushAtEndOfTick(() => {
    connection.isCorked = false;
    connection.socket.uncork();
  });
}
