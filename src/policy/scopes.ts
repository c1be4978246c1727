import type { RoleScope, ServiceScope } from './actor.ts';

/**
 * The type of a scope, and the scopes that several nouns use. The scopes of each noun are in
 * src/policy/scopes/<noun>.ts; src/policy/permissions.ts collects them.
 */

/** A filter in Prisma's form. */
export type Filter = Record<string, unknown>;

/**
 * Where a permission applies. `holds` decides for the facts of one row, `where` is the same condition as a Prisma
 * filter. test/policy/scopes.test.ts compares the two on a real database.
 */
export interface Scope<Facts> {
  /** Describes the rows for which the scope holds. scripts/docs.ts prints it in docs/policy.md. */
  description: string;
  holds(role: RoleScope, facts: Facts): boolean;
  where(role: RoleScope): Filter;
  /**
   * Wider scopes of the same noun: they hold for every row for which this scope holds. If a cell of the permissions table
   * names one of them too, `can` and `where` skip this scope.
   */
  impliedBy?: readonly string[];
}

/**
 * Returns `scopes` unchanged, and gives them a type. `Facts` is the type of what the scopes need to know of one row. Call it
 * as `defineScopes<Facts>()({ … })`.
 */
export const defineScopes =
  <Facts>() =>
  <Name extends string>(scopes: Record<Name, Scope<Facts>>): Readonly<Record<Name, Scope<Facts>>> =>
    scopes;

/** The type of the facts that the scopes of a noun need. */
export type FactsOf<Scopes> = Scopes extends Readonly<Record<string, Scope<infer Facts>>> ? Facts : never;

/** Marks a scope that reads who the person is, not only their roles. Such a scope calls `onPersonalAccess` at each use. */
export const ofPerson = <Facts>(scope: Scope<Facts>): Scope<Facts> => ({
  ...scope,
  holds(role, facts) {
    role.onPersonalAccess?.();
    return scope.holds(role, facts);
  },
  where(role) {
    role.onPersonalAccess?.();
    return scope.where(role);
  },
});

export const inList = (ids: readonly string[]) => ({ in: [...ids] });

/** Rows with a `schoolId` in the schools of the role. */
export const inSchool = (description: string): Scope<{ schoolId: string }> => ({
  description,
  holds: (role, facts) => role.schools.includes(facts.schoolId),
  where: (role) => ({ schoolId: inList(role.schools) }),
});

/** Like `inSchool`, but only for a service client that has the given scope. */
export const forService = (scope: ServiceScope, description: string): Scope<{ schoolId: string }> => ({
  description: `${description}, with scope \`${scope}\``,
  holds: (role, facts) => role.scopes.includes(scope) && role.schools.includes(facts.schoolId),
  where: (role) => ({ schoolId: inList(role.scopes.includes(scope) ? role.schools : []) }),
});
