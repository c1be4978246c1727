import { defineScopes, forService, inList, inSchool, ofPerson } from '../scopes.ts';

export interface EnrolmentFacts {
  schoolId: string;
  classId: string;
  userId: string;
  current: boolean;
}

export const enrolmentScopes = defineScopes<EnrolmentFacts>()({
  school: inSchool('any enrolment of the school'),
  read: forService('read', "any enrolment of the client's school"),
  class: {
    description: "present and ended enrolments in the teacher's own classes",
    holds: (role, facts) => role.classes.includes(facts.classId),
    where: (role) => ({ classId: inList(role.classes) }),
  },
  classmates: {
    description: "present enrolments in the pupil's own class",
    holds: (role, facts) => facts.current && role.classes.includes(facts.classId),
    where: (role) => ({ classId: inList(role.classes), endedAt: null }),
  },
  own: ofPerson({
    description: "the person's own enrolments",
    holds: (role, facts) => facts.userId === role.userId,
    where: (role) => ({ studentId: role.userId === null ? { in: [] } : role.userId }),
  }),
});
