import { getNamedType, isLeafType, isObjectType } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { visibilityOf } from '../../../src/domain/loaders.ts';
import { schema } from '../../../src/graphql/schema.ts';
import { contextFor } from '../../../src/http/request-context.ts';
import { resourceTypes } from '../../../src/domain/resources.ts';
import { delegateOf } from '../../support/delegates.ts';
import { buildSchool } from '../../support/fixtures.ts';
import type { SchoolFixture } from '../../support/noun-fixture.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';

/**
 * A query reads only the columns that its fields need. So each field must have the same value when it is selected alone
 * as when all fields are selected.
 */

let app: Sfera;
let fixture: SchoolFixture;
beforeAll(async () => {
  app = await openSfera();
  fixture = await buildSchool(app);
  await app.token(fixture.people.administrator);
});
afterAll(() => app.close());

/** Returns each field of a type as a selection, with a sub-selection if the field needs one. */
function fieldsOf(name: string): [field: string, selection: string][] {
  const type = schema.getType(name);
  if (!isObjectType(type)) throw new Error(name);
  return Object.values(type.getFields()).map((field) => {
    const inner = getNamedType(field.type);
    if (isLeafType(inner)) return [field.name, field.name];
    return [
      field.name,
      inner.name.endsWith('Connection') ? `${field.name}(first: 5) { edges { node { __typename } } }` : `${field.name} { __typename }`,
    ];
  });
}

it.each(resourceTypes)('an actor that may read everything sees a %s, and an anonymous one does not', async (type) => {
  const { id } = (await delegateOf(app.db, type).findFirstOrThrow()) as { id: string };
  const { row, isVisibleTo } = await visibilityOf(
    contextFor(app, { kind: 'operator' }, { acceptLanguage: null, requestId: null, address: null }),
    type,
    id,
  );
  expect(row).toMatchObject({ id });
  expect([isVisibleTo({ kind: 'operator' }), isVisibleTo({ kind: 'anonymous' })]).toEqual([true, false]);
});

describe.each(resourceTypes)('%s', (type) => {
  it.each(fieldsOf(type))('%s has the same value when it is selected with all others', async (field, selection) => {
    const id = app.id(type, fixture.rows[type].id);
    const ask = async (fields: string) => {
      const { data, errors } = await app
        .as(fixture.people.administrator)
        .send(`query ($id: ID!) { node(id: $id) { ... on ${type} { ${fields} } } }`, { id });
      expect(errors).toBeUndefined();
      return (data!.node as Record<string, unknown>)[field];
    };
    const all = await ask(
      fieldsOf(type)
        .map(([, each]) => each)
        .join(' '),
    );
    expect(all).not.toBeUndefined();
    expect(await ask(selection)).toEqual(all);
  });
});

it('a list that joins people returns the same values with and without cursors', async () => {
  const id = app.id('Class', fixture.own.id);
  const ask = async (fields: string) => {
    const { data, errors } = await app
      .as(fixture.people.administrator)
      .send(`query ($id: ID!) { node(id: $id) { ... on Class { enrolments(first: 5) { ${fields} } } } }`, { id });
    expect(errors).toBeUndefined();
    return (data!.node as { enrolments: any }).enrolments;
  };
  const all = await ask(
    'pageInfo { startCursor endCursor } edges { cursor node { id startedAt endedAt student { id fullName shortName surname locale createdAt } class { id } } }',
  );
  expect(all.edges).toHaveLength(1);
  const [edge] = all.edges;
  expect(await ask('edges { node { student { fullName } } }')).toEqual({
    edges: [{ node: { student: { fullName: edge.node.student.fullName } } }],
  });
  expect(await ask('edges { cursor }')).toEqual({ edges: [{ cursor: edge.cursor }] });
  expect(await ask('pageInfo { endCursor } edges { node { startedAt } }')).toEqual({
    pageInfo: { endCursor: all.pageInfo.endCursor },
    edges: [{ node: { startedAt: edge.node.startedAt } }],
  });
  expect(await ask('edges { node { __typename } }')).toEqual({ edges: [{ node: { __typename: 'Enrolment' } }] });
});

it('joins no person whom the viewer may not see', async () => {
  const { school, schoolId, people, chats } = fixture;
  expect(school.id).toBe(schoolId);
  // Adds the pupil to the chat of the leader and the teacher. Then the test compares what each viewer sees of the three
  // members. Removes the pupil again at the end.
  const { id } = await app.db.prisma.chatMember.create({
    data: { schoolId, chatId: chats.CLUB.id, userId: people.pupil.id, reason: 'PERSON' },
  });
  const ask = async (who: { id: string }) => {
    const { data } = await app
      .as(who)
      .send('query ($id: ID!) { node(id: $id) { ... on Chat { members(first: 50) { edges { node { user { id surname } } } } } } }', {
        id: app.id('Chat', chats.CLUB.id),
      });
    return (data!.node as any).members.edges.map(({ node }: any) => node.user);
  };
  const userSeenBy = async (who: { id: string }, user: { id: string }) => {
    const { data } = await app
      .as(who)
      .send('query ($id: ID!) { node(id: $id) { ... on User { id surname } } }', { id: app.id('User', user.id) });
    return data!.node;
  };
  for (const who of [people.administrator, people.leader, people.teacher, people.pupil]) {
    const together = await ask(who);
    expect(together).toHaveLength(3);
    for (const user of [people.leader, people.teacher, people.pupil]) {
      const seen = await userSeenBy(who, user);
      if (seen === null) expect(together).toContain(null);
      else expect(together).toContainEqual(seen);
    }
  }
  await app.db.prisma.chatMember.delete({ where: { id } });
});
