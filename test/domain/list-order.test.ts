import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { School, User } from '../../src/db/generated/client.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

/** Orders and filters of the lists of a school. test/domain/people.test.ts tests the list of people. */

let app: Sfera;
beforeAll(async () => void (app = await openSfera()));
afterAll(() => app.close());

async function nodes<Node>(school: School, user: Pick<User, 'id'>, list: string, fields: string): Promise<Node[]> {
  const query = `query ($id: ID!) { node(id: $id) { ... on School { list: ${list} { totalCount edges { node { ${fields} } } } } } }`;
  const { data, errors } = await app.as(user).send(query, { id: app.id('School', school.id) });
  expect(errors).toBeUndefined();
  const { totalCount, edges } = (data!.node as { list: { totalCount: number; edges: { node: Node }[] } }).list;
  expect(totalCount).toBe(edges.length);
  return edges.map(({ node }) => node);
}

describe('School.classes', () => {
  it('filters by a part of the name, whatever the case and the alphabet, and by archive', async () => {
    const { school, administrator } = await app.build.school();
    for (const [grade, letter] of [
      [1, 'А'],
      [5, 'А'],
      [5, 'Б'],
      [10, 'А'],
      [11, 'ФМ'],
    ] as const)
      await app.build.class({ schoolId: school.id, grade, letter });
    await app.build.class({ schoolId: school.id, grade: 2, letter: 'А', archivedAt: new Date() });
    const names = async (args: string) =>
      (await nodes<{ name: string }>(school, administrator, `classes(${args})`, 'name')).map(({ name }) => name);
    expect(await names('search: "1"')).toEqual(['1А', '10А', '11ФМ']);
    expect(await names('search: "1а"')).toEqual(['1А']);
    expect(await names('search: " 5-б "')).toEqual(['5Б']);
    // This search has a Latin «a»; the letter of the class is Cyrillic.
    expect(await names('search: "10a"')).toEqual(['10А']);
    expect(await names('search: "м"')).toEqual(['11ФМ']);
    expect(await names('search: "12"')).toEqual([]);
    expect(await names('search: "а"')).toEqual(['1А', '5А', '10А']);
    expect(await names('search: "  "')).toHaveLength(5);
    expect(await names('archived: true')).toEqual(['2А']);
    expect(await names('archived: true, includeArchived: false, search: "2"')).toEqual(['2А']);
    expect(await names('archived: false, includeArchived: true')).toHaveLength(5);
    expect(await names('archived: null, includeArchived: true')).toHaveLength(6);
  });
});

describe('School.invitations', () => {
  it('is ordered by creation or by expiry, newest first by default', async () => {
    const { school, administrator } = await app.build.school();
    const day = 86_400_000;
    for (const days of [3, 1, 2]) await app.build.invitation({ schoolId: school.id, expiresAt: new Date(Date.now() + days * day) });
    const days = async (args: string) =>
      (await nodes<{ expiresAt: string }>(school, administrator, `invitations${args}`, 'expiresAt')).map(({ expiresAt }) =>
        Math.round((Date.parse(expiresAt) - Date.now()) / day),
      );
    expect(await days('')).toEqual([2, 1, 3]);
    expect(await days('(orderBy: { field: CREATED_AT, direction: DESC })')).toEqual([2, 1, 3]);
    expect(await days('(orderBy: { field: CREATED_AT })')).toEqual([3, 1, 2]);
    expect(await days('(orderBy: { field: EXPIRES_AT }, status: ACTIVE)')).toEqual([1, 2, 3]);
    expect(await days('(orderBy: { field: EXPIRES_AT, direction: DESC })')).toEqual([3, 2, 1]);
  });
});

describe('School.enrolments', () => {
  it('filters by class, by whether they last and by their last change, ordered by start', async () => {
    const { school, administrator } = await app.build.school();
    const [one, two] = [await app.build.class({ schoolId: school.id }), await app.build.class({ schoolId: school.id })];
    for (const [surname, classId] of [
      ['Авдеев', two.id],
      ['Борисов', one.id],
      ['Волков', one.id],
    ] as const)
      await app.build.student({ classId, surname });
    const { student } = await app.db.prisma.enrolment.findFirstOrThrow({
      where: { student: { surname: 'Борисов' } },
      include: { student: true },
    });
    const by = administrator;
    const surnames = async (args: string, user: Pick<User, 'id'> = by) =>
      (await nodes<{ student: { surname: string } }>(school, user, `enrolments${args}`, 'student { surname }')).map(
        (node) => node.student.surname,
      );
    expect(await surnames('')).toEqual(['Авдеев', 'Борисов', 'Волков']);
    expect(await surnames('(orderBy: { field: STARTED_AT, direction: DESC })')).toEqual(['Волков', 'Борисов', 'Авдеев']);
    expect(await surnames(`(classId: "${app.id('Class', one.id)}")`)).toEqual(['Борисов', 'Волков']);
    const since = new Date().toISOString();
    await app.as(by).transferStudent({ studentId: app.id('User', student.id), classId: app.id('Class', two.id) });
    expect(await surnames(`(classId: "${app.id('Class', two.id)}")`)).toEqual(['Авдеев', 'Борисов']);
    expect(await surnames('(active: false)')).toEqual(['Борисов']);
    expect(await surnames('(active: null)')).toEqual(['Авдеев', 'Борисов', 'Волков', 'Борисов']);
    expect(await surnames(`(active: null, updatedSince: "${since}", orderBy: { field: UPDATED_AT })`)).toEqual(['Борисов', 'Борисов']);
    expect(await surnames('', student)).toEqual(['Авдеев', 'Борисов']);
    expect(await surnames('(active: false)', student)).toEqual(['Борисов']);
    expect(await surnames(`(classId: "${app.id('Class', one.id)}")`, student)).toEqual([]);
  });
});
