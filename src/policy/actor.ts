/** Who is asking, with the rights that the database held for them when it was asked. */

export type Role = 'PLATFORM_ADMINISTRATOR' | 'SCHOOL_ADMINISTRATION' | 'TEACHER' | 'STUDENT';

export type ChatRole = 'OWNER' | 'MODERATOR' | 'MEMBER';

/** What an integration client may do: read the school, follow its log, write its enrolments. */
export const serviceScopes = ['read', 'events', 'roster'] as const;
export type ServiceScope = (typeof serviceScopes)[number];

export interface UserActor {
  kind: 'user';
  userId: string;
  sessionId: string;
  /** Seconds since 1970 after which the credential is no longer good. */
  expiresAt: number;
  /** Current roles. */
  grants: readonly { schoolId: string; role: Role }[];
  /** Current work in classes that are not archived; `subjectId` is null for the class teacher. */
  assignments: readonly { schoolId: string; classId: string; subjectId: string | null }[];
  /** The one class a pupil is in. */
  enrolment: { schoolId: string; classId: string } | null;
  /** The chats the person is in, and as what. */
  chats: ReadonlyMap<string, ChatRole>;
}

export interface ServiceActor {
  kind: 'service';
  clientId: string;
  schoolId: string;
  expiresAt: number;
  scopes: readonly ServiceScope[];
}

/** Nobody has signed in. */
export interface Anonymous {
  kind: 'anonymous';
}

/** Who runs the command line on the server; it may do all, and the log says it was the operator. */
export interface Operator {
  kind: 'operator';
}

export type Actor = UserActor | ServiceActor | Anonymous | Operator;

/** The actor in the log: `user:<id>`, `service:<id>`, `operator`, `anonymous`. */
export function actorName(actor: Actor): string {
  if (actor.kind === 'user') return `user:${actor.userId}`;
  if (actor.kind === 'service') return `service:${actor.clientId}`;
  return actor.kind;
}

export const columns = ['administrator', 'leadership', 'classTeacher', 'subjectTeacher', 'student', 'service'] as const;
export type Column = (typeof columns)[number];

/** Where one column of the table counts for an actor. Places of different columns never add up. */
export interface RoleScope {
  userId: string | null;
  schools: readonly string[];
  classes: readonly string[];
  /** Those of the classes where one is the class teacher. */
  leads: readonly string[];
  /** Pairs of class and subject, for the subject teacher. */
  taught: readonly { classId: string; subjectId: string }[];
  chats: ReadonlyMap<string, ChatRole>;
  scopes: readonly ServiceScope[];
  /** Called by the scopes that look at the very person; only there where several people are answered together. */
  personal?: () => void;
}

const noChats: ReadonlyMap<string, ChatRole> = new Map();

function place(actor: UserActor, part: Partial<RoleScope>): RoleScope {
  return { userId: actor.userId, schools: [], classes: [], leads: [], taught: [], chats: actor.chats, scopes: [], ...part };
}

const cache = new WeakMap<Actor, Partial<Record<Column, RoleScope>>>();

/** The columns in which an actor stands, each with its own places. */
export function scopesByRole(actor: Actor): Partial<Record<Column, RoleScope>> {
  if (actor instanceof ProbeActor) return actor.standing;
  let known = cache.get(actor);
  if (known === undefined) cache.set(actor, (known = computeScopes(actor)));
  return known;
}

function computeScopes(actor: Actor): Partial<Record<Column, RoleScope>> {
  if (actor.kind === 'service')
    return { service: { userId: null, schools: [actor.schoolId], classes: [], leads: [], taught: [], chats: noChats, scopes: actor.scopes } };
  if (actor.kind !== 'user') return {};
  const schools = (role: Role) => actor.grants.filter((grant) => grant.role === role).map((grant) => grant.schoolId);
  const teaches = schools('TEACHER');
  const work = actor.assignments.filter((assignment) => teaches.includes(assignment.schoolId));
  const own = work.filter((assignment) => assignment.subjectId === null);
  const taught = work.flatMap(({ classId, subjectId }) => (subjectId === null ? [] : [{ classId, subjectId }]));
  const found: Partial<Record<Column, RoleScope>> = {};
  const add = (column: Column, part: Partial<RoleScope>) => {
    if (part.schools?.length) found[column] = place(actor, part);
  };
  add('administrator', { schools: schools('PLATFORM_ADMINISTRATOR') });
  add('leadership', { schools: schools('SCHOOL_ADMINISTRATION') });
  const leads = unique(own.map((a) => a.classId));
  add('classTeacher', { schools: unique(own.map((a) => a.schoolId)), classes: leads, leads });
  // Every teacher stands here, with or without a class, so that a new teacher sees the school.
  add('subjectTeacher', { schools: teaches, classes: unique(taught.map((t) => t.classId)), taught });
  const studies = schools('STUDENT');
  const enrolled = actor.enrolment !== null && studies.includes(actor.enrolment.schoolId);
  add('student', { schools: studies, classes: enrolled && actor.enrolment ? [actor.enrolment.classId] : [] });
  // Whoever holds no role keeps what is their own, such as their sessions: the pupil's column without a school.
  if (Object.keys(found).length === 0) found.student = place(actor, {});
  return found;
}

