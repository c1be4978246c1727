import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectRefusal } from '../../support/expect-refusal.ts';
import { importList, planList, pupils, senderOf, upload, type Sender } from '../../support/import-lists.ts';
import { oneRoster12, zipOf } from '../../support/roster-files.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

async function scene() {
  const { school, administrator } = await app.build.school();
  return { school, administrator, by: await senderOf(app, administrator) };
}

const people = [
  { name: 'Ёжиков Лев Петрович', class: '5А', birthDate: '01.02.2015' },
  { name: 'Вихрова Анна', class: '5А' },
  { name: 'Петров Пётр Ильич', class: '5Б', startedOn: '02.09.2026' },
  { name: 'Смирнова Ольга Павловна', class: '5А', role: 'Учитель' },
];

const counts = (add: number, change: number, end: number, keep: number, error = 0) => ({ add, change, end, keep, error });

const classOf = async (surname: string, schoolId: string): Promise<string | undefined> => {
  const found = await app.db.prisma.enrolment.findFirst({
    where: { schoolId, endedAt: null, student: { surname } },
    include: { class: true },
  });
  return found === null ? undefined : `${found.class.grade}${found.class.letter}`;
};

const apply = (by: Sender, planId: string, options: object = {}) => by.as.applyPlan({ planId, ...options });

