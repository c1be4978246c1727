import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { transaction } from '../../src/db/transaction.ts';
import { dayIn, schoolYearOf } from '../../src/domain/school-years.ts';
import { trimestersFrom } from '../fixtures/terms.ts';
import { expectRefusal } from '../support/expect-refusal.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

async function scene(timeZone = 'Europe/Moscow') {
  const { school, administrator } = await app.build.school({ timeZone });
  const year = await transaction(app.db, (tx) => schoolYearOf(tx, school.id, new Date('2030-10-01T00:00:00Z')));
  return { schoolId: school.id, administrator, by: app.as(administrator), year, schoolYearId: app.id('SchoolYear', year.id) };
}

const quarters = [
  { startsOn: '2030-09-01', endsOn: '2030-10-26' },
  { startsOn: '2030-11-05', endsOn: '2030-12-29' },
  { startsOn: '2031-01-10', endsOn: '2031-03-22' },
  { startsOn: '2031-04-01', endsOn: '2031-08-31' },
];
const trimesters = trimestersFrom(2030);

const termsIn = (year: unknown) => (year as { terms: { id: string; kind: string; number: number; startsOn: string }[] }).terms;
const types = async (schoolId: string) => (await app.events(schoolId)).map(({ type }) => type);

describe('setTerms', () => {
  it('2.1 b — sets the quarters of a year, and records it', async () => {
    const { schoolId, by, year, schoolYearId } = await scene();
    const set = await by.setTerms({ schoolYearId, kind: 'QUARTER', terms: quarters });
    expect(termsIn(set)).toMatchObject(
      quarters.map((days, n) => ({
        ...days,
        kind: 'QUARTER',
        number: n + 1,
        year: { id: schoolYearId },
        school: { id: app.id('School', schoolId) },
      })),
    );
    expect(await app.events(schoolId)).toMatchObject([{ type: 'terms.set', payload: { schoolId, schoolYearId: year.id } }]);
  });

  it('changes nothing if the year has these terms', async () => {
    const { schoolId, by, schoolYearId } = await scene();
    const input = { schoolYearId, kind: 'QUARTER' as const, terms: quarters };
    const first = await by.setTerms(input);
    expect(await by.setTerms(input)).toEqual(first);
    expect(await types(schoolId)).toEqual(['terms.set']);
  });

  it('replaces them as a whole: a corrected term keeps its id, and another kind has new ones', async () => {
    const { schoolId, by, schoolYearId } = await scene();
    const first = termsIn(await by.setTerms({ schoolYearId, kind: 'QUARTER', terms: quarters }));
    // Quarters 2, 3 and 4 now begin earlier, each on a day that belonged to the preceding quarter in `quarters`.
    const later = [
      { startsOn: '2030-09-02', endsOn: '2030-10-20' },
      { startsOn: '2030-10-25', endsOn: '2030-12-20' },
      { startsOn: '2030-12-25', endsOn: '2031-03-15' },
      { startsOn: '2031-03-20', endsOn: '2031-05-31' },
    ];
    const corrected = termsIn(await by.setTerms({ schoolYearId, kind: 'QUARTER', terms: later }));
    expect(corrected.map(({ id }) => id)).toEqual(first.map(({ id }) => id));
    expect(corrected.map(({ startsOn }) => startsOn)).toEqual(later.map(({ startsOn }) => startsOn));
    const other = termsIn(await by.setTerms({ schoolYearId, kind: 'TRIMESTER', terms: trimesters }));
    expect(other.map(({ kind, number }) => [kind, number])).toEqual([1, 2, 3].map((number) => ['TRIMESTER', number]));
    expect(other.some(({ id }) => first.some((term) => term.id === id))).toBe(false);
    expect(await app.db.prisma.term.count({ where: { schoolId } })).toBe(3);
    expect(await types(schoolId)).toEqual(['terms.set', 'terms.set', 'terms.set']);
  });

  it('refuses a wrong number, days outside the year, in a wrong order and overlaps, and names the day at fault', async () => {
    const { schoolId, by, schoolYearId } = await scene();
    const refused = (terms: typeof quarters, path: string[], kind: 'QUARTER' | 'TRIMESTER' = 'QUARTER') =>
      expectRefusal(app, schoolId, { code: 'INVALID', path }, () => by.setTerms({ schoolYearId, kind, terms }));
    const replaced = (n: number, days: Partial<(typeof quarters)[number]>) =>
      quarters.map((term, at) => (at === n ? { ...term, ...days } : term));
    await refused([], ['terms']);
    await refused(quarters.slice(1), ['terms']);
    await refused(quarters, ['terms'], 'TRIMESTER');
    await refused(trimesters, ['terms']);
    await refused(replaced(0, { startsOn: '2030-08-31' }), ['terms', '0', 'startsOn']);
    await refused(replaced(3, { endsOn: '2031-09-01' }), ['terms', '3', 'endsOn']);
    await refused(replaced(1, { endsOn: '2030-11-04' }), ['terms', '1', 'endsOn']);
    await refused(replaced(2, { startsOn: '2030-12-29' }), ['terms', '2', 'startsOn']);
    await refused([...quarters].reverse(), ['terms', '1', 'startsOn']);
    expect(await app.db.prisma.term.count({ where: { schoolId } })).toBe(0);
  });

  it('is refused to everyone but the administrator, and hidden from another school', async () => {
    const { schoolId, schoolYearId } = await scene();
    const input = { schoolYearId, kind: 'QUARTER' as const, terms: quarters };
    for (const role of ['SCHOOL_ADMINISTRATION', 'TEACHER', 'STUDENT'] as const) {
      const person = await app.build.user({ schoolId, role });
      await expectRefusal(app, schoolId, { code: 'FORBIDDEN', clause: '2.1 b' }, () => app.as(person).setTerms(input));
    }
    const foreign = await app.build.school();
    await expectRefusal(app, schoolId, { code: 'NOT_FOUND', path: ['schoolYearId'] }, () => app.as(foreign.administrator).setTerms(input));
  });

  it('leaves one of two concurrent sets', async () => {
    const { by, year, schoolYearId } = await scene();
    await Promise.all([
      by.setTerms({ schoolYearId, kind: 'QUARTER', terms: quarters }),
      by.setTerms({ schoolYearId, kind: 'TRIMESTER', terms: trimesters }),
    ]);
    const terms = await app.db.prisma.term.findMany({ where: { schoolYearId: year.id } });
    expect(terms).toHaveLength(terms[0]!.kind === 'QUARTER' ? 4 : 3);
  });
});

