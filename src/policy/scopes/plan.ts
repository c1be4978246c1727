import { defineScopes, inList, inSchool } from '../scopes.ts';

export interface PlanFacts {
  schoolId: string;
  /** The service that made the plan; null for people. */
  clientId: string | null;
}

export const planScopes = defineScopes<PlanFacts>()({
  school: inSchool('any plan of the school'),
  own: {
    description: 'the plans that the client made, with scope `roster`',
    holds: ({ clientId, scopes, schools }, facts) =>
      clientId !== null && facts.clientId === clientId && scopes.includes('roster') && schools.includes(facts.schoolId),
    where: ({ clientId, scopes, schools }) => ({
      schoolId: inList(schools),
      // The plan of a person does not match. `not: null` makes this result false. Without it, SQL would give NULL for the
      // filter and for its negation, and the negated filter would not match the plan either.
      clientId: clientId !== null && scopes.includes('roster') ? { equals: clientId, not: null } : { in: [] },
    }),
  },
});
