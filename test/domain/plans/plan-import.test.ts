import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { uploadPath } from '../../../src/domain/uploads.ts';
import { expectRefusal } from '../../support/expect-refusal.ts';
import { importList, listOf, planList, senderOf, upload, type ListRow, type Sender } from '../../support/import-lists.ts';
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

const rowsOf = async (by: Sender, planId: string, filter: object = {}): Promise<any[]> =>
  ((await by.as.rowsOfPlan({ id: planId, first: 100, ...filter })) as any).rows.edges.map(({ node }: any) => node);

const codes = async (by: Sender, planId: string) =>
  (await rowsOf(by, planId, { operation: 'ERROR' })).map(({ line, code }: any) => [line, code]);

describe('planImport', () => {
  it('2.1 f — says what would change, line by line and field by field, and changes nothing', async () => {
    const { school, by } = await scene();
    const plan = await planList(app, by, school.id, [{ name: 'Ёжиков Лев Петрович', class: '5А', birthDate: '01.02.2015' }]);
    const [ofClass, person] = await rowsOf(by, plan.id);
    expect(ofClass).toMatchObject({ position: 1, noun: 'CLASS', operation: 'ADD', file: 'список.csv', line: 2, code: null });
    expect(person).toMatchObject({
      noun: 'PERSON',
      operation: 'ADD',
      line: 2,
      fields: [
        { name: 'surname', before: null, after: 'Ёжиков' },
        { name: 'givenName', before: null, after: 'Лев' },
        { name: 'patronymic', before: null, after: 'Петрович' },
        { name: 'birthDate', before: null, after: '2015-02-01' },
        { name: 'roles', before: null, after: 'STUDENT' },
        { name: 'class', before: null, after: '5А' },
      ],
    });
    expect(await app.db.prisma.class.count({ where: { schoolId: school.id } })).toBe(0);
    expect((await app.events(school.id)).map(({ type }) => type)).toEqual(['upload.created', 'plan.ready']);
    expect(await app.db.prisma.upload.count({ where: { schoolId: school.id } })).toBe(0);
  });

  it('tells namesakes apart by class and birth date, and states those whom nothing tells apart', async () => {
    const { school, by } = await scene();
    const ivan = (more: object): ListRow => ({ name: 'Иванов Иван Ильич', ...more });
    await importList(app, by, school.id, [ivan({ class: '5А' }), ivan({ class: '5Б' }), ivan({ class: '6А', birthDate: '01.01.2014' })]);
    const same = await planList(app, by, school.id, [ivan({ class: '5А' }), ivan({ class: '5Б' }), ivan({ class: '6А' })]);
    expect(same.counts).toMatchObject({ add: 0, change: 0, end: 0, error: 0 });
    const moved = await planList(app, by, school.id, [
      ivan({ class: '5А' }),
      ivan({ class: '5Б' }),
      ivan({ class: '5В', birthDate: '01.01.2014' }),
    ]);
    expect(moved.counts).toMatchObject({ add: 1, change: 1, end: 0, error: 0 });
    const unclear = await planList(app, by, school.id, [ivan({ class: '7А' }), ivan({ class: '7Б' })]);
    expect(await codes(by, unclear.id)).toEqual([
      [2, 'NAMESAKES'],
      [3, 'NAMESAKES'],
    ]);
    expect(unclear.counts).toMatchObject({ end: 0, error: 2 });
  });

  it('finds people who joined by a link, also those without a patronymic, and keeps their account', async () => {
    const { school, by } = await scene();
    const ofSchool = await app.build.class({ schoolId: school.id, letter: 'А' });
    const pupil = await app.build.student({ classId: ofSchool.id, surname: 'Ёлкин', givenName: 'Пётр' });
    await importList(app, by, school.id, [{ name: 'Елкин Петр Ильич', class: '5А' }]);
    const found = await app.db.prisma.user.findUniqueOrThrow({ where: { id: pupil.id } });
    expect(found).toMatchObject({ surname: 'Ёлкин', givenName: 'Пётр', patronymic: 'Ильич', signInName: pupil.signInName });
    expect(await app.db.prisma.enrolment.count({ where: { schoolId: school.id } })).toBe(1);
  });

  it('states what no rule allows: a member of staff as a pupil, a pupil of another school, a closed account, two class teachers', async () => {
    const { school, by } = await scene();
    const elsewhere = await app.build.school();
    const theirs = await app.build.class({ schoolId: elsewhere.school.id });
    const pupil = await app.build.student({ classId: theirs.id });
    const [closed, teacher] = [await app.build.user(), await app.build.user({ schoolId: school.id })];
    await app.db.prisma.roleGrant.create({ data: { schoolId: school.id, userId: pupil.id, role: 'STUDENT' } });
    await app.db.prisma.user.update({ where: { id: closed.id }, data: { deactivatedAt: new Date() } });
    const ids = [pupil, closed, teacher].map(({ id }, n) => ({ schoolId: school.id, userId: id, system: 'roster', value: `x${n}` }));
    await app.db.prisma.userExternalId.createMany({ data: ids });
    const csv = [
      'ID;ФИО;Класс;Роль',
      'x0;Иванова Проба;5А;',
      'x1;Иванова Проба;5А;',
      'x2;Иванова Проба;5А;',
      ';Первая Анна;5А;Учитель',
      ';Вторая Анна;5А;Учитель',
    ].join('\n');
    const plan = (await by.as.planImport({ uploadId: await upload(app, by, { schoolId: school.id, body: csv }) })) as any;
    expect(await codes(by, plan.id)).toEqual([
      [2, 'ENROLLED_ELSEWHERE'],
      [3, 'DEACTIVATED'],
      [4, 'ROLE_CONFLICT'],
      [6, 'CLASS_TEACHER_TWICE'],
    ]);
    const [first] = await rowsOf(by, plan.id, { code: 'DEACTIVATED' });
    expect(first.message).toMatch(/^Учётная запись/);
  });

  it('neither grants nor ends the role of an administrator', async () => {
    const { school, administrator, by } = await scene();
    const pupil = { name: 'Петров Пётр', class: '5А' };
    await importList(app, by, school.id, [pupil, { name: 'Смирнова Ольга', role: 'Учитель' }]);
    const roles = [
      { name: 'Чужой Администратор', role: 'Администратор' },
      { name: 'Смирнова Ольга', role: 'Учитель, Администратор' },
    ];
    const plan = await planList(app, by, school.id, [pupil, ...roles]);
    expect(await codes(by, plan.id)).toEqual([[3, 'ADMINISTRATOR_BY_HAND']]);
    expect((await rowsOf(by, plan.id, { operation: 'KEEP', code: 'ADMINISTRATOR_BY_HAND' })).map(({ line }: any) => line)).toEqual([4]);
    await by.as.applyPlan({ planId: plan.id, skipErrors: true });
    const administrators = await app.db.prisma.roleGrant.findMany({
      where: { schoolId: school.id, role: 'PLATFORM_ADMINISTRATOR', endedAt: null },
    });
    expect(administrators.map(({ userId }) => userId)).toEqual([administrator.id]);
  });

  it('by a service grants no role of the school’s administration', async () => {
    const { school, by } = await scene();
    const pupil = { name: 'Петров Пётр', class: '5А' };
    await importList(app, by, school.id, [pupil, { name: 'Смирнова Ольга', role: 'Учитель' }]);
    const rows = [pupil, { name: 'Новый Завуч', role: 'Завуч' }, { name: 'Смирнова Ольга', role: 'Учитель, Завуч' }];
    const service = await app.senderOfService(school.id);
    const plan = await planList(app, service, school.id, rows);
    expect(await codes(service, plan.id)).toEqual([[3, 'ADMINISTRATION_BY_HAND']]);
    await service.as.applyPlan({ planId: plan.id, skipErrors: true });
    const leaders = () => app.db.prisma.roleGrant.count({ where: { schoolId: school.id, role: 'SCHOOL_ADMINISTRATION', endedAt: null } });
    expect(await leaders()).toBe(0);
    await importList(app, by, school.id, rows);
    expect(await leaders()).toBe(2);
  });

  it('of a file that cannot be read makes a failed plan that says why, and that cannot be applied', async () => {
    const { school, by } = await scene();
    const uploadId = await upload(app, by, { schoolId: school.id, body: 'не список\n1\n' });
    const plan = (await by.as.planImport({ uploadId })) as any;
    expect(plan).toMatchObject({ state: 'FAILED', format: null, counts: { error: 1, add: 0 } });
    expect((await app.events(school.id)).map(({ type }) => type)).toEqual(['upload.created', 'plan.failed']);
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['planId'] }, () => by.as.applyPlan({ planId: plan.id }));
  });

  it('takes an upload once, also when several requests name it at once', async () => {
    const { school, by } = await scene();
    const uploadId = await upload(app, by, { schoolId: school.id, body: listOf([{ name: 'Иванов Иван', class: '5А' }]) });
    const answers = (await Promise.all(Array.from({ length: 6 }, () => by.as.planImport({ uploadId })))) as any[];
    const kinds = answers.map((answer) => answer.code ?? answer.__typename);
    expect(kinds.filter((kind) => kind === 'Plan')).toHaveLength(1);
    expect(kinds.filter((kind) => !['Plan', 'CONFLICT', 'NOT_FOUND'].includes(kind))).toEqual([]);
    expect(await app.db.prisma.plan.count({ where: { schoolId: school.id } })).toBe(1);
  });

  it('refuses an upload whose file is missing', async () => {
    const { school, by } = await scene();
    const uploadId = await upload(app, by, { schoolId: school.id, body: 'x' });
    const { id } = await app.db.prisma.upload.findFirstOrThrow({ where: { schoolId: school.id } });
    rmSync(uploadPath(app.config, { id }));
    expect(await by.as.planImport({ uploadId })).toMatchObject({ code: 'CONFLICT', path: ['uploadId'] });
  });

  it('states rows whose ids and order numbers cannot be stored, and plans the others', async () => {
    const { school, by } = await scene();
    const long = 'x'.repeat(101);
    const lines = [
      'a;Иванов Иван;5А;1',
      `${long};Орлов Олег;5А;2`,
      `b;Петров Пётр;5А;${long}`,
      'c\0;Сидоров Ян;5А;3',
      'd;Ким Ян;5А;4\0',
      '\u202ee;Цой Ян;5А;5',
    ];
    const body = Buffer.from(`\ufeffID;ФИО;Класс;№ приказа;Стран\0но\r\n${lines.map((line) => `${line};`).join('\r\n')}`, 'utf16le');
    const plan = (await by.as.planImport({ uploadId: await upload(app, by, { schoolId: school.id, body }) })) as any;
    expect(plan.__typename).toBe('Plan');
    expect(await codes(by, plan.id)).toEqual([3, 4, 5, 6, 7].map((line) => [line, 'TEXT_INVALID']));
    expect(await by.as.applyPlan({ planId: plan.id, skipErrors: true })).toMatchObject({ __typename: 'Plan' });
  });
  it('by a service ends no role of the school’s administration', async () => {
    const { school, by } = await scene();
    const leader = 'r5,,,t1,secondary,principal,,,s1\r\nr6,,,t2,primary,principal,,,s1\r\n';
    const withLeaders = {
      ...oneRoster12,
      'users.csv': `${oneRoster12['users.csv']}t2,,,true,t2,Анна,Завучева,,\r\n`,
      'roles.csv': `${oneRoster12['roles.csv']}${leader}`,
    };
    const importSet = async (sender: Sender, files: Readonly<Record<string, string>>): Promise<string> => {
      const plan = (await sender.as.planImport({
        uploadId: await upload(app, sender, { schoolId: school.id, body: await zipOf(files) }),
      })) as any;
      expect(await sender.as.applyPlan({ planId: plan.id, threshold: 100 })).toMatchObject({ state: 'APPLIED' });
      return plan.id;
    };
    const leaders = () => app.db.prisma.roleGrant.count({ where: { schoolId: school.id, role: 'SCHOOL_ADMINISTRATION', endedAt: null } });
    await importSet(by, withLeaders);
    const service = await app.senderOfService(school.id);
    const planId = await importSet(service, oneRoster12);
    const rows = await rowsOf(service, planId, { code: 'ADMINISTRATION_BY_HAND' });
    expect(rows.map(({ operation, proposed }: any) => [operation, proposed])).toEqual([
      ['KEEP', 'KEEP'],
      ['KEEP', 'KEEP'],
    ]);
    expect(await leaders()).toBe(2);
    await importSet(by, oneRoster12);
    expect(await leaders()).toBe(0);
  });

  it('notes that a new person is probably one who leaves, with a corrected name', async () => {
    const { school, by } = await scene();
    const others = [{ name: 'Петров Пётр', class: '5А' }];
    await importList(app, by, school.id, [...others, { name: 'Смирнва Анна', class: '5А' }]);
    const plan = await planList(app, by, school.id, [...others, { name: 'Смирнова Анна', class: '5А' }]);
    expect(plan.counts).toMatchObject({ add: 1, end: 1 });
    expect(await rowsOf(by, plan.id, { code: 'PERSON_RENAMED' })).toMatchObject([
      { operation: 'ADD', line: 3, message: expect.stringContaining('«Смирнва Анна, 5А»') },
    ]);
  });

  it('finds no rows of a code that no row can have', async () => {
    const { school, by } = await scene();
    const plan = await planList(app, by, school.id, [{ name: 'Иванов Иван', class: '5А' }]);
    for (const code of ['\0', '']) expect(await rowsOf(by, plan.id, { code })).toEqual([]);
  });

  it('lets a service with scope roster plan, read and apply its own plans, and see no others', async () => {
    const { school, by } = await scene();
    const theirs = await planList(app, by, school.id, [{ name: 'Петров Пётр', class: '5А' }]);
    const service = await app.asService(school.id, ['read', 'roster']);
    const sender = { as: service, token: service.token };
    const own = await planList(app, sender, school.id, [{ name: 'Петров Пётр', class: '5А' }]);
    expect(((await service.plansOfSchool({ id: app.id('School', school.id) })) as any).plans.edges).toMatchObject([
      { node: { id: own.id } },
    ]);
    expect(await service.rowsOfPlan({ id: theirs.id })).toBeNull();
    expect(await service.applyPlan({ planId: own.id })).toMatchObject({ state: 'APPLIED' });
    const another = await app.asService(school.id, ['read', 'roster']);
    expect(await another.rowsOfPlan({ id: own.id })).toBeNull();
    const reader = await app.asService(school.id, ['read']);
    expect(await reader.createUpload({ schoolId: app.id('School', school.id), name: 'a', size: 1 })).toMatchObject({ code: 'FORBIDDEN' });
  });

  it('tells the administrator of a new plan and of its application', async () => {
    const { school, administrator, by } = await scene();
    const stream = await app
      .as(administrator)
      .listen(
        'subscription ($schoolId: ID!) { plans(schoolId: $schoolId) { __typename ... on Checkpoint { cursor } ... on PlanChange { cursor kind plan { state } } } }',
        { schoolId: app.id('School', school.id) },
      );
    await stream.until(({ items }) => items.length > 0);
    await importList(app, by, school.id, [{ name: 'Петров Пётр', class: '5А' }]);
    await stream.until(({ news }) => news.length === 2);
    expect(stream.news.map(({ kind }) => kind)).toEqual(['READY', 'APPLIED']);
    stream.close();
  });
});
