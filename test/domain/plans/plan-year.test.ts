import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { expectRefusal } from '../../support/expect-refusal.ts';
import { exportRoster } from '../../../src/domain/plans/export-roster.ts';
import { writeList } from '../../../src/roster/list-writer.ts';
import { importList, planList, pupils, senderOf, upload } from '../../support/import-lists.ts';
import { buildEndingYear, exported, membersOf, planYear, rowsOf, textOf, workOf, yearAfter } from '../../support/school-year.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

describe('planYear', () => {
  it('plans the next grade for each class, and changes nothing', async () => {
    const year = await buildEndingYear(app);
    const before = await exported(app, year.schoolId);
    const plan = await planYear(app, year);
    expect(plan).toMatchObject({ source: 'YEAR', state: 'READY', fileName: null, coveredCount: 6, year: { name: yearAfter(1).name } });
    expect((await rowsOf(year, plan.id, { noun: 'CLASS' })).map(textOf)).toEqual([
      'ADD, grade – → 5, letter – → А, isArchived – → false',
      'ADD, grade – → 6, letter – → А, isArchived – → false',
      'ADD, grade – → 6, letter – → Б, isArchived – → false',
      ...Array.from({ length: 5 }, () => 'END, isArchived false → true'),
    ]);
    expect((await rowsOf(year, plan.id, { noun: 'PERSON' })).map(textOf)).toEqual([
      'CHANGE, class 4А → 5А',
      'CHANGE, class 5А → 6А',
      'CHANGE, class 5А → 6А',
      'CHANGE, class 5Б → 6Б',
      'CHANGE REGROUPED, class 9А → –',
      'END GRADUATED, roles STUDENT → –, class 11А → –',
    ]);
    const added = (await rowsOf(year, plan.id, { noun: 'ASSIGNMENT' })).filter(({ proposed }) => proposed === 'ADD');
    expect(added.map(textOf)).toEqual([
      'KEEP ADD PRIMARY_SCHOOL_ENDS, class – → 5А, kind – → CLASS_TEACHER, person – → Начальных Ия',
      'ADD, class – → 6А, kind – → CLASS_TEACHER, person – → Классных Ия',
      'KEEP ADD SUBJECT_TEACHER_PROPOSED, class – → 6А, kind – → SUBJECT_TEACHER, person – → Физиков Ия, subject – → Физика',
      'ADD, class – → 6Б, kind – → CLASS_TEACHER, person – → Других Ия',
    ]);
    expect(await exported(app, year.schoolId)).toBe(before);
    expect((await app.events(year.schoolId)).map(({ type }) => type)).toEqual(['plan.ready']);
  });

  it('turns the year when it is applied: pupils and class teachers move, former classes and chats are archived, their members stay', async () => {
    const year = await buildEndingYear(app);
    const chat = await app.build.chat({ schoolId: year.schoolId, kind: 'CLASS', classId: year.classes['5А'].id });
    const membersOfChat = () => app.db.prisma.chatMember.count({ where: { chatId: chat.id } });
    expect(await membersOfChat()).toBe(4);
    const plan = await planYear(app, year);
    expect(await year.by.as.applyPlan({ planId: plan.id })).toMatchObject({ state: 'APPLIED' });
    expect(await membersOf(app, year.schoolId)).toEqual({ '5А +1': ['Первых'], '6А +1': ['Вторых', 'Третьих'], '6Б +1': ['Четвёртых'] });
    expect(await workOf(app, year.schoolId)).toEqual(['6А CLASS_TEACHER Классных', '6Б CLASS_TEACHER Других']);
    const classes = await app.db.prisma.class.findMany({ where: { id: { in: Object.values(year.classes).map(({ id }) => id) } } });
    expect(classes.every(({ archivedAt }) => archivedAt !== null)).toBe(true);
    expect(await app.db.prisma.chat.findUnique({ where: { id: chat.id } })).toMatchObject({ archivedWithClass: true });
    expect(await membersOfChat()).toBe(4);
    const roles = (userId: string) => app.db.prisma.roleGrant.count({ where: { userId, endedAt: null } });
    expect([await roles(year.pupils.last.id), await roles(year.pupils.ninth.id)]).toEqual([0, 1]);
    const history = await app.db.prisma.enrolment.findMany({ where: { studentId: year.pupils.fifth.id }, orderBy: { startedAt: 'asc' } });
    expect(history.map(({ classId, endedAt }) => [classId === year.classes['5А'].id, endedAt !== null])).toEqual([
      [true, true],
      [false, false],
    ]);
    const events = await app.events(year.schoolId);
    expect(new Set(events.slice(1).map(({ causation }) => causation)).size).toBe(1);
    expect(events.filter(({ type }) => type === 'student.transferred')).toHaveLength(4);
  });

  it('is undone: the roster is the same byte for byte, and the year can be planned again', async () => {
    const year = await buildEndingYear(app);
    const chat = await app.build.chat({ schoolId: year.schoolId, kind: 'CLASS', classId: year.classes['5А'].id });
    const memberships = async () =>
      (await app.db.prisma.chatMember.findMany({ where: { schoolId: year.schoolId } })).map(({ userId, role }) => [userId, role]).sort();
    const [roster, members, work] = [await exported(app, year.schoolId), await memberships(), await workOf(app, year.schoolId)];
    const plan = await planYear(app, year);
    await year.by.as.applyPlan({ planId: plan.id });
    expect(await exported(app, year.schoolId)).not.toBe(roster);
    expect(await year.by.as.undoPlan({ planId: plan.id })).toMatchObject({ __typename: 'Plan', state: 'UNDONE' });
    expect(await exported(app, year.schoolId)).toBe(roster);
    expect(await memberships()).toEqual(members);
    expect(await workOf(app, year.schoolId)).toEqual(work);
    expect(await app.db.prisma.chat.findUnique({ where: { id: chat.id } })).toMatchObject({ archivedAt: null });
    const again = await planYear(app, year);
    const [first] = await rowsOf(year, again.id, { noun: 'CLASS' });
    expect(textOf(first)).toBe('CHANGE, isArchived true → false');
    expect(await year.by.as.applyPlan({ planId: again.id })).toMatchObject({ state: 'APPLIED' });
    expect(await year.by.as.undoPlan({ planId: again.id })).toMatchObject({ state: 'UNDONE' });
    expect(await exported(app, year.schoolId)).toBe(roster);
  });

  it('follows what the school decides: who graduates, classes that merge, new classes, subject teachers who stay', async () => {
    const year = await buildEndingYear(app);
    const plan = await planYear(app, year, {
      graduatingGrades: [9, 11],
      successors: [{ from: { grade: 5, letter: 'б' }, to: { grade: 6, letter: 'А' } }],
      newClasses: [{ grade: 1, letter: 'А' }],
      keepsSubjectTeachers: true,
    });
    const added = await rowsOf(year, plan.id, { noun: 'CLASS', operation: 'ADD' });
    expect(added.map(textOf).map((text) => /grade – → (\d+), letter – → (.)/.exec(text)!.slice(1).join(''))).toEqual(['5А', '6А', '1А']);
    expect((await rowsOf(year, plan.id, { code: 'GRADUATED' })).length).toBe(2);
    const [second] = await rowsOf(year, plan.id, { code: 'CLASS_TEACHER_TWICE' });
    expect(textOf(second)).toContain('Других');
    await year.by.as.applyPlan({ planId: plan.id });
    expect(await membersOf(app, year.schoolId)).toEqual({ '5А +1': ['Первых'], '6А +1': ['Вторых', 'Третьих', 'Четвёртых'] });
    expect(await workOf(app, year.schoolId)).toEqual(['6А CLASS_TEACHER Классных', '6А SUBJECT_TEACHER Физиков']);
  });

  it('lets the 10th classes be formed from a list: pupils of grade 9 are found, keep their history and are not made again', async () => {
    const year = await buildEndingYear(app);
    const plan = await planYear(app, year);
    await year.by.as.applyPlan({ planId: plan.id });
    const { id } = await app.db.prisma.schoolYear.findFirstOrThrow({ where: { schoolId: year.schoolId, startsOn: yearAfter(1).startsOn } });
    const people = await app.db.prisma.user.count();
    const list = await planList(app, year.by, year.schoolId, [{ name: 'Пятых Ян', class: '10А' }], {
      schoolYearId: app.id('SchoolYear', id),
    });
    expect(list.counts).toEqual({ add: 1, change: 1, end: 0, keep: 0, error: 0 });
    await year.by.as.applyPlan({ planId: list.id });
    expect((await membersOf(app, year.schoolId))['10А +1']).toEqual(['Пятых']);
    expect(await app.db.prisma.user.count()).toBe(people);
    expect(await app.db.prisma.enrolment.count({ where: { studentId: year.pupils.ninth.id } })).toBe(2);
  });

  it.each(['a pupil is transferred', 'a pupil is enrolled', 'a class teacher changes', 'a subject teacher comes'] as const)(
    'is refused, with the row, after %s',
    async (change) => {
      const year = await buildEndingYear(app);
      const { classes, pupils, teachers, subject, by } = year;
      const plan = await planYear(app, year);
      const rows = await rowsOf(year, plan.id);
      const classId = app.id('Class', classes['5А'].id);
      const endOf5A = rows.filter(({ noun, operation }) => noun === 'CLASS' && operation === 'END')[1];
      const expected = {
        'a pupil is transferred': rows.find(({ noun, fields }) => noun === 'PERSON' && fields[0].before === '5А'),
        'a pupil is enrolled': endOf5A,
        'a class teacher changes': rows.find(({ noun, fields }) => noun === 'ASSIGNMENT' && fields[0].before === '5А'),
        'a subject teacher comes': endOf5A,
      }[change];
      const make = {
        'a pupil is transferred': () =>
          by.as.transferStudent({ studentId: app.id('User', pupils.fifth.id), classId: app.id('Class', classes['5Б'].id) }),
        'a pupil is enrolled': () => app.build.student({ classId: classes['5А'].id }),
        'a class teacher changes': async () => {
          await by.as.endClassTeacher({ classId });
          return by.as.assignClassTeacher({ classId, userId: app.id('User', teachers.physics.id) });
        },
        'a subject teacher comes': () =>
          by.as.assignSubjectTeacher({ classId, subjectId: app.id('Subject', subject.id), userId: app.id('User', teachers.ofB.id) }),
      };
      expect(await make[change]()).not.toMatchObject({ __typename: 'Refusal' });
      const refusal = await expectRefusal(app, year.schoolId, { code: 'CONFLICT', path: ['planId'] }, () =>
        by.as.applyPlan({ planId: plan.id }),
      );
      expect(refusal.message).toContain(`запись плана ${expected.position}`);
    },
  );

  it('lets grade 11 wait for a list if only that is said', async () => {
    const year = await buildEndingYear(app);
    const plan = await planYear(app, year, { regroupedGrades: [11] });
    const moved = (await rowsOf(year, plan.id, { noun: 'PERSON' })).map(textOf);
    expect(moved.filter((text) => /REGROUPED|GRADUATED|class 9А/.test(text))).toEqual([
      'CHANGE, class 9А → 10А',
      'CHANGE REGROUPED, class 11А → –',
    ]);
  });

  it('proposes a subject teacher of two merged classes once', async () => {
    const year = await buildEndingYear(app);
    const { schoolId, classes, subject, teachers } = year;
    await app.build.assignment({ schoolId, classId: classes['5Б'].id, userId: teachers.physics.id, subjectId: subject.id });
    const plan = await planYear(app, year, { successors: [{ from: { grade: 5, letter: 'Б' }, to: { grade: 6, letter: 'А' } }] });
    expect(await rowsOf(year, plan.id, { code: 'SUBJECT_TEACHER_PROPOSED' })).toHaveLength(1);
  });

  it('refuses a year without open classes before it, also after the year was turned', async () => {
    const year = await buildEndingYear(app);
    await year.by.as.applyPlan({ planId: (await planYear(app, year)).id });
    const { id } = await app.db.prisma.schoolYear.findFirstOrThrow({ where: { schoolId: year.schoolId, startsOn: yearAfter(1).startsOn } });
    await expectRefusal(app, year.schoolId, { code: 'CONFLICT', path: ['schoolYearId'] }, () =>
      year.by.as.planYear({ schoolId: app.id('School', year.schoolId), schoolYearId: app.id('SchoolYear', id) }),
    );
  });

  it('turns a year late: the present year follows the year before, whose classes are still open', async () => {
    const year = await buildEndingYear(app);
    const present = await app.db.prisma.schoolYear.findFirstOrThrow({
      where: { schoolId: year.schoolId, startsOn: yearAfter(0).startsOn },
    });
    const past = await app.db.prisma.schoolYear.create({
      data: { schoolId: year.schoolId, startsOn: yearAfter(-1).startsOn, endsOn: yearAfter(-1).endsOn },
    });
    await app.db.prisma.class.updateMany({ where: { schoolYearId: present.id }, data: { schoolYearId: past.id } });
    const plan = await planYear(app, year);
    expect(plan.year.name).toBe(yearAfter(0).name);
    await year.by.as.applyPlan({ planId: plan.id });
    expect(Object.keys(await membersOf(app, year.schoolId)).sort()).toEqual(['5А +0', '6А +0', '6Б +0']);
  });

  it('refuses unusable decisions', async () => {
    const year = await buildEndingYear(app);
    const refused = async (options: object, path: string[]) =>
      expectRefusal(app, year.schoolId, { code: 'INVALID', path }, () =>
        year.by.as.planYear({ schoolId: app.id('School', year.schoolId), ...options }),
      );
    await refused({ graduatingGrades: [12] }, ['graduatingGrades']);
    await refused({ graduatingGrades: [9], regroupedGrades: [9] }, ['regroupedGrades']);
    const to = { grade: 6, letter: 'А' };
    const twice = await refused({ successors: ['А', 'A'].map((letter) => ({ from: { grade: 5, letter }, to })) }, [
      'successors',
      '1',
      'from',
    ]);
    expect(twice.message).toContain('5А');
    await refused({ newClasses: [{ grade: 0, letter: 'А' }] }, ['newClasses', '0', 'grade']);
    await refused({ newClasses: [{ grade: 1, letter: '—' }] }, ['newClasses', '0', 'letter']);
    const unknown = await refused({ successors: [{ from: { grade: 5, letter: 'Ж' }, to: { grade: 6, letter: 'Ж' } }] }, [
      'successors',
      '0',
      'from',
    ]);
    expect(unknown.message).toContain('5Ж');
    const { school } = await app.build.school();
    const { startsOn, endsOn } = yearAfter(1);
    const { id } = await app.db.prisma.schoolYear.create({ data: { schoolId: school.id, startsOn, endsOn } });
    await expectRefusal(app, year.schoolId, { code: 'NOT_FOUND', path: ['schoolYearId'] }, () =>
      year.by.as.planYear({ schoolId: app.id('School', year.schoolId), schoolYearId: app.id('SchoolYear', id) }),
    );
  });
});

