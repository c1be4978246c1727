import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dayOf, startOfDay } from '../../../src/domain/school-years.ts';
import { applyDuePlans, ScheduledPlans } from '../../../src/jobs/scheduled-plans.ts';
import { decodeId } from '../../support/decode-id.ts';
import { expectRefusal } from '../../support/expect-refusal.ts';
import { importList, planList } from '../../support/import-lists.ts';
import { buildEndingYear, membersOf, planYear, rowsOf, yearAfter } from '../../support/school-year.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';
import { until } from '../../support/until.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera({ HOUSEKEEPING: 'false' });
});
afterAll(() => app.close());

const turn = startOfDay('Europe/Moscow', dayOf(yearAfter(1).startsOn));
const later = (instant: Date, ms: number): Date => new Date(instant.getTime() + ms);
const typesOf = async (schoolId: string): Promise<string[]> => (await app.events(schoolId)).map(({ type }) => type);

async function scheduled() {
  const year = await buildEndingYear(app);
  const plan = await planYear(app, year);
  return { year, plan, answer: (await year.by.as.schedulePlan({ planId: plan.id })) as any };
}

const stateOf = (planId: string): Promise<any> => app.db.prisma.plan.findUniqueOrThrow({ where: { id: decodeId(planId).id } });

describe('schedulePlan', () => {
  it('has the plan of a year applied at 1 September 00:00 in the zone of the school, not before, and once', async () => {
    const { year, plan, answer } = await scheduled();
    expect(answer).toMatchObject({ state: 'READY', appliesAt: turn.toISOString(), refusal: null });
    await applyDuePlans(app.operator, later(turn, -1));
    expect(Object.keys(await membersOf(app, year.schoolId))).toContain('5А +0');
    await Promise.all([applyDuePlans(app.operator, turn), applyDuePlans(app.operator, turn)]);
    expect(Object.keys(await membersOf(app, year.schoolId)).sort()).toEqual(['5А +1', '6А +1', '6Б +1']);
    expect(await stateOf(plan.id)).toMatchObject({ state: 'APPLIED', appliesAt: null });
    const events = await app.events(year.schoolId);
    expect(events.filter(({ type }) => type === 'plan.applied')).toMatchObject([{ actor: 'operator' }]);
    expect(await year.by.as.undoPlan({ planId: plan.id })).toMatchObject({ state: 'UNDONE' });
  });

  it('changes the time and takes it back; the same time again writes nothing', async () => {
    const { year, plan } = await scheduled();
    const at = later(new Date(), 86_400_000).toISOString();
    const schedule = (appliesAt: string | null) => year.by.as.schedulePlan({ planId: plan.id, appliesAt });
    expect(await schedule(at)).toMatchObject({ appliesAt: at });
    const types = await typesOf(year.schoolId);
    expect(types).toEqual(['plan.ready', 'plan.scheduled', 'plan.scheduled']);
    expect(await schedule(at)).toMatchObject({ appliesAt: at });
    expect(await typesOf(year.schoolId)).toEqual(types);
    expect(await schedule(null)).toMatchObject({ appliesAt: null });
    await applyDuePlans(app.operator, later(turn, 1));
    expect(await stateOf(plan.id)).toMatchObject({ state: 'READY' });
  });

  it('tells by an event and a reason that the plan could not be applied, and does not try again', async () => {
    const { year, plan } = await scheduled();
    await app.build.student({ classId: year.classes['5А'].id });
    await Promise.all([applyDuePlans(app.operator, turn), applyDuePlans(app.operator, turn)]);
    expect((await typesOf(year.schoolId)).filter((type) => type === 'plan.refused')).toHaveLength(1);
    const stored = await stateOf(plan.id);
    expect(stored).toMatchObject({ state: 'READY', appliesAt: null });
    expect(stored.refusalRu).toContain('остаются ученики');
    expect(Object.keys(await membersOf(app, year.schoolId))).toContain('5А +0');
    const again = await year.by.as.schedulePlan({ planId: plan.id });
    expect(again).toMatchObject({ appliesAt: turn.toISOString(), refusal: null });
  });

  it('follows the school into another time zone, unless a time was stated', async () => {
    const { year, plan } = await scheduled();
    const stated = await planYear(app, year);
    const at = later(turn, 60_000).toISOString();
    await year.by.as.schedulePlan({ planId: stated.id, appliesAt: at });
    await year.by.as.updateSchool({ schoolId: app.id('School', year.schoolId), timeZone: 'Asia/Kamchatka' });
    expect((await stateOf(plan.id)).appliesAt).toEqual(startOfDay('Asia/Kamchatka', dayOf(yearAfter(1).startsOn)));
    expect((await stateOf(stated.id)).appliesAt).toEqual(new Date(at));
    expect((await typesOf(year.schoolId)).filter((type) => type === 'plan.scheduled')).toHaveLength(3);
  });

  it('applies an import with the stated threshold', async () => {
    const year = await buildEndingYear(app);
    const people = ['Первый', 'Второй', 'Третий'].map((name) => ({ name: `${name} Ян`, class: '7А' }));
    await importList(app, year.by, year.schoolId, people);
    const plan = await planList(app, year.by, year.schoolId, people.slice(0, 2));
    const at = later(new Date(), 60_000);
    await year.by.as.schedulePlan({ planId: plan.id, appliesAt: at.toISOString(), threshold: 40 });
    await applyDuePlans(app.operator, at);
    expect(await stateOf(plan.id)).toMatchObject({ state: 'APPLIED' });
  });

  it('refuses a time that is past or far, a year that has started, and a plan that is not ready', async () => {
    const year = await buildEndingYear(app);
    const plan = await planYear(app, year);
    const schedule = (planId: string, appliesAt?: Date) =>
      year.by.as.schedulePlan({ planId, ...(appliesAt && { appliesAt: appliesAt.toISOString() }) });
    for (const at of [later(new Date(), -1000), later(new Date(), 401 * 86_400_000)])
      await expectRefusal(app, year.schoolId, { code: 'INVALID', path: ['appliesAt'] }, () => schedule(plan.id, at));
    const list = await planList(app, year.by, year.schoolId, [{ name: 'Новый Ян', class: '7А' }]);
    await expectRefusal(app, year.schoolId, { code: 'CONFLICT', path: ['planId'] }, () => schedule(list.id));
    await year.by.as.applyPlan({ planId: plan.id });
    await expectRefusal(app, year.schoolId, { code: 'CONFLICT', path: ['planId'] }, () => schedule(plan.id));
  });
});

describe('ScheduledPlans', () => {
  it('checks when it starts, and at the next whole minute', async () => {
    const { year, plan } = await scheduled();
    // `turn` is the time for which the plan is scheduled. The clock is first read twice: for the first check, and to
    // compute when the next check is due. These two readings are 20 ms before `turn`. Later readings equal `turn`.
    const instants = [later(turn, -20), later(turn, -20)];
    const job = new ScheduledPlans(app.operator, () => instants.shift() ?? turn);
    try {
      await until(async () => expect(await stateOf(plan.id)).toMatchObject({ state: 'APPLIED' }));
    } finally {
      await job.close();
    }
    expect(await rowsOf(year, plan.id, { code: 'GRADUATED' })).toHaveLength(1);
  });
});
