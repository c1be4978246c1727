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
    description: 'the classes of a class teacher, the classes that a subject teacher teaches, the class of a pupil',
    holds: (role, facts) => role.classes.includes(facts.classId),
    where: (role) => ({ id: inList(role.classes) }),
  },
});
