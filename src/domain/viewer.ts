import { can, clauseOf } from '../policy/can.ts';
import { actions, permissions, type Action } from '../policy/permissions.ts';
import type { RefusalCode } from '../errors.ts';
import { actingUserId, type Context } from './context.ts';
import type { ResourceType, User } from './entities.ts';
import { isResourceType, isTargetOf, loadFacts, resourceTypes } from './resources.ts';

/** The viewer, and the actions that the viewer may perform. */

export { actions, clauseOf, type Action };

/**
 * Returns the viewer; null for a service and an anonymous actor. Needs no right: people without a role may read their own
 * row.
 */
export async function viewer(ctx: Context): Promise<User | null> {
  const id = actingUserId(ctx);
  return id === null ? null : ctx.loaders.ownRow(id);
}

/** Returns what an action does, in one sentence. */
export const descriptionOf = (action: Action): string => permissions[action].description;

/** Returns the types of rows to which an action applies. */
export const targetsOf = (action: Action): ResourceType[] => resourceTypes.filter((type) => isTargetOf(action, type));

export interface Permission {
  allowed: boolean;
  clause: string;
  /** Null if allowed. */
  code: RefusalCode | null;
}

/**
 * Returns whether the permissions table allows the actor to perform the action on a row. The code NOT_FOUND means that the
 * actor may not see the row, and INVALID that the action does not apply to the type of the row. Even an allowed operation may
 * refuse with CONFLICT, because of the state of the row.
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
