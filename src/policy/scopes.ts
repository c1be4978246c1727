import type { RoleScope } from './actor.ts';

/**
 * Scopes: how far a right reaches. Each is written twice, side by side: `holds` answers for one thing, `where` is the
 * same sentence as a Prisma filter. test/policy/scopes.test.ts holds the two together on a real database.
 */

export type ChatKind = 'SCHOOL' | 'STAFF' | 'CLASS' | 'SUBJECT' | 'EXTRACURRICULAR';

/** What must be known of a thing to decide about it. */
export interface Facts {
  school: { schoolId: string };
  class: { schoolId: string; classId: string };
  subject: { schoolId: string };
  user: { userId: string; places: readonly UserPlace[]; chats: readonly { schoolId: string; chatId: string }[] };
  role: { schoolId: string; userId: string };
  enrolment: { schoolId: string; classId: string; userId: string; current: boolean };
  invitation: { schoolId: string; classId: string | null; holderId: string | null };
  /** Without an id it is a chat about to be made; without a kind, one of any kind. */
  chat: { schoolId: string; chatId?: string; kind?: ChatKind; classId: string | null; subjectId: string | null };
  session: { userId: string };
  event: { schoolId: string };
}

/** One role, enrolment or assignment of a person, now or before. */
export interface UserPlace {
  schoolId: string;
  staff: boolean;
  classId: string | null;
  current: boolean;
}

export type Noun = keyof Facts;

/** A filter of Prisma's for the noun's model. */
export type Filter = Record<string, unknown>;

/** Matches no row, at the top of a filter and nested alike; an empty OR nested in AND would match every row. */
export const nothing = (noun: Noun): Filter =>
  noun === 'school' || noun === 'user' || noun === 'session' ? { id: { in: [] } } : { schoolId: { in: [] } };

/** Matches every row; an empty filter nested in NOT would match every row too. */
export const everything = (noun: Noun): Filter => ({ NOT: nothing(noun) });

export interface Scope<N extends Noun> {
  holds(place: RoleScope, facts: Facts[N]): boolean;
  where(place: RoleScope): Filter;
  /** Scopes of the noun that reach everything that this one does; beside one of them in a cell it adds nothing. */
  impliedBy?: readonly string[];
}

/** A scope that looks at the very person, and not only at where they stand. */
const ofPerson = <N extends Noun>(scope: Scope<N>): Scope<N> => ({
  ...scope,
  holds(place, facts) {
    place.personal?.();
    return scope.holds(place, facts);
  },
  where(place) {
    place.personal?.();
    return scope.where(place);
  },
});

type Scopes = { [N in Noun]: Record<string, Scope<N>> };

const among = (ids: readonly string[]) => ({ in: [...ids] });
const educationalKinds: readonly ChatKind[] = ['STAFF', 'CLASS', 'SUBJECT', 'EXTRACURRICULAR'];
const kindIs = (kind: ChatKind | undefined, ...kinds: readonly ChatKind[]) => kind === undefined || kinds.includes(kind);

/** In one of the place's schools. */
const bySchool = {
  holds: (place: RoleScope, facts: { schoolId: string }) => place.schools.includes(facts.schoolId),
  where: (place: RoleScope): Filter => ({ schoolId: among(place.schools) }),
};

/** As `school`, for a client that was given the scope. */
const forService = (scope: RoleScope['scopes'][number]) => ({
  holds: (place: RoleScope, facts: { schoolId: string }) =>
    place.scopes.includes(scope) && place.schools.includes(facts.schoolId),
  where: (place: RoleScope): Filter => ({ schoolId: among(place.scopes.includes(scope) ? place.schools : []) }),
});

const schoolItself = (scope?: RoleScope['scopes'][number]) => ({
  holds: (place: RoleScope, facts: { schoolId: string }) =>
    (scope === undefined || place.scopes.includes(scope)) && place.schools.includes(facts.schoolId),
  where: (place: RoleScope): Filter => ({
    id: among(scope === undefined || place.scopes.includes(scope) ? place.schools : []),
  }),
});

/** People with a place in the school, now or before. */
const peopleOfSchool = (allowed: (place: RoleScope) => boolean): Scope<'user'> => ({
  holds: (place, facts) =>
    allowed(place) && facts.places.some((at) => at.classId === null && place.schools.includes(at.schoolId)),
  where: (place) => ({ grants: { some: { schoolId: among(allowed(place) ? place.schools : []) } } }),
});

/** People of the place's classes: pupils and teachers, the former ones too if `everSince`. */
const peopleOfClasses = (everSince: boolean): Scope<'user'> => ({
  holds: (place, facts) =>
    facts.places.some((at) => at.classId !== null && place.classes.includes(at.classId) && (everSince || at.current)),
  where: (place) => {
    const at = { classId: among(place.classes), ...(everSince ? {} : { endedAt: null }) };
    return { OR: [{ enrolments: { some: at } }, { assignments: { some: at } }] };
  },
});

