import type { RoleScope } from './actor.ts';

/**
 * The scopes of rights. Each scope is defined twice: `holds` decides for the facts of one row, `where` is the same
 * condition as a Prisma filter. test/policy/scopes.test.ts compares the two on a real database.
 */

export type ChatKind = 'SCHOOL' | 'STAFF' | 'CLASS' | 'SUBJECT' | 'EXTRACURRICULAR';

/** The facts by which the policy decides, for each noun. */
export interface Facts {
  school: { schoolId: string };
  class: { schoolId: string; classId: string };
  subject: { schoolId: string };
  user: { userId: string; places: readonly UserPlace[]; chats: readonly { schoolId: string; chatId: string }[] };
  role: { schoolId: string; userId: string };
  enrolment: { schoolId: string; classId: string; userId: string; current: boolean };
  invitation: { schoolId: string; classId: string | null; holderId: string | null };
  /** Without `chatId`: a chat that is about to be created. Without `kind`: a chat of any kind. */
  chat: { schoolId: string; chatId?: string; kind?: ChatKind; classId: string | null; subjectId: string | null };
  session: { userId: string };
  event: { schoolId: string };
}

/** A role, enrolment or assignment of a person, current or past. */
export interface UserPlace {
  schoolId: string;
  staff: boolean;
  classId: string | null;
  current: boolean;
}

export type Noun = keyof Facts;

export type Filter = Record<string, unknown>;

/** Returns a filter that matches no row, also when nested. An empty OR nested in AND would match every row. */
export const nothing = (noun: Noun): Filter =>
  noun === 'school' || noun === 'user' || noun === 'session' ? { id: { in: [] } } : { schoolId: { in: [] } };

/** Returns a filter that matches every row. An empty filter would match every row in NOT too. */
export const everything = (noun: Noun): Filter => ({ NOT: nothing(noun) });

export interface Scope<N extends Noun> {
  holds(role: RoleScope, facts: Facts[N]): boolean;
  where(role: RoleScope): Filter;
  /** Wider scopes of the noun. In a cell with one of them, this scope adds nothing. */
  impliedBy?: readonly string[];
}

