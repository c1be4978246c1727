import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { School, User } from '../../src/db/generated/client.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

/** The list of a school's people: its filters and orders, and the time of each person's last change. */

let app: Sfera;
beforeAll(async () => void (app = await openSfera()));
afterAll(() => app.close());

interface PeoplePage {
  totalCount: number;
  edges: { cursor: string; node: { surname: string; updatedAt: string } }[];
}

async function ask(school: School, user: Pick<User, 'id'>, args: string) {
  const query = `query ($id: ID!) { node(id: $id) { ... on School { people(${args}) { totalCount edges { cursor node { surname updatedAt } } } } } }`;
  const { data, errors } = await app.as(user).send(query, { id: app.id('School', school.id) });
  return { people: (data?.node as { people?: PeoplePage } | null)?.people, errors };
}

async function surnames(school: School, user: Pick<User, 'id'>, args: string): Promise<string[]> {
  const { people, errors } = await ask(school, user, args);
  expect(errors).toBeUndefined();
  const found = people!.edges.map(({ node }) => node.surname);
  expect(people!.totalCount).toBe(found.length);
  return found;
}

/**
 * Builds a school with three pupils: one in a class, one without a class, and one who left. Some of its teachers have a
 * login, and some have none.
 */
async function buildPeople() {
  const { school, administrator } = await app.build.school();
  const schoolId = school.id;
  const group = await app.build.class({ schoolId });
  const people = {
    enrolled: await app.build.student({ classId: group.id, surname: 'Яковлев' }),
    waiting: await app.build.user({ schoolId, role: 'STUDENT', surname: 'Ёжиков' }),
    former: await app.build.user({ schoolId, role: 'STUDENT', surname: 'Авдеев' }),
    imported: await app.build.teacher({ schoolId, surname: 'Борисова', classTeacherOf: group.id }),
    external: await app.build.teacher({ schoolId, surname: 'Волкова' }),
  };
  const { prisma } = app.db;
  await prisma.roleGrant.updateMany({ where: { userId: people.former.id }, data: { endedAt: new Date() } });
  await prisma.user.updateMany({ where: { id: { in: [people.imported.id, people.external.id] } }, data: { signInName: null } });
  await prisma.userIdentity.create({ data: { issuer: 'https://id.example', subject: people.external.id, userId: people.external.id } });
  return { school, administrator, group, ...people };
}

