import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { transaction } from '../../src/db/transaction.ts';
import { createSchool } from '../../src/domain/schools.ts';
import { schoolYearOf } from '../../src/domain/school-years.ts';
import { nextCheckAfter, SchoolYearStart, startDueSchoolYears } from '../../src/jobs/school-year-start.ts';
import { start } from '../../src/http/bootstrap.ts';
import { createLogger } from '../../src/logger.ts';
import { openTestDatabase } from '../support/database.ts';
import { openSfera, testConfig, type Sfera } from '../support/sfera.ts';
import { until } from '../support/until.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera({ HOUSEKEEPING: 'false' });
});
afterAll(() => app.close());

/** Builds a school that was created in the school year 2026/2027. It has that year and the next one. */
async function buildSchool(timeZone = 'Europe/Moscow') {
  const built = await app.build.school({ timeZone });
  await transaction(app.db, (tx) => schoolYearOf(tx, built.school.id, new Date('2026-10-01T00:00:00Z')));
  return { ...built, schoolId: built.school.id };
}

const check = (at: string) => startDueSchoolYears(app.operator, new Date(at));

/** Returns the first calendar year of each school year whose start was recorded, in the order of the log. */
async function startsIn(schoolId: string): Promise<string[]> {
  const events = (await app.events(schoolId)).filter(({ type }) => type === 'schoolYear.started');
  const years = new Map((await app.db.prisma.schoolYear.findMany({ where: { schoolId } })).map(({ id, startsOn }) => [id, startsOn]));
  return events.map(({ payload }) =>
    years
      .get((payload as { schoolYearId: string }).schoolYearId)!
      .toISOString()
      .slice(0, 4),
  );
}

describe('startDueSchoolYears', () => {
  it('records the start at 1 September 00:00 in the time zone of each school, once', async () => {
    const moscow = await buildSchool('Europe/Moscow');
    const kaliningrad = await buildSchool('Europe/Kaliningrad');
    const kamchatka = await buildSchool('Asia/Kamchatka');
    const starts = () => Promise.all([moscow, kaliningrad, kamchatka].map(({ schoolId }) => startsIn(schoolId)));
    for (const [at, expected] of [
      ['2027-08-31T11:59:59.999Z', [[], [], []]],
      ['2027-08-31T12:00:00.000Z', [[], [], ['2027']]],
      ['2027-08-31T20:59:59.999Z', [[], [], ['2027']]],
      ['2027-08-31T21:00:00.000Z', [['2027'], [], ['2027']]],
      ['2027-08-31T22:00:00.000Z', [['2027'], ['2027'], ['2027']]],
      ['2027-11-01T00:00:00.000Z', [['2027'], ['2027'], ['2027']]],
    ] as const) {
      await check(at);
      expect(await starts(), at).toEqual(expected);
    }
    const [event] = await app.events(moscow.schoolId);
    expect(event).toMatchObject({
      actor: 'operator',
      topics: [`school:${moscow.schoolId}`, `staff:${moscow.schoolId}`],
      causation: expect.any(String),
    });
    const [other] = await app.events(kamchatka.schoolId);
    expect(other!.causation).not.toBe(event!.causation);
  });

  it('creates the year after the one that starts, so that each year follows', async () => {
    const { schoolId } = await buildSchool();
    for (const at of ['2027-09-01T00:00:00Z', '2028-09-01T00:00:00Z', '2029-09-01T00:00:00Z']) await check(at);
    expect(await startsIn(schoolId)).toEqual(['2027', '2028', '2029']);
    const years = await app.db.prisma.schoolYear.findMany({ where: { schoolId }, orderBy: { startsOn: 'asc' } });
    expect(years.map(({ startsOn, startedAt }) => [startsOn.getUTCFullYear(), startedAt !== null])).toEqual([
      [2026, false],
      [2027, true],
      [2028, true],
      [2029, true],
      [2030, false],
    ]);
  });

  it('records it once if many processes check at the same time', async () => {
    const { schoolId } = await buildSchool();
    await Promise.all(Array.from({ length: 20 }, () => check('2027-08-31T21:00:00Z')));
    expect(await startsIn(schoolId)).toEqual(['2027']);
  });

  it('records a start late if no process ran, and years that nobody saw never', async () => {
    const [late, years] = [await buildSchool(), await buildSchool()];
    await check('2027-09-20T10:00:00Z');
    expect(await startsIn(late.schoolId)).toEqual(['2027']);
    // Then no process runs for three years. Before the next check, `schoolYearOf` creates the year 2030/2031. It does the
    // same when somebody creates a class.
    await transaction(app.db, (tx) => schoolYearOf(tx, years.schoolId, new Date('2030-10-01T00:00:00Z')));
    await check('2030-10-02T00:00:00Z');
    expect(await startsIn(years.schoolId)).toEqual(['2027', '2030']);
    await check('2030-10-03T00:00:00Z');
    expect(await startsIn(years.schoolId)).toEqual(['2027', '2030']);
  });

  it('records no start for the year in which a school is created', async () => {
    const { id } = await createSchool(app.operator, { name: 'Новая школа' });
    await check(new Date().toISOString());
    expect((await app.events(id)).map(({ type }) => type)).toEqual(['school.created']);
  });

  it('does not record it again if the school moves to a time zone where the year has not started', async () => {
    const { schoolId } = await buildSchool('Asia/Kamchatka');
    await check('2027-08-31T12:00:00Z');
    await app.db.prisma.school.update({ where: { id: schoolId }, data: { timeZone: 'Europe/Kaliningrad' } });
    for (const at of ['2027-08-31T12:01:00Z', '2027-08-31T22:00:00Z', '2027-09-02T00:00:00Z']) await check(at);
    expect(await startsIn(schoolId)).toEqual(['2027']);
  });
});

