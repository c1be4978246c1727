import type { RoleScope } from '../actor.ts';
import { defineScopes, inList, ofPerson, type Filter, type Scope } from '../scopes.ts';

/** A role, enrolment or assignment of a person, current or past. */
export interface UserPlace {
  schoolId: string;
  staff: boolean;
  classId: string | null;
  current: boolean;
}

export interface UserFacts {
  userId: string;
  places: readonly UserPlace[];
  chats: readonly { schoolId: string; chatId: string }[];
}

type Condition = Pick<Scope<UserFacts>, 'holds' | 'where'>;

/** People with a current or past role in the school. */
const peopleOfSchool = (isAllowed: (role: RoleScope) => boolean): Condition => ({
  holds: (role, facts) => isAllowed(role) && facts.places.some((place) => place.classId === null && role.schools.includes(place.schoolId)),
  where: (role): Filter => ({ grants: { some: { schoolId: inList(isAllowed(role) ? role.schools : []) } } }),
});

/** Pupils and teachers of the role's classes. With `includePast`, also the former pupils and teachers. */
const peopleOfClasses = (includePast: boolean): Condition => ({
  holds: (role, facts) =>
    facts.places.some((place) => place.classId !== null && role.classes.includes(place.classId) && (includePast || place.current)),
  where: (role) => {
    const membership = { classId: inList(role.classes), ...(includePast ? {} : { endedAt: null }) };
    return { OR: [{ enrolments: { some: membership } }, { assignments: { some: membership } }] };
  },
});

export const userScopes = defineScopes<UserFacts>()({
  school: { description: 'people who have or had a role in the school', ...peopleOfSchool(() => true) },
  present: {
    description: 'people who now have a role in the school',
    holds: (role, facts) => facts.places.some((place) => place.classId === null && place.current && role.schools.includes(place.schoolId)),
    where: (role) => ({ grants: { some: { schoolId: inList(role.schools), endedAt: null } } }),
  },
  read: {
    description: "people who have or had a role in the client's school, with scope `read`",
    ...peopleOfSchool((role) => role.scopes.includes('read')),
  },
  staff: {
    description: 'people who now work in the school',
    holds: (role, facts) => facts.places.some((place) => place.staff && place.current && role.schools.includes(place.schoolId)),
    where: (role) => ({ grants: { some: { schoolId: inList(role.schools), role: { not: 'STUDENT' }, endedAt: null } } }),
  },
  class: { description: "present and former pupils and teachers of the teacher's own classes", ...peopleOfClasses(true) },
  classmates: { description: "the present pupils and teachers of the pupil's own class", ...peopleOfClasses(false) },
  chatmates: ofPerson({
    description: 'people who share a chat with the person, in a school where the person still has a role',
    holds: (role, facts) => facts.chats.some(({ schoolId, chatId }) => role.schools.includes(schoolId) && role.chats.has(chatId)),
    where: (role) => ({ memberships: { some: { schoolId: inList(role.schools), chatId: inList([...role.chats.keys()]) } } }),
  }),
  own: ofPerson({
    description: 'the person themselves',
    holds: (role, facts) => facts.userId === role.userId,
    where: (role) => ({ id: role.userId === null ? { in: [] } : role.userId }),
    // In the permissions table, a cell has `own` together with `school` or `staff` only in the columns of people who work in
    // the school. `school` and `staff` hold for each of these people, so also for the actor.
    impliedBy: ['school', 'staff'],
  }),
});
