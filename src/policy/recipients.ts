import type { Actor, ChatRole, RoleScopes, ServiceActor, UserActor } from './actor.ts';
import { scopesByRole } from './can.ts';

/** Who receives an event: the topics that each actor receives, and actors that stand for many recipients. */

/**
 * A topic of an event. src/events/catalog.ts gives each event its topics. The current roles of an actor decide which
 * topics the actor receives. `school:` goes to the administration, `staff:` to the administration and the teachers,
 * `class:` to the class teacher, the subject teachers and the pupils of the class, `chat:` to the members of the
 * chat, `user:` to the person.
 */
export type Topic = `${'school' | 'staff' | 'class' | 'chat' | 'user'}:${string}`;

/** Returns whether the actor may receive an event of this school. An actor without a role in the school receives no event. */
export const canReceive = (actor: Actor, schoolId: string, topics: readonly string[]): boolean => recipientFilter(schoolId, topics)(actor);

/** Returns `canReceive` as a function of the actor. Parses the topics once, for checking many actors. */
export function recipientFilter(schoolId: string, topics: readonly string[]): (actor: Actor) => boolean {
  const parsed = topics.map((topic) => topic.split(':', 2) as [string, string]);
  const hasSchoolTopic = topics.includes(`school:${schoolId}`);
  return (actor) => {
    if (actor.kind === 'operator') return true;
    const roles = scopesByRole(actor);
    const isIn = (column: keyof typeof roles) => roles[column]?.schools.includes(schoolId) ?? false;
    if (actor.kind === 'service') return isIn('service') && actor.scopes.includes('events') && hasSchoolTopic;
    const isAdministration = isIn('administrator') || isIn('leadership');
    const isTeacher = isIn('classTeacher') || isIn('subjectTeacher');
    if (actor.kind !== 'user' || !(isAdministration || isTeacher || isIn('student'))) return false;
    return parsed.some(([kind, id]) => {
      if (kind === 'school') return isAdministration && id === schoolId;
      if (kind === 'staff') return (isAdministration || isTeacher) && id === schoolId;
      if (kind === 'class') return isInClass(roles, id);
      if (kind === 'chat') return actor.chats.has(id);
      return kind === 'user' && id === actor.userId;
    });
  };
}

/**
 * The people and chats that the topics of an event name. These people and the members of these chats receive the event if
 * they have a role in its school.
 */
export interface DirectRecipients {
  userIds: readonly string[];
  chatIds: readonly string[];
}

export function directRecipients(topics: readonly string[]): DirectRecipients {
  const idsOf = (kind: string) => [...new Set(topics.filter((topic) => topic.startsWith(kind)).map((topic) => topic.slice(kind.length)))];
  return { userIds: idsOf('user:'), chatIds: idsOf('chat:') };
}

/** Returns whether the actor has a role in the school. An actor without one receives no event of the school. */
export const hasRoleIn = (actor: Actor, schoolId: string): boolean =>
  Object.values(scopesByRole(actor)).some(({ schools }) => schools.includes(schoolId));

function isInClass(roles: ReturnType<typeof scopesByRole>, classId: string): boolean {
  return (['classTeacher', 'subjectTeacher', 'student'] as const).some((column) => roles[column]?.classes.includes(classId));
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

const noChats: ReadonlyMap<string, ChatRole> = new Map();

/**
 * Returns a key of the actor's rights. People with the same roles in the same schools and classes have the same key.
 * Each service has its own key.
 */
export function rightsKey(actor: UserActor | ServiceActor): string {
  const ordered = Object.entries(scopesByRole(actor)).map(([column, { schools, classes, leads, taught, scopes }]) => [
    column,
    [...schools].sort(),
    [...classes].sort(),
    [...leads].sort(),
    taught.map((pair) => `${pair.classId} ${pair.subjectId}`).sort(),
    [...scopes].sort(),
  ]);
  return JSON.stringify([
    actor.kind === 'service' ? actor.clientId : actor.kind,
    ordered.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
  ]);
}

/**
 * Returns an actor without a person, which represents all actors with the same `rightsKey`.
 * @param onPersonalAccess is called when code reads who the actor is, or uses a scope that depends on the person. The
 *   result of that code may then be wrong for some of the represented actors.
 */
export function cohortActor(actor: UserActor | ServiceActor, onPersonalAccess: () => void = () => undefined): UserActor | ServiceActor {
  if (actor.kind === 'service') return actor;
  return new CohortActor(actor, onPersonalAccess);
}

class CohortActor implements UserActor {
  readonly kind = 'user';
  readonly grants: UserActor['grants'];
  readonly assignments: UserActor['assignments'];
  readonly enrolment: UserActor['enrolment'];
  readonly expiresAt: number;
  readonly roleScopes: RoleScopes;
  readonly #onPersonalAccess: () => void;

  constructor(actor: UserActor, onPersonalAccess: () => void) {
    this.grants = actor.grants;
    this.assignments = actor.assignments;
    this.enrolment = actor.enrolment;
    this.expiresAt = actor.expiresAt;
    this.#onPersonalAccess = onPersonalAccess;
    const scopes = Object.entries(scopesByRole(actor)).map(([column, scope]) => [
      column,
      { ...scope, userId: null, chats: noChats, onPersonalAccess },
    ]);
    this.roleScopes = Object.fromEntries(scopes) as RoleScopes;
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

/**
 * Returns an actor with no identity and no rights, to find out whether code depends on the actor.
 * @param onAccess is called when the code reads the identity or the rights of the actor.
 */
export const probeActor = (onAccess: () => void): UserActor => new ProbeActor(onAccess);

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
  get roleScopes() {
    return this.#accessed({});
  }

  #accessed<T>(value: T): T {
    this.#onAccess();
    return value;
  }
}
