import { readFileSync } from 'node:fs';
import { parse } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { computeCost } from '../../../src/http/graphql/cost.ts';
import { bounds } from '../../../src/http/graphql/limits.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';
import { ask, json, openSignedIn, type Payload, type Reply } from '../raw-http.ts';
import { eventsStream } from '../live/streams.ts';

/** The cost of operations: what the cost counts, and where clients see it. */

const cost = (query: string, variables: Record<string, unknown> = {}): number => computeCost(parse(query), variables, null).cost;
const ofSchool = (fields: string): number => cost(`{ node(id: "x") { ... on School { ${fields} } } }`) - 1;

describe('the cost', () => {
  it('counts each page with its edges and their nodes', () => {
    expect(cost('{ viewer { id } }')).toBe(1);
    expect(ofSchool('classes(first: 5) { edges { node { name } } }')).toBe(1 + 5 * 2);
    expect(ofSchool('classes { edges { node { name } } }')).toBe(1 + 20 * 2);
    expect(ofSchool('classes(last: 3) { pageInfo { endCursor } }')).toBe(2);
    expect(cost('query ($n: Int = 7) { schools(first: $n) { edges { cursor } } }')).toBe(8);
    expect(cost('query ($n: Int = 7) { schools(first: $n) { edges { cursor } } }', { n: 9 })).toBe(10);
  });

  it('counts what a list can really hold', () => {
    const person = (fields: string) => cost(`{ node(id: "x") { ... on User { ${fields} } } }`) - 1;
    expect(person('roles { edges { node { role } } }')).toBe(1 + 4 * 2);
    expect(person('roles(first: 100) { edges { node { role } } }')).toBe(1 + 4 * 2);
    expect(person('roles(first: 2) { edges { node { role } } }')).toBe(1 + 2 * 2);
    expect(person('roles(includeEnded: false) { edges { node { role } } }')).toBe(1 + 4 * 2);
    expect(person('roles(first: 100, includeEnded: true) { edges { node { role } } }')).toBe(1 + 100 * 2);
    expect(cost('query ($e: Boolean = true) { viewer { roles(includeEnded: $e) { edges { node { role } } } } }')).toBe(2 + 20 * 2);
    expect(cost('query ($e: Boolean) { viewer { roles(includeEnded: $e) { edges { node { role } } } } }', { e: false })).toBe(2 + 4 * 2);
    expect(person('enrolment { class { name } }')).toBe(2);
    expect(ofSchool('years { name }')).toBe(10);
    expect(ofSchool('externalIds { value }')).toBe(20);
    expect(cost('{ nodes(ids: ["a", "b", "c"]) { id } }')).toBe(3);
  });

  it('counts totalCount with 25 objects, in fragments too', () => {
    expect(ofSchool('classes(first: 1) { totalCount }')).toBe(1 + 25);
    expect(cost('{ schools(first: 3) { ...S } } fragment S on SchoolConnection { totalCount edges { node { years { id } } } }')).toBe(
      1 + 25 + 3 * (1 + 1 + 10),
    );
  });

  it('of the query that a new client writes second is within the limit', async () => {
    expect(cost(second)).toBeLessThan(bounds.cost);
    // docs/limits.md states this cost as an example.
    expect(readFileSync('docs/limits.md', 'utf8')).toContain(cost(second).toLocaleString('en'));
    const { errors, data } = await app.as(administrator).send(second);
    expect(errors).toBeUndefined();
    expect((data!.schools as { edges: unknown[] }).edges).toHaveLength(1);
  });
});

/**
 * The query that a new client typically writes second: the schools, their classes, and a hundred people with their roles.
 */
const second = `{
  schools {
    edges {
      node {
        name
        classes(first: 100) { totalCount edges { node { id name } } }
        people(first: 100) { totalCount edges { node { id fullName roles { edges { node { role } } } enrolment { class { name } } } } }
      }
    }
  }
}`;

let app: Sfera;
let administrator: { id: string };
let token: string;
let schoolId: string;
beforeAll(async () => {
  app = await openSfera();
  const built = await app.build.school();
  ({ administrator } = built);
  schoolId = app.id('School', built.school.id);
  await app.build.class({ schoolId: built.school.id });
  ({ token } = await app.token(administrator));
});
afterAll(() => app.close());

