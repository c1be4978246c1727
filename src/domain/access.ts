import { can, clauseOf } from '../policy/can.ts';
import { permissions, type Action, type Facts, type NounOf } from '../policy/permissions.ts';
import { checkLockOrder } from './lock-order.ts';
import { factsOf, payloadIdsOf, resources, type FactNoun, type LockableType } from './resources.ts';
import { findRows } from '../reader/select.ts';
import type { Tx } from '../db/transaction.ts';
import { forbidden, notFound, unauthenticated } from '../errors.ts';
import type { Context } from './context.ts';
import type { ResourceType, Resources } from './entities.ts';

/**
 * Finds rows or refuses: the first step of every operation. A row that the actor may not see is NOT_FOUND. An action
 * that the actor may not perform on a visible row is FORBIDDEN, with the clause of the regulation.
 */

/** Returns the row. @throws NOT_FOUND if it does not exist or the actor may not read it. */
export async function find<N extends ResourceType>(ctx: Context, type: N, id: string, path?: string): Promise<Resources[N]> {
  const row = await ctx.loaders.byId(type, id);
  if (row === null) throw ctx.actor.kind === 'anonymous' ? unauthenticated() : notFound(path);
  return row;
}

/** Checks that the actor may perform the action. @throws FORBIDDEN; UNAUTHENTICATED for an anonymous actor. */
export function authorize<A extends Action>(ctx: Context, action: A, facts: Facts[NounOf<A>]): void {
  if (ctx.actor.kind === 'anonymous') throw unauthenticated();
  if (!can(ctx.actor, action, facts)) throw forbidden(clauseOf(action));
}

/** Waits for all promises. @throws the error of the first rejected promise, in the order of the arguments. */
export async function allInOrder<T extends readonly unknown[]>(...promises: { [K in keyof T]: Promise<T[K]> }): Promise<T> {
  const settled = await Promise.allSettled(promises);
  return settled.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  }) as unknown as T;
}

/** The actions on a type that the policy can decide from a row of the type alone, without another statement. */
type ActionOn<T extends ResourceType> = { [A in Action]: NounOf<A> extends FactNoun<T> ? A : never }[Action];

/**
 * Returns a row on which the actor may perform the action.
 * @throws NOT_FOUND as `find` does. The path of this error is the input field that holds the id: `classId` for a class.
 *   FORBIDDEN and UNAUTHENTICATED as `authorize` does.
 */
export async function findFor<T extends ResourceType>(ctx: Context, type: T, id: string, action: ActionOn<T>): Promise<Resources[T]> {
  const row = await find(ctx, type, id, payloadIdsOf(type)[0]);
  authorize(ctx, action, factsOf(type, permissions[action].on, row) as never);
  return row;
}

/**
 * `change` (FOR NO KEY UPDATE): the transaction updates the row. `hold` (FOR SHARE): other transactions may hold the
 * row too, but not change it.
 */
type LockPurpose = 'change' | 'hold';

/**
 * Locks a row until the transaction ends, and returns its current values. A transaction takes its locks in ascending
 * `lockRank` (src/domain/resources.ts), and locks on one type by ascending id, so that transactions do not deadlock. A lock
 * out of order is an error in tests and in development.
 * Creating a chat locks its school or class for a change. Operations on roles lock the school with `hold`, and operations on
 * enrolments and assignments lock the class with `hold`. So these operations commit before the chat is created, or wait until
 * it is created, and the chat misses no member.
 */
export async function lock<T extends LockableType>(tx: Tx, type: T, id: string, purpose: LockPurpose = 'change'): Promise<Resources[T]> {
  checkLockOrder(tx.locks, { rank: resources[type].lockRank!, of: type, id });
  return lockRow(tx, type, id, { purpose });
}

/**
 * Locks a row like `lock`, but out of order. For a row that becomes known only after the transaction has locked a row of a
 * higher rank. Two such transactions may deadlock. PostgreSQL then makes one of them fail, and `transaction` runs the failed
 * one again.
 */
export const lockLate = <T extends LockableType>(tx: Tx, type: T, id: string, purpose: LockPurpose): Promise<Resources[T]> =>
  lockRow(tx, type, id, { purpose });

/** Locks many rows of one type for an update, by one statement, in the order of `lock`. Ignores an id without a row. */
export async function lockMany(tx: Tx, type: LockableType, ids: Iterable<string>): Promise<void> {
  const sorted = [...new Set(ids)].sort();
  if (sorted.length === 0) return;
  for (const id of sorted) checkLockOrder(tx.locks, { rank: resources[type].lockRank!, of: type, id });
  await findRows(tx, type, { where: { id: { in: sorted } }, orderBy: [{ id: 'asc' }], columns: new Set(['id']), lock: 'no key update' });
}

/** Locks a row for an update in the order of `lock`, without reading more than its id. */
export async function lockUnread(tx: Tx, type: LockableType, id: string): Promise<void> {
  checkLockOrder(tx.locks, { rank: resources[type].lockRank!, of: type, id });
  await lockRow(tx, type, id, { purpose: 'change', columns: new Set(['id']) });
}

async function lockRow<T extends LockableType>(
  tx: Tx,
  type: T,
  id: string,
  { purpose, columns }: { purpose: LockPurpose; columns?: ReadonlySet<string> },
): Promise<Resources[T]> {
  const [row] = await findRows<Resources[T]>(tx, type, { where: { id }, columns, lock: purpose === 'change' ? 'no key update' : 'share' });
  if (row === undefined) throw notFound();
  return row;
}

/**
 * The rank of each kind of name in the order of locks. A transaction locks idempotency keys and sign-in names before it
 * locks rows, and unique names after it has locked rows.
 */
const nameRanks = { 'idempotency key': 0, 'sign-in name': 1, 'unique name': 1000 };

/**
 * Locks a name until the transaction ends, so that two transactions that lock the same name run one after the other. The
 * order of locks includes names: each kind has a rank in `nameRanks`. A transaction locks at most one name of a kind.
 */
export async function lockName(tx: Tx, kind: keyof typeof nameRanks, name: string): Promise<void> {
  checkLockOrder(tx.locks, { rank: nameRanks[kind], of: kind, id: name });
  await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [name]);
}