describe('a year that was turned before 1 September', () => {
  it('is exported with its classes, and the import of that file changes nothing', async () => {
    const year = await buildEndingYear(app);
    await year.by.as.applyPlan({ planId: (await planYear(app, year)).id });
    const members = await membersOf(app, year.schoolId);
    const { roster } = await exportRoster(app.operator, { schoolId: year.schoolId, format: 'LIST' });
    const body = writeList(roster);
    expect(body.toString()).toContain('6А');
    const plan = (await year.by.as.planImport({ uploadId: await upload(app, year.by, { schoolId: year.schoolId, body }) })) as any;
    expect(plan).toMatchObject({ counts: { add: 0, change: 0, end: 0, error: 0 } });
    expect(await membersOf(app, year.schoolId)).toEqual(members);
  });

  it('is left alone by a list of another year in which the pupils have no class', async () => {
    const year = await buildEndingYear(app);
    await year.by.as.applyPlan({ planId: (await planYear(app, year)).id });
    const present = await app.db.prisma.schoolYear.findFirstOrThrow({
      where: { schoolId: year.schoolId, startsOn: yearAfter(0).startsOn },
    });
    const plan = await planList(app, year.by, year.schoolId, [{ name: 'Вторых Ян', role: 'Ученик' }], {
      schoolYearId: app.id('SchoolYear', present.id),
    });
    expect(plan.counts).toMatchObject({ add: 0, change: 0, end: 0, keep: 1 });
  });
});

