import type pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { openSfera, type Sfera } from '../../support/sfera.ts';
import { ask, json } from '../raw-http.ts';

/**
 * The server loads the root objects of a query together with the actor, and returns them only to actors that may see
 * them.
 */

let app: Sfera;
let ids: Record<string, string>;
let own: { token: string; sessionId: string };
let foreign: string;
beforeAll(async () => {
  app = await openSfera();
  const { school, administrator } = await app.build.school();
  const { administrator: other } = await app.build.school();
  const { id } = await app.build.class({ schoolId: school.id });
  ids = { schoolId: app.id('School', school.id), classId: app.id('Class', id), userId: app.id('User', administrator.id) };
  own = await app.token(administrator);
  foreign = (await app.token(other)).token;
  await send('{ viewer { id } }');
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => app.close());

const send = (query: string, token = own.token) => ask(app.url, { headers: json(token), body: JSON.stringify({ query, variables: ids }) });

type Query = (asked: { text: string }) => Promise<pg.QueryResult<pg.QueryResultRow>>;

const reading = (query: Query) => vi.spyOn(app.db.reads, 'query').mockImplementation(query as never);

/** Returns the tables of the statements of a query: first those sent before any response, then the others. */
async function stepsOf(query: string): Promise<string[][]> {
  // For an unknown document the server loads the actor before it parses the document.
  await send(query);
  const steps: [string[], string[]] = [[], []];
  let answered = false;
  const read = app.db.reads.query as Query;
  reading(async (asked) => {
    steps[answered ? 1 : 0].push(/from (session|"public"\."\w+")/.exec(asked.text)![1]!.replace(/"public"\."(\w+)"/, '$1'));
    const answer = await read(asked);
    answered = true;
    return answer;
  });
  const { errors } = await send(query);
  vi.restoreAllMocks();
  expect(errors).toBeUndefined();
  return steps.map((step) => step.sort());
}

const viewer = 'viewer { fullName }';
const found = 'node(id: $classId) { ... on Class { name } }';

it.each([
  ['a thing and the viewer', `query ($classId: ID!) { ${viewer} ${found} }`, [['app_user', 'class', 'session'], []]],
  ['an id that is written', () => `{ node(id: "${ids.schoolId}") { id ... on School { name } } }`, [['school', 'session'], []]],
  // `@include` decides later whether the object is needed.
  ['what a directive may leave out', `query ($classId: ID!) { ${found.replace(' {', ' @include(if: true) {')} }`, [['session'], ['class']]],
  // The row of a person is not enough to decide who may see it.
  ['a person', 'query ($userId: ID!) { node(id: $userId) { ... on User { fullName } } }', [['session'], ['app_user']]],
  // The cursor of the log has to be read before any row.
  ['asOf', 'query ($schoolId: ID!) { node(id: $schoolId) { ... on School { asOf } } }', [['session'], ['school']]],
])('loads the actor, and concurrently or afterwards %s', async (_what, query, steps) => {
  expect(await stepsOf(typeof query === 'string' ? query : query())).toEqual(steps);
});

const both = `query ($classId: ID!) { ${viewer} ${found} }`;

it('returns nothing to an actor that may not see it', async () => {
  expect((await send(both)).data).toEqual({ viewer: { fullName: expect.any(String) }, node: { name: expect.any(String) } });
  expect((await send(both, foreign)).data).toMatchObject({ node: null });
  const { token, sessionId } = await app.token({
    id: (await app.db.prisma.session.findUniqueOrThrow({ where: { id: own.sessionId } })).userId,
  });
  await app.db.prisma.session.update({ where: { id: sessionId }, data: { endedAt: new Date() } });
  const refused = await send(both, token);
  expect([refused.status, refused.codes, refused.data]).toEqual([401, ['UNAUTHENTICATED'], undefined]);
});

it('loads nothing for an invalid token', async () => {
  const asked = vi.spyOn(app.db.reads, 'query');
  expect((await send(both, 'no.such.token')).status).toBe(401);
  expect(asked).not.toHaveBeenCalled();
});

// An unhandled rejection would end the process.
it('fails as a whole if nothing can be read', async () => {
  reading(() => Promise.reject(new Error('the database is away')));
  const response = await fetch(app.url, {
    method: 'POST',
    headers: json(own.token),
    body: JSON.stringify({ query: both, variables: ids }),
  });
  expect(response.status).toBe(500);
});
