/**
 * Who makes a request: a person, a service, the operator or an anonymous client. An actor holds the rights that were
 * loaded from the database.
 */

export type Role = 'PLATFORM_ADMINISTRATOR' | 'SCHOOL_ADMINISTRATION' | 'TEACHER' | 'STUDENT';

export type ChatRole = 'OWNER' | 'MODERATOR' | 'MEMBER';

/**
 * The scopes of a service client. `read`: read the school. `events`: follow the school's log. `roster`: enrol pupils
 * and import files of people.
 */
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
  /** The pupil's class. A pupil is in at most one class. */
  enrolment: { schoolId: string; classId: string } | null;
  /** The person's role in each of their chats. */
  chats: ReadonlyMap<string, ChatRole>;
  /**
   * Set only on an actor that represents several people with the same rights (`cohortActor` in src/policy/recipients.ts). For
   * other actors, `scopesByRole` computes the scopes.
   */
  roleScopes?: RoleScopes;
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

/**
 * The schools, classes and chats in which one column of the permissions table applies to an actor. An actor may have several
 * columns. An action is allowed if at least one column alone allows it. The parts of two columns are never combined.
 */
export interface RoleScope {
  userId: string | null;
  /** The service client; null for people. */
  clientId: string | null;
  schools: readonly string[];
  classes: readonly string[];
  /** The ids of the classes in which the actor is the class teacher. */
  leads: readonly string[];
  /** The pairs of class and subject that a subject teacher teaches. */
  taught: readonly { classId: string; subjectId: string }[];
  chats: ReadonlyMap<string, ChatRole>;
  scopes: readonly ServiceScope[];
  /**
   * Set only for an actor that represents several people with the same rights (`cohortActor`). A scope calls it if the scope's
   * result may differ between these people.
   */
  onPersonalAccess?: () => void;
}

/** The `RoleScope` of each column of the permissions table that applies to an actor. */
export type RoleScopes = Partial<Record<Column, RoleScope>>;