/** Marks a scope that depends on the person, and not only on the role. */
const ofPerson = <N extends Noun>(scope: Scope<N>): Scope<N> => ({
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

type Scopes = { [N in Noun]: Record<string, Scope<N>> };

const inList = (ids: readonly string[]) => ({ in: [...ids] });
const educationalKinds: readonly ChatKind[] = ['STAFF', 'CLASS', 'SUBJECT', 'EXTRACURRICULAR'];
const isOfKind = (kind: ChatKind | undefined, ...kinds: readonly ChatKind[]) => kind === undefined || kinds.includes(kind);

const inSchool = {
  holds: (role: RoleScope, facts: { schoolId: string }) => role.schools.includes(facts.schoolId),
  where: (role: RoleScope): Filter => ({ schoolId: inList(role.schools) }),
};

/** As `inSchool`, for a service client that has the scope. */
const forService = (scope: RoleScope['scopes'][number]) => ({
  holds: (role: RoleScope, facts: { schoolId: string }) => role.scopes.includes(scope) && role.schools.includes(facts.schoolId),
  where: (role: RoleScope): Filter => ({ schoolId: inList(role.scopes.includes(scope) ? role.schools : []) }),
});

const schoolItself = (scope?: RoleScope['scopes'][number]) => ({
  holds: (role: RoleScope, facts: { schoolId: string }) =>
    (scope === undefined || role.scopes.includes(scope)) && role.schools.includes(facts.schoolId),
  where: (role: RoleScope): Filter => ({ id: inList(scope === undefined || role.scopes.includes(scope) ? role.schools : []) }),
});

/** People with a current or past role in the school. */
const peopleOfSchool = (isAllowed: (role: RoleScope) => boolean): Scope<'user'> => ({
  holds: (role, facts) => isAllowed(role) && facts.places.some((place) => place.classId === null && role.schools.includes(place.schoolId)),
  where: (role) => ({ grants: { some: { schoolId: inList(isAllowed(role) ? role.schools : []) } } }),
});

/** Pupils and teachers of the role's classes; with `includePast`, the former ones too. */
const peopleOfClasses = (includePast: boolean): Scope<'user'> => ({
  holds: (role, facts) =>
    facts.places.some((place) => place.classId !== null && role.classes.includes(place.classId) && (includePast || place.current)),
  where: (role) => {
    const membership = { classId: inList(role.classes), ...(includePast ? {} : { endedAt: null }) };
    return { OR: [{ enrolments: { some: membership } }, { assignments: { some: membership } }] };
  },
});

export const scopes = {
  school: { school: schoolItself(), read: schoolItself('read'), events: schoolItself('events') },

  class: {
    school: inSchool,
    read: forService('read'),
    roster: forService('roster'),
    /** The class teacher's own class, the classes that a subject teacher teaches, a pupil's class. */
    class: { holds: (role, facts) => role.classes.includes(facts.classId), where: (role) => ({ id: inList(role.classes) }) },
  },

  subject: { school: inSchool, read: forService('read') },

  user: {
    school: peopleOfSchool(() => true),
    read: peopleOfSchool((role) => role.scopes.includes('read')),
    staff: {
      holds: (role, facts) => facts.places.some((place) => place.staff && place.current && role.schools.includes(place.schoolId)),
      where: (role) => ({ grants: { some: { schoolId: inList(role.schools), role: { not: 'STUDENT' }, endedAt: null } } }),
    },
    class: peopleOfClasses(true),
    classmates: peopleOfClasses(false),
    /** People who share a chat with the actor, in a school where the actor still has a role. */
    chatmates: ofPerson<'user'>({
      holds: (role, facts) => facts.chats.some(({ schoolId, chatId }) => role.schools.includes(schoolId) && role.chats.has(chatId)),
      where: (role) => ({ memberships: { some: { schoolId: inList(role.schools), chatId: inList([...role.chats.keys()]) } } }),
    }),
    own: ofPerson<'user'>({
      holds: (role, facts) => facts.userId === role.userId,
      where: (role) => ({ id: role.userId === null ? { in: [] } : role.userId }),
      // The actor has a role in the role's schools, so `school` and `staff` include the actor.
      impliedBy: ['school', 'staff'],
    }),
  },

  role: {
    school: inSchool,
    read: forService('read'),
    own: ofPerson<'role'>({
      holds: (role, facts) => facts.userId === role.userId,
      where: (role) => ({ userId: role.userId === null ? { in: [] } : role.userId }),
    }),
  },

  enrolment: {
    school: inSchool,
    read: forService('read'),
    class: { holds: (role, facts) => role.classes.includes(facts.classId), where: (role) => ({ classId: inList(role.classes) }) },
    classmates: {
      holds: (role, facts) => facts.current && role.classes.includes(facts.classId),
      where: (role) => ({ classId: inList(role.classes), endedAt: null }),
    },
    own: ofPerson<'enrolment'>({
      holds: (role, facts) => facts.userId === role.userId,
      where: (role) => ({ studentId: role.userId === null ? { in: [] } : role.userId }),
    }),
  },

  invitation: {
    school: inSchool,
    /** Invitations that the person holds; a pupils' link only while the person is the class teacher of its class. */
    held: ofPerson<'invitation'>({
      holds: (role, facts) =>
        facts.holderId !== null &&
        facts.holderId === role.userId &&
        role.schools.includes(facts.schoolId) &&
        (facts.classId === null || role.leads.includes(facts.classId)),
      where: (role) => ({
        // Without `not: null`, a link without a holder would match neither this filter nor its negation.
        holderId: role.userId === null ? { in: [] } : { equals: role.userId, not: null },
        schoolId: inList(role.schools),
        OR: [{ classId: null }, { classId: inList(role.leads) }],
      }),
    }),
  },

  chat: {
    school: inSchool,
    read: forService('read'),
    schoolWide: {
      // A chat that is about to be created in a class is never school-wide.
      holds: (role, facts) => role.schools.includes(facts.schoolId) && isOfKind(facts.kind, 'SCHOOL') && facts.classId === null,
      where: (role) => ({ schoolId: inList(role.schools), kind: 'SCHOOL' }),
    },
    educational: {
      holds: (role, facts) => role.schools.includes(facts.schoolId) && isOfKind(facts.kind, ...educationalKinds),
      where: (role) => ({ schoolId: inList(role.schools), kind: inList(educationalKinds) }),
    },
    ofClass: {
      holds: (role, facts) => isOfKind(facts.kind, 'CLASS') && facts.classId !== null && role.classes.includes(facts.classId),
      where: (role) => ({ kind: 'CLASS', classId: inList(role.classes) }),
    },
    ofSubject: {
      holds: (role, facts) =>
        isOfKind(facts.kind, 'SUBJECT') &&
        role.taught.some(
          (pair) =>
            pair.classId === facts.classId &&
            (pair.subjectId === facts.subjectId || (facts.kind === undefined && facts.subjectId === null)),
        ),
      where: (role) => ({
        kind: 'SUBJECT',
        // The alternative that matches nothing keeps the OR from being empty.
        OR: [{ classId: { in: [] } }, ...role.taught.map(({ classId, subjectId }) => ({ classId, subjectId }))],
      }),
    },
    member: ofPerson<'chat'>({
      holds: (role, facts) => role.schools.includes(facts.schoolId) && facts.chatId !== undefined && role.chats.has(facts.chatId),
      where: (role) => ({ schoolId: inList(role.schools), members: { some: { userId: role.userId === null ? { in: [] } : role.userId } } }),
    }),
    moderated: ofPerson<'chat'>({
      holds: (role, facts) =>
        role.schools.includes(facts.schoolId) &&
        facts.chatId !== undefined &&
        ['OWNER', 'MODERATOR'].includes(role.chats.get(facts.chatId) ?? ''),
      where: (role) => ({
        schoolId: inList(role.schools),
        members: { some: { userId: role.userId === null ? { in: [] } : role.userId, role: { in: ['OWNER', 'MODERATOR'] } } },
      }),
    }),
  },

  session: {
    own: ofPerson<'session'>({
      holds: (role, facts) => facts.userId === role.userId,
      where: (role) => ({ userId: role.userId === null ? { in: [] } : role.userId }),
    }),
  },

  event: { school: inSchool, events: forService('events') },
} satisfies Scopes;

export type ScopeOf<N extends Noun> = Extract<keyof (typeof scopes)[N], string>;