/** The actor with what they are in one school; nothing of what they are in others. */
export function restrictToSchool(schoolId: string, actor: UserActor | ServiceActor): UserActor | ServiceActor {
  if (actor.kind === 'service') return actor;
  const here = <T extends { schoolId: string }>(places: readonly T[]) => places.filter((place) => place.schoolId === schoolId);
  return {
    ...actor,
    grants: here(actor.grants),
    assignments: here(actor.assignments),
    enrolment: actor.enrolment?.schoolId === schoolId ? actor.enrolment : null,
  };
}

/** What the actor has in common with others of the same roles in the same classes: a text, the same for all of them. */
export function rightsKey(actor: UserActor | ServiceActor): string {
  const ordered = Object.entries(scopesByRole(actor)).map(([column, { schools, classes, leads, taught, scopes }]) => [
    column, [...schools].sort(), [...classes].sort(), [...leads].sort(), taught.map((pair) => `${pair.classId} ${pair.subjectId}`).sort(), [...scopes].sort(),
  ]);
  return JSON.stringify([actor.kind, ordered.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))]);
}

/**
 * Stands for all who have the same `commonKey`: the actor without a person. `personal` is called whenever somebody
 * asks who it is, or a scope would look at the very person: then what was found does not hold for all.
 */
export function cohortActor(actor: UserActor | ServiceActor, personal: () => void = () => undefined): UserActor | ServiceActor {
  if (actor.kind === 'service') return actor;
  const nobody = new CohortActor(actor, personal);
  const places = Object.entries(scopesByRole(actor)).map(([column, at]) => [column, { ...at, userId: null, chats: noChats, personal }]);
  cache.set(nobody, Object.fromEntries(places) as Partial<Record<Column, RoleScope>>);
  return nobody;
}

class CohortActor implements UserActor {
  readonly kind = 'user';
  readonly grants: UserActor['grants'];
  readonly assignments: UserActor['assignments'];
  readonly enrolment: UserActor['enrolment'];
  readonly expiresAt: number;
  readonly #personal: () => void;

  constructor({ grants, assignments, enrolment, expiresAt }: UserActor, personal: () => void) {
    this.grants = grants;
    this.assignments = assignments;
    this.enrolment = enrolment;
    this.expiresAt = expiresAt;
    this.#personal = personal;
  }

  get userId() { return this.#asked(''); }
  get sessionId() { return this.#asked(''); }
  get chats() { return this.#asked(noChats); }

  #asked<T>(value: T): T {
    this.#personal();
    return value;
  }
}

/** Stands for anybody at all: `asked` is called whenever it matters who it is or what they may do. */
export const probeActor = (asked: () => void): UserActor => new ProbeActor(asked);

/** Its standing is in no cache, whose values would keep what asked in memory until the next full collection. */
class ProbeActor implements UserActor {
  readonly kind = 'user';
  readonly #asked: () => void;

  constructor(asked: () => void) {
    this.#asked = asked;
  }

  get userId() { return this.#told(''); }
  get sessionId() { return this.#told(''); }
  get expiresAt() { return this.#told(0); }
  get grants() { return this.#told([]); }
  get assignments() { return this.#told([]); }
  get enrolment() { return this.#told(null); }
  get chats() { return this.#told(noChats); }
  get standing() { return this.#told({}); }

  #told<T>(value: T): T {
    this.#asked();
    return value;
  }
}

const unique = (ids: string[]): string[] => [...new Set(ids)];
