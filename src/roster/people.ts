import { addTo } from './map-of-lists.ts';
import { checkNames } from './names.ts';
import type { Records, RoleRecord, UserRecord } from './records.ts';
import { keyOfId, type RosterPerson, type RosterRole, rosterRoles } from './roster.ts';

/** Turns users with roles into the people of the school. */

/** The roles of OneRoster 1.1 and 1.2 and of School Data Sync, in lower case. The reader ignores all other roles. */
const roleOf: ReadonlyMap<string, RosterRole> = new Map([
  ['student', 'STUDENT'],
  ['teacher', 'TEACHER'],
  ['faculty', 'TEACHER'],
  ['professor', 'TEACHER'],
  ['lecturer', 'TEACHER'],
  ['instructor', 'TEACHER'],
  ['principal', 'SCHOOL_ADMINISTRATION'],
  ['administrator', 'SCHOOL_ADMINISTRATION'],
  ['siteadministrator', 'PLATFORM_ADMINISTRATOR'],
]);

/** Returns the role; undefined for a role that is not imported. */
export const parseRole = (text: string): RosterRole | undefined => roleOf.get(text.toLowerCase());

export interface PeopleResult {
  /**
   * The ids of users of other schools, and of users without an imported role. Rows that refer to these users are left out
   * without an error.
   */
  readonly leftOut: ReadonlySet<string>;
}

/** Adds the people to the builder. */
export function assemblePeople(records: Records, columns: { readonly surname: string; readonly givenName: string }): PeopleResult {
  const { builder, users } = records;
  const leftOut = new Set<string>();
  const ignoredRoles = new Map<string, RoleRecord[]>();
  const others: UserRecord[] = [];
  for (const user of users.values()) {
    const ofSchool = user.roles.filter(({ orgIds }) => records.isOfSchool(orgIds));
    const imported = ofSchool.filter(({ role }) => parseRole(role) !== undefined);
    if (user.roles.length === 0 || imported.length > 0) {
      const isSound = checkNames(user, columns, user.at, builder.notices);
      const person = makePerson(user, imported);
      builder.people.set(person.key, { ...person, hasError: person.hasError || !isSound });
    } else {
      leftOut.add(user.id);
      if (ofSchool.length === 0) others.push(user);
      else for (const role of ofSchool) addTo(ignoredRoles, role.role, role);
    }
  }
  for (const [role, [first, ...more]] of ignoredRoles) builder.notices.warn('ROLE_IGNORED', first!.at, role, more.length + 1);
  if (others.length > 0) builder.notices.warn('OTHER_SCHOOL', others[0]!.at, others.length);
  return { leftOut };
}

function makePerson(user: UserRecord, roles: readonly RoleRecord[]): RosterPerson {
  const active = roles.filter(({ isActive }) => isActive);
  const counted = new Set((active.length > 0 ? active : roles).map(({ role }) => parseRole(role)));
  return {
    key: keyOfId(user.id),
    externalId: user.id,
    surname: user.surname,
    givenName: user.givenName,
    ...(user.patronymic === undefined ? {} : { patronymic: user.patronymic }),
    ...(user.birthDate === undefined ? {} : { birthDate: user.birthDate }),
    ...(user.email === '' ? {} : { email: user.email }),
    roles: rosterRoles.filter((role) => counted.has(role)),
    isActive: user.isActive && (roles.length === 0 || active.length > 0),
    hasError: user.hasError,
    at: user.at,
  };
}
