import { columns, standing, type Actor, type Place } from './actor.ts';
import { everything, nothing, scopes, type Facts, type Filter, type Noun, type Scope } from './scopes.ts';
import { table, type Action, type NounOf, type Row } from './table.ts';

type AnyScope = Scope<Noun>;

function* reaches(actor: Actor, row: Row): Generator<[AnyScope, Place]> {
  const stands = standing(actor);
  for (const column of columns) {
    const place = stands[column];
    if (place === undefined) continue;
    const names = row.cells[column];
    for (const name of names) {
      const scope = (scopes[row.on] as Record<string, AnyScope>)[name]!;
      if (!scope.impliedBy?.some((wider) => names.includes(wider))) yield [scope, place];
    }
  }
}

/** May the actor do this to that? The operator may; nobody signed in may nothing. */
export function can<A extends Action>(actor: Actor, action: A, facts: Facts[NounOf<A>]): boolean {
  if (actor.kind === 'operator') return true;
  for (const [scope, place] of reaches(actor, table[action])) if (scope.holds(place, facts)) return true;
  return false;
}

/** The same answer as a Prisma filter over the noun's model: the rows that the actor may do this to. */
export function where(actor: Actor, action: Action): Filter {
  const row: Row = table[action];
  if (actor.kind === 'operator') return everything(row.on);
  const alternatives = [...reaches(actor, row)].map(([scope, place]) => scope.where(place));
  if (alternatives.length === 0) return nothing(row.on);
  return alternatives.length === 1 ? alternatives[0]! : { OR: alternatives };
}

/** Could the actor do this anywhere at all? A quick no before anything is read. */
export function everCan(actor: Actor, action: Action): boolean {
  if (actor.kind === 'operator') return true;
  return !reaches(actor, table[action]).next().done;
}

/** The clause of the regulation that decides the action. */
export const clauseOf = (action: Action): string => table[action].clause;
