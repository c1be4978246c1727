import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importList, planList, pupils, senderOf } from '../support/import-lists.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

/** Needs a PostgreSQL server: the embedded database runs one transaction at a time. */
describe.runIf(process.env.TEST_DATABASE_URL)('plans', () => {
  let app: Sfera;
  beforeAll(async () => {
    app = await openSfera();
  });
  afterAll(() => app.close());

  it('of two plans that are applied at once, one wins and the other says why', async () => {
    const { school, administrator } = await app.build.school();
    const by = await senderOf(app, administrator);
    const plans = [await planList(app, by, school.id, pupils(60)), await planList(app, by, school.id, pupils(60))];
    const answers = (await Promise.all(plans.map(({ id }) => by.as.applyPlan({ planId: id })))) as any[];
    expect(answers.map((answer) => answer.state ?? answer.code).sort()).toEqual(['APPLIED', 'CONFLICT']);
    expect(answers.find(({ code }) => code === 'CONFLICT').message).toContain('строка 2');
    expect(await app.db.prisma.enrolment.count({ where: { schoolId: school.id, endedAt: null } })).toBe(60);
    const events = await app.events(school.id);
    expect(events.map(({ seq }) => Number(seq))).toEqual(events.map((_, n) => n + 1));
  });

  it('a plan beside transfers by hand is applied before them or refused, and never moves a pupil back', async () => {
    const { school, administrator } = await app.build.school();
    const by = await senderOf(app, administrator);
    const all = pupils(20, ['5А', '5Б']);
    await importList(app, by, school.id, all);
    const other = await app.build.class({ schoolId: school.id });
    const students = await app.db.prisma.enrolment.findMany({ where: { schoolId: school.id, endedAt: null }, take: 5 });
    for (let round = 0; round < 5; round += 1) {
      const plan = await planList(
        app,
        by,
        school.id,
        all.map((row) => ({ ...row, class: row.class === '5А' ? '5Б' : '5А' })),
      );
      const { studentId } = students[round]!;
      const [applied, moved] = (await Promise.all([
        by.as.applyPlan({ planId: plan.id }),
        app.as(administrator).transferStudent({ studentId: app.id('User', studentId), classId: app.id('Class', other.id) }),
      ])) as any[];
      expect(moved.__typename).toBe('Enrolment');
      expect(['APPLIED', 'CONFLICT']).toContain(applied.state ?? applied.code);
      const present = await app.db.prisma.enrolment.findFirstOrThrow({ where: { studentId, endedAt: null } });
      expect(present.classId).toBe(other.id);
    }
  });
});
