import { connect } from 'node:net';
import { encodeGlobalID } from '@pothos/plugin-relay';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSfera, type Sfera } from '../../support/sfera.ts';
import { ask, json, type Reply } from '../raw-http.ts';

/**
 * The fast path responds like Yoga. Yoga handles requests with `content-encoding`, so the tests send each request both
 * ways and compare.
 */

const origin = 'https://front.example';

let app: Sfera;
let token: string;
let pupil: string;
let schoolId: string;
let classId: string;
beforeAll(async () => {
  app = await openSfera({ ALLOWED_ORIGINS: origin });
  const { school, administrator } = await app.build.school();
  const made = await app.build.class({ schoolId: school.id });
  schoolId = encodeGlobalID('School', school.id);
  classId = encodeGlobalID('Class', made.id);
  ({ token } = await app.token(administrator));
  for (let n = 0; n < 30; n += 1)
    await app.build.student({
      schoolId: school.id,
      classId: made.id,
      surname: `Достоевская-${'э'.repeat(80)}`,
      givenName: 'Ы'.repeat(90),
      patronymic: 'Щ'.repeat(90),
    });
  ({ token: pupil } = await app.token(await app.build.student({ schoolId: school.id, classId: made.id })));
});
afterAll(() => app.close());

const accepts = [
  undefined,
  '*/*',
  'application/json',
  'application/graphql-response+json',
  'application/*',
  'text/html, application/json',
  'application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed',
  'application/json;q=0.1, application/graphql-response+json',
  'application/graphql-response+json;charset=utf-16, application/json; charset=utf-8',
  'text/event-stream',
  'multipart/mixed',
  'image/png',
  '',
];

const of = ({ status, headers, text }: Reply) => ({ status, type: headers['content-type'], text });

async function same(body: string, headers: Record<string, string>): Promise<Reply> {
  const [direct, byYoga] = [
    await ask(app.url, { body, headers }),
    await ask(app.url, { body, headers: { ...headers, 'content-encoding': 'identity' } }),
  ];
  expect(of(direct), `${body} ${JSON.stringify(headers)}`).toEqual(of(byYoga));
  expect(direct.headers).toHaveProperty('x-request-id');
  return direct;
}

/** Posts all bodies on one connection, and starts reading the responses after a delay in ms. */
function unread(bodies: readonly string[], milliseconds: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(app.url);
    const socket = connect(Number(port), hostname).once('error', reject);
    socket.pause();
    bodies.forEach((body, n) => {
      const headers = {
        ...headersOf(token, undefined),
        host: hostname,
        'content-length': Buffer.byteLength(body),
        connection: n === bodies.length - 1 ? 'close' : 'keep-alive',
      };
      socket.write(
        `POST /graphql HTTP/1.1\r\n${Object.entries(headers)
          .map(([name, value]) => `${name}: ${value}\r\n`)
          .join('')}\r\n${body}`,
      );
    });
    const parts: Buffer[] = [];
    socket.on('data', (part: Buffer) => parts.push(part)).once('close', () => resolve(Buffer.concat(parts).toString()));
    socket.pause();
    setTimeout(() => socket.resume(), milliseconds);
  });
}

const headersOf = (token: string, accept: string | undefined): Record<string, string> => {
  const { accept: _usual, ...headers } = json(token);
  return accept === undefined ? headers : { ...headers, accept };
};

