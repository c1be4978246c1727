import { columns, type Actor, type ChatRole, type Column, type Role, type RoleScope, type RoleScopes, type UserActor } from './actor.ts';
import { permissions, scopes, type Action, type Facts, type Noun, type NounOf, type PermissionRow } from './permissions.ts';
import type { Filter, Scope } from './scopes.ts';

/** Decides what an actor may do, by the table of src/policy/permissions.ts: for one object, or as a filter for many. */

type AnyScope = Scope<Facts[Noun]>;

/** Returns a filter that matches no row. An empty `in` is used, because an empty OR nested in AND would match every row. */
const nothing = (noun: Noun): Filter => (noun === 'event' ? { schoolId: { in: [] } } : { id: { in: [] } });

/**
 * Returns a filter that matches every row, and whose negation matches no row. An empty filter would not do: its negation
 * matches every row too.
 */
const everything = (noun: Noun): Filter => ({ NOT: nothing(noun) });

/** Returns whether `test` holds for a scope that this row of the permissions table grants to a role of the actor. */
function someScope(actor: Actor, row: PermissionRow, test: (scope: AnyScope, role: RoleScope) => boolean): boolean {
  const roles = scopesByRole(actor);
  for (const column of columns) {
    const role = roles[column];
    if (role === undefined) continue;
    const scopeNames = row.cells[column];
    for (const name of scopeNames) {
      const scope = (scopes[row.on] as Record<string, AnyScope>)[name]!;
      if (!scope.impliedBy?.some((wider) => scopeNames.includes(wider)) && test(scope, role)) return true;
    }
  }
  return false;
}

/** Returns whether the actor may perform the action. The operator may perform every action, an anonymous actor none. */
export function can<A extends Action>(actor: Actor, action: A, facts: Facts[NounOf<A>]): boolean {
  if (actor.kind === 'operator') return true;
  return someScope(actor, permissions[action], (scope, role) => scope.holds(role, facts));
}

/** Returns a Prisma filter for the rows on which the actor may perform the action: the same rule as `can`. */
export function where(actor: Actor, action: Action): Filter {
  const row: PermissionRow = permissions[action];
  if (actor.kind === 'operator') return everything(row.on);
  const alternatives: Filter[] = [];
  someScope(actor, row, (scope, role) => {
    alternatives.push(scope.where(role));
    return false;
  });
  if (alternatives.length === 0) return nothing(row.on);
  return alternatives.length === 1 ? alternatives[0]! : { OR: alternatives };
}

/** Returns false if there can be no object on which the actor may perform the action. A quick check before anything is read. */
export function everCan(actor: Actor, action: Action): boolean {
  if (actor.kind === 'operator') return true;
  return someScope(actor, permissions[action], () => true);
}

export const clauseOf = (action: Action): string => permissions[action].clause;

// eslint-disable-next-line no-restricted-syntax -- the entry of an actor is collected with the actor.
const cache = new WeakMap<Actor, RoleScopes>();

/** Returns the columns of the permissions table that apply to an actor, with the scope of each. */
export function scopesByRole(actor: Actor): RoleScopes {
  if (actor.kind === 'user' && actor.roleScopes !== undefined) return actor.roleScopes;
  let cachedScopes = cache.get(actor);
  if (cachedScopes === undefined) cache.set(actor, (cachedScopes = computeScopes(actor)));
  return cachedScopes;
}

function computeScopes(actor: Actor): RoleScopes {
  if (actor.kind === 'service') {
    const { clientId, schoolId, scopes: clientScopes } = actor;
    return {
      service: { userId: null, clientId, schools: [schoolId], classes: [], leads: [], taught: [], chats: noChats, scopes: clientScopes },
    };
  }
  if (actor.kind !== 'user') return {};
  const schools = (role: Role) => actor.grants.filter((grant) => grant.role === role).map((grant) => grant.schoolId);
  const teacherSchools = schools('TEACHER');
  const work = actor.assignments.filter((assignment) => teacherSchools.includes(assignment.schoolId));
  const classTeacherWork = work.filter((assignment) => assignment.subjectId === null);
  const taught = work.flatMap(({ classId, subjectId }) => (subjectId === null ? [] : [{ classId, subjectId }]));
  const computed: RoleScopes = {};
  const add = (column: Column, part: Partial<RoleScope>) => {
    if (part.schools?.length) computed[column] = roleScope(actor, part);
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
  // A person without a role gets the column `student`, but no school. So the person may still read what is their own,
  // such as their sessions.
  if (Object.keys(computed).length === 0) computed.student = roleScope(actor, {});
  return computed;
}

function roleScope(actor: UserActor, part: Partial<RoleScope>): RoleScope {
  return { userId: actor.userId, clientId: null, schools: [], classes: [], leads: [], taught: [], chats: actor.chats, scopes: [], ...part };
}

const noChats: ReadonlyMap<string, ChatRole> = new Map();

const unique = (ids: string[]): string[] => [...new Set(ids)];