describe('applyPlan', () => {
  it('2.1 f — makes classes, people, enrolments and class teachers, with the events of the ordinary operations under one causation', async () => {
    const { school, by } = await scene();
    await app.build.chat({ schoolId: school.id, kind: 'SCHOOL' });
    const plan = await planList(app, by, school.id, people);
    expect(plan).toMatchObject({ state: 'READY', format: 'LIST', fileName: 'список.csv', counts: counts(7, 0, 0, 0) });
    expect(await apply(by, plan.id)).toMatchObject({ __typename: 'Plan', state: 'APPLIED' });
    expect(await classOf('Ёжиков', school.id)).toBe('5А');
    expect(await classOf('Петров', school.id)).toBe('5Б');
    const { prisma } = app.db;
    const lev = await prisma.user.findFirstOrThrow({ where: { surname: 'Ёжиков', grants: { some: { schoolId: school.id } } } });
    expect(lev).toMatchObject({ givenName: 'Лев', patronymic: 'Петрович', birthDate: new Date('2015-02-01'), joinedAt: null });
    const petrov = await prisma.enrolment.findFirstOrThrow({ where: { schoolId: school.id, student: { surname: 'Петров' } } });
    expect(petrov).toMatchObject({ startedAt: new Date('2026-09-01T21:00:00Z'), admittedOn: new Date('2026-09-02') });
    const teacher = await prisma.assignment.findFirstOrThrow({ where: { schoolId: school.id }, include: { user: true, class: true } });
    expect([teacher.kind, teacher.user.surname, teacher.class.letter]).toEqual(['CLASS_TEACHER', 'Смирнова', 'А']);
    expect(await prisma.invitation.count({ where: { schoolId: school.id, userId: { not: null }, revokedAt: null } })).toBe(4);
    expect(await prisma.chatMember.count({ where: { schoolId: school.id, userId: lev.id } })).toBe(1);
    const events = (await app.events(school.id)).filter(({ type }) => !['upload.created', 'plan.ready'].includes(type));
    const byType = Object.fromEntries(
      [...new Set(events.map(({ type }) => type))].map((type) => [type, events.filter((event) => event.type === type).length]),
    );
    expect(byType).toEqual({
      'class.created': 2,
      'user.created': 4,
      'role.granted': 4,
      'student.enrolled': 3,
      'classTeacher.assigned': 1,
      'chatMember.added': 4,
      'plan.applied': 1,
    });
    expect(new Set(events.map(({ causation }) => causation)).size).toBe(1);
    expect(events.at(-1)!.type).toBe('plan.applied');
    expect((await app.events(school.id)).map(({ seq }) => Number(seq))).toEqual((await app.events(school.id)).map((_, n) => n + 1));
  });

  it('of the same file again changes nothing', async () => {
    const { school, by } = await scene();
    await importList(app, by, school.id, people);
    expect((await planList(app, by, school.id, people)).counts).toEqual(counts(0, 0, 0, 7));
  });

  it('moves pupils, renames nobody who was only spelt with ё, and ends those who are missing from the classes of the file', async () => {
    const { school, by } = await scene();
    await importList(app, by, school.id, people);
    const next = [
      { name: 'Ежиков Лев Петрович', class: '5Б' },
      { name: 'Петров Пётр Ильич', class: '5Б' },
      { name: 'Новиков Ян', class: '5А' },
    ];
    const plan = await planList(app, by, school.id, next);
    expect(plan).toMatchObject({ counts: counts(1, 1, 1, 3), coveredCount: 3 });
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['threshold'] }, () => apply(by, plan.id));
    expect(await apply(by, plan.id, { threshold: 40 })).toMatchObject({ state: 'APPLIED' });
    expect(await Promise.all(['Ёжиков', 'Новиков', 'Вихрова'].map((surname) => classOf(surname, school.id)))).toEqual([
      '5Б',
      '5А',
      undefined,
    ]);
    const left = { user: { surname: 'Вихрова' }, schoolId: school.id, endedAt: null };
    expect(await app.db.prisma.roleGrant.count({ where: left })).toBe(0);
    expect(await app.db.prisma.invitation.count({ where: { schoolId: school.id, user: { surname: 'Вихрова' }, revokedAt: null } })).toBe(0);
  });

  it('refuses by default to end more than 5 % of the people whom the file covers, and says how many of how many', async () => {
    const { school, by } = await scene();
    const all = pupils(50);
    await importList(app, by, school.id, all);
    const three = await planList(app, by, school.id, all.slice(3));
    const refusal = await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['threshold'] }, () => apply(by, three.id));
    expect(refusal.message).toContain('3 из 50');
    expect(await apply(by, (await planList(app, by, school.id, all.slice(2))).id)).toMatchObject({ state: 'APPLIED' });
  });

  it('names in its refusals the argument that lets one go on, with the value that is needed', async () => {
    const { school, by } = await scene();
    const inB = ['Бычков', 'Волков', 'Гусев'].map((surname) => ({ name: `${surname} Пётр`, class: '5Б' }));
    await importList(app, by, school.id, [{ name: 'Авдеев Лев', class: '5А' }, ...inB]);
    // The new list gives a class only to the one pupil of 5А. The three pupils of 5Б are listed without a class, so the
    // plan takes them out of their class.
    const rows = [{ name: 'Авдеев Лев', class: '5А' }, ...inB.map(({ name }) => ({ name }))];
    const plan = await planList(app, by, school.id, [...rows, { name: 'Кривцов Иван', class: 'пятый' }]);
    const refusalOf = (options: object) => expectRefusal(app, school.id, { code: 'CONFLICT' }, () => apply(by, plan.id, options));
    expect((await refusalOf({ threshold: 99 })).message).toContain('укажите skipErrors: true');
    expect((await refusalOf({ threshold: 99, skipErrors: true })).message).toContain('укажите threshold: 100');
    expect(await apply(by, plan.id, { threshold: 100, skipErrors: true })).toMatchObject({ state: 'APPLIED' });
  });

  it('refuses rows in error unless they are to be skipped', async () => {
    const { school, by } = await scene();
    const plan = await planList(app, by, school.id, [...people, { name: 'Кривцов Иван', class: 'пятый' }]);
    expect(plan.counts).toEqual(counts(7, 0, 0, 0, 1));
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['skipErrors'] }, () => apply(by, plan.id));
    expect(await apply(by, plan.id, { skipErrors: true })).toMatchObject({ state: 'APPLIED' });
  });

  it('keeps a transfer by hand between the plan and its application, and names the line', async () => {
    const { school, administrator, by } = await scene();
    await importList(app, by, school.id, people);
    const plan = await planList(app, by, school.id, [{ name: 'Ёжиков Лев Петрович', class: '6А' }, ...people.slice(1)]);
    const { prisma } = app.db;
    const lev = await prisma.user.findFirstOrThrow({ where: { surname: 'Ёжиков', grants: { some: { schoolId: school.id } } } });
    const other = await prisma.class.findFirstOrThrow({ where: { schoolId: school.id, letter: 'Б' } });
    await app.as(administrator).transferStudent({ studentId: app.id('User', lev.id), classId: app.id('Class', other.id) });
    const refusal = await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['planId'] }, () => apply(by, plan.id));
    expect(refusal.message).toContain('список.csv, строка 2');
    expect(await classOf('Ёжиков', school.id)).toBe('5Б');
    const again = await planList(app, by, school.id, [{ name: 'Ёжиков Лев Петрович', class: '6А' }, ...people.slice(1)]);
    const { rows } = (await by.as.rowsOfPlan({ id: again.id, code: 'SET_BY_HAND' })) as any;
    expect(rows.edges.map(({ node }: any) => [node.line, node.operation, node.proposed])).toEqual([[2, 'KEEP', 'CHANGE']]);
  });

  it('sets an e-mail address and a birth date only for a person of this school alone who has not joined', async () => {
    const { school, by } = await scene();
    const other = await scene();
    const { prisma } = app.db;
    const build = async (surname: string, data: object) => {
      const { id } = await app.build.teacher({ schoolId: school.id, surname, givenName: 'Яна' });
      return prisma.user.update({ where: { id }, data: { joinedAt: null, email: null, birthDate: null, ...data } });
    };
    const people = {
      invited: await build('Лисова', {}),
      joined: await build('Орлова', { joinedAt: new Date() }),
      elsewhere: await build('Чайкина', {}),
      byHand: await build('Синицына', { handSet: ['email'] }),
      joinsLater: await build('Воробьёва', {}),
    };
    await prisma.roleGrant.create({ data: { schoolId: other.school.id, userId: people.elsewhere.id, role: 'TEACHER' } });
    const lines = Object.values(people).map(({ surname }, n) => `t${n};${surname};Яна;Учитель;t${n}@evil.example;01.02.1980`);
    const body = ['ID;Фамилия;Имя;Роль;Эл. почта;Дата рождения', ...lines].join('\r\n');
    const uploadId = await upload(app, by, { schoolId: school.id, body });
    const plan = (await by.as.planImport({ uploadId, isPartial: true })) as any;
    await prisma.user.update({ where: { id: people.joinsLater.id }, data: { joinedAt: new Date() } });
    expect(await by.as.applyPlan({ planId: plan.id, threshold: 100 })).toMatchObject({ state: 'APPLIED' });
    const stored = async ({ id }: { id: string }) => {
      const { email, birthDate } = await prisma.user.findUniqueOrThrow({ where: { id } });
      return [email, birthDate?.toISOString().slice(0, 10) ?? null];
    };
    expect(await stored(people.invited)).toEqual(['t0@evil.example', '1980-02-01']);
    for (const person of [people.joined, people.elsewhere, people.joinsLater]) expect(await stored(person)).toEqual([null, null]);
    expect(await stored(people.byHand)).toEqual([null, '1980-02-01']);
    const updated = (await app.events(other.school.id)).filter(({ type }) => type === 'user.updated');
    expect(updated.map(({ payload }) => payload)).toMatchObject([{ userId: people.elsewhere.id }]);
  });

  it('keeps names that a person corrected, and lists them', async () => {
    const { school, administrator, by } = await scene();
    const rows = [{ name: 'Иванав Иван Ильич', class: '5А', birthDate: '01.01.2015' }];
    await importList(app, by, school.id, rows);
    const ivan = await app.db.prisma.user.findFirstOrThrow({ where: { surname: 'Иванав', grants: { some: { schoolId: school.id } } } });
    const input = { schoolId: app.id('School', school.id), userId: app.id('User', ivan.id) };
    const ids = [{ system: 'roster', value: 'x1' }];
    await app.as(administrator).updateUser({ ...input, surname: 'Иванов', externalIds: ids });
    const csv = 'ID;ФИО;Класс\r\nx1;Иванав Иван Сергеевич;5А';
    const plan = (await by.as.planImport({ uploadId: await upload(app, by, { schoolId: school.id, body: csv }) })) as any;
    const { rows: found } = (await by.as.rowsOfPlan({ id: plan.id, noun: 'PERSON' })) as any;
    expect(found.edges.map(({ node }: any) => node)).toMatchObject([
      { operation: 'CHANGE', code: 'NAME_SET_BY_HAND', fields: [{ name: 'patronymic', before: 'Ильич', after: 'Сергеевич' }] },
    ]);
  });

  it('refuses a plan twice made from one file: the second says what changed', async () => {
    const { school, by } = await scene();
    const [first, second] = [await planList(app, by, school.id, people), await planList(app, by, school.id, people)];
    expect(await apply(by, first.id)).toMatchObject({ state: 'APPLIED' });
    await expectRefusal(app, school.id, { code: 'CONFLICT' }, () => apply(by, second.id));
    expect(await apply(by, first.id)).toMatchObject({ state: 'APPLIED' });
  });

  describe('refuses an assignment that cannot start, and names its line', () => {
    const rows = [
      { name: 'Вихрова Анна', class: '5А' },
      { name: 'Смирнова Ольга Павловна', class: '5А', role: 'Учитель' },
    ];
    const next = [rows[0]!, { ...rows[1]!, class: '5Б' }, { name: 'Новиков Ян', class: '5Б' }];

    async function planned() {
      const { school, administrator, by } = await scene();
      await importList(app, by, school.id, rows);
      const { prisma } = app.db;
      const teacher = await prisma.user.findFirstOrThrow({ where: { surname: 'Смирнова', grants: { some: { schoolId: school.id } } } });
      const ofB = await app.build.class({ schoolId: school.id, grade: 5, letter: 'Б' });
      const plan = await planList(app, by, school.id, next);
      const refused = async () => {
        const refusal = await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['planId'] }, () =>
          apply(by, plan.id, { threshold: 100 }),
        );
        expect(refusal.message).toContain('список.csv, строка 3');
      };
      return { school, administrator: app.as(administrator), by, teacher, ofB, plan, refused };
    }

    it('of a class that got another class teacher', async () => {
      const { school, administrator, ofB, refused } = await planned();
      const other = await app.build.teacher({ schoolId: school.id });
      await administrator.assignClassTeacher({ classId: app.id('Class', ofB.id), userId: app.id('User', other.id) });
      await refused();
    });

    it('of a person who was deactivated', async () => {
      const { teacher, refused } = await planned();
      await app.db.prisma.user.update({ where: { id: teacher.id }, data: { deactivatedAt: new Date() } });
      await refused();
    });

    it('of a pupil who was deactivated and would change class', async () => {
      const { school, administrator } = await app.build.school();
      const by = await senderOf(app, administrator);
      await importList(app, by, school.id, pupils(30, ['5А', '5Б']));
      const [first, ...others] = pupils(30, ['5А', '5Б']);
      const plan = await planList(app, by, school.id, [{ ...first!, class: '5Б' }, ...others]);
      await app.db.prisma.user.updateMany({
        where: { surname: first!.name.split(' ')[0]!, grants: { some: { schoolId: school.id } } },
        data: { deactivatedAt: new Date() },
      });
      const refusal = await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['planId'] }, () => apply(by, plan.id));
      expect(refusal.message).toContain('список.csv, строка 2');
    });

    it('of a person who lost the role', async () => {
      const { school, teacher, refused } = await planned();
      await app.db.prisma.roleGrant.updateMany({
        where: { schoolId: school.id, userId: teacher.id },
        data: { role: 'SCHOOL_ADMINISTRATION' },
      });
      await refused();
    });

    async function exclude(by: Sender, schoolId: string, noun: 'SUBJECT' | 'PERSON') {
      const row = await app.db.prisma.planRow.findFirstOrThrow({
        where: { schoolId, noun, plan: { state: 'READY' }, operation: { not: 'KEEP' } },
      });
      await by.as.editPlanRow({ planRowId: app.id('PlanRow', row.id), isApplied: false });
    }

    it('of a subject whose row was excluded', async () => {
      const { school, by } = await scene();
      const body = await zipOf(oneRoster12);
      const plan = (await by.as.planImport({ uploadId: await upload(app, by, { schoolId: school.id, body }) })) as any;
      await exclude(by, school.id, 'SUBJECT');
      await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['planId'] }, () => apply(by, plan.id));
    });

    it('of a person whose row, which would make a teacher, was excluded', async () => {
      const { school, by } = await scene();
      await importList(app, by, school.id, [rows[0]!, { name: 'Смирнова Ольга Павловна', role: 'Администрация' }]);
      const plan = await planList(app, by, school.id, rows);
      await exclude(by, school.id, 'PERSON');
      const refusal = await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['planId'] }, () => apply(by, plan.id));
      expect(refusal.message).toContain('список.csv, строка 3');
    });
  });

  it('says at planning that the id of a class belongs to a class of another year', async () => {
    const { school, by } = await scene();
    const body = await zipOf(oneRoster12);
    const planOf = async (options: object) =>
      (await by.as.planImport({ uploadId: await upload(app, by, { schoolId: school.id, body }), ...options })) as any;
    await apply(by, (await planOf({})).id);
    const dates = { startsOn: new Date('2031-09-01'), endsOn: new Date('2032-08-31') };
    const year = await app.db.prisma.schoolYear.create({ data: { schoolId: school.id, ...dates } });
    const plan = await planOf({ schoolYearId: app.id('SchoolYear', year.id) });
    const { rows } = (await by.as.rowsOfPlan({ id: plan.id, code: 'CLASS_OF_ANOTHER_YEAR' })) as any;
    expect(rows.edges.map(({ node }: any) => node)).toMatchObject([{ operation: 'ERROR' }, { operation: 'ERROR' }]);
    expect(await apply(by, plan.id, { skipErrors: true, threshold: 100 })).toMatchObject({ state: 'APPLIED' });
  });

  it('is for administrators and for the service that made the plan', async () => {
    const { school, by } = await scene();
    const plan = await planList(app, by, school.id, people);
    const service = await app.asService(school.id, ['roster']);
    expect(await service.applyPlan({ planId: plan.id })).toMatchObject({ code: 'NOT_FOUND' });
    const teacher = await app.build.teacher({ schoolId: school.id });
    await expectRefusal(app, school.id, { code: 'NOT_FOUND' }, () => app.as(teacher).applyPlan({ planId: plan.id }));
  });
});
