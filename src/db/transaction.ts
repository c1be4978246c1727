import type { Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { CommitUnknown, isUnanswered, readOnlyState, sqlStateOf } from './availability.ts';
import type { Database } from './client.ts';
import { releaseClient, acquireClient, type TransactionClient } from './prisma-in-transaction.ts';
import type { Prisma } from './generated/client.ts';
import type { PipelinedPool } from './pipelined-pool.ts';
import { prepared, type RowSource } from './select.ts';
import { isConflict } from './constraint-errors.ts';

export { violates } from './constraint-errors.ts';

declare const txBrand: unique symbol;

/** Being inside a transaction. Made only here, so that what takes one cannot run outside. */
export type Tx = Prisma.TransactionClient & { readonly [txBrand]: true };

interface TxState {
  source: RowSource;
  begun: Promise<unknown>;
  sent: Promise<unknown>[];
  before: Map<string | symbol, (tx: Tx) => Promise<void>>;
  after: (() => void)[];
  delegates: TransactionClient | undefined;
}

const states = new WeakMap<Tx, TxState>();

const tries = 5;

/**
 * Runs a change at READ COMMITTED: all of it, or nothing. When it lost against another one (a deadlock, or a failure to
 * serialise) the whole of it is run again, up to five times in all, so `run` changes nothing outside the database. What
 * `run` throws rolls back and is thrown on.
 * @throws CommitUnknown when the connection broke before the COMMIT was answered.
 */
export async function transaction<T>(db: Pick<Database, 'prisma' | 'pool'>, run: (tx: Tx) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const after: TxState['after'] = [];
    let result: T;
    try {
      result = await onConnection(db, after, run);
    } catch (error) {
      if (attempt === tries || !isConflict(error)) throw error;
      await pause(Math.random() * 10 * 2 ** attempt);
      continue;
    }
    for (const step of after) step();
    return result;
  }
}

/**
 * The connection sends each statement at once and reads the answers in their order, so BEGIN leaves with the first
 * statement and COMMIT right behind the last.
 */
async function onConnection<T>({ prisma, pool }: Pick<Database, 'prisma' | 'pool'>, after: TxState['after'], run: (tx: Tx) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  const connection = corkedClient(client);
  const begun = ignoreRejection(connection.query({ text: 'begin' }));
  const state: TxState = { source: { prisma, reads: connection }, begun, sent: [], before: new Map(), after, delegates: undefined };
  const tx = createTx(state);
  let lost: Error | undefined;
  let committing = false;
  try {
    const result = await run(tx);
    await begun;
    // A step may register another one, which then runs too.
    for (const step of state.before.values()) await step(tx);
    committing = true;
    const [{ command }] = await Promise.all([connection.query({ text: 'commit' }), ...state.sent]);
    // COMMIT silently rolls back where an error was swallowed.
    if (command !== 'COMMIT') throw new Error('the transaction was rolled back: a statement in it had failed');
    return result;
  } catch (error) {
    await connection.query({ text: 'rollback' }).catch((failure: Error) => (lost = failure));
    if (sqlStateOf(error) === readOnlyState) lost = error as Error;
    throw committing && isUnanswered(error) ? new CommitUnknown(error) : error;
  } finally {
    states.delete(tx);
    if (state.delegates !== undefined) releaseClient(state.delegates);
    client.release(lost);
  }
}

/** Statements that leave in one turn of the event loop leave in one packet: each packet of its own wakes the server. */
function corkedClient(client: pg.PoolClient): Pick<PipelinedPool, 'query'> {
  const { stream } = (client as unknown as { connection: { stream: Writable } }).connection;
  return {
    query<R extends pg.QueryResultRow>(query: pg.QueryConfig | pg.Query) {
      stream.cork();
      process.nextTick(() => stream.uncork());
      return new Promise<pg.QueryResult<R>>((resolve, reject) => {
        client.query<R>(query as pg.QueryConfig, (error: Error | null, result) => (error ? reject(error) : resolve(result)));
      });
    },
  };
}

function createTx(state: TxState): Tx {
  const query = async (config: pg.QueryConfig) => {
    await state.begun;
    return state.source.reads.query(config);
  };
  const tx = new Proxy({} as Tx, {
    get(_, name): unknown {
      // A promise that resolves with it asks whether it is a promise too.
      if (name === 'then') return undefined;
      return Reflect.get((stateOf(tx).delegates ??= acquireClient(query)).prisma, name);
    },
  });
  states.set(tx, state);
  return tx;
}

/** A failure that is told elsewhere too must not end the process meanwhile. */
function ignoreRejection<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** For `findRows` to read within the transaction. */
export const sourceOf = (tx: Tx): RowSource => stateOf(tx).source;

/** Asks by a prepared statement that changes no row: it leaves at once, even before BEGIN is answered. */
export async function query<Row extends object>(tx: Tx, text: string, values: unknown[]): Promise<Row[]> {
  return (await sourceOf(tx).reads.query<Row>(prepared(text, values))).rows;
}

/** Changes rows by a prepared statement. */
export async function execute<Row extends object>(tx: Tx, text: string, values: unknown[]): Promise<Row[]> {
  // Where BEGIN failed, a change sent behind it would stand by itself.
  await stateOf(tx).begun;
  return query<Row>(tx, text, values);
}

/** Changes rows by a prepared statement that leaves with the COMMIT, from a step before it; where it fails, so does the transaction. */
export function executeAtCommit(tx: Tx, text: string, values: unknown[]): void {
  const { source, sent } = stateOf(tx);
  sent.push(ignoreRejection(source.reads.query(prepared(text, values))));
}

/** Registers what runs last before the commit, once for each key, in the order of registration. */
export function beforeCommit(tx: Tx, once: string | symbol, step: (tx: Tx) => Promise<void>): void {
  const { before } = stateOf(tx);
  if (!before.has(once)) before.set(once, step);
}

/** Registers what runs when the commit has succeeded, and only then. It must not throw. */
export function afterCommit(tx: Tx, step: () => void): void {
  stateOf(tx).after.push(step);
}

function stateOf(tx: Tx): TxState {
  const state = states.get(tx);
  if (state === undefined) throw new Error('not inside a transaction');
  return state;
}
