import {
  GraphQLEnumType,
  GraphQLInterfaceType,
  GraphQLObjectType,
  GraphQLScalarType,
  GraphQLUnionType,
  getNamedType,
  type GraphQLOutputType,
} from 'graphql';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { encodeGlobalID } from '@pothos/plugin-relay';
import { schema } from '../../src/graphql/schema.ts';
import { resourceTypes } from '../../src/domain/resources.ts';
import { decodeId } from '../support/decode-id.ts';
import { buildSchool } from '../support/fixtures.ts';
import type { SchoolFixture } from '../support/noun-fixture.ts';
import { personas, signedInAs } from '../support/personas.ts';
import { readSchoolRows } from '../support/school-rows.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

/**
 * A person sees no object of another school. The test walks every field and edge of the graph, starting from the
 * objects of the person's school.
 */

let app: Sfera;
let own: SchoolFixture;
let foreign: SchoolFixture;
const mark = '·чужое·';
beforeAll(async () => {
  app = await openSfera();
  [own, foreign] = [await buildSchool(app), await buildSchool(app, mark)];
  await app.db.prisma.user.updateMany({
    where: { grants: { some: { schoolId: foreign.schoolId } } },
    data: { email: `${mark}@example.org`, phone: mark },
  });
});
afterAll(() => app.close());

/** Returns a selection of all fields of a type, `levels` deep, with pages of `size`. */
function everything(type: GraphQLOutputType, levels: number, size: number): string {
  const named = getNamedType(type);
  if (named instanceof GraphQLScalarType || named instanceof GraphQLEnumType) return '';
  if (named instanceof GraphQLUnionType || named instanceof GraphQLInterfaceType)
    return `{ __typename ${schema
      .getPossibleTypes(named)
      .map((each) => `... on ${each.name} ${everything(each, levels, size)}`)
      .join(' ')} }`;
  const fields = Object.values((named as GraphQLObjectType).getFields()).flatMap((field) => {
    const inner = getNamedType(field.type);
    const wrapper = /(Connection|Edge)$/.test(named.name) || /Edge$/.test(inner.name);
    const composite = inner instanceof GraphQLObjectType || inner instanceof GraphQLUnionType;
    if (!composite) return [field.name];
    if (levels <= 0 && !wrapper) return [];
    const paged = field.args.some(({ name }) => name === 'first') ? `(first: ${size})` : '';
    return [`${field.name}${paged} ${everything(field.type, wrapper ? levels : levels - 1, size)}`];
  });
  return `{ __typename ${fields.join(' ')} }`;
}

const idsOf = (answer: unknown): string[] =>
  [...new Set(JSON.stringify(answer).match(/"id":"([^"]+)"/g) ?? [])].map((found) => found.slice(6, -1));

/** Returns the global ids of all rows of the other school. */
async function foreignIds(): Promise<string[]> {
  const { rowsByType } = await readSchoolRows(app, foreign.schoolId);
  return Object.entries(rowsByType).flatMap(([type, rows]) => rows.map(({ id }) => encodeGlobalID(type, id as string)));
}

it.each(personas)(
  '%s of one school sees nothing of another, through node and through every edge',
  async (persona) => {
    const { person } = await signedInAs(app, own, persona);
    const theirs = new Set(await foreignIds());
    const answered: unknown[] = [];
    const ask = async (query: string, variables: object) => {
      const { data, errors } = await person.send(query, variables);
      expect(errors).toBeUndefined();
      answered.push(data);
      return data;
    };
    let front = idsOf(await ask('{ viewer { id } schools(first: 100) { edges { node { id } } } }', {}));
    const seen = new Set<string>();
    const reached = new Set<string>();
    // Breadth-first search over the whole graph.
    while (front.length > 0) {
      const next = new Set<string>();
      for (const id of front) {
        seen.add(id);
        const { type } = decodeId(id);
        expect(resourceTypes).toContain(type);
        reached.add(type);
        // Each type is queried separately, so that a query stays below the cost limit.
        const selection = everything(schema.getType(type) as GraphQLObjectType, 1, 100);
        const data = await ask(`query ($id: ID!) { node(id: $id) { ... on ${type} ${selection} } }`, { id });
        for (const found of idsOf(data)) if (!seen.has(found)) next.add(found);
      }
      front = [...next].filter((id) => !seen.has(id));
    }
    expect([...seen].filter((id) => theirs.has(id))).toEqual([]);
    expect(JSON.stringify(answered)).not.toContain(mark);
    const all = [...theirs];
    for (let at = 0; at < all.length; at += 100) {
      const { data } = await person.send('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: all.slice(at, at + 100) });
      expect((data!.nodes as unknown[]).filter((each) => each !== null)).toEqual([]);
    }
    // Guards against a walk that reaches no objects.
    if (persona === 'administrator')
      expect([...reached].sort(), 'types that fields lead to from a school').toEqual([...resourceTypes].sort());
  },
  120_000,
);

it('a person with roles in two schools has each there only: they never add up', async () => {
  const both = own.people.administrator;
  await app.db.prisma.roleGrant.create({ data: { schoolId: foreign.schoolId, userId: both.id, role: 'TEACHER' } });
  const { person } = await signedInAs(app, own, 'administrator');
  const [here, there] = [app.id('School', own.schoolId), app.id('School', foreign.schoolId)];
  const rename = (schoolId: string) =>
    person.send('mutation ($input: UpdateSchoolInput!) { updateSchool(input: $input) { __typename ... on Refusal { code } } }', {
      input: { schoolId, district: 'Новый' },
    });
  expect((await rename(here)).data!.updateSchool).toEqual({ __typename: 'School' });
  expect((await rename(there)).data!.updateSchool).toEqual({ __typename: 'Refusal', code: 'FORBIDDEN' });
  const query =
    'query ($id: ID!) { node(id: $id) { ... on School { invitations { edges { node { id } } } events { edges { node { seq } } } chats(first: 100) { edges { node { kind } } } } } }';
  expect((await person.send(query, { id: there })).data!.node).toMatchObject({
    invitations: { edges: [] },
    events: { edges: [] },
    chats: { edges: [] },
  });
  const chats = (await person.send(query, { id: here })).data!.node as { chats: { edges: unknown[] } };
  expect(chats.chats.edges.length).toBe(6);
});
