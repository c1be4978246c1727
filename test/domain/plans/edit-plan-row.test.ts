import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectRefusal } from '../../support/expect-refusal.ts';
import { importList, planList, senderOf } from '../../support/import-lists.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

const people = [
  { name: 'Вихрова Анна', class: '5А' },
  { name: 'Петров Пётр Ильич', class: '5А' },
];

async function scene() {
  const { school, administrator } = await app.build.school();
  const by = await senderOf(app, administrator);
  const rowsOf = async (planId: string, filter: object): Promise<any[]> =>
    ((await by.as.rowsOfPlan({ id: planId, ...filter })) as any).rows.edges.map(({ node }: any) => node);
  return { school, administrator, by, rowsOf };
}

describe('editPlanRow', () => {
  it('excludes a row and includes it again', async () => {
    const { school, by, rowsOf } = await scene();
    const plan = await planList(app, by, school.id, people);
    const [anna] = await rowsOf(plan.id, { noun: 'PERSON', operation: 'ADD' });
    const edit = (isApplied: boolean) => by.as.editPlanRow({ planRowId: anna.id, isApplied });
    expect(await edit(false)).toMatchObject({ operation: 'KEEP', reason: 'EXCLUDED', plan: { counts: { add: 2, keep: 1 } } });
    expect(await edit(true)).toMatchObject({ operation: 'ADD', reason: null });
    const events = await app.events(school.id);
    expect(events.filter(({ type }) => type === 'planRow.edited')).toHaveLength(2);
    expect(await edit(true)).toMatchObject({ operation: 'ADD' });
    expect(await app.events(school.id)).toEqual(events);
    await edit(false);
    expect(await by.as.applyPlan({ planId: plan.id })).toMatchObject({ state: 'APPLIED' });
    expect(await app.db.prisma.enrolment.count({ where: { schoolId: school.id } })).toBe(1);
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['planRowId'] }, () => edit(true));
  });

  it('includes what a rule withheld: here the end of a pupil whom a person had enrolled', async () => {
    const { school, by, rowsOf } = await scene();
    await importList(app, by, school.id, people);
    const { id: classId } = await app.db.prisma.class.findFirstOrThrow({ where: { schoolId: school.id } });
    const byHand = await app.build.student({ classId, surname: 'Рукодельный' });
    const plan = await planList(app, by, school.id, people);
    expect(plan.counts).toMatchObject({ end: 0, keep: 4 });
    const [withheld] = await rowsOf(plan.id, { code: 'SET_BY_HAND' });
    expect(withheld).toMatchObject({ operation: 'KEEP', proposed: 'END', noun: 'PERSON', line: null });
    await by.as.editPlanRow({ planRowId: withheld.id, isApplied: true });
    expect(await by.as.applyPlan({ planId: plan.id, threshold: 50 })).toMatchObject({ state: 'APPLIED' });
    expect(await app.db.prisma.roleGrant.count({ where: { userId: byHand.id, endedAt: null } })).toBe(0);
  });

  it('refuses rows that change nothing and rows in error, and to apply people whose class was excluded', async () => {
    const { school, by, rowsOf } = await scene();
    await importList(app, by, school.id, people);
    const plan = await planList(app, by, school.id, [
      ...people,
      { name: 'Кривцов Иван', class: 'пятый' },
      { name: 'Новиков Ян', class: '7А' },
    ]);
    const [kept] = await rowsOf(plan.id, { operation: 'KEEP', noun: 'PERSON' });
    const [wrong] = await rowsOf(plan.id, { operation: 'ERROR' });
    for (const { id } of [kept, wrong])
      await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['planRowId'] }, () =>
        by.as.editPlanRow({ planRowId: id, isApplied: false }),
      );
    const [added] = await rowsOf(plan.id, { operation: 'ADD', noun: 'CLASS' });
    await by.as.editPlanRow({ planRowId: added.id, isApplied: false });
    const refusal = await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['planId'] }, () =>
      by.as.applyPlan({ planId: plan.id, skipErrors: true }),
    );
    expect(refusal.message).toContain('строка 5');
  });
});
