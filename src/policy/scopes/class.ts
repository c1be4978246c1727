import { defineScopes, forService, inList, inSchool } from '../scopes.ts';

export interface ClassFacts {
  schoolId: string;
  classId: string;
}

export const classScopes = defineScopes<ClassFacts>()({
  school: inSchool('any class of the school'),
  read: forService('read', "any class of the client's school"),
  roster: forService('roster', "any class of the client's school"),
  class: {
    description: 'the own classes: those that a class teacher leads, that a subject teacher teaches in, or that a pupil is in',
    holds: (role, facts) => role.classes.includes(facts.classId),
    where: (role) => ({ id: inList(role.classes) }),
  },
});
