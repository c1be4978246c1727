import pg from 'pg';
import type { Logger } from '../logger.ts';
import { causesOf } from './availability.ts';
import { Connection, type ConnectionConfig } from './connection.ts';

type Taken = (error: Error | undefined, client: pg.PoolClient | undefined, release: (error?: Error | boolean) => void) => void;

/** Milliseconds that a request waits for a connection. */
const waitWithinMs = 20_000;
/** Milliseconds for which the pool opens no connections after the server refused one. */
const restMs = 5000;
const firstPauseMs = 100;
const lastPauseMs = 1000;

/** Returns whether the server, the database or the role has reached its connection limit. */
export function isFull(error: unknown): boolean {
  for (const { code } of causesOf(error)) if (code === '53300') return true;
  return false;
}

/**
 * Returns a callback that fails with `refused` at the deadline, since each further attempt has a time limit of its own in
 * pg-pool. A connection that comes later goes back to the pool.
 */
function takenBefore(deadline: number, taken: Taken, refused: Error): Taken {
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    taken(refused, undefined, () => {});
  }, deadline - performance.now());
  return (error, client, release) => {
    clearTimeout(timer);
    if (!late) return taken(error, client, release);
    if (client !== undefined) release();
  };
}

/** A pool that waits for a free connection, instead of failing, when the server refuses to open another one. */
export class Pool extends pg.Pool {
  /** Called when the server refuses a connection and the pool has none. */
  onStarved: () => void = () => {};
  #max: number;
  #resting: NodeJS.Timeout | undefined;

  constructor(config: pg.PoolConfig & ConnectionConfig, log: Logger) {
    super({ connectionTimeoutMillis: waitWithinMs, ...config, Client: Connection as never });
    this.#max = this.options.max;
    const lost = (error: Error): void => log.warn({ err: error }, 'A database connection was lost.');
    this.on('error', lost);
    // A client that loses its socket while it is checked out raises the error on itself, not on the pool.
    this.on('connect', (client) => client.on('error', lost));
    // A client that is ending is not put back among the idle ones.
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
  override connect(taken: Taken): void;
  override connect(taken?: Taken): Promise<pg.PoolClient> | void {
    const deadline = performance.now() + (this.options.connectionTimeoutMillis ?? waitWithinMs);
    if (taken !== undefined) return this.#take(taken, deadline, firstPauseMs);
    return new Promise((resolve, reject) => this.#take((error, client) => (client === undefined ? reject(error!) : resolve(client)), deadline, firstPauseMs));
  }

  #take(taken: Taken, deadline: number, pauseMs: number): void {
    super.connect((error, client, release) => {
      if (!isFull(error) || this.ending || performance.now() + pauseMs > deadline) return taken(error, client, release);
      this.#rest();
      const bounded = pauseMs === firstPauseMs ? takenBefore(deadline, taken, error!) : taken;
      setTimeout(() => this.#take(bounded, deadline, Math.min(2 * pauseMs, lastPauseMs)), pauseMs);
    });
  }

  /** Opens no connections for `restMs`: requests wait for one of the open ones. */
  #rest(): void {
    if (this.totalCount === 0) this.onStarved();
    this.options.max = Math.max(1, this.totalCount);
    this.#resting ??= setTimeout(() => {
      this.#resting = undefined;
      this.options.max = this.#max;
    }, restMs).unref();
  }
}
