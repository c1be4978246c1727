import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readRoster } from '../../../src/roster/read-roster.ts';
import type { Roster } from '../../../src/roster/roster.ts';
import { codesOf, placesOf } from '../../support/roster-files.ts';

/**
 * The reader accepts sample sets that other organisations published. Warnings say what does not fit a school with fixed
 * classes.
 */

const folder = process.env.SAMPLE_DATA ?? fileURLToPath(new URL('../../../../shared/data', import.meta.url));
const hasSamples = existsSync(folder);
const title = hasSamples ? 'a sample set' : `a sample set: skipped, there is no ${folder}; set SAMPLE_DATA to its path`;

const read = (path: string, options?: Parameters<typeof readRoster>[1]) => readRoster({ path: join(folder, path) }, options);
const countOf = (roster: Roster, role: string) => roster.people.filter(({ roles }) => roles.some((held) => held === role)).length;
const kinds = (roster: Roster) => [...new Set(codesOf(roster.warnings))].sort();

describe.skipIf(!hasSamples)(title, () => {
  it('of School Data Sync v1 needs the choice of one of its two schools', async () => {
    const undecided = await read('microsoft-sds/100_Users');
    expect(placesOf(undecided.errors)).toEqual(['SCHOOL_NOT_CHOSEN School.csv']);
    const [first, second] = await Promise.all(['10001', '10002'].map((id) => read('microsoft-sds/100_Users', { schoolIds: [id] })));
    for (const roster of [first!, second!]) {
      expect(roster.format).toBe('SDS_1');
      expect(roster.errors.list).toEqual([]);
      expect(kinds(roster)).toEqual(['CLASS_NAME_NOT_UNDERSTOOD', 'MEMBERS_LEFT_OUT', 'OTHER_SCHOOL', 'PASSWORDS_IGNORED']);
      // The sections of this set are subjects for mixed groups, such as «Math - Algebra 1», and not classes.
      expect(roster.classes).toEqual([]);
      expect(roster.covers).toEqual({ students: true, staff: true, classes: false, enrolments: false, assignments: false });
    }
    expect(countOf(first!, 'STUDENT') + countOf(second!, 'STUDENT')).toBe(86);
    expect(countOf(first!, 'TEACHER') + countOf(second!, 'TEACHER')).toBe(12);
    expect(
      codesOf(first!.warnings)
        .concat(codesOf(second!.warnings))
        .filter((code) => code === 'CLASS_NAME_NOT_UNDERSTOOD'),
    ).toHaveLength(28);
  });

  it('of School Data Sync v2.1 gives the people of its school', async () => {
    const roster = await read('microsoft-sds/SDS_v2.1', { today: '2021-10-01' });
    expect(roster.format).toBe('SDS_2_1');
    expect(roster.errors.list).toEqual([]);
    expect(kinds(roster)).toEqual([
      'CLASS_NAME_NOT_UNDERSTOOD',
      'FILE_IGNORED',
      'MEMBERS_LEFT_OUT',
      'OTHER_SCHOOL',
      'PASSWORDS_IGNORED',
      'ROLE_MISSING',
    ]);
    expect(countOf(roster, 'STUDENT')).toBe(3);
    expect(countOf(roster, 'TEACHER')).toBe(1);
    expect(JSON.stringify(roster)).not.toContain('P@ssword');
    const later = await read('microsoft-sds/SDS_v2.1', { today: '2026-10-01' });
    expect(later.people.filter(({ roles, isActive }) => roles.length > 0 && isActive)).toEqual([]);
  });

  it('of 960 pupils without classes is a list', async () => {
    const roster = await read('grand-bend/students.csv');
    expect(roster.format).toBe('LIST');
    expect(roster.errors.list).toEqual([]);
    expect(roster.people).toHaveLength(960);
    expect(kinds(roster)).toEqual(['NO_CLASS_COLUMN']);
    expect(roster.people[0]).toMatchObject({
      externalId: '604821',
      surname: 'Dyer',
      givenName: 'Tyrone',
      patronymic: null,
      birthDate: '2014-11-13',
    });
    expect(roster.covers).toMatchObject({ students: true, enrolments: false });
  });
});
