import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { transaction } from '../../src/db/transaction.ts';
import { dayIn, hasEnded, schoolYearOf, yearAround } from '../../src/domain/school-years.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

const year = (schoolId: string, at: string) => transaction(app.db, (tx) => schoolYearOf(tx, schoolId, new Date(at)));
const first = (of: number) => new Date(`${of}-09-01`);

describe('yearAround', () => {
  it('runs from 1 September to 31 August', () => {
    expect(yearAround('2026-09-01')).toEqual({ startsOn: first(2026), endsOn: new Date('2027-08-31') });
    expect(yearAround('2027-08-31').startsOn).toEqual(first(2026));
    expect(yearAround('2027-01-15').startsOn).toEqual(first(2026));
    expect(yearAround('2027-07-01').startsOn).toEqual(first(2026));
  });
});

describe('dayIn', () => {
  it("is a day of the school's own time zone", () => {
    expect(dayIn('Europe/Moscow', new Date('2026-08-31T21:30:00Z'))).toBe('2026-09-01');
    expect(dayIn('Europe/Kaliningrad', new Date('2026-08-31T21:30:00Z'))).toBe('2026-08-31');
    expect(dayIn('Asia/Kamchatka', new Date('2026-08-31T12:00:00Z'))).toBe('2026-09-01');
  });
});

describe('hasEnded', () => {
  it("is true from 1 September 00:00 in the school's own time zone", () => {
    const ofLastYear = { endsOn: new Date('2026-08-31') };
    expect(hasEnded(ofLastYear, 'Europe/Moscow', new Date('2026-08-31T20:59:59.999Z'))).toBe(false);
    expect(hasEnded(ofLastYear, 'Europe/Moscow', new Date('2026-08-31T21:00:00Z'))).toBe(true);
    expect(hasEnded(ofLastYear, 'Europe/Kaliningrad', new Date('2026-08-31T21:00:00Z'))).toBe(false);
  });
});

describe('schoolYearOf', () => {
  it("makes the year once, by the school's own calendar", async () => {
    const east = (await app.build.school({ timeZone: 'Asia/Vladivostok' })).school;
    const west = (await app.build.school({ timeZone: 'Europe/Kaliningrad' })).school;
    const evening = '2026-08-31T15:00:00Z';
    expect((await year(east.id, evening)).startsOn).toEqual(first(2026));
    expect((await year(west.id, evening)).startsOn).toEqual(first(2025));
    expect((await year(east.id, '2027-08-30T00:00:00Z')).id).toBe((await year(east.id, evening)).id);
  });

  it('creates one year for many concurrent requests', async () => {
    const { school } = await app.build.school();
    const years = await Promise.all(Array.from({ length: 20 }, () => year(school.id, '2026-10-01T00:00:00Z')));
    expect(new Set(years.map(({ id }) => id)).size).toBe(1);
  });
});

describe('School.years', () => {
  it('lists the years, the latest first, and says which is current', async () => {
    const { school, administrator } = await app.build.school();
    const of = { id: app.id('School', school.id) };
    expect(await app.as(administrator).yearsOfSchool(of)).toEqual({ currentYear: null, years: [] });
    const old = await year(school.id, '2020-10-01T00:00:00Z');
    const now = await year(school.id, new Date().toISOString());
    const startsIn = now.startsOn.getUTCFullYear();
    expect(await app.as(administrator).yearsOfSchool(of)).toMatchObject({
      currentYear: { id: app.id('SchoolYear', now.id) },
      years: [
        // The server creates the next year together with the current one, so that administrators can prepare its
        // classes.
        { isCurrent: false, startsOn: `${startsIn + 1}-09-01` },
        { id: app.id('SchoolYear', now.id), isCurrent: true },
        { isCurrent: false, startsOn: '2021-09-01' },
        { id: app.id('SchoolYear', old.id), isCurrent: false, name: '2020/2021', startsOn: '2020-09-01', endsOn: '2021-08-31' },
      ],
    });
  });
});
