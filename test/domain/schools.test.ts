import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createSchool } from '../../src/domain/schools.ts';
import { decodeCursor } from '../../src/events/cursor.ts';
import { contextFor } from '../../src/http/request-context.ts';
import { expectRefusal } from '../support/expect-refusal.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

const nobodyAsked = { acceptLanguage: null, requestId: null, address: null };

describe('createSchool', () => {
  const operator = () => contextFor(app, { kind: 'operator' }, nobodyAsked);

  it('sets up a school with its log and its present year', async () => {
    const school = await createSchool(operator(), { name: '  Школа № 98 ', externalIds: [{ system: 'Моя школа', value: 'n-98' }] });
    expect(school).toMatchObject({ name: 'Школа № 98', fullName: 'Школа № 98', timeZone: 'Europe/Moscow' });
    expect(await app.db.prisma.schoolYear.count({ where: { schoolId: school.id } })).toBe(2);
    expect(await app.events(school.id)).toMatchObject([{ seq: 1n, type: 'school.created', actor: 'operator' }]);
  });

  it('refuses every other caller, and an external id that another school has', async () => {
    await expect(createSchool(contextFor(app, { kind: 'anonymous' }, nobodyAsked), { name: 'Школа' })).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
    const externalIds = [{ system: 'Моя школа', value: 'taken' }];
    await createSchool(operator(), { name: 'Первая', externalIds });
    await expect(createSchool(operator(), { name: 'Вторая', externalIds })).rejects.toMatchObject({
      code: 'CONFLICT',
      at: ['externalIds'],
    });
    expect(await app.db.prisma.school.count({ where: { name: 'Вторая' } })).toBe(0);
  });
});

describe('updateSchool', () => {
  it('changes the given fields, keeps the rest, and records the event', async () => {
    const { school, administrator } = await app.build.school({ name: 'Школа' });
    const schoolId = app.id('School', school.id);
    const input = { schoolId, fullName: 'ГБОУ школа № 98', address: 'Санкт-Петербург', timeZone: 'asia/yekaterinburg' };
    expect(await app.as(administrator).updateSchool(input)).toMatchObject({
      name: 'Школа',
      fullName: 'ГБОУ школа № 98',
      address: 'Санкт-Петербург',
      timeZone: 'Asia/Yekaterinburg',
      externalIds: [],
    });
    const ids = (value: string) => ({ schoolId, address: null, externalIds: [{ system: 'Моя школа', value }] });
    await app.as(administrator).updateSchool(ids(`a ${school.id}`));
    expect(await app.as(administrator).updateSchool(ids(`b ${school.id}`))).toMatchObject({
      address: null,
      fullName: 'ГБОУ школа № 98',
      externalIds: [{ system: 'Моя школа', value: `b ${school.id}` }],
    });
    expect((await app.events(school.id)).map((event) => event.type)).toEqual(Array(3).fill('school.updated'));
  });

  it('refuses an invalid name and an invalid time zone', async () => {
    const { school, administrator } = await app.build.school();
    const schoolId = app.id('School', school.id);
    const twice = { system: 'РЭШ', value: '1' };
    for (const [path, input] of [
      ['name', { name: '' }],
      ['name', { name: 'а'.repeat(101) }],
      ['fullName', { fullName: 'а\u0000' }],
      ['timeZone', { timeZone: 'Europe/Nowhere' }],
      ['timeZone', { timeZone: '+03:00' }],
      ['externalIds', { externalIds: [twice, twice] }],
    ] as const)
      await expectRefusal(app, school.id, { code: 'INVALID', path: [path] }, () =>
        app.as(administrator).updateSchool({ schoolId, ...input } as never),
      );
  });

  it('is for its platform administrator alone', async () => {
    const { school } = await app.build.school();
    const { administrator: stranger } = await app.build.school();
    const head = await app.build.user({ schoolId: school.id, role: 'SCHOOL_ADMINISTRATION' });
    const input = { schoolId: app.id('School', school.id), name: 'Другая' };
    await expectRefusal(app, school.id, { code: 'FORBIDDEN', clause: '2.1 a' }, () => app.as(head).updateSchool(input));
    await expectRefusal(app, school.id, { code: 'NOT_FOUND', path: ['schoolId'] }, () => app.as(stranger).updateSchool(input));
    await expectRefusal(app, school.id, { code: 'UNAUTHENTICATED' }, () => app.anonymous.updateSchool(input));
  });
});

describe('schools', () => {
  it('are those of the viewer, page by page', async () => {
    const [one, two] = [await app.build.school(), await app.build.school()];
    const teacher = await app.build.teacher({ schoolId: one.school.id });
    await app.db.prisma.roleGrant.create({ data: { schoolId: two.school.id, userId: teacher.id, role: 'TEACHER' } });
    const ids = [one, two].map(({ school }) => app.id('School', school.id));
    const first = await app.as(teacher).schools({ first: 1 });
    expect(first).toMatchObject({ edges: [{ node: { id: ids[0] } }], pageInfo: { hasNextPage: true } });
    const rest = await app.as(teacher).schools({ first: 5, after: first.pageInfo.endCursor });
    expect(rest.edges.map(({ node }) => node.id)).toEqual([ids[1]]);
    expect((await app.anonymous.schools({})).edges).toEqual([]);
  });

  it('return the cursor of the log from before the other reads', async () => {
    const { school, administrator } = await app.build.school();
    const seen = async () => {
      const { edges } = await app.as(administrator).schoolsAsOf({});
      return decodeCursor(edges[0]!.node.asOf);
    };
    expect(await seen()).toEqual({ schoolId: school.id, seq: 0n });
    await app.as(administrator).updateSchool({ schoolId: app.id('School', school.id), name: 'Другая' });
    const sent = vi.spyOn(pg.Client.prototype, 'query');
    expect(await seen()).toEqual({ schoolId: school.id, seq: 1n });
    const texts = sent.mock.calls.map(([query]) => (query as unknown as { text?: string }).text ?? '');
    sent.mockRestore();
    const first = (table: string) => texts.findIndex((text) => text.includes(`FROM "public"."${table}"`));
    expect(first('event_head')).toBeGreaterThan(-1);
    expect(first('event_head')).toBeLessThan(first('school'));
  });
});

