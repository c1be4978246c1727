import { expect, it } from 'vitest';
import { csv, readZip } from '../../support/roster-files.ts';

/** School Data Sync v1 and v2.1, in files that the test makes. */

const people = (roster: Awaited<ReturnType<typeof readZip>>) => roster.people.map(({ surname }) => surname).sort();

it('keeps a pupil of v1 whose school is not stated', async () => {
  const roster = await readZip(
    {
      'School.csv': csv('SIS ID,Name', '1,Первая', '2,Вторая'),
      'Student.csv': csv('SIS ID,School SIS ID,First Name,Last Name', '11,1,Анна,Белова', '12,2,Олег,Гусев', '13,,Иван,Деев'),
      'Teacher.csv': csv('SIS ID,School SIS ID,First Name,Last Name', '21,1,Пётр,Ежов'),
      'Section.csv': csv('SIS ID,School SIS ID,Section Name', '31,1,5А'),
      'StudentEnrollment.csv': csv('Section SIS ID,SIS ID', '31,11'),
      'TeacherRoster.csv': csv('Section SIS ID,SIS ID', '31,21'),
    },
    { schoolIds: ['1'] },
  );
  expect(people(roster)).toEqual(['Белова', 'Деев', 'Ежов']);
});

it('keeps a role of v2.1 whose organisation is not stated', async () => {
  const roster = await readZip(
    {
      'orgs.csv': csv('sourcedId,name,type,parentSourcedId', '1,Первая,school,', '2,Вторая,school,'),
      'users.csv': csv('sourcedId,username,givenName,familyName', '11,a,Анна,Белова', '12,b,Олег,Гусев', '13,c,Иван,Деев'),
      'roles.csv': csv('userSourcedId,orgSourcedId,role', '11,1,student', '12,2,student', '13,,student'),
    },
    { schoolIds: ['1'] },
  );
  expect(people(roster)).toEqual(['Белова', 'Деев']);
});
