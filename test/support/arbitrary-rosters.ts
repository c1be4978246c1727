import fc from 'fast-check';
import { formatClassName } from '../../src/roster/class-names.ts';
import {
  keyOfId,
  type Roster,
  type RosterAssignment,
  type RosterClass,
  type RosterEnrolment,
  type RosterPerson,
  type RosterRole,
} from '../../src/roster/roster.ts';

/** Rosters as an export makes them: every row is active, and every person has an id and a role. */

const at = { file: 'export', line: 1 };
const nothing = { list: [], total: 0 };

const name = fc.stringMatching(/^[А-ЯЁA-Z][а-яёa-z'"; ,-]{0,15}[а-яё]$/u).map((text) => text.replace(/\s+/gu, ' '));
const day = fc
  .date({ min: new Date('1950-01-01'), max: new Date('2025-12-31'), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 10));
const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
const letter = fc.stringMatching(/^[А-ЯЁ0-9][А-ЯЁ0-9 -]{0,6}[А-ЯЁ0-9]$|^[А-ЯЁ]$/u).map((text) => text.replace(/\s+/gu, ' '));
const roles = fc.constantFrom<readonly RosterRole[]>(
  ['STUDENT'],
  ['STUDENT'],
  ['STUDENT'],
  ['TEACHER'],
  ['TEACHER', 'SCHOOL_ADMINISTRATION'],
  ['PLATFORM_ADMINISTRATOR'],
);

const id = (prefix: string, n: number): { key: string; externalId: string } => ({
  key: keyOfId(`${prefix}${n}`),
  externalId: `${prefix}${n}`,
});

const person = fc.record({
  surname: name,
  givenName: name,
  patronymic: fc.option(name),
  birthDate: optional(day),
  email: optional(fc.constantFrom('a@school.example', 'b.c@school.example')),
  roles,
});
const places = fc.record({
  classIndex: fc.nat(),
  lessonIndex: fc.nat(),
  isPlaced: fc.boolean(),
  startedOn: optional(day),
  orderNumber: optional(fc.constantFrom('12', '12-у', '=1+1', '7 "б"')),
});

/**
 * Generates rosters that the format can express. In the format `list` a class has no id, and exists only if it has
 * people.
 */
export const arbitraryRoster = (format: 'one-roster' | 'list'): fc.Arbitrary<Roster> =>
  fc
    .record({
      classes: fc.uniqueArray(fc.record({ grade: fc.integer({ min: 1, max: 11 }), letter }), {
        minLength: 1,
        maxLength: 6,
        selector: formatClassName,
      }),
      subjects: fc.uniqueArray(name, { minLength: 1, maxLength: 4, selector: (text) => text.toLowerCase() }),
      people: fc.array(fc.tuple(person, places), { maxLength: 20 }),
    })
    .map(({ classes, subjects, people }) => makeRoster(format, classes, subjects, people));

type Drawn<Arbitrary> = Arbitrary extends fc.Arbitrary<infer Value> ? Value : never;

const defined = <Fields extends object>(fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Fields;

function makeRoster(
  format: 'one-roster' | 'list',
  names: readonly { grade: number; letter: string }[],
  subjectNames: readonly string[],
  drawn: readonly [Drawn<typeof person>, Drawn<typeof places>][],
): Roster {
  const isList = format === 'list';
  const status = { isActive: true, hasError: false, at };
  const classes = names.map((named, n): RosterClass => ({
    ...(isList ? { key: `class:${formatClassName(named)}` } : id('c', n)),
    ...named,
    ...status,
  }));
  const subjects = subjectNames.map((subject, n) => ({ ...id('s', n), name: subject, at }));
  const people = drawn.map(([fields], n): RosterPerson => ({ ...defined(fields), ...id('p', n), ...status }));
  const enrolments: RosterEnrolment[] = [];
  const assignments: RosterAssignment[] = [];
  for (const [n, [fields, { isPlaced, classIndex, lessonIndex, startedOn, orderNumber }]] of drawn.entries()) {
    const row = { person: people[n]!.key, class: classes[classIndex % classes.length]!.key, isActive: true, at };
    if (!isPlaced) continue;
    if (fields.roles.includes('STUDENT')) enrolments.push(defined({ ...row, startedOn, orderNumber }));
    if (!fields.roles.includes('TEACHER')) continue;
    if (isList || !assignments.some((other) => other.kind === 'CLASS_TEACHER' && other.class === row.class))
      assignments.push({ ...row, kind: 'CLASS_TEACHER' });
    if (!isList) assignments.push({ ...row, kind: 'SUBJECT_TEACHER', subject: subjects[lessonIndex % subjects.length]!.key });
  }
  const used = new Set([...enrolments, ...assignments].map((row) => row.class));
  const taught = new Set(assignments.map(({ subject }) => subject));
  const covers = isList
    ? { students: true, staff: false, classes: false, enrolments: true, assignments: false }
    : { students: true, staff: true, classes: true, enrolments: true, assignments: true };
  return {
    format: isList ? 'LIST' : 'ONE_ROSTER_1_2',
    covers,
    people,
    classes: isList ? classes.filter(({ key }) => used.has(key)) : classes,
    subjects: isList ? [] : subjects.filter(({ key }) => taught.has(key)),
    enrolments,
    assignments,
    warnings: nothing,
    errors: nothing,
  };
}

/**
 * Returns a roster without its notices, and without the file and line of each row. Sorts the rows, so that their order in
 * the file does not matter.
 */
export function withoutPlaces(roster: Roster): object {
  const sorted = (rows: readonly { at: unknown }[]) =>
    rows.map(({ at: _, ...row }) => JSON.stringify(Object.fromEntries(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1))))).sort();
  const { warnings: _warnings, errors: _errors, format, covers, ...lists } = roster;
  return { format, covers, ...Object.fromEntries(Object.entries(lists).map(([list, rows]) => [list, sorted(rows)])) };
}
