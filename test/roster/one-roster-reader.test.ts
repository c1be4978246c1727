import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readRoster } from '../../src/roster/read-roster.ts';
import { idOfKey, type Roster } from '../../src/roster/roster.ts';
import { changed, codesOf, csv, oneRoster12, placesOf, readZip } from '../support/roster-files.ts';

/** The reader accepts OneRoster 1.1 and 1.2 leniently. A warning says what deviates from the standard. */

const rolesById = ({ people }: Roster) => Object.fromEntries(people.map(({ externalId, roles }) => [externalId, roles]));
const classesById = ({ enrolments }: Roster) => enrolments.map(({ person, class: key, isActive }) => [person, key, isActive]);

/** The school of `oneRoster12`, as OneRoster 1.1. */
const oneRoster11: Record<string, string> = {
  ...Object.fromEntries(Object.entries(oneRoster12).filter(([file]) => file !== 'roles.csv')),
  'manifest.csv': csv(
    'propertyName,value',
    'manifest.version,1.0',
    'oneroster.version,1.1',
    ...['classes', 'courses', 'enrollments', 'orgs', 'users'].map((file) => `file.${file},bulk`),
  ),
  'users.csv': csv(
    'sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,givenName,familyName,middleName,email',
    't1,,,true,s1,teacher,t1,Мария,Петрова,Ивановна,petrova@school.example',
    'p1,,,true,s1,student,p1,Иван,Иванов,Иванович,',
    'p2,,,true,s1,student,p2,Анна,Смирнова,,',
    'p3,,,true,s1,student,p3,Олег,Орлов,,',
  ),
};

/** Returns `oneRoster12` with the content of every file rewritten. */
const rewritten = (rewrite: (content: string) => string): Record<string, string> =>
  Object.fromEntries(Object.entries(oneRoster12).map(([file, content]) => [file, rewrite(content)]));