describe('School.people', () => {
  it('filters by class, by the lack of one, by role and by whether the role lasts', async () => {
    const { school, administrator: by, group, enrolled } = await buildPeople();
    const all = ['Борисова', 'Волкова', 'Ёжиков', 'Иванова', 'Яковлев'];
    expect(await surnames(school, by, 'first: 100')).toEqual(all);
    expect(await surnames(school, by, 'active: true')).toEqual(all);
    expect(await surnames(school, by, 'active: false')).toEqual(['Авдеев']);
    expect(await surnames(school, by, 'active: null')).toEqual(['Авдеев', ...all]);
    expect(await surnames(school, by, 'active: null, role: STUDENT')).toEqual(['Авдеев', 'Ёжиков', 'Яковлев']);
    expect(await surnames(school, by, 'withoutClass: true')).toEqual(['Ёжиков']);
    expect(await surnames(school, by, 'withoutClass: false, role: STUDENT')).toEqual(['Ёжиков', 'Яковлев']);
    expect(await surnames(school, by, `classId: "${app.id('Class', group.id)}"`)).toEqual(['Борисова', 'Яковлев']);
    await app.as(by).withdrawStudent({ studentId: app.id('User', enrolled.id) });
    expect(await surnames(school, by, 'withoutClass: true')).toEqual(['Ёжиков', 'Яковлев']);
    const { errors } = await ask(school, by, `withoutClass: true, classId: "${app.id('Class', group.id)}"`);
    expect(errors?.map(({ extensions }) => extensions)).toEqual([{ code: 'INVALID', path: ['withoutClass'] }]);
  });

  it('searches by the present names of the people', async () => {
    const { school, administrator: by, waiting, former } = await buildPeople();
    expect(await surnames(school, by, 'search: "ежик"')).toEqual(['Ёжиков']);
    const schoolId = app.id('School', school.id);
    await app.as(by).updateUser({ schoolId, userId: app.id('User', waiting.id), surname: 'Зайцев' });
    await app.as(by).updateUser({ schoolId, userId: app.id('User', former.id), surname: 'Зайцева' });
    expect(await surnames(school, by, 'search: "ежик"')).toEqual([]);
    expect(await surnames(school, by, 'search: "зайц"')).toEqual(['Зайцев']);
    expect(await surnames(school, by, 'active: null, search: "зайц"')).toEqual(['Зайцев', 'Зайцева']);
  });

  it('filters by class, by the lack of one and by role only as far as the viewer may read them', async () => {
    const { school, administrator, group, waiting, enrolled, imported, external } = await buildPeople();
    const other = await app.build.class({ schoolId: school.id });
    const moved = await app.build.student({ classId: group.id, surname: 'Юрьев' });
    const { prisma } = app.db;
    await prisma.enrolment.updateMany({ where: { studentId: moved.id }, data: { endedAt: new Date() } });
    await prisma.enrolment.create({ data: { schoolId: school.id, classId: other.id, studentId: moved.id } });
    // The class teacher sees a former pupil of the class, but not the class that this pupil attends now.
    const inOther = `classId: "${app.id('Class', other.id)}"`;
    expect(await surnames(school, imported, 'first: 100')).toContain('Юрьев');
    expect(await surnames(school, imported, inOther)).toEqual([]);
    expect(await surnames(school, administrator, inOther)).toEqual(['Юрьев']);
    await prisma.enrolment.updateMany({ where: { studentId: moved.id, endedAt: null }, data: { endedAt: new Date() } });
    expect(await surnames(school, imported, 'withoutClass: true')).toEqual([]);
    expect(await surnames(school, administrator, 'withoutClass: true')).toEqual(['Ёжиков', 'Юрьев']);
    expect(await surnames(school, waiting, 'withoutClass: true')).toEqual(['Ёжиков']);
    // A pupil sees the teachers of the class, but not their roles.
    expect(await surnames(school, enrolled, 'first: 100')).toContain('Борисова');
    expect(await surnames(school, enrolled, 'role: TEACHER')).toEqual([]);
    expect(await surnames(school, enrolled, 'role: STUDENT')).toEqual(['Яковлев']);
    expect(await surnames(school, external, 'role: TEACHER')).toEqual(['Борисова', 'Волкова']);
  });

  it('tells that a role ended only to those who may read the role', async () => {
    const { school, administrator, group, enrolled, imported, former } = await buildPeople();
    const chat = await app.build.chat({ schoolId: school.id, kind: 'EXTRACURRICULAR' });
    const schoolId = school.id;
    for (const { id } of [enrolled, former])
      await app.db.prisma.chatMember.create({ data: { schoolId, chatId: chat.id, userId: id, reason: 'PERSON' } });
    const period = { startedAt: new Date(Date.now() - 60_000), endedAt: new Date() };
    await app.db.prisma.enrolment.create({ data: { schoolId, classId: group.id, studentId: former.id, ...period } });
    for (const args of ['active: false', 'active: null']) {
      expect(await surnames(school, enrolled, args)).not.toContain('Авдеев');
      for (const by of [administrator, imported]) expect(await surnames(school, by, args)).toContain('Авдеев');
    }
    // The pupil sees the person who has left, because both are in a chat.
    expect(
      (await app.as(enrolled).send('query ($id: ID!) { node(id: $id) { ... on User { surname } } }', { id: app.id('User', former.id) }))
        .data,
    ).toEqual({ node: { surname: 'Авдеев' } });
    // Now the pupil has an ended role, too. The pupil may read it, so the list contains the pupil.
    await app.db.prisma.roleGrant.create({ data: { schoolId, userId: enrolled.id, role: 'TEACHER', ...period } });
    expect(await surnames(school, enrolled, 'active: null')).toContain('Яковлев');
  });

  it('lists a person with two roles, one of them ended, once', async () => {
    const { school, administrator: by, external } = await buildPeople();
    await app.db.prisma.roleGrant.create({ data: { schoolId: school.id, userId: external.id, role: 'SCHOOL_ADMINISTRATION' } });
    await app.db.prisma.roleGrant.updateMany({ where: { userId: external.id, role: 'TEACHER' }, data: { endedAt: new Date() } });
    for (const args of ['active: null', 'active: true', 'active: null, orderBy: { field: UPDATED_AT }'])
      expect((await surnames(school, by, args)).filter((surname) => surname === 'Волкова')).toHaveLength(1);
    expect(await surnames(school, by, 'active: false')).toEqual(['Авдеев']);
  });

  it('filters by login only among people whose contact details the viewer may see', async () => {
    const { school, administrator: by, imported, waiting } = await buildPeople();
    expect(await surnames(school, by, 'hasLogin: false')).toEqual(['Борисова']);
    expect(await surnames(school, by, 'hasLogin: true')).toEqual(['Волкова', 'Ёжиков', 'Иванова', 'Яковлев']);
    // A class teacher sees the contact details of pupils in the teacher's class.
    expect(await surnames(school, imported, 'hasLogin: true')).toEqual(['Яковлев']);
    expect(await surnames(school, imported, 'hasLogin: null')).toEqual(expect.arrayContaining(['Волкова', 'Иванова', 'Яковлев']));
    expect(await surnames(school, waiting, 'hasLogin: true')).toEqual(['Ёжиков']);
  });

  it('is ordered by name or by the last change, in both directions, page by page', async () => {
    const { school, administrator: by, waiting, enrolled } = await buildPeople();
    await app.as(enrolled).updateProfile({ patronymic: 'Ильич' });
    await app.as(waiting).updateProfile({ patronymic: 'Львович' });
    for (const order of ['NAME', 'UPDATED_AT'])
      for (const direction of ['ASC', 'DESC']) {
        const orderBy = `orderBy: { field: ${order}, direction: ${direction} }`;
        const all = (await ask(school, by, `first: 100, ${orderBy}`)).people!.edges;
        const keys = all.map(({ node }) => (order === 'NAME' ? node.surname.replace('Ё', 'Её') : node.updatedAt));
        const sorted = [...keys].sort();
        expect(keys).toEqual(direction === 'ASC' ? sorted : sorted.reverse());
        const walked: unknown[] = [];
        for (let after = '', more = true; more;) {
          const { edges } = (await ask(school, by, `first: 2, ${orderBy}${after}`)).people!;
          walked.push(...edges);
          more = edges.length === 2;
          after = `, after: "${edges.at(-1)?.cursor}"`;
        }
        expect(walked).toEqual(all);
      }
    const latest = await surnames(school, by, 'orderBy: { field: UPDATED_AT, direction: DESC }');
    expect(latest.slice(0, 2)).toEqual(['Ёжиков', 'Яковлев']);
  });

  it('refuses a cursor of another order, and says so', async () => {
    const { school, administrator: by } = await buildPeople();
    const orders = [
      '',
      'orderBy: { field: NAME, direction: DESC }',
      'orderBy: { field: UPDATED_AT }',
      'orderBy: { field: UPDATED_AT, direction: DESC }',
    ];
    for (const [n, order] of orders.entries()) {
      const { cursor } = (await ask(school, by, `first: 1 ${order}`)).people!.edges[0]!;
      for (const [m, other] of orders.entries()) {
        const { errors } = await ask(school, by, `first: 1, after: "${cursor}" ${other}`);
        if (n === m) expect(errors).toBeUndefined();
        else
          expect(errors).toMatchObject([
            { message: expect.stringContaining('другого порядка'), extensions: { code: 'INVALID', path: ['after'] } },
          ]);
      }
    }
  });

  it('tells a client that keeps a copy what changed since: names, logins, roles that began and ended', async () => {
    const { school, administrator: by, waiting, enrolled, external } = await buildPeople();
    const latest = async () =>
      (await ask(school, by, 'active: null, first: 1, orderBy: { field: UPDATED_AT, direction: DESC }')).people!.edges[0]!.node.updatedAt;
    const changed = async (change: () => Promise<unknown>) => {
      // One millisecond after the latest change of a person, so that the list contains only people who are changed after
      // that.
      const since = new Date(Date.parse(await latest()) + 1).toISOString();
      await change();
      return surnames(school, by, `active: null, updatedSince: "${since}"`);
    };
    expect(await changed(async () => undefined)).toEqual([]);
    expect(await changed(() => app.as(waiting).updateProfile({ phone: '+78125551234' }))).toEqual(['Ёжиков']);
    const { id } = await app.db.prisma.roleGrant.findFirstOrThrow({ where: { userId: enrolled.id } });
    expect(await changed(() => app.as(by).endRole({ grantId: app.id('RoleGrant', id) }))).toEqual(['Яковлев']);
    const input = { schoolId: app.id('School', school.id), userId: app.id('User', external.id), role: 'SCHOOL_ADMINISTRATION' as const };
    expect(await changed(() => app.as(by).grantRole(input))).toEqual(['Волкова']);
  });
});