describe('undoing the turn of a year', () => {
  it('is refused, with the row, if a pupil was enrolled or got the role again since, also if that has ended', async () => {
    for (const again of ['enrolled', 'granted'] as const) {
      const year = await buildEndingYear(app);
      const plan = await planYear(app, year, { newClasses: [{ grade: 10, letter: 'А' }] });
      await year.by.as.applyPlan({ planId: plan.id });
      const pupil = again === 'enrolled' ? year.pupils.ninth : year.pupils.last;
      const studentId = app.id('User', pupil.id);
      const code = again === 'enrolled' ? 'REGROUPED' : 'GRADUATED';
      if (again === 'enrolled') {
        const ofTen = await app.db.prisma.class.findFirstOrThrow({ where: { schoolId: year.schoolId, grade: 10 } });
        await year.by.as.enrolStudent({ studentId, classId: app.id('Class', ofTen.id) });
        await year.by.as.withdrawStudent({ studentId });
      } else {
        const granted = (await year.by.as.grantRole({
          userId: studentId,
          schoolId: app.id('School', year.schoolId),
          role: 'STUDENT',
        })) as any;
        expect(await year.by.as.endRole({ grantId: granted.id })).not.toMatchObject({ __typename: 'Refusal' });
      }
      const [row] = await rowsOf(year, plan.id, { code });
      const refusal = await expectRefusal(app, year.schoolId, { code: 'CONFLICT', path: ['planId'] }, () =>
        year.by.as.undoPlan({ planId: plan.id }),
      );
      expect(refusal.message, again).toContain(`запись плана ${row.position}`);
    }
  });

  it('archives again what it had taken out of the archive, with chats and invitations', async () => {
    const year = await buildEndingYear(app);
    const { id: schoolYearId } = await app.db.prisma.schoolYear.findFirstOrThrow({
      where: { schoolId: year.schoolId, startsOn: yearAfter(1).startsOn },
    });
    const sixth = await app.db.prisma.class.create({
      data: { schoolId: year.schoolId, schoolYearId, grade: 6, letter: 'А', sortKey: '06А' },
    });
    const chat = await app.build.chat({ schoolId: year.schoolId, kind: 'CLASS', classId: sixth.id });
    await year.by.as.archiveClass({ classId: app.id('Class', sixth.id) });
    const chatNow = () => app.db.prisma.chat.findUniqueOrThrow({ where: { id: chat.id } });
    const plan = await planYear(app, year);
    await year.by.as.applyPlan({ planId: plan.id });
    expect(await chatNow()).toMatchObject({ archivedAt: null });
    const types = async () => (await app.events(year.schoolId)).map(({ type }) => type);
    expect(await types()).toContain('class.unarchived');
    expect(await types()).not.toContain('class.updated');
    const { invitation } = await app.build.invitation({ schoolId: year.schoolId, role: 'STUDENT', classId: sixth.id, maxUses: 5 });
    await app.db.prisma.chat.update({ where: { id: chat.id }, data: { archivedAt: new Date() } });
    expect(await year.by.as.undoPlan({ planId: plan.id })).toMatchObject({ state: 'UNDONE' });
    expect(await app.db.prisma.invitation.findUniqueOrThrow({ where: { id: invitation.id } })).not.toMatchObject({ revokedAt: null });
    expect(await app.db.prisma.class.findUniqueOrThrow({ where: { id: sixth.id } })).not.toMatchObject({ archivedAt: null });
  });
});

