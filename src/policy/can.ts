import { columns, scopesByRole, type Actor, type RoleScope } from './actor.ts';
import { everything, nothing, scopes, type Facts, type Filter, type Noun, type Scope } from './scopes.ts';
import { permissions, type Action, type NounOf, type PermissionRow } from './permissions.ts';

type AnyScope = Scope<Noun>;

/** Whether `holds` does for one of the scopes in which the row reaches somewhere, by the column's place. */
function reaches(actor: Actor, row: PermissionRow, holds: (scope: AnyScope, place: RoleScope) => boolean): boolean {
  const stands = scopesByRole(actor);
  for (const column of columns) {
    const place = stands[column];
    if (place === undefined) continue;
    const names = row.cells[column];
    for (const name of names) {
      const scope = (scopes[row.on] as Record<string, AnyScope>)[name]!;
      if (!scope.impliedBy?.some((wider) => names.includes(wider)) && holds(scope, place)) return true;
    }
  }
  return false;
}

/** May the actor do this to that? The operator may; nobody signed in may nothing. */
export function can<A extends Action>(actor: Actor, action: A, facts: Facts[NounOf<A>]): boolean {
  if (actor.kind === 'operator') return true;
  return reaches(actor, permissions[action], (scope, place) => scope.holds(place, facts));
}

/** The same answer as a Prisma filter over the noun's model: the rows that the actor may do this to. */
export function where(actor: Actor, action: Action): Filter {
  const row: PermissionRow = permissions[action];
  if (actor.kind === 'operator') return everything(row.on);
  const alternatives: Filter[] = [];
  reaches(actor, row, (scope, place) => {
    alternatives.push(scope.where(place));
    return false;
  });
  if (alternatives.length === 0) return nothing(row.on);
  return alternatives.length === 1 ? alternatives[0]! : { OR: alternatives };
}

/** Could the actor do this anywhere at all? A quick no before anything is read. */
export function everCan(actor: Actor, action: Action): boolean {
  if (actor.kind === 'operator') return true;
  return reaches(actor, permissions[action], () => true);
}

/** The clause of the regulation that decides the action. */
export const clauseOf = (action: Action): string => permissions[action].clause;
