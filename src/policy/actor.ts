/** The actor of a request: the person, service or operator that makes it, with the rights that were loaded for it. */

export type Role = 'PLATFORM_ADMINISTRATOR' | 'SCHOOL_ADMINISTRATION' | 'TEACHER' | 'STUDENT';

export type ChatRole = 'OWNER' | 'MODERATOR' | 'MEMBER';

/** The scopes of a service client: `read` the school, follow its log (`events`), write its enrolments (`roster`). */
export const serviceScopes = ['read', 'events', 'roster'] as const;
export type ServiceScope = (typeof serviceScopes)[number];

export interface UserActor {
  kind: 'user';
  userId: string;
  sessionId: string;
  /** The expiry of the credential, in seconds since 1970. */
  expiresAt: number;
  grants: readonly { schoolId: string; role: Role }[];
  /** Current assignments in classes that are not archived. `subjectId` is null for the class teacher. */
  assignments: readonly { schoolId: string; classId: string; subjectId: string | null }[];
  /** The pupil's class. A pupil is in at most one. */
  enrolment: { schoolId: string; classId: string } | null;
  /** The person's role in each of their chats. */
  chats: ReadonlyMap<string, ChatRole>;
}

export interface ServiceActor {
  kind: 'service';
  clientId: string;
  schoolId: string;
  expiresAt: number;
  scopes: readonly ServiceScope[];
}

export interface Anonymous {
  kind: 'anonymous';
}

/** The operator on the server's command line, who may do everything. The log names the operator as the actor. */
export interface Operator {
  kind: 'operator';
}

export type Actor = UserActor | ServiceActor | Anonymous | Operator;

/** Returns the actor's name in the log: `user:<id>`, `service:<id>`, `operator`, `anonymous`. */
export function actorName(actor: Actor): string {
  if (actor.kind === 'user') return `user:${actor.userId}`;
  if (actor.kind === 'service') return `service:${actor.clientId}`;
  return actor.kind;
}

export const columns = ['administrator', 'leadership', 'classTeacher', 'subjectTeacher', 'student', 'service'] as const;
export type Column = (typeof columns)[number];

/** Where one column of the permissions table applies to an actor. Scopes of different columns are never combined. */
export interface RoleScope {
  userId: string | null;
  schools: readonly string[];
  classes: readonly string[];
  /** The classes whose class teacher the actor is. */
  leads: readonly string[];
  /** The pairs of class and subject that a subject teacher teaches. */
  taught: readonly { classId: string; subjectId: string }[];
  chats: ReadonlyMap<string, ChatRole>;
  scopes: readonly ServiceScope[];
  /** Called by the scopes that depend on the person. Set only for the actor of a cohort. */
  onPersonalAccess?: () => void;
}

const noChats: ReadonlyMap<string, ChatRole> = new Map();

function roleScope(actor: UserActor, part: Partial<RoleScope>): RoleScope {
  return { userId: actor.userId, schools: [], classes: [], leads: [], taught: [], chats: actor.chats, scopes: [], ...part };
}

// eslint-disable-next-line no-restricted-syntax -- an entry ends with its actor.
const cache = new WeakMap<Actor, Partial<Record<Column, RoleScope>>>();

/** Returns the columns of the permissions table that apply to an actor, with the scope of each. */
export function scopesByRole(actor: Actor): Partial<Record<Column, RoleScope>> {
  if (actor instanceof ProbeActor) return actor.scopesByRole;
  let cachedScopes = cache.get(actor);
  if (cachedScopes === undefined) cache.set(actor, (cachedScopes = computeScopes(actor)));
  return cachedScopes;
}

function computeScopes(actor: Actor): Partial<Record<Column, RoleScope>> {
  if (actor.kind === 'service')
    return {
      service: { userId: null, schools: [actor.schoolId], classes: [], leads: [], taught: [], chats: noChats, scopes: actor.scopes },
    };
  if (actor.kind !== 'user') return {};
  const schools = (role: Role) => actor.grants.filter((grant) => grant.role === role).map((grant) => grant.schoolId);
  const teacherSchools = schools('TEACHER');
  const work = actor.assignments.filter((assignment) => teacherSchools.includes(assignment.schoolId));
  const classTeacherWork = work.filter((assignment) => assignment.subjectId === null);
  const taught = work.flatMap(({ classId, subjectId }) => (subjectId === null ? [] : [{ classId, subjectId }]));
  const scopes: Partial<Record<Column, RoleScope>> = {};
  const add = (column: Column, part: Partial<RoleScope>) => {
    if (part.schools?.length) scopes[column] = roleScope(actor, part);
  };
  add('administrator', { schools: schools('PLATFORM_ADMINISTRATOR') });
  add('leadership', { schools: schools('SCHOOL_ADMINISTRATION') });
  const leads = unique(classTeacherWork.map((a) => a.classId));
  add('classTeacher', { schools: unique(classTeacherWork.map((a) => a.schoolId)), classes: leads, leads });
  // Every teacher has this column, even without a class, so that a new teacher sees the school.
  add('subjectTeacher', { schools: teacherSchools, classes: unique(taught.map((t) => t.classId)), taught });
  const studentSchools = schools('STUDENT');
  const enrolled = actor.enrolment !== null && studentSchools.includes(actor.enrolment.schoolId);
  add('student', { schools: studentSchools, classes: enrolled && actor.enrolment ? [actor.enrolment.classId] : [] });
  // Without a role, the pupil's column without a school gives access to one's own rows, such as sessions.
  if (Object.keys(scopes).length === 0) scopes.student = roleScope(actor, {});
  return scopes;
}

