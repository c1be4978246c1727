import type { Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { CommitUnknown, isUnanswered, readOnlyState, sqlStateOf } from './availability.ts';
import type { Database } from './client.ts';
import type { TransactionClient, TransactionClients } from './prisma-in-transaction.ts';
import type { Prisma } from './generated/client.ts';
import type { RowSource } from '../reader/select.ts';
import { prepared } from '../reader/statements.ts';
import { isConflict } from './constraint-errors.ts';

export { violates } from './constraint-errors.ts';

/** The part of the database that transactions use. */
type Connections = Pick<Database, 'models' | 'rows' | 'pool' | 'transactionClients'>;

type AfterCommitStep = () => void;

/** A lock that a transaction took. */
export interface Lock {
  rank: number;
  /** A type, such as `Class`, if a row is locked. A kind of name, such as `sign-in name`, if a name is locked. */
  of: string;
  id: string;
}

const maxAttempts = 5;

/**
 * Runs `change` in a transaction at READ COMMITTED. If the transaction fails by a conflict with another transaction
 * (a deadlock or a serialisation failure), runs `change` again, up to five times in all. So `change` must have no
 * effects outside the database. An error in `change` rolls back and is rethrown.
 * @throws CommitUnknown when the connection broke before the answer to COMMIT.
 */
export async function transaction<T>(db: Connections, change: (tx: Tx) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const afterCommitSteps: AfterCommitStep[] = [];
    let result: T;
    try {
      result = await Tx.run(db, afterCommitSteps, change);
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
 * An open transaction, in which `findRows` can read too. Only `transaction` creates a `Tx`, so a function that takes
 * a `Tx` cannot run outside a transaction. After the end of the transaction, a `Tx` refuses every call.
 */
class Tx implements RowSource {
  readonly models: RowSource['models'];
  readonly rows: RowSource['rows'];
  /**
   * The locks of this transaction, in the order in which it took them. `checkLockOrder` (src/domain/lock-order.ts) adds
   * them, only in tests and in development.
   */
  readonly locks: Lock[] = [];
  readonly #connection: RowSource['reads'];
  readonly #clients: TransactionClients;
  readonly #afterCommitSteps: AfterCommitStep[];
  readonly #beforeCommitSteps = new Map<string | symbol, (tx: Tx) => Promise<void>>();
  /** The answer to BEGIN. */
  readonly #begin: Promise<unknown>;
  /** The answers to the statements of `executeAtCommit`. */
  readonly #commitStatements: Promise<unknown>[] = [];
  /** Acquired when a statement first uses Prisma. */
  #client: TransactionClient | undefined;
  #isOver = false;

  private constructor(
    { models, rows, transactionClients }: Connections,
    connection: RowSource['reads'],
    afterCommitSteps: AfterCommitStep[],
  ) {
    this.models = models;
    this.rows = rows;
    this.#connection = connection;
    this.#clients = transactionClients;
    this.#afterCommitSteps = afterCommitSteps;
    this.#begin = ignoreRejection(connection.query({ text: 'begin' }));
  }

  /**
   * Runs `change` once, on a pooled connection. The connection sends a statement without waiting for the answer to the
   * former statement. So BEGIN is sent together with the first statement, and COMMIT together with the statements of
   * `executeAtCommit`.
   */
  static async run<T>(db: Connections, afterCommitSteps: AfterCommitStep[], change: (tx: Tx) => Promise<T>): Promise<T> {
    const client = await db.pool.connect();
    const connection = corkedClient(client);
    const tx = new Tx(db, connection, afterCommitSteps);
    let connectionError: Error | undefined;
    let isCommitting = false;
    try {
      const result = await change(tx);
      await tx.#begin;
      // A step may register further steps. This loop runs them too, because it reads the map while the map grows.
      for (const step of tx.#beforeCommitSteps.values()) await step(tx);
      isCommitting = true;
      const [{ command }] = await Promise.all([connection.query({ text: 'commit' }), ...tx.#commitStatements]);
      // If a statement failed and its error was caught, COMMIT rolls back without an error.
      if (command !== 'COMMIT') throw new Error('the transaction was rolled back: a statement in it had failed');
      return result;
    } catch (error) {
      await connection.query({ text: 'rollback' }).catch((failure: Error) => (connectionError = failure));
      if (sqlStateOf(error) === readOnlyState) connectionError = error as Error;
      throw isCommitting && isUnanswered(error) ? new CommitUnknown(error) : error;
    } finally {
      tx.#end();
      client.release(connectionError);
    }
  }

  /** The connection of this transaction. `findRows` sends its statements by it. */
  get reads(): RowSource['reads'] {
    this.#refuseIfOver();
    return this.#connection;
  }

  /** Prisma's client, whose statements run inside the transaction. */
  get prisma(): Prisma.TransactionClient {
    this.#refuseIfOver();
    this.#client ??= this.#clients.acquire(async (config) => {
      await this.#begin;
      return this.#connection.query(config);
    });
    return this.#client.prisma;
  }

  /**
   * Reads rows by a prepared statement. The statement must not change rows, because it may be sent before the answer
   * to BEGIN arrives. If BEGIN then fails, the change would be committed by itself. `execute` changes rows.
   */
  async query<Row extends object>(text: string, values: unknown[]): Promise<Row[]> {
    return (await this.reads.query<Row>(prepared(text, values))).rows;
  }

  /** Changes rows by a prepared statement. */
  async execute<Row extends object>(text: string, values: unknown[]): Promise<Row[]> {
    this.#refuseIfOver();
    // If BEGIN failed, a change sent after it would be committed by itself.
    await this.#begin;
    return this.query<Row>(text, values);
  }

  /**
   * Changes rows by a statement that is sent together with COMMIT. Call this in a `beforeCommit` step. An error of
   * the statement fails the transaction.
   */
  executeAtCommit(text: string, values: unknown[]): void {
    this.#commitStatements.push(ignoreRejection(this.reads.query(prepared(text, values))));
  }

  /** Registers a step to run before COMMIT, in the order of registration. Ignores further steps with the same key. */
  beforeCommit(key: string | symbol, step: (tx: Tx) => Promise<void>): void {
    this.#refuseIfOver();
    if (!this.#beforeCommitSteps.has(key)) this.#beforeCommitSteps.set(key, step);
  }

  /** Registers a step to run after a successful COMMIT. It must not throw. */
  afterCommit(step: AfterCommitStep): void {
    this.#refuseIfOver();
    this.#afterCommitSteps.push(step);
  }

  #refuseIfOver(): void {
    if (this.#isOver) throw new Error('not inside a transaction');
  }

  #end(): void {
    this.#isOver = true;
    if (this.#client !== undefined) this.#clients.release(this.#client);
  }
}

export type { Tx };

/** Sends the statements of one turn of the event loop in one packet, since each packet wakes the server. */
function corkedClient(client: pg.PoolClient): RowSource['reads'] {
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

/** Prevents `unhandledRejection` from ending the process, for a promise whose error other code handles later. */
function ignoreRejection<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
