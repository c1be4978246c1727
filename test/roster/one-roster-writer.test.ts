import { buffer } from 'node:stream/consumers';
import { PassThrough } from 'node:stream';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBufferPromise } from 'yauzl';
import { writeOneRoster } from '../../src/roster/one-roster-writer.ts';
import { keyOfId, type Roster } from '../../src/roster/roster.ts';
import { arbitraryRoster, withoutPlaces } from '../support/arbitrary-rosters.ts';
import { oneRoster12, placesOf, readBytes, readZip } from '../support/roster-files.ts';

/** The writer follows the OneRoster standard strictly. The reader reads the same roster from the written files. */

const school = { externalId: 'school-1', name: 'Школа № 1', year: { startsOn: '2026-09-01', endsOn: '2027-08-31' } };

async function write(roster: Roster): Promise<Buffer> {
  const output = new PassThrough();
  const [bytes] = await Promise.all([buffer(output), writeOneRoster(roster, school, output)]);
  return bytes;
}

async function filesOf(bytes: Buffer): Promise<Record<string, Buffer>> {
  const zip = await fromBufferPromise(bytes, { lazyEntries: true });
  const files: Record<string, Buffer> = {};
  for await (const entry of zip.eachEntry()) files[entry.fileName] = await buffer(await zip.openReadStreamPromise(entry));
  return files;
}

const tableOf = (file: Buffer): Record<string, string>[] => parse(file, { columns: true, record_delimiter: '\r\n' });

const vocabulary: Record<string, readonly string[]> = {
  classType: ['homeroom', 'scheduled'],
  enabledUser: ['true', 'false'],
  primary: ['true', 'false'],
  roleType: ['primary', 'secondary'],
};
const sourcedId = /^[A-Za-z0-9._/@-]{1,255}$/;

describe('writeOneRoster', () => {
  it('writes CSV 1.2.1: UTF-8 without a byte order mark, CRLF, no status and no date in bulk', async () => {
    const files = await filesOf(await write(await readZip(oneRoster12)));
    expect(Object.keys(files).sort()).toEqual([
      'academicSessions.csv',
      'classes.csv',
      'courses.csv',
      'enrollments.csv',
      'manifest.csv',
      'orgs.csv',
      'roles.csv',
      'users.csv',
    ]);
    for (const [name, file] of Object.entries(files)) {
      const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(file);
      expect(text.startsWith('\ufeff')).toBe(false);
      expect(text.endsWith('\r\n')).toBe(true);
      expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
      if (name === 'manifest.csv') continue;
      for (const row of tableOf(file)) {
        expect([row.status, row.dateLastModified]).toEqual(['', '']);
        expect(row.sourcedId).toMatch(sourcedId);
        for (const [column, values] of Object.entries(vocabulary)) if (row[column] !== undefined) expect(values).toContain(row[column]);
      }
    }
  });

  it('names every file of the standard in the manifest', async () => {
    const { 'manifest.csv': file } = await filesOf(await write(await readZip(oneRoster12)));
    const manifest = Object.fromEntries(tableOf(file!).map(({ propertyName, value }) => [propertyName, value]));
    expect(manifest).toMatchObject({
      'manifest.version': '1.0',
      'oneroster.version': '1.2',
      'file.users': 'bulk',
      'file.roles': 'bulk',
      'file.userProfiles': 'absent',
      'file.demographics': 'absent',
    });
    expect(Object.keys(manifest).filter((property) => property.startsWith('file.'))).toHaveLength(21);
  });

  it('refers only to rows that exist, and gives every id once', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryRoster('one-roster'), async (roster) => {
        const files = await filesOf(await write(roster));
        const tables = Object.fromEntries(
          Object.entries(files)
            .filter(([name]) => name !== 'manifest.csv')
            .map(([name, file]) => [name, tableOf(file)]),
        );
        const idsOf = (name: string) => (tables[name] ?? []).map((row) => row.sourcedId);
        for (const name of Object.keys(tables)) expect(new Set(idsOf(name)).size, name).toBe(idsOf(name).length);
        const references: Record<string, string> = {
          classSourcedId: 'classes.csv',
          courseSourcedId: 'courses.csv',
          orgSourcedId: 'orgs.csv',
          primaryOrgSourcedId: 'orgs.csv',
          schoolSourcedId: 'orgs.csv',
          schoolYearSourcedId: 'academicSessions.csv',
          termSourcedIds: 'academicSessions.csv',
          userSourcedId: 'users.csv',
        };
        for (const row of Object.values(tables).flat())
          for (const [column, target] of Object.entries(references))
            if (row[column] !== undefined) expect(idsOf(target), column).toContain(row[column]);
      }),
      { numRuns: 30 },
    );
  });

  it('ends the school year on the day after its last', async () => {
    const { 'academicSessions.csv': file } = await filesOf(await write(await readZip(oneRoster12)));
    expect(tableOf(file!)).toMatchObject([
      { title: '2026/2027', type: 'schoolYear', startDate: '2026-09-01', endDate: '2027-09-01', schoolYear: '2027' },
    ]);
  });

  it('writes what its reader reads as an equal roster, without a warning', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryRoster('one-roster'), async (roster) => {
        const read = await readBytes(await write(roster), {}, 'export.zip');
        expect(placesOf(read.errors)).toEqual([]);
        expect(placesOf(read.warnings)).toEqual([]);
        expect(withoutPlaces(read)).toEqual(withoutPlaces(roster));
      }),
      { numRuns: 60 },
    );
  });

  it('writes the same bytes for the same roster', async () => {
    const roster = await readZip(oneRoster12);
    expect((await write(roster)).equals(await write(roster))).toBe(true);
  });

  it('leaves out what has ended', async () => {
    const roster = await readZip(oneRoster12);
    const ended = {
      ...roster,
      people: roster.people.map((person) => (person.externalId === 'p1' ? { ...person, isActive: false } : person)),
      classes: roster.classes.map((found) => (found.externalId === 'c5b' ? { ...found, isActive: false } : found)),
    };
    const read = await readBytes(await write(ended), {}, 'export.zip');
    expect(placesOf(read.errors)).toEqual([]);
    expect(read.people.map(({ externalId }) => externalId)).toEqual(['t1', 'p2', 'p3']);
    expect(read.classes.map(({ externalId }) => externalId)).toEqual(['c5a']);
    expect(read.enrolments.map(({ person }) => person)).toEqual(['id:p2']);
  });

  it('makes formulas inert, and reads them as they were', async () => {
    const roster = await readZip(oneRoster12);
    const formula = "=cmd|' /C calc'!A0";
    const hostile = { ...roster, people: roster.people.map((person) => ({ ...person, surname: formula })) };
    const bytes = await write(hostile);
    const files = await filesOf(bytes);
    for (const [name, file] of Object.entries(files))
      for (const cells of parse(file)) for (const cell of cells) expect(cell, name).not.toMatch(/^[=+\-@\t\r]/);
    const read = await readBytes(bytes, {}, 'export.zip');
    expect(read.people.map(({ surname }) => surname)).toEqual(hostile.people.map(() => formula));
  });

  it('writes ids that OneRoster does not allow so that they can be read back', async () => {
    const roster = await readZip(oneRoster12);
    const renamed = roster.people.map((person) => ({
      ...person,
      externalId: `Ученик №${person.externalId}`,
      key: keyOfId(`Ученик №${person.externalId}`),
    }));
    const read = await readBytes(await write({ ...roster, people: renamed, enrolments: [], assignments: [] }), {}, 'export.zip');
    expect(read.people.map(({ externalId }) => externalId)).toEqual(renamed.map(({ externalId }) => externalId));
  });
});