/** Returns the actor with the roles, assignments and enrolment in one school only. */
export function restrictToSchool(schoolId: string, actor: UserActor | ServiceActor): UserActor | ServiceActor {
  if (actor.kind === 'service') return actor;
  const ofSchool = <T extends { schoolId: string }>(rows: readonly T[]) => rows.filter((row) => row.schoolId === schoolId);
  return {
    ...actor,
    grants: ofSchool(actor.grants),
    assignments: ofSchool(actor.assignments),
    enrolment: actor.enrolment?.schoolId === schoolId ? actor.enrolment : null,
  };
}

/** Returns a key that is equal for actors with the same roles in the same schools and classes. */
export function rightsKey(actor: UserActor | ServiceActor): string {
  const ordered = Object.entries(scopesByRole(actor)).map(([column, { schools, classes, leads, taught, scopes }]) => [
    column,
    [...schools].sort(),
    [...classes].sort(),
    [...leads].sort(),
    taught.map((pair) => `${pair.classId} ${pair.subjectId}`).sort(),
    [...scopes].sort(),
  ]);
  return JSON.stringify([actor.kind, ordered.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))]);
}

/**
 * Returns an actor without a person, which represents all actors with the same `rightsKey`.
 * @param onPersonalAccess is called when code reads who the actor is, or a scope depends on the person. The result is
 *   then not valid for the whole cohort.
 */
export function cohortActor(actor: UserActor | ServiceActor, onPersonalAccess: () => void = () => undefined): UserActor | ServiceActor {
  if (actor.kind === 'service') return actor;
  const anonymised = new CohortActor(actor, onPersonalAccess);
  const scopes = Object.entries(scopesByRole(actor)).map(([column, scope]) => [
    column,
    { ...scope, userId: null, chats: noChats, onPersonalAccess },
  ]);
  cache.set(anonymised, Object.fromEntries(scopes) as Partial<Record<Column, RoleScope>>);
  return anonymised;
}

class CohortActor implements UserActor {
  readonly kind = 'user';
  readonly grants: UserActor['grants'];
  readonly assignments: UserActor['assignments'];
  readonly enrolment: UserActor['enrolment'];
  readonly expiresAt: number;
  readonly #onPersonalAccess: () => void;

  constructor({ grants, assignments, enrolment, expiresAt }: UserActor, onPersonalAccess: () => void) {
    this.grants = grants;
    this.assignments = assignments;
    this.enrolment = enrolment;
    this.expiresAt = expiresAt;
    this.#onPersonalAccess = onPersonalAccess;
  }

  get userId() {
    return this.#personal('');
  }
  get sessionId() {
    return this.#personal('');
  }
  get chats() {
    return this.#personal(noChats);
  }

  #personal<T>(value: T): T {
    this.#onPersonalAccess();
    return value;
  }
}

/** Returns an actor for any person. @param onAccess is called when code reads who it is or what it may do. */
export const probeActor = (onAccess: () => void): UserActor => new ProbeActor(onAccess);

/**
 * Reports each access to its rights. Its scopes are not stored in `cache`, since the values of that WeakMap would keep
 * `onAccess` in memory until the next full GC.
 */
class ProbeActor implements UserActor {
  readonly kind = 'user';
  readonly #onAccess: () => void;

  constructor(onAccess: () => void) {
    this.#onAccess = onAccess;
  }

  get userId() {
    return this.#accessed('');
  }
  get sessionId() {
    return this.#accessed('');
  }
  get expiresAt() {
    return this.#accessed(0);
  }
  get grants() {
    return this.#accessed([]);
  }
  get assignments() {
    return this.#accessed([]);
  }
  get enrolment() {
    return this.#accessed(null);
  }
  get chats() {
    return this.#accessed(noChats);
  }
  get scopesByRole() {
    return this.#accessed({});
  }

  #accessed<T>(value: T): T {
    this.#onAccess();
    return value;
  }
}

const unique = (ids: string[]): string[] => [...new Set(ids)];
