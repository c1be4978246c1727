import pg from 'pg';
import type { Logger } from '../logger.ts';
import { causesOf } from './availability.ts';
import { Connection, type ConnectionConfig } from './connection.ts';

type ConnectCallback = (error: Error | undefined, client: pg.PoolClient | undefined, release: (error?: Error | boolean) => void) => void;

/** Milliseconds that a request waits for a connection. */
const waitWithinMs = 20_000;
/** Milliseconds for which the pool opens no connections after the server refused one. */
const backoffMs = 5000;
const minRetryMs = 100;
const maxRetryMs = 1000;

/** Returns whether the server, the database or the role has reached its connection limit. */
export function isFull(error: unknown): boolean {
  for (const { code } of causesOf(error)) if (code === '53300') return true;
  return false;
}

/**
 * Returns a callback that fails with `refusal` if no connection arrives before the deadline. It is needed because
 * pg-pool starts its own time limit anew for each retry. A connection that arrives after the deadline goes back to the
 * pool.
 */
function withDeadline(deadline: number, callback: ConnectCallback, refusal: Error): ConnectCallback {
  let hasExpired = false;
  const timer = setTimeout(() => {
    hasExpired = true;
    callback(refusal, undefined, () => {});
  }, deadline - performance.now());
  return (error, client, release) => {
    clearTimeout(timer);
    if (!hasExpired) return callback(error, client, release);
    if (client !== undefined) release();
  };
}

/** A pool that waits for a free connection when the server refuses to open another one. `pg.Pool` would fail instead. */
export class Pool extends pg.Pool {
  /**
   * Called when the server refuses a connection and this pool has no open connection. src/db/client.ts then closes a
   * connection that only reads, to make room for one of this pool.
   */
  onStarved: () => void = () => {};
  #max: number;
  #backoff: NodeJS.Timeout | undefined;

  constructor(config: pg.PoolConfig & ConnectionConfig, log: Logger) {
    super({ connectionTimeoutMillis: waitWithinMs, ...config, Client: Connection as never });
    this.#max = this.options.max;
    const logLost = (error: Error): void => log.warn({ err: error }, 'A database connection was lost.');
    this.on('error', logLost);
    // A client that loses its socket while it is checked out emits the error itself; the pool does not emit it.
    this.on('connect', (client) => client.on('error', logLost));
    // Ends a retired connection. pg-pool does not put an ending connection back among the idle ones.
    this.on('release', (_error, client) => {
      if ((client as unknown as Connection).retired) void client.end();
    });
  }

  /** Sets the largest number of connections. */
  limit(max: number): void {
    this.#max = max;
    this.options.max = max;
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(callback: ConnectCallback): void;
  override connect(callback?: ConnectCallback): Promise<pg.PoolClient> | void {
    const deadline = performance.now() + (this.options.connectionTimeoutMillis ?? waitWithinMs);
    if (callback !== undefined) return this.#connectWithRetry(callback, deadline, minRetryMs);
    return new Promise((resolve, reject) =>
      this.#connectWithRetry((error, client) => (client === undefined ? reject(error!) : resolve(client)), deadline, minRetryMs),
    );
  }

  #connectWithRetry(callback: ConnectCallback, deadline: number, retryMs: number): void {
    super.connect((error, client, release) => {
      if (error === undefined || !isFull(error) || this.ending || performance.now() + retryMs > deadline)
        return callback(error, client, release);
      this.#backOff();
      const bounded = retryMs === minRetryMs ? withDeadline(deadline, callback, error) : callback;
      setTimeout(() => this.#connectWithRetry(bounded, deadline, Math.min(2 * retryMs, maxRetryMs)), retryMs);
    });
  }

  /** Opens no connections for `backoffMs`. Requests wait for one of the open connections. */
  #backOff(): void {
    if (this.totalCount === 0) this.onStarved();
    this.options.max = Math.max(1, this.totalCount);
    this.#backoff ??= setTimeout(() => {
      this.#backoff = undefined;
      this.options.max = this.#max;
    }, backoffMs).unref();
  }
}
