import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectRefusal } from '../../support/expect-refusal.ts';
import { importList, planList, senderOf } from '../../support/import-lists.ts';
import { buildEndingYear, membersOf, planYear, rowsOf, textOf, workOf, yearAfter } from '../../support/school-year.ts';
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
  return { school, administrator, by, rowsOf: (planId: string, filter: object) => rowsOf({ by }, planId, filter) };
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

describe('editPlanRow of the plan of a school year', () => {
  const rowWith = (rows: readonly any[], test: (text: string) => boolean): any => rows.find((row) => test(textOf(row)));

  it('keeps a pupil in the grade, gives another class, lets a pupil leave, and places a pupil who would have none', async () => {
    const year = await buildEndingYear(app);
    const plan = await planYear(app, year, { newClasses: [{ grade: 9, letter: 'Г' }] });
    const rows = await rowsOf(year, plan.id, { noun: 'PERSON' });
    const edit = (row: any, decision: object) => year.by.as.editPlanRow({ planRowId: row.id, ...decision });
    const [first, second] = rows.filter((row) => textOf(row).includes('class 5А → 6А'));
    expect(await edit(first, { class: { grade: 5, letter: 'а' } })).toMatchObject({ operation: 'CHANGE', reason: 'EDITED' });
    expect(await edit(second, { class: { grade: 6, letter: 'Б' } })).toMatchObject({ operation: 'CHANGE' });
    expect(
      await edit(
        rowWith(rows, (text) => text.includes('5Б → 6Б')),
        { leaves: true },
      ),
    ).toMatchObject({ operation: 'END' });
    const regrouped = rowWith(rows, (text) => text.includes('REGROUPED'));
    expect(await edit(regrouped, { class: { grade: 9, letter: 'Г' } })).toMatchObject({ operation: 'CHANGE' });
    const graduate = rowWith(rows, (text) => text.includes('GRADUATED'));
    expect(await edit(graduate, { isApplied: false })).toMatchObject({ operation: 'KEEP' });
    expect(await edit(graduate, { isApplied: true })).toMatchObject({ operation: 'END' });
    const events = await app.events(year.schoolId);
    await edit(first, { class: { grade: 5, letter: 'А' } });
    expect(await app.events(year.schoolId)).toEqual(events);
    expect(await year.by.as.applyPlan({ planId: plan.id })).toMatchObject({ state: 'APPLIED' });
    expect(await membersOf(app, year.schoolId)).toEqual({ '5А +1': ['Вторых', 'Первых'], '6Б +1': ['Третьих'], '9Г +1': ['Пятых'] });
    expect(await app.db.prisma.roleGrant.count({ where: { userId: year.pupils.ofB.id, endedAt: null } })).toBe(0);
    await year.by.as.undoPlan({ planId: plan.id });
    expect((await membersOf(app, year.schoolId))['5Б +0']).toEqual(['Четвёртых']);
  });

  it('renames a new class also in the rows of its pupils, and gives an assignment to another teacher', async () => {
    const year = await buildEndingYear(app);
    const plan = await planYear(app, year);
    const rows = await rowsOf(year, plan.id);
    const edit = (row: any, decision: object) => year.by.as.editPlanRow({ planRowId: row.id, ...decision });
    const sixthA = rows.find(({ noun, fields }) => noun === 'CLASS' && fields[0].after === '6' && fields[1].after === 'А');
    await expectRefusal(app, year.schoolId, { code: 'CONFLICT', path: ['class'] }, () =>
      edit(sixthA, { class: { grade: 6, letter: 'Б' } }),
    );
    const next = await app.db.prisma.schoolYear.findFirstOrThrow({ where: { schoolId: year.schoolId, startsOn: yearAfter(1).startsOn } });
    const archived = { grade: 6, letter: 'Г', sortKey: '06Г', archivedAt: new Date() };
    await app.db.prisma.class.create({ data: { schoolId: year.schoolId, schoolYearId: next.id, ...archived } });
    await expectRefusal(app, year.schoolId, { code: 'CONFLICT', path: ['class'] }, () =>
      edit(sixthA, { class: { grade: 6, letter: 'Г' } }),
    );
    await edit(sixthA, { class: { grade: 6, letter: 'М' } });
    const moved = await rowsOf(year, plan.id, { noun: 'PERSON' });
    expect(moved.filter((row) => textOf(row).includes('class 5А → 6М'))).toHaveLength(2);
    const primary = rows.find(({ code }) => code === 'PRIMARY_SCHOOL_ENDS');
    const physics = app.id('User', year.teachers.physics.id);
    expect(await edit(primary, { teacherId: physics })).toMatchObject({ operation: 'ADD', proposed: 'ADD', reason: 'EDITED' });
    for (const [person, code] of [
      [year.pupils.fifth, 'CONFLICT'],
      [(await app.build.school()).administrator, 'NOT_FOUND'],
    ] as const)
      await expectRefusal(app, year.schoolId, { code, path: ['teacherId'] }, () => edit(primary, { teacherId: app.id('User', person.id) }));
    await year.by.as.applyPlan({ planId: plan.id });
    expect(Object.keys(await membersOf(app, year.schoolId)).sort()).toEqual(['5А +1', '6Б +1', '6М +1']);
    expect(await workOf(app, year.schoolId)).toEqual(['5А CLASS_TEACHER Физиков', '6Б CLASS_TEACHER Других', '6М CLASS_TEACHER Классных']);
  });

  it('renames a class that an undone plan left in the archive', async () => {
    const year = await buildEndingYear(app);
    const first = await planYear(app, year);
    await year.by.as.applyPlan({ planId: first.id });
    await year.by.as.undoPlan({ planId: first.id });
    const plan = await planYear(app, year);
    const [fifth] = await rowsOf(year, plan.id, { noun: 'CLASS', operation: 'CHANGE' });
    const renamed = await year.by.as.editPlanRow({ planRowId: fifth.id, class: { grade: 5, letter: 'Я' } });
    expect(renamed).toMatchObject({ operation: 'CHANGE', reason: 'EDITED' });
    expect(await year.by.as.applyPlan({ planId: plan.id })).toMatchObject({ state: 'APPLIED' });
    expect(Object.keys(await membersOf(app, year.schoolId))).toContain('5Я +1');
  });

  it('refuses a decision that does not fit the row, a class that will not exist, and none or two decisions', async () => {
    const year = await buildEndingYear(app);
    const plan = await planYear(app, year);
    const [pupil] = await rowsOf(year, plan.id, { noun: 'PERSON' });
    const [ending] = await rowsOf(year, plan.id, { noun: 'CLASS', operation: 'END' });
    const refused = (row: any, code: string, path: string[], decision: object) =>
      expectRefusal(app, year.schoolId, { code, path }, () => year.by.as.editPlanRow({ planRowId: row.id, ...decision }));
    const class7A = { grade: 7, letter: 'А' };
    expect((await refused(pupil, 'INVALID', ['class'], { class: class7A })).message).toContain('7А');
    await refused(ending, 'CONFLICT', ['planRowId'], { class: class7A });
    await refused(ending, 'CONFLICT', ['planRowId'], { leaves: true });
    await refused(pupil, 'CONFLICT', ['planRowId'], { teacherId: app.id('User', year.teachers.ofB.id) });
    await refused(pupil, 'INVALID', ['isApplied'], {});
    await refused(pupil, 'INVALID', ['isApplied'], { isApplied: true, leaves: true });
    const list = await planList(app, year.by, year.schoolId, [{ name: 'Новый Ян', class: '7А' }]);
    const [added] = await rowsOf(year, list.id, { noun: 'PERSON' });
    await refused(added, 'CONFLICT', ['planRowId'], { leaves: true });
  });
});
