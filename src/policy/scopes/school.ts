import type { ServiceScope } from '../actor.ts';
import { defineScopes, inList, type Scope } from '../scopes.ts';

export interface SchoolFacts {
  schoolId: string;
}

const forService = (scope: ServiceScope): Scope<SchoolFacts> => ({
  description: `the client's school, with scope \`${scope}\``,
  holds: (role, facts) => role.scopes.includes(scope) && role.schools.includes(facts.schoolId),
  where: (role) => ({ id: inList(role.scopes.includes(scope) ? role.schools : []) }),
});

export const schoolScopes = defineScopes<SchoolFacts>()({
  school: {
    description: 'the schools in which the person belongs to the column',
    holds: (role, facts) => role.schools.includes(facts.schoolId),
    where: (role) => ({ id: inList(role.schools) }),
  },
  read: forService('read'),
  events: forService('events'),
});
