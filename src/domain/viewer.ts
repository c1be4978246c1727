import type { Actor } from '../policy/actor.ts';
import { can, clauseOf } from '../policy/can.ts';
import { actions, type Action } from '../policy/permissions.ts';
import type { RefusalCode } from '../errors.ts';
import { columnsOf } from './selected-columns.ts';
import { actingUserId, type Context } from './context.ts';
import { ownRow } from './loaders.ts';
import type { ResourceType, Resources, User } from './entities.ts';
import { isResourceType, isTargetOf, loadFacts, resources } from './resources.ts';

/** Who is asking, and what they may do. */

export { actions, clauseOf, type Action };

/** The person who asks; null for a service and for nobody. One's own row is read without a role too. */
export async function viewer(ctx: Context): Promise<User | null> {
  const id = actingUserId(ctx);
  return id === null ? null : (ctx.loaders.ownRow ?? ownRow(ctx.db, id, columnsOf(ctx.loaders.selection, 'User')));
}

export interface Permission {
  allowed: boolean;
  /** The clause of the regulation that decides the action. */
  clause: string;
  /** Why not; null when allowed. */
  code: RefusalCode | null;
}

/**
 * May the actor do this to that, by the policy table? A thing that may not be seen does not exist (NOT_FOUND); one that
 * the action is never done to is INVALID. Rules that are not rights may still refuse with CONFLICT when it is done.
 */
export async function viewerCan(ctx: Context, action: Action, on: { thing: string; id: string } | null): Promise<Permission> {
  const answer = (code: RefusalCode | null): Permission => ({ allowed: code === null, clause: clauseOf(action), code });
  if (ctx.actor.kind === 'anonymous') return answer('UNAUTHENTICATED');
  if (on === null) return answer('NOT_FOUND');
  const { thing } = on;
  if (!isResourceType(thing) || !isTargetOf(action, thing)) return answer('INVALID');
  const row = await ctx.loaders.byId(thing, on.id);
  const facts = row && (await loadFacts(ctx, action, thing, row));
  if (facts === null) return answer('NOT_FOUND');
  return answer(can(ctx.actor, action, facts as never) ? null : 'FORBIDDEN');
}

/** A thing, and who may see it. */
export interface Visibility {
  resourceType: ResourceType;
  row: Resources[ResourceType] | null;
  isVisibleTo(actor: Actor): boolean;
}

/**
 * Who may read a thing: the answer for any actor, from a row and facts that are read once.
 * @param ctx of one who may read everything.
 */
export async function visibilityOf(ctx: Context, thing: ResourceType, id: string): Promise<Visibility> {
  const action = resources[thing].read;
  const row = await ctx.loaders.byId(thing, id);
  const facts = row && (await loadFacts(ctx, action, thing, row));
  return { resourceType: thing, row, isVisibleTo: (actor) => facts !== null && can(actor, action, facts as never) };
}