describe('SchoolYear.terms', () => {
  it('is read by everyone in the school, and empty until it is set', async () => {
    const { schoolId, by, schoolYearId } = await scene();
    const pupil = await app.build.user({ schoolId, role: 'STUDENT' });
    expect(await app.as(pupil).termsOfYear({ id: schoolYearId })).toEqual({ terms: [], currentTerm: null });
    await by.setTerms({ schoolYearId, kind: 'TRIMESTER', terms: trimesters });
    const read = await app.as(pupil).termsOfYear({ id: schoolYearId });
    expect(read).toMatchObject({ terms: trimesters, currentTerm: null });
  });

  it('has the current term by the day in the time zone of the school', async () => {
    for (const timeZone of ['Pacific/Kiritimati', 'Pacific/Pago_Pago']) {
      const { school, administrator } = await app.build.school({ timeZone });
      const year = await transaction(app.db, (tx) => schoolYearOf(tx, school.id, new Date()));
      const id = app.id('SchoolYear', year.id);
      expect(await app.as(administrator).termsOfYear({ id })).toMatchObject({ currentTerm: null });
      // The two zones are 25 hours apart, so they never have the same date. Each term lasts one day: yesterday, today and
      // tomorrow in the zone of the school. So term 2 is current in both schools only if the server uses their zones.
      const today = new Date(dayIn(timeZone, new Date()));
      const data = { schoolId: school.id, schoolYearId: year.id, kind: 'QUARTER' as const };
      for (const [number, days] of [
        [1, -1],
        [2, 0],
        [3, 1],
      ] as const) {
        const at = new Date(today.getTime() + days * 86_400_000);
        await app.db.prisma.term.create({ data: { ...data, number, startsOn: at, endsOn: at } });
      }
      expect(await app.as(administrator).termsOfYear({ id })).toMatchObject({ currentTerm: { number: 2 } });
    }
  });
});