describe('a school of 1,000 pupils', () => {
  it('turns its year in one transaction, with as many statements as a small school, and back', async () => {
    const statements = async (count: number) => {
      const { school, administrator } = await app.build.school();
      const by = await senderOf(app, administrator);
      const classes = Array.from({ length: 40 }, (_, n) => `${1 + (n % 10)}${'АБВГ'[Math.floor(n / 10)]}`);
      await importList(app, by, school.id, pupils(count, classes));
      const [roster, before] = [await exported(app, school.id), await membersOf(app, school.id)];
      const plan = await planYear(app, { schoolId: school.id, by });
      const sent = vi.spyOn(pg.Client.prototype, 'query');
      await by.as.applyPlan({ planId: plan.id });
      const applied = sent.mock.calls.length;
      sent.mockRestore();
      expect(applied).toBeGreaterThan(40);
      expect(await by.as.rowsOfPlan({ id: plan.id, first: 1 })).toMatchObject({ state: 'APPLIED' });
      const after = await membersOf(app, school.id);
      expect(after['10А +1']).toBeUndefined();
      expect(after['11А +1']).toEqual(before['10А +0']);
      expect(after['2Г +1']).toEqual(before['1Г +0']);
      expect((await app.events(school.id)).filter(({ type }) => type === 'student.transferred')).toHaveLength((count / 10) * 9);
      await by.as.undoPlan({ planId: plan.id });
      expect(await exported(app, school.id)).toBe(roster);
      return applied;
    };
    expect(await statements(1000)).toBe(await statements(80));
  });
});