describe('a request posted as JSON', () => {
  const bodies = (): [what: string, body: string][] => [
    ['a query', JSON.stringify({ query: '{ viewer { id fullName } }' })],
    [
      'a query by id',
      JSON.stringify({ query: 'query One($id: ID!) { node(id: $id) { __typename ... on Class { name } } }', variables: { id: classId } }),
    ],
    ['one operation of two', JSON.stringify({ query: 'query A { __typename } query B { viewer { id } }', operationName: 'B' })],
    ['two operations and no name', JSON.stringify({ query: 'query A { __typename } query B { viewer { id } }' })],
    ['an unknown operation', JSON.stringify({ query: 'query A { __typename }', operationName: 'C' })],
    ['nothing to read', JSON.stringify({ query: '{ node(id: "x") { id } }' })],
    [
      'a page that is too large',
      JSON.stringify({ query: `{ node(id: "${schoolId}") { ... on School { classes(first: 1000) { edges { cursor } } } } }` }),
    ],
    [
      'pages that are too many',
      JSON.stringify({
        query: `{ node(id: "${schoolId}") { ... on School { classes(first: 100) { edges { node { enrolments(first: 100) { edges { node { student { chats(first: 100) { edges { cursor } } } } } } } } } } } }`,
      }),
    ],
    [
      'a mutation that is refused',
      JSON.stringify({
        query: 'mutation ($input: CreateSubjectInput!) { createSubject(input: $input) { __typename ... on Refusal { code message } } }',
        variables: { input: { schoolId, name: '' } },
      }),
    ],
    [
      'a mutation of nothing',
      JSON.stringify({
        query: 'mutation ($input: CreateSubjectInput!) { createSubject(input: $input) { __typename ... on Refusal { code } } }',
        variables: { input: { schoolId: 'x', name: 'y' } },
      }),
    ],
    ['variables of another type', JSON.stringify({ query: 'query One($id: ID!) { node(id: $id) { id } }', variables: { id: {} } })],
    ['variables that are missing', JSON.stringify({ query: 'query One($id: ID!) { node(id: $id) { id } }' })],
    ['null for variables', JSON.stringify({ query: '{ viewer { id } }', variables: null, operationName: null, extensions: null })],
    ['an unknown field', JSON.stringify({ query: '{ viewer { nothing } }' })],
    ['no GraphQL', JSON.stringify({ query: '{ viewer {' })],
    ['no query', JSON.stringify({ variables: {} })],
    ['an unknown parameter', JSON.stringify({ query: '{ viewer { id } }', what: 1 })],
    ['a list', JSON.stringify([{ query: '{ viewer { id } }' }])],
    ['no JSON', '{'],
    ['nothing', ''],
    ['introspection', JSON.stringify({ query: '{ __schema { queryType { name } } }' })],
    [
      'a value that is too long',
      JSON.stringify({ query: 'query One($id: ID!) { node(id: $id) { id } }', variables: { id: 'x'.repeat(30_000) } }),
    ],
    [
      'a subscription',
      JSON.stringify({
        query: 'subscription ($id: ID!) { events(schoolId: $id, after: "x") { __typename } }',
        variables: { id: schoolId },
      }),
    ],
  ];

  it('gets the same response as from Yoga, for any body and Accept header', async () => {
    for (const [what, body] of bodies())
      for (const accept of accepts)
        for (const who of [token, pupil, '']) expect((await same(body, headersOf(who, accept))).status, what).toBeLessThan(500);
  });

  it('with a hash that finds no document is refused like in Yoga', async () => {
    const hashed = (version: number, sha256Hash: string, query?: string) =>
      JSON.stringify({ query, extensions: { persistedQuery: { version, sha256Hash } } });
    const viewer = '{ viewer { id } }';
    for (const body of [hashed(1, 'a'.repeat(64)), hashed(1, 'a'.repeat(64), viewer), hashed(2, 'x', viewer)])
      expect((await same(body, headersOf(token, undefined))).codes.join()).toMatch(/^PERSISTED_QUERY_/);
  });

  it('with an invalid token is refused with 401, like in Yoga', async () => {
    for (const accept of accepts.slice(0, 4)) {
      const { status, codes } = await same(JSON.stringify({ query: '{ viewer { id } }' }), headersOf('no.such.token', accept));
      expect([status, codes]).toEqual([401, ['UNAUTHENTICATED']]);
    }
  });

  it('that is not GraphQL is a bad request, also when it is repeated', async () => {
    const body = JSON.stringify({ query: '{ viewer { id } again' });
    for (let n = 0; n < 3; n += 1) expect((await same(body, headersOf(token, 'application/graphql-response+json'))).status).toBe(400);
  });

  it('of a page with an allowed origin gets CORS headers for that origin', async () => {
    const headers = { ...headersOf(token, undefined), origin };
    const { status, headers: said } = await ask(app.url, { body: JSON.stringify({ query: '{ viewer { id } }' }), headers });
    expect([status, said['access-control-allow-origin']]).toEqual([200, origin]);
    const other = await ask(app.url, {
      body: JSON.stringify({ query: '{ viewer { id } }' }),
      headers: { ...headers, origin: 'https://other.example' },
    });
    expect([other.status, other.codes]).toEqual([403, ['ORIGIN_FORBIDDEN']]);
  });

  it('is answered from memory that is reused only after the whole response has been sent', async () => {
    // Each response repeats its own number, so that the test detects bytes of another response.
    const bodyOf = (n: number) =>
      JSON.stringify({
        query: `{ node(id: "${schoolId}") { ... on School { people(first: 100) { edges { node { ${Array.from({ length: 28 }, (_, k) => `a${n}x${k}: fullName`).join(' ')} } } } } } }`,
      });
    const numbers = Array.from({ length: 12 }, (_, n) => n);
    const alone: string[] = [];
    for (const n of numbers) alone.push((await ask(app.url, { body: bodyOf(n), headers: headersOf(token, undefined) })).text);
    expect(alone[0]!.length).toBeGreaterThan(200_000);
    // The responses exceed what the kernel buffers for a client that does not read. So the rest waits in the server's
    // memory.
    const text = await unread(numbers.map(bodyOf), 300);
    let at = 0;
    for (const n of numbers) {
      const next = text.indexOf(alone[n]!, at);
      expect(next, `answer ${n}`).toBeGreaterThanOrEqual(at);
      at = next + alone[n]!.length;
    }
  });

  it('is answered in the requested language', async () => {
    const [ru, en] = await Promise.all(
      ['ru', 'en'].map((language) =>
        same(JSON.stringify({ query: '{ viewer { id } }' }), { ...headersOf('no.such.token', undefined), 'accept-language': language }),
      ),
    );
    expect(ru!.errors![0]!.message).not.toBe(en!.errors![0]!.message);
  });
});
