import { stringify } from 'csv-stringify/sync';
import { formatClassName } from './class-names.ts';
import { escapeFormula } from './csv-cells.ts';
import { type ListColumn, listColumns } from './list-headings.ts';
import { addTo } from './map-of-lists.ts';
import { formatListRoles } from './list-roles.ts';
import type { Roster, RosterEnrolment, RosterPerson } from './roster.ts';

const columns = [
  'externalId',
  'surname',
  'givenName',
  'patronymic',
  'birthDate',
  'class',
  'startedOn',
  'orderNumber',
  'role',
  'email',
] as const;

/**
 * Writes the active people of a roster as the Russian list, which Excel opens by a double click: `;`, UTF-8 with byte
 * order mark, CRLF. For a teacher, the class is the one that they lead as class teacher. Subjects are not written.
 */
export function writeList(roster: Roster): Buffer {
  const classes = new Map(roster.classes.filter(({ isActive }) => isActive).map((found) => [found.key, formatClassName(found)]));
  const enrolments = new Map(roster.enrolments.filter(({ isActive }) => isActive).map((enrolment) => [enrolment.person, enrolment]));
  const led = new Map<string, string[]>();
  for (const { person, class: key, kind, isActive } of roster.assignments) {
    const name = classes.get(key);
    if (isActive && kind === 'CLASS_TEACHER' && name !== undefined) addTo(led, person, name);
  }
  const rows = roster.people
    .filter(({ isActive }) => isActive)
    .map((person) => {
      const enrolment = enrolments.get(person.key);
      const className = person.roles.includes('STUDENT')
        ? (classes.get(enrolment?.class ?? '') ?? '')
        : (led.get(person.key) ?? []).join(', ');
      const cells = cellsOf(person, enrolment, className);
      return columns.map((column) => escapeFormula(cells[column] ?? ''));
    });
  const csv = stringify([columns.map((column) => listColumns[column]), ...rows], {
    bom: true,
    delimiter: ';',
    record_delimiter: 'windows',
  });
  return Buffer.from(csv);
}

function cellsOf(person: RosterPerson, enrolment: RosterEnrolment | undefined, className: string): Partial<Record<ListColumn, string>> {
  return {
    ...(person.externalId === undefined ? {} : { externalId: person.externalId }),
    surname: person.surname,
    givenName: person.givenName,
    patronymic: person.patronymic ?? '',
    birthDate: toRussianDate(person.birthDate),
    class: className,
    startedOn: toRussianDate(enrolment?.startedOn),
    orderNumber: enrolment?.orderNumber ?? '',
    role: formatListRoles(person.roles),
    email: person.email ?? '',
  };
}

const toRussianDate = (day: string | undefined): string => day?.split('-').reverse().join('.') ?? '';