const post = (payload: Payload, headers: Record<string, string> = {}): Promise<Reply> =>
  ask(app.url, { headers: json(token, headers), body: JSON.stringify(payload) });
const extensionsOf = ({ text }: Reply): unknown =>
  (JSON.parse(/^(?:data: )?(\{.+\})\r?$/m.exec(text)?.[1] ?? text) as { extensions?: unknown }).extensions;

const classes = (first: number): Payload => ({
  query: `query ($id: ID!, $first: Int) { node(id: $id) { ... on School { classes(first: $first) { edges { node { name } } } } } }`,
  variables: { id: schoolId, first },
});

describe('the answer to an operation has its cost and its limit in extensions', () => {
  it('by the fast path, by Yoga, over SSE and on a socket', async () => {
    const socket = await openSignedIn(app.url, token);
    for (const first of [3, 5, 3]) {
      const expected = { cost: { requested: 2 + first * 2, limit: 50_000 } };
      const direct = await post(classes(first));
      expect(extensionsOf(direct)).toEqual(expected);
      expect(direct.data).toMatchObject({ node: { classes: { edges: [{}] } } });
      expect(extensionsOf(await post(classes(first), { 'content-encoding': 'identity' }))).toEqual(expected);
      expect(extensionsOf(await post(classes(first), { accept: 'text/event-stream' }))).toEqual(expected);
      const id = `cost ${first}`;
      await socket.run(classes(first), id);
      expect(socket.messages.find((message) => message.id === id)?.payload.extensions).toEqual(expected);
      socket.messages.length = 0;
    }
    socket.ws.terminate();
  });

  it('of a large result, which is sent from the memory that it was written to', async () => {
    const query = `{ node(id: "${schoolId}") { ... on School { ${Array.from({ length: 28 }, (_, n) => `a${n}: people(first: 50) { edges { node { fullName } } }`).join(' ')} } } }`;
    expect(extensionsOf(await post({ query }))).toEqual({ cost: { requested: 1 + 28 * 101, limit: 50_000 } });
  });

  it('of a mutation, whose limit is lower, and of an operation with errors', async () => {
    const query = 'mutation ($input: CreateSubjectInput!) { createSubject(input: $input) { __typename } }';
    const mutation = await post({ query, variables: { input: { schoolId, name: 'Физика' } } });
    expect(extensionsOf(mutation)).toEqual({ cost: { requested: 1, limit: 5000 } });
    const failed = await post(classes(101));
    expect([failed.codes, extensionsOf(failed)]).toEqual([['INVALID'], { cost: { requested: 204, limit: 50_000 } }]);
  });

  it('that was refused for its cost, so that the client sees by how much', async () => {
    const pages =
      'schools(first: 100) { edges { node { classes(first: 100) { edges { node { enrolments(first: 100) { edges { cursor } } } } } } } }';
    const requested = 1 + 100 * (1 + 1 + 1 + 100 * (1 + 1 + 1 + 100));
    for (const headers of [{}, { 'content-encoding': 'identity' }] as Record<string, string>[]) {
      const refused = await post({ query: `{ ${pages} }` }, headers);
      expect([refused.codes, extensionsOf(refused)]).toEqual([['QUERY_TOO_COSTLY'], { cost: { requested, limit: 50_000 } }]);
    }
  });

  it('but no item of a subscription has them, since subscribers share its bytes', async () => {
    const socket = await openSignedIn(app.url, token);
    socket.send({ type: 'subscribe', id: 'stream', payload: { query: eventsStream, variables: { schoolId } } });
    const { payload } = await socket.waitForMessage(({ id, type }) => id === 'stream' && type === 'next');
    expect(Object.keys(payload)).toEqual(['data']);
    await app.as(administrator).createSubject({ schoolId, name: 'Химия' });
    const item = await socket.waitForMessage(({ id, type, payload: sent }) => id === 'stream' && type === 'next' && sent.data.events.event);
    expect(Object.keys(item.payload)).toEqual(['data']);
    socket.ws.terminate();
  });
});