describe('School.people', () => {
  it('are in the order of the Russian alphabet, page by page, and found by words of their names', async () => {
    const { school, administrator } = await app.build.school();
    const group = await app.build.class({ schoolId: school.id });
    for (const surname of ['Жук', 'Ёлкина', 'Елкин', 'Зорин', 'Яшин_100%'])
      await app.build.student({ classId: group.id, surname, givenName: 'Пётр', patronymic: 'Ильич' });
    const surnames = async (variables: object) => {
      const { people } = (await app
        .as(administrator)
        .people({ id: app.id('School', school.id), role: 'STUDENT', ...variables } as never)) as {
        people: { edges: { node: { surname: string } }[]; pageInfo: { endCursor: string } };
      };
      return { surnames: people.edges.map(({ node }) => node.surname), after: people.pageInfo.endCursor };
    };
    const first = await surnames({ first: 3 });
    expect(first.surnames).toEqual(['Елкин', 'Ёлкина', 'Жук']);
    expect((await surnames({ first: 3, after: first.after })).surnames).toEqual(['Зорин', 'Яшин_100%']);
    expect((await surnames({ search: 'петр ЕЛК' })).surnames).toEqual(['Елкин', 'Ёлкина']);
    expect((await surnames({ search: 'ильич нет' })).surnames).toEqual([]);
    expect((await surnames({ search: '0%' })).surnames).toEqual(['Яшин_100%']);
    expect((await surnames({ search: '_' })).surnames).toEqual(['Яшин_100%']);
    expect((await surnames({ search: '\\' })).surnames).toEqual([]);
    expect((await surnames({ classId: app.id('Class', group.id) })).surnames).toHaveLength(5);
  });

  it('are listed once each with any roles, forward and backward, and move with a new name', async () => {
    const { school, administrator } = await app.build.school();
    const people: string[] = [];
    for (const surname of ['Абрамов', 'Быков', 'Волков']) {
      const { id } = await app.build.teacher({ schoolId: school.id, surname });
      people.push(id);
      await app.db.prisma.roleGrant.create({ data: { schoolId: school.id, userId: id, role: 'SCHOOL_ADMINISTRATION' } });
    }
    const ask = async (args: string) => {
      const { data, errors } = await app
        .as(administrator)
        .send(`query ($id: ID!) { node(id: $id) { ... on School { people(${args}) { edges { cursor node { surname } } } } } }`, {
          id: app.id('School', school.id),
        });
      expect(errors).toBeUndefined();
      const edges = (data!.node as { people: { edges: { cursor: string; node: { surname: string } }[] } }).people.edges.filter(({ node }) =>
        /ков|Абр/.test(node.surname),
      );
      return { surnames: edges.map(({ node }) => node.surname), cursors: edges.map(({ cursor }) => cursor) };
    };
    const all = await ask('first: 100');
    expect(all.surnames).toEqual(['Абрамов', 'Быков', 'Волков']);
    expect((await ask(`last: 2, before: "${all.cursors[2]}"`)).surnames).toEqual(['Абрамов', 'Быков']);
    expect((await ask(`first: 1, after: "${all.cursors[0]}"`)).surnames).toEqual(['Быков']);
    expect((await ask('first: 100, role: TEACHER')).surnames).toEqual(all.surnames);
    await app
      .as({ id: people[0]! })
      .send('mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { __typename } }', {
        input: { surname: 'Яковлев-Абрамов' },
      });
    expect((await ask('first: 100')).surnames).toEqual(['Быков', 'Волков', 'Яковлев-Абрамов']);
  });

  it('are only those whom the viewer may read', async () => {
    const { school, administrator } = await app.build.school();
    const [own, other] = [await app.build.class({ schoolId: school.id }), await app.build.class({ schoolId: school.id })];
    const classmate = await app.build.student({ classId: own.id });
    const pupil = await app.build.student({ classId: own.id });
    const stranger = await app.build.student({ classId: other.id });
    const teacher = await app.build.teacher({ schoolId: school.id, classTeacherOf: own.id });
    const seenBy = async (user: { id: string }) => {
      const found = (await app.as(user).people({ id: app.id('School', school.id) })) as { people: { edges: { node: { id: string } }[] } };
      return new Set(found.people.edges.map(({ node }) => node.id));
    };
    const ids = (...users: { id: string }[]) => new Set(users.map((user) => app.id('User', user.id)));
    expect(await seenBy(pupil)).toEqual(ids(pupil, classmate, teacher));
    expect(await seenBy(teacher)).toEqual(ids(administrator, teacher, pupil, classmate));
    expect(await seenBy(administrator)).toEqual(ids(administrator, teacher, pupil, classmate, stranger));
  });
});
