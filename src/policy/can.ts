import { columns, scopesByRole, type Actor, type RoleScope } from './actor.ts';
import { permissions, scopes, type Action, type Facts, type Noun, type NounOf, type PermissionRow } from './permissions.ts';
import type { Filter, Scope } from './scopes.ts';

type AnyScope = Scope<Facts[Noun]>;

/** Returns a filter that matches no row, also when nested. An empty OR nested in AND would match every row. */
const nothing = (noun: Noun): Filter => (noun === 'event' ? { schoolId: { in: [] } } : { id: { in: [] } });

/** Returns a filter that matches every row. An empty filter would match every row in NOT too. */
const everything = (noun: Noun): Filter => ({ NOT: nothing(noun) });

/** Returns whether `test` holds for one of the scopes that the row grants to one of the actor's roles. */
function someScope(actor: Actor, row: PermissionRow, test: (scope: AnyScope, role: RoleScope) => boolean): boolean {
  const roles = scopesByRole(actor);
  for (const column of columns) {
    const role = roles[column];
    if (role === undefined) continue;
    const scopeNames = row.cells[column];
    for (const name of scopeNames) {
      const scope = (scopes[row.on] as Record<string, AnyScope>)[name]!;
      if (!scope.impliedBy?.some((wider) => scopeNames.includes(wider)) && test(scope, role)) return true;
    }
  }
  return false;
}

/** Returns whether the actor may perform the action. The operator may perform every action, an anonymous actor none. */
export function can<A extends Action>(actor: Actor, action: A, facts: Facts[NounOf<A>]): boolean {
  if (actor.kind === 'operator') return true;
  return someScope(actor, permissions[action], (scope, role) => scope.holds(role, facts));
}

/** Returns `can` as a Prisma filter over the noun's model: the rows on which the actor may perform the action. */
export function where(actor: Actor, action: Action): Filter {
  const row: PermissionRow = permissions[action];
  if (actor.kind === 'operator') return everything(row.on);
  const alternatives: Filter[] = [];
  someScope(actor, row, (scope, role) => {
    alternatives.push(scope.where(role));
    return false;
  });
  if (alternatives.length === 0) return nothing(row.on);
  return alternatives.length === 1 ? alternatives[0]! : { OR: alternatives };
}

/** Returns whether the actor could perform the action on any row: a quick check before anything is read. */
export function everCan(actor: Actor, action: Action): boolean {
  if (actor.kind === 'operator') return true;
  return someScope(actor, permissions[action], () => true);
}

export const clauseOf = (action: Action): string => permissions[action].clause;
