import { defineScopes, forService, inSchool, type Scope } from '../scopes.ts';

export interface SchoolFacts {
  schoolId: string;
}

/** Adapts a scope to rows of School: filters by `id` instead of `schoolId`. */
const ofSchools = (scope: Scope<SchoolFacts>): Scope<SchoolFacts> => ({ ...scope, where: (role) => ({ id: scope.where(role).schoolId }) });

export const schoolScopes = defineScopes<SchoolFacts>()({
  school: ofSchools(inSchool('the schools in which the person has the role of the column')),
  read: ofSchools(forService('read', "the client's school")),
  events: ofSchools(forService('events', "the client's school")),
  roster: ofSchools(forService('roster', "the client's school")),
});
