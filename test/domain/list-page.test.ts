import { getNamedType, isObjectType } from 'graphql';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { resourceTypes } from '../../src/domain/resources.ts';
import { schema } from '../../src/graphql/schema.ts';
import { buildSchool } from '../support/fixtures.ts';
import type { SchoolFixture } from '../support/noun-fixture.ts';
import { personas, signedInAs } from '../support/personas.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

/** `totalCount` is the number of rows of the whole list that the viewer may see. */

let app: Sfera;
let school: SchoolFixture;
beforeAll(async () => {
  app = await openSfera();
  // Another school, whose rows must not be counted.
  await buildSchool(app);
  school = await buildSchool(app);
});
afterAll(() => app.close());

/**
 * Returns the names of the fields of a type that return pages. Excludes pages of the log, which is too long to count.
 */
function listsOf(name: string): string[] {
  const type = schema.getType(name);
  return Object.values(isObjectType(type) ? type.getFields() : {})
    .filter((field) => /(?<!Event)Connection$/.test(getNamedType(field.type).name))
    .map((field) => field.name);
}

const lists = resourceTypes.flatMap((type) => listsOf(type).map((field) => ({ type, field })));

it('every list has one, except the log', () => {
  const pages = Object.values(schema.getTypeMap()).filter((type) => isObjectType(type) && type.name.endsWith('Connection'));
  const counted = pages.filter((type) => isObjectType(type) && type.getFields().totalCount !== undefined);
  expect(pages.filter((type) => !counted.includes(type)).map(({ name }) => name)).toEqual(['EventConnection']);
  expect(lists.length).toBeGreaterThanOrEqual(15);
});

const page = 'totalCount edges { cursor }';

describe.each(lists)('$type.$field', ({ type, field }) => {
  it.each(personas)('is counted for %s as it is listed', async (persona) => {
    const { person } = await signedInAs(app, school, persona);
    const query = `query ($id: ID!) { node(id: $id) { ... on ${type} { all: ${field}(first: 100) { ${page} } part: ${field}(first: 1) { ${page} } } } }`;
    const { data, errors } = await person.send(query, { id: app.id(type, school.rows[type].id) });
    expect(errors).toBeUndefined();
    const found = data!.node as Record<'all' | 'part', { totalCount: number; edges: unknown[] }> | null;
    if (found === null) return;
    expect(found.all.totalCount).toBe(found.all.edges.length);
    expect(found.part.totalCount).toBe(found.all.totalCount);
  });
});

it.each(personas)('schools are counted for %s as they are listed', async (persona) => {
  const { person } = await signedInAs(app, school, persona);
  const { data } = await person.send(`{ schools(first: 100) { ${page} } }`);
  const { totalCount, edges } = data!.schools as { totalCount: number; edges: unknown[] };
  expect([totalCount, edges.length]).toEqual(persona === 'nobody' || persona === 'former' ? [0, 0] : [1, 1]);
});

it('is counted after the cursor too, with the filters of the list and without its bounds', async () => {
  const ask = async (args: string) => {
    const { data } = await app
      .as(school.people.administrator)
      .send(`query ($id: ID!) { node(id: $id) { ... on School { people(${args}) { ${page} pageInfo { endCursor } } } } }`, {
        id: app.id('School', school.schoolId),
      });
    return (data!.node as { people: { totalCount: number; pageInfo: { endCursor: string } } }).people;
  };
  const first = await ask('first: 1');
  expect(first.totalCount).toBe(9);
  expect((await ask(`first: 1, after: "${first.pageInfo.endCursor}"`)).totalCount).toBe(9);
  expect((await ask('first: 1, role: STUDENT')).totalCount).toBe(3);
});

it('of all lists of a level takes one statement, and none unless it is selected', async () => {
  const { school: own, administrator } = await app.build.school();
  const statements = async (fields: string): Promise<number> => {
    const sent = vi.spyOn(pg.Client.prototype, 'query');
    const query = `query ($id: ID!) { node(id: $id) { ... on School { classes(first: 100) { edges { node { enrolments(first: 1) { ${fields} edges { cursor } } assignments(first: 1) { edges { cursor } } } } } } } }`;
    const { errors } = await app.as(administrator).send(query, { id: app.id('School', own.id) });
    expect(errors).toBeUndefined();
    const count = sent.mock.calls.length;
    sent.mockRestore();
    return count;
  };
  await app.build.student({ classId: (await app.build.class({ schoolId: own.id })).id });
  for (const fields of ['', 'totalCount']) await statements(fields);
  const [without, ofOne] = [await statements(''), await statements('totalCount')];
  expect(ofOne).toBe(without + 1);
  for (let n = 0; n < 12; n += 1) await app.build.student({ classId: (await app.build.class({ schoolId: own.id })).id });
  expect([await statements(''), await statements('totalCount')]).toEqual([without, ofOne]);
});

it('of the people, chats and sessions under many parents takes one statement for each list', async () => {
  const person = await app.build.user({});
  for (let n = 0; n < 4; n += 1) {
    const { school: joined } = await app.build.school();
    await app.db.prisma.roleGrant.create({ data: { schoolId: joined.id, userId: person.id, role: 'SCHOOL_ADMINISTRATION' } });
  }
  const statements = async (first: number): Promise<number> => {
    const sent = vi.spyOn(pg.Client.prototype, 'query');
    const query = `query ($first: Int) { schools(first: $first) { edges { node { people(first: 1) { ${page} } chats(first: 1) { ${page} } enrolments(first: 1) { ${page} } invitations(first: 1) { ${page} } } } } }`;
    const { errors, data } = await app.as(person).send(query, { first });
    expect(errors).toBeUndefined();
    expect((data!.schools as { edges: unknown[] }).edges).toHaveLength(first);
    const count = sent.mock.calls.length;
    sent.mockRestore();
    return count;
  };
  for (const first of [1, 4]) await statements(first);
  expect(await statements(4)).toBe(await statements(1));
});
