import type { Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { CommitUnknown, isUnanswered, readOnlyState, sqlStateOf } from './availability.ts';
import type { Database } from './client.ts';
import type { TransactionClient } from './prisma-in-transaction.ts';
import type { Prisma } from './generated/client.ts';
import type { Reads } from '../reader/pipelined-pool.ts';
import type { RowSource } from '../reader/select.ts';
import { prepared } from '../reader/statements.ts';
import { isConflict } from './constraint-errors.ts';

export { violates } from './constraint-errors.ts';

declare const txBrand: unique symbol;

/** Proof of an open transaction. Only this file creates one, so a function that takes a `Tx` cannot run outside. */
export type Tx = Prisma.TransactionClient & { readonly [txBrand]: true };

/** The part of the database that transactions use. */
type Connections = Pick<Database, 'models' | 'pool' | 'transactionClients'>;

/** A lock that a transaction took. */
export interface Lock {
  rank: number;
  /** What it locks: the type of a row, or a name. */
  of: string;
  id: string;
}

interface TxState {
  source: RowSource;
  /** The locks that were taken in order, the last one last. */
  locks: Lock[];
  /** The answer to BEGIN. */
  begin: Promise<unknown>;
  /** The answers to the statements of `executeAtCommit`. */
  commitStatements: Promise<unknown>[];
  beforeCommitSteps: Map<string | symbol, (tx: Tx) => Promise<void>>;
  afterCommitSteps: (() => void)[];
  /** Created when a statement first uses Prisma. */
  prismaClient: TransactionClient | undefined;
}

const states = new WeakMap<Tx, TxState>();

const maxAttempts = 5;

/**
 * Runs `change` in a transaction at READ COMMITTED. After a conflict with another transaction (a deadlock or a
 * serialisation failure) runs it again, up to five times in all, so `change` must have no effects outside the database.
 * An error in `change` rolls back and is rethrown.
 * @throws CommitUnknown when the connection broke before the answer to COMMIT.
 */
export async function transaction<T>(db: Connections, change: (tx: Tx) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const afterCommitSteps: TxState['afterCommitSteps'] = [];
    let result: T;
    try {
      result = await runOnConnection(db, afterCommitSteps, change);
    } catch (error) {
      if (attempt === maxAttempts || !isConflict(error)) throw error;
      await pause(Math.random() * 10 * 2 ** attempt);
      continue;
    }
    for (const step of afterCommitSteps) step();
    return result;
  }
}

/**
 * Runs `change` once, on a pooled connection. The connection pipelines statements, so BEGIN leaves with the first
 * statement, and COMMIT together with the statements of `executeAtCommit`.
 */
async function runOnConnection<T>(
  { models, pool, transactionClients }: Connections,
  afterCommitSteps: TxState['afterCommitSteps'],
  change: (tx: Tx) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  const connection = corkedClient(client);
  const begin = ignoreRejection(connection.query({ text: 'begin' }));
  const state: TxState = {
    source: { models, reads: connection },
    locks: [],
    begin,
    commitStatements: [],
    beforeCommitSteps: new Map(),
    afterCommitSteps,
    prismaClient: undefined,
  };
  const tx = createTx(state, transactionClients);
  let connectionError: Error | undefined;
  let isCommitting = false;
  try {
    const result = await change(tx);
    await begin;
    // Also runs the steps that a step registers.
    for (const step of state.beforeCommitSteps.values()) await step(tx);
    isCommitting = true;
    const [{ command }] = await Promise.all([connection.query({ text: 'commit' }), ...state.commitStatements]);
    // If a statement failed and its error was caught, COMMIT rolls back without an error.
    if (command !== 'COMMIT') throw new Error('the transaction was rolled back: a statement in it had failed');
    return result;
  } catch (error) {
    await connection.query({ text: 'rollback' }).catch((failure: Error) => (connectionError = failure));
    if (sqlStateOf(error) === readOnlyState) connectionError = error as Error;
    throw isCommitting && isUnanswered(error) ? new CommitUnknown(error) : error;
  } finally {
    states.delete(tx);
    if (state.prismaClient !== undefined) transactionClients.release(state.prismaClient);
    client.release(connectionError);
  }
}

/** Sends the statements of one tick in one packet, since each packet wakes the server. */
function corkedClient(client: pg.PoolClient): Pick<Reads, 'query'> {
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

function createTx(state: TxState, clients: Database['transactionClients']): Tx {
  const query = async (config: pg.QueryConfig) => {
    await state.begin;
    return state.source.reads.query(config);
  };
  const tx = new Proxy({} as Tx, {
    get(_, name): unknown {
      // Resolving a promise with `tx` reads `then`, which must not create a PrismaClient.
      if (name === 'then') return undefined;
      return Reflect.get((stateOf(tx).prismaClient ??= clients.acquire(query)).prisma, name);
    },
  });
  states.set(tx, state);
  return tx;
}

/** Prevents `unhandledRejection` from ending the process, for a promise whose error other code handles later. */
function ignoreRejection<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** Returns the locks that the transaction took in order. The caller adds new ones. */
export const locksOf = (tx: Tx): Lock[] => stateOf(tx).locks;

/** Returns the source with which `findRows` reads inside the transaction. */
export const sourceOf = (tx: Tx): RowSource => stateOf(tx).source;

/** Reads rows by a prepared statement. Sends it at once, even before the answer to BEGIN, so it must change no rows. */
export async function query<Row extends object>(tx: Tx, text: string, values: unknown[]): Promise<Row[]> {
  return (await sourceOf(tx).reads.query<Row>(prepared(text, values))).rows;
}

/** Changes rows by a prepared statement. */
export async function execute<Row extends object>(tx: Tx, text: string, values: unknown[]): Promise<Row[]> {
  // If BEGIN failed, a change sent after it would be committed by itself.
  await stateOf(tx).begin;
  return query<Row>(tx, text, values);
}

/** Changes rows by a statement sent with COMMIT, from a `beforeCommit` step. Its error fails the transaction. */
export function executeAtCommit(tx: Tx, text: string, values: unknown[]): void {
  const { source, commitStatements } = stateOf(tx);
  commitStatements.push(ignoreRejection(source.reads.query(prepared(text, values))));
}

/** Registers a step to run before COMMIT, in the order of registration. Ignores further steps with the same key. */
export function beforeCommit(tx: Tx, key: string | symbol, step: (tx: Tx) => Promise<void>): void {
  const { beforeCommitSteps } = stateOf(tx);
  if (!beforeCommitSteps.has(key)) beforeCommitSteps.set(key, step);
}

/** Registers a step to run after a successful COMMIT. It must not throw. */
export function afterCommit(tx: Tx, step: () => void): void {
  stateOf(tx).afterCommitSteps.push(step);
}

function stateOf(tx: Tx): TxState {
  const state = states.get(tx);
  if (state === undefined) throw new Error('not inside a transaction');
  return state;
}
