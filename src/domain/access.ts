import { can, clauseOf } from '../policy/can.ts';
import type { Action, Facts, Noun, NounOf } from '../policy/permissions.ts';
import { factsOf } from './resources.ts';
import { findRows } from '../reader/select.ts';
import { query, sourceOf, type Tx } from '../db/transaction.ts';
import { forbidden, notFound, unauthenticated } from '../errors.ts';
import type { Context } from './context.ts';
import type { Chat, Class, Invitation, School, ResourceType, Resources } from './entities.ts';

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

/** @throws FORBIDDEN unless the actor may perform the action. */
export function authorize<A extends Action>(ctx: Context, action: A, facts: Facts[NounOf<A>]): void {
  if (ctx.actor.kind === 'anonymous') throw unauthenticated();
  if (!can(ctx.actor, action, facts)) throw forbidden(clauseOf(action));
}

/** Waits for all promises. @throws the error of the first rejected one, in this order. */
export async function allInOrder<T extends readonly unknown[]>(...promises: { [K in keyof T]: Promise<T[K]> }): Promise<T> {
  const settled = await Promise.allSettled(promises);
  return settled.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  }) as unknown as T;
}

type On<N extends Noun> = { [A in Action]: NounOf<A> extends N ? A : never }[Action];

export async function findSchool(ctx: Context, id: string, action: On<'school'>, path = 'schoolId'): Promise<School> {
  const school = await find(ctx, 'School', id, path);
  authorize(ctx, action, factsOf('School', 'school', school));
  return school;
}

export async function findClass(ctx: Context, id: string, action: On<'class'>, path = 'classId'): Promise<Class> {
  const found = await find(ctx, 'Class', id, path);
  authorize(ctx, action, factsOf('Class', 'class', found));
  return found;
}

export async function findChat(ctx: Context, id: string, action: On<'chat'>, path = 'chatId'): Promise<Chat> {
  const chat = await find(ctx, 'Chat', id, path);
  authorize(ctx, action, factsOf('Chat', 'chat', chat));
  return chat;
}

export async function findInvitation(ctx: Context, id: string, action: On<'invitation'>): Promise<Invitation> {
  const invitation = await find(ctx, 'Invitation', id, 'invitationId');
  authorize(ctx, action, factsOf('Invitation', 'invitation', invitation));
  return invitation;
}

/**
 * Locks a row until the transaction ends, and returns its current values. `change` locks it for an update, `hold` only
 * keeps others from changing it. Locks are taken in the order School, Class, User, Invitation, Chat, so that
 * transactions do not deadlock. Operations that decide who is in a chat hold the school (roles) or the class
 * (enrolments, assignments), and creating a chat locks it for a change, so that no member is missed.
 */
export async function lock<N extends 'School' | 'Class' | 'User' | 'Invitation' | 'Chat'>(
  tx: Tx,
  type: N,
  id: string,
  purpose: 'change' | 'hold' = 'change',
): Promise<Resources[N]> {
  const [row] = await findRows<Resources[N]>(sourceOf(tx), type, { where: { id }, lock: purpose === 'change' ? 'no key update' : 'share' });
  if (row === undefined) throw notFound();
  return row;
}

/**
 * Locks a name until the transaction ends, so that two transactions that take it run one after the other. Order within
 * a transaction: the idempotency key, the sign-in name of a new account, the rows in the order of `lock`, then the
 * names of the classes of a year or the subjects of a school. No transaction takes two of the same kind, so there are
 * no deadlocks.
 */
export async function lockName(tx: Tx, name: string): Promise<void> {
  await query(tx, 'select pg_advisory_xact_lock(hashtextextended($1, 0))', [name]);
}
