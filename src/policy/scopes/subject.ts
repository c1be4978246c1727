import { defineScopes, forService, inSchool } from '../scopes.ts';

export interface SubjectFacts {
  schoolId: string;
}

export const subjectScopes = defineScopes<SubjectFacts>()({
  school: inSchool('any subject of the school'),
  read: forService('read', "any subject of the client's school"),
});