describe('OneRoster 1.2', () => {
  it('gives people with roles, classes, enrolments, class teachers and subject teachers', async () => {
    const roster = await readZip(oneRoster12);
    expect([...roster.errors.list, ...roster.warnings.list]).toEqual([]);
    expect(roster.format).toBe('ONE_ROSTER_1_2');
    expect(Object.values(roster.covers)).not.toContain(false);
    expect(roster.people[0]).toEqual({
      key: 'id:t1',
      externalId: 't1',
      surname: 'Петрова',
      givenName: 'Мария',
      patronymic: 'Ивановна',
      email: 'petrova@school.example',
      roles: ['TEACHER'],
      isActive: true,
      hasError: false,
      at: { file: 'users.csv', line: 2 },
    });
    expect(roster.classes.map(({ externalId, grade, letter }) => [externalId, grade, letter])).toEqual([
      ['c5a', 5, 'А'],
      ['c5b', 5, 'Б'],
    ]);
    expect(roster.subjects.map(({ externalId, name }) => [externalId, name])).toEqual([['m', 'Математика']]);
    expect(classesById(roster)).toEqual([
      ['id:p1', 'id:c5a', true],
      ['id:p2', 'id:c5a', true],
      ['id:p3', 'id:c5b', true],
    ]);
    expect(roster.enrolments[0]!.startedOn).toBe('2026-09-01');
    expect(roster.assignments.map(({ person, class: key, kind, subject }) => [person, key, kind, subject])).toEqual([
      ['id:t1', 'id:c5a', 'SUBJECT_TEACHER', 'id:m'],
      ['id:t1', 'id:c5a', 'CLASS_TEACHER', undefined],
    ]);
  });

  it('is read from a folder too', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sfera-roster-'));
    try {
      for (const [file, content] of Object.entries(oneRoster12)) writeFileSync(join(folder, file), content);
      const roster = await readRoster({ path: folder });
      expect(roster).toEqual(await readZip(oneRoster12));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it.each<[title: string, files: Record<string, string>, warnings: string[]]>([
    ['byte order marks', rewritten((content) => `\ufeff${content}`), ['BYTE_ORDER_MARK']],
    ['semicolons', rewritten((content) => content.replaceAll(',', ';')), ['DELIMITER']],
    ['carriage returns alone', rewritten((content) => content.replaceAll('\n', '')), ['LINE_ENDS']],
    ['headings in capitals', rewritten((content) => content.replace(/^.*/, (heading) => heading.toUpperCase())), ['HEADING_CORRECTED']],
    [
      'a mistyped heading',
      changed('users.csv', ['dateLastModified', 'dataLastModified'], ['givenName', 'givenNane']),
      ['HEADING_CORRECTED'],
    ],
    [
      'status filled in bulk files',
      changed('users.csv', ['p1,,,', 'p1,active,2026-09-01T00:00:00Z,'], ['p2,,,', 'p2,Active,,']),
      ['STATUS_IN_BULK'],
    ],
    ['enabledUser in capitals', changed('users.csv', ['p1,,,true', 'p1,,,TRUE']), ['VALUE_CASE']],
    [
      'extra columns',
      changed('orgs.csv', ['parentSourcedId', 'parentSourcedId,mood,metadata.x'], ['school,,', 'school,,,good,1']),
      ['COLUMN_IGNORED'],
    ],
    [
      'a folder around the files',
      Object.fromEntries(Object.entries(oneRoster12).map(([file, content]) => [`export/${file}`, content])),
      ['FILES_IN_FOLDER'],
    ],
    ['a file of something else', { ...oneRoster12, 'readme.txt': 'text' }, ['FILE_IGNORED']],
    [
      'a file that the manifest does not name',
      { ...oneRoster12, 'demographics.csv': csv('sourcedId,birthDate', 'p1,x') },
      ['FILE_NOT_DECLARED'],
    ],
    ['no manifest', Object.fromEntries(Object.entries(oneRoster12).filter(([file]) => file !== 'manifest.csv')), ['MANIFEST_MISSING']],
  ])('is read with %s', async (_title, files, warnings) => {
    const roster = await readZip(files);
    expect(roster.errors.list).toEqual([]);
    expect([...new Set(codesOf(roster.warnings))]).toEqual(warnings);
    const { warnings: _, ...expected } = await readZip(oneRoster12);
    const { warnings: __, ...read } = roster;
    expect(read).toEqual(expected);
  });

  it('takes what ended as ended: by status, by end date, by enabledUser, by role', async () => {
    const ended = {
      ...changed('users.csv', ['p1,,,true', 'p1,tobedeleted,,true'], ['p2,,,true', 'p2,,,false']),
      'roles.csv': oneRoster12['roles.csv']!.replace('p3,primary,student,,', 'p3,primary,student,,2026-09-01'),
      'enrollments.csv': oneRoster12['enrollments.csv']!.replace('p3,student,false,,', 'p3,student,false,,2026-09-01'),
    };
    const roster = await readZip(ended, { today: '2026-09-01' });
    expect(roster.people.map(({ externalId, isActive }) => [externalId, isActive])).toEqual([
      ['t1', true],
      ['p1', false],
      ['p2', false],
      ['p3', false],
    ]);
    expect(classesById(roster)).toContainEqual(['id:p3', 'id:c5b', false]);
    const dayBefore = await readZip(ended, { today: '2026-08-31' });
    expect(classesById(dayBefore)).toContainEqual(['id:p3', 'id:c5b', true]);
  });

  it('lets a pupil move: the ended enrolment and the new one', async () => {
    const roster = await readZip(
      changed(
        'enrollments.csv',
        ['p1,student,false,2026-09-01,\r\n', 'p1,student,false,2026-09-01,2026-10-01\r\n'],
        ['m5a,s1,p1', 'c5b,s1,p1'],
      ),
      { today: '2026-10-02' },
    );
    expect(roster.errors.list).toEqual([]);
    expect(classesById(roster).filter(([person]) => person === 'id:p1')).toEqual([
      ['id:p1', 'id:c5a', false],
      ['id:p1', 'id:c5b', true],
    ]);
  });

  it('follows the enrolments where the role of a user differs', async () => {
    const roster = await readZip(changed('roles.csv', ['t1,primary,teacher', 't1,primary,student']));
    expect(rolesById(roster)).toMatchObject({ t1: ['TEACHER'] });
    expect(placesOf(roster.warnings)).toEqual(['ROLE_DIFFERS enrollments.csv:5']);
  });

  it('leaves out guardians and people of other schools, and counts them', async () => {
    const roster = await readZip(
      {
        ...changed('roles.csv', ['p2,primary,student', 'p2,primary,guardian'], ['p3,primary,student,,,s1', 'p3,primary,student,,,s2']),
        'orgs.csv': `${oneRoster12['orgs.csv']}s2,,,Школа № 2,school,,\r\n`,
      },
      { schoolIds: ['s1'] },
    );
    expect(Object.keys(rolesById(roster))).toEqual(['t1', 'p1']);
    expect(roster.errors.list).toEqual([]);
    expect(placesOf(roster.warnings)).toEqual(['ROLE_IGNORED roles.csv:4', 'OTHER_SCHOOL users.csv:5']);
  });

  it('says that the chosen school is not there', async () => {
    const files = { ...oneRoster12, 'orgs.csv': `${oneRoster12['orgs.csv']}s2,,,Школа № 2,school,,\r\n` };
    expect(placesOf((await readZip(files, { schoolIds: ['s3'] })).errors)).toEqual(['SCHOOL_NOT_FOUND orgs.csv']);
    expect((await readZip(files, { schoolIds: ['s2', 's3'] })).errors.list).toEqual([]);
  });

  it('takes the class of a section from its pupils, and leaves out a section of pupils of several classes', async () => {
    const roster = await readZip({
      ...changed('classes.csv', ['5А Математика,05', 'Алгебра,'], ['m5a', 'alg']),
      'enrollments.csv': oneRoster12['enrollments.csv']!.replaceAll('m5a', 'alg'),
    });
    expect(roster.warnings.list).toEqual([]);
    expect(roster.assignments.find(({ kind }) => kind === 'SUBJECT_TEACHER')).toMatchObject({ class: 'id:c5a', subject: 'id:m' });
    const mixed = await readZip({
      ...changed('classes.csv', ['5А Математика,05', 'Алгебра,'], ['m5a', 'alg']),
      'enrollments.csv': `${oneRoster12['enrollments.csv']!.replaceAll('m5a', 'alg')}e7,,,alg,s1,p3,student,false,,\r\n`,
    });
    expect(codesOf(mixed.warnings)).toEqual(['CLASS_NAME_NOT_UNDERSTOOD', 'MEMBERS_LEFT_OUT']);
    expect(mixed.covers).toMatchObject({ assignments: false, enrolments: true });
  });

  it('takes the grade of a homeroom from its column, if the name has none', async () => {
    const roster = await readZip(changed('classes.csv', ['5Б,05', 'Б,06']));
    expect(roster.classes.map(({ grade, letter }) => [grade, letter])).toEqual([
      [5, 'А'],
      [6, 'Б'],
    ]);
  });

  it('reads changes: they cover nothing, and may name what is not in the file', async () => {
    const roster = await readZip({
      'manifest.csv': csv(
        'propertyName,value',
        'oneroster.version,1.2',
        'file.users,delta',
        'file.enrollments,delta',
        'file.classes,absent',
        'file.roles,absent',
      ),
      'users.csv': csv('sourcedId,status,dateLastModified,enabledUser,username,givenName,familyName', 'p9,active,,true,p9,Пётр,Петров'),
      'enrollments.csv': csv(
        'sourcedId,status,classSourcedId,userSourcedId,role',
        'e1,tobedeleted,c5a,p1,student',
        'e9,active,c5b,p9,student',
      ),
    });
    expect([...roster.errors.list, ...roster.warnings.list]).toEqual([]);
    expect(Object.values(roster.covers)).not.toContain(true);
    expect(roster.enrolments.map((enrolment) => idOfKey(enrolment.class))).toEqual(['c5a', 'c5b']);
    expect(rolesById(roster)).toEqual({ p9: ['STUDENT'] });
    expect(roster.people[0]).not.toHaveProperty('patronymic');
    expect(classesById(roster)).toEqual([
      ['id:p1', 'id:c5a', false],
      ['id:p9', 'id:c5b', true],
    ]);
  });
});

describe('OneRoster 1.1', () => {
  it('gives the same roster as 1.2', async () => {
    const roster = await readZip(oneRoster11);
    expect(roster).toEqual({ ...(await readZip(oneRoster12)), format: 'ONE_ROSTER_1_1' });
  });

  it('is recognised without a manifest', async () => {
    const roster = await readZip(Object.fromEntries(Object.entries(oneRoster11).filter(([file]) => file !== 'manifest.csv')));
    expect(roster.format).toBe('ONE_ROSTER_1_1');
    expect(codesOf(roster.warnings)).toEqual(['MANIFEST_MISSING']);
  });
});