export const scopes = {
  school: { school: schoolItself(), read: schoolItself('read'), events: schoolItself('events') },

  class: {
    school: bySchool,
    read: forService('read'),
    roster: forService('roster'),
    /** The class teacher's own, a subject teacher's taught, a pupil's own class. */
    class: {
      holds: (place, facts) => place.classes.includes(facts.classId),
      where: (place) => ({ id: among(place.classes) }),
    },
  },

  subject: { school: bySchool, read: forService('read') },

  user: {
    school: peopleOfSchool(() => true),
    read: peopleOfSchool((place) => place.scopes.includes('read')),
    staff: {
      holds: (place, facts) => facts.places.some((at) => at.staff && at.current && place.schools.includes(at.schoolId)),
      where: (place) => ({
        grants: { some: { schoolId: among(place.schools), role: { not: 'STUDENT' }, endedAt: null } },
      }),
    },
    class: peopleOfClasses(true),
    classmates: peopleOfClasses(false),
    /** People one shares a chat with, in a school where one still is. */
    chatmates: ofPerson<'user'>({
      holds: (place, facts) =>
        facts.chats.some(({ schoolId, chatId }) => place.schools.includes(schoolId) && place.chats.has(chatId)),
      where: (place) => ({
        memberships: { some: { schoolId: among(place.schools), chatId: among([...place.chats.keys()]) } },
      }),
    }),
    own: ofPerson<'user'>({
      holds: (place, facts) => facts.userId === place.userId,
      where: (place) => ({ id: place.userId === null ? { in: [] } : place.userId }),
      // Whoever stands in a school has a role there.
      impliedBy: ['school', 'staff'],
    }),
  },

  role: {
    school: bySchool,
    read: forService('read'),
    own: ofPerson<'role'>({
      holds: (place, facts) => facts.userId === place.userId,
      where: (place) => ({ userId: place.userId === null ? { in: [] } : place.userId }),
    }),
  },

  enrolment: {
    school: bySchool,
    read: forService('read'),
    class: {
      holds: (place, facts) => place.classes.includes(facts.classId),
      where: (place) => ({ classId: among(place.classes) }),
    },
    classmates: {
      holds: (place, facts) => facts.current && place.classes.includes(facts.classId),
      where: (place) => ({ classId: among(place.classes), endedAt: null }),
    },
    own: ofPerson<'enrolment'>({
      holds: (place, facts) => facts.userId === place.userId,
      where: (place) => ({ studentId: place.userId === null ? { in: [] } : place.userId }),
    }),
  },

  invitation: {
    school: bySchool,
    /** Handed over to the person; a pupils' link only while they are the class teacher of its class. */
    held: ofPerson<'invitation'>({
      holds: (place, facts) =>
        facts.holderId !== null &&
        facts.holderId === place.userId &&
        place.schools.includes(facts.schoolId) &&
        (facts.classId === null || place.leads.includes(facts.classId)),
      where: (place) => ({
        // Without `not: null` a link that nobody holds would be neither in the filter nor in its negation.
        holderId: place.userId === null ? { in: [] } : { equals: place.userId, not: null },
        schoolId: among(place.schools),
        OR: [{ classId: null }, { classId: among(place.leads) }],
      }),
    }),
  },

  chat: {
    school: bySchool,
    read: forService('read'),
    schoolWide: {
      // A chat about to be made in a class is of no kind that is school-wide.
      holds: (place, facts) =>
        place.schools.includes(facts.schoolId) && kindIs(facts.kind, 'SCHOOL') && facts.classId === null,
      where: (place) => ({ schoolId: among(place.schools), kind: 'SCHOOL' }),
    },
    educational: {
      holds: (place, facts) => place.schools.includes(facts.schoolId) && kindIs(facts.kind, ...educationalKinds),
      where: (place) => ({ schoolId: among(place.schools), kind: among(educationalKinds) }),
    },
    ofClass: {
      holds: (place, facts) =>
        kindIs(facts.kind, 'CLASS') && facts.classId !== null && place.classes.includes(facts.classId),
      where: (place) => ({ kind: 'CLASS', classId: among(place.classes) }),
    },
    ofSubject: {
      holds: (place, facts) =>
        kindIs(facts.kind, 'SUBJECT') &&
        place.taught.some(
          (pair) =>
            pair.classId === facts.classId &&
            (pair.subjectId === facts.subjectId || (facts.kind === undefined && facts.subjectId === null)),
        ),
      where: (place) => ({
        kind: 'SUBJECT',
        // One alternative that matches nothing keeps the OR from being empty.
        OR: [{ classId: { in: [] } }, ...place.taught.map(({ classId, subjectId }) => ({ classId, subjectId }))],
      }),
    },
    member: ofPerson<'chat'>({
      holds: (place, facts) =>
        place.schools.includes(facts.schoolId) && facts.chatId !== undefined && place.chats.has(facts.chatId),
      where: (place) => ({
        schoolId: among(place.schools),
        members: { some: { userId: place.userId === null ? { in: [] } : place.userId } },
      }),
    }),
    moderated: ofPerson<'chat'>({
      holds: (place, facts) =>
        place.schools.includes(facts.schoolId) &&
        facts.chatId !== undefined &&
        ['OWNER', 'MODERATOR'].includes(place.chats.get(facts.chatId) ?? ''),
      where: (place) => ({
        schoolId: among(place.schools),
        members: {
          some: { userId: place.userId === null ? { in: [] } : place.userId, role: { in: ['OWNER', 'MODERATOR'] } },
        },
      }),
    }),
  },

  session: {
    own: ofPerson<'session'>({
      holds: (place, facts) => facts.userId === place.userId,
      where: (place) => ({ userId: place.userId === null ? { in: [] } : place.userId }),
    }),
  },

  event: { school: bySchool, events: forService('events') },
} satisfies Scopes;

export type ScopeOf<N extends Noun> = Extract<keyof (typeof scopes)[N], string>;
