import { type RosterRole, rosterRoles } from './roster.ts';

/** The words for each role in the Russian list. The writer uses the first word; the reader accepts all of them. */
const words: Readonly<Record<RosterRole, readonly string[]>> = {
  STUDENT: ['ученик', 'ученица', 'учащийся', 'учащаяся', 'обучающийся', 'обучающаяся', 'student', 'pupil'],
  TEACHER: ['учитель', 'учительница', 'преподаватель', 'педагог', 'классный руководитель', 'teacher'],
  SCHOOL_ADMINISTRATION: ['администрация', 'директор', 'заместитель директора', 'завуч', 'administration'],
  PLATFORM_ADMINISTRATOR: ['администратор', 'administrator'],
};

/**
 * Reads one or more roles, separated by commas. If a word is not a role, returns null as `roles`, and the word as `unknown`.
 */
export function parseListRoles(text: string): { roles: readonly RosterRole[] } | { roles: null; unknown: string } {
  const found = new Set<RosterRole>();
  for (const word of text
    .toLowerCase()
    .split(',')
    .map((part) => part.trim())) {
    const role = rosterRoles.find((known) => words[known].includes(word));
    if (role === undefined) return { roles: null, unknown: word };
    found.add(role);
  }
  return { roles: rosterRoles.filter((role) => found.has(role)) };
}

export const formatListRoles = (roles: readonly RosterRole[]): string => roles.map((role) => words[role][0]!).join(', ');