describe('nextCheckAfter', () => {
  it('is each minute while the year starts somewhere, and otherwise each hour', () => {
    const next = (at: string) => nextCheckAfter(new Date(at)).toISOString();
    expect(next('2027-08-30T23:10:00.000Z')).toBe('2027-08-31T00:00:00.000Z');
    expect(next('2027-08-31T20:59:00.001Z')).toBe('2027-08-31T21:00:00.000Z');
    expect(next('2027-08-31T21:00:00.000Z')).toBe('2027-08-31T21:01:00.000Z');
    expect(next('2027-09-01T23:59:59.999Z')).toBe('2027-09-02T00:00:00.000Z');
    expect(next('2027-09-02T00:00:00.000Z')).toBe('2027-09-02T01:00:00.000Z');
    expect(next('2027-03-31T10:30:00.000Z')).toBe('2027-03-31T11:00:00.000Z');
  });
});

describe('SchoolYearStart', () => {
  it('checks when it starts and as soon as the year starts, and tells the people who work in the school', async () => {
    const { schoolId } = await buildSchool();
    const teacher = await app.build.teacher({ schoolId });
    const stream = await app
      .as(teacher)
      .listen(
        'subscription ($id: ID!) { schoolYears(schoolId: $id) { __typename ... on Checkpoint { cursor } ... on SchoolYearChange { cursor kind schoolYear { name } } } }',
        { id: app.id('School', schoolId) },
      );
    await stream.until(({ items }) => items.length > 0);
    // Two readings of the clock return a time 20 ms before the school year starts. Later readings return its start.
    const times = ['2027-08-31T20:59:59.980Z', '2027-08-31T20:59:59.980Z', '2027-08-31T21:00:00.000Z'];
    const job = new SchoolYearStart(app.operator, () => new Date(times.length > 1 ? times.shift()! : times[0]!));
    await until(async () => expect(await startsIn(schoolId)).toEqual(['2027']));
    await stream.until(({ news }) => news.length === 1);
    expect(stream.news).toMatchObject([{ kind: 'STARTED', schoolYear: { name: '2027/2028' } }]);
    stream.close();
    await job.close();
  });

  it('runs in a server that does the housekeeping, and ends with it', async () => {
    const db = await openTestDatabase();
    const { id: schoolId } = await db.prisma.school.create({ data: { name: 'Школа', fullName: 'Школа', head: { create: {} } } });
    await db.prisma.schoolYear.create({ data: { schoolId, startsOn: new Date('2020-09-01'), endsOn: new Date('2021-08-31') } });
    const server = await start(await testConfig(), createLogger('silent'), db);
    const types = async () => (await db.prisma.event.findMany({ where: { schoolId } })).map(({ type }) => type);
    await until(async () => expect(await types()).toEqual(['schoolYear.started']));
    await server.close();
  });
});
