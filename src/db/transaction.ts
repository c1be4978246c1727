import { setTimeout as pause } from 'node:timers/promises';
import type { Database } from './client.ts';
import type { Prisma } from './generated/client.ts';
import { isConflict } from './violations.ts';

export { violates } from './violations.ts';

declare const txBrand: unique symbol;

/** Being inside a transaction. Made only here, so that what takes one cannot run outside. */
export type Tx = Prisma.TransactionClient & { readonly [txBrand]: true };

interface TxState {
  before: Map<string | symbol, (tx: Tx) => Promise<void>>;
  after: (() => void)[];
}

const states = new WeakMap<Tx, TxState>();

const tries = 5;

/**
 * Runs a change at READ COMMITTED: all of it, or nothing. When it lost against another one (a deadlock, or a failure to
 * serialise) the whole of it is run again, up to five times in all, so `run` changes nothing outside the database. What
 * `run` throws rolls back and is thrown on.
 */
export async function transaction<T>(db: Pick<Database, 'prisma'>, run: (tx: Tx) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const after: TxState['after'] = [];
    let result: T;
    try {
      result = await db.prisma.$transaction((client) => inside(client as Tx, after, run));
    } catch (error) {
      if (attempt === tries || !isConflict(error)) throw error;
      await pause(Math.random() * 10 * 2 ** attempt);
      continue;
    }
    for (const step of after) step();
    return result;
  }
}

async function inside<T>(tx: Tx, after: TxState['after'], run: (tx: Tx) => Promise<T>): Promise<T> {
  const before: TxState['before'] = new Map();
  states.set(tx, { before, after });
  const result = await run(tx);
  // A step may register another one, which then runs too.
  for (const step of before.values()) await step(tx);
  // COMMIT silently rolls back where an error was swallowed; any statement brings it to light.
  if (before.size === 0) await tx.$executeRaw`select 1`;
  return result;
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
