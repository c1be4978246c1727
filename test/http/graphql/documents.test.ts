import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anonymousBounds } from '../../../src/http/graphql/limits.ts';
import { Documents } from '../../../src/http/graphql/documents.ts';
import type { GraphContext } from '../../../src/graphql/context.ts';
import { cacheBudget } from '../../../src/http/cache-budget.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';
import { ask, json, openSignedIn, overSocket, type Reply } from '../raw-http.ts';
import { cpuMsOf } from '../../support/cpu-time.ts';

/** The document cache: its contents, its bounds, and the parse budget of an account and of an address. */

let app: Sfera;
let tokens: string[];
beforeAll(async () => {
  app = await openSfera({ TRUST_PROXY: 'true' });
  const { school } = await app.build.school();
  tokens = [];
  for (let n = 0; n < 4; n += 1)
    tokens.push((await app.token(await app.build.user({ schoolId: school.id, role: 'SCHOOL_ADMINISTRATION' }))).token);
});
afterAll(() => app.close());

let addresses = 0;
/** Sends from a new client address, whose budget is unused. */
const fromNewAddress = (): Record<string, string> => ({ 'x-forwarded-for': `203.0.113.${(addresses += 1)}` });

const post = (body: object, token = '', headers: Record<string, string> = {}): Promise<Reply> =>
  ask(app.url, { headers: json(token, headers), body: JSON.stringify(body) });
/** Sends with `content-encoding`, so that Yoga handles the request instead of the fast path. */
const postToYoga = (body: object, token = '', headers: Record<string, string> = {}) =>
  post(body, token, { ...headers, 'content-encoding': 'identity' });
const get = (params: Record<string, string>, token = '', headers: Record<string, string> = {}): Promise<Reply> =>
  ask(app.url, {
    method: 'GET',
    path: `/graphql?${new URLSearchParams(params).toString()}`,
    headers: { ...json(token, headers), 'x-requested-with': 'test' },
  });

const ways = [
  ['posted', post],
  ['read by Yoga', postToYoga],
  ['by GET', (body: object, token?: string, headers?: Record<string, string>) => get(body as Record<string, string>, token, headers)],
] as const;
const filler = (length: number): string => `#${'x'.repeat(length - 1)}`;

describe.each(ways)('an anonymous client (%s)', (_way, send) => {
  it('may send operations that need no account', async () => {
    const { data } = await send(
      { query: '{ invitationPreview(code: "no-such-code") { schoolName role } __typename }' },
      '',
      fromNewAddress(),
    );
    expect(data).toEqual({ invitationPreview: null, __typename: 'Query' });
  });

  it('may not send other operations, whether the document is cached or not', async () => {
    const field = (n: number) => `f${n}: viewer { id }`;
    const fields = Array.from({ length: 20 }, (_, n) => field(n)).join(' ');
    for (const query of [
      `{ ${fields} }`,
      `{ ...F } fragment F on Query { ${fields} }`,
      `{ ... { ${field(1)} } ...F } fragment F on Query { ${field(2)} ...G } fragment G on Query { ${field(3)} }`,
      `query A { __typename } query B { ${fields} }`,
      `{ __typename } ${filler(anonymousBounds.length)}`,
      `{ ${'__typename '.repeat(anonymousBounds.tokens)} }`,
      '{ viewer { enrolment { class { school { currentYear { school { name } } } } } } }',
    ]) {
      for (let n = 0; n < 2; n += 1) {
        const { codes, status, data } = await send(
          { query, ...(query.includes('query B') && { operationName: 'B' }) },
          '',
          fromNewAddress(),
        );
        expect([codes, status, data], query).toEqual([['UNAUTHENTICATED'], 401, undefined]);
        // A refused anonymous request does not cache the document. This request of an account does.
        expect((await post({ query, ...(query.includes('query B') && { operationName: 'B' }) }, tokens[0])).codes, query).toEqual([]);
      }
    }
    const codes = `{ ${Array.from({ length: 20 }, (_, n) => `p${n}: invitationPreview(code: "x${n}") { role }`).join(' ')} }`;
    expect((await send({ query: codes }, '', fromNewAddress())).codes).toEqual(['UNAUTHENTICATED']);
  });

  it('has a parse budget per minute, and cached documents are answered meanwhile', async () => {
    const address = fromNewAddress();
    const known = '{ __typename } # known to all';
    expect((await send({ query: known }, '', address)).data).toEqual({ __typename: 'Query' });
    const garbage = (n: number) => `{ viewer { ${n} ${filler(1900)}`;
    let refused: Reply | undefined;
    // 300 documents exceed even two budgets. A new minute, with a new budget, may start during the loop.
    for (let n = 0; n < 300 && refused === undefined; n += 1) {
      const reply = await send({ query: garbage(n) }, '', address);
      if (reply.codes[0] === 'RATE_LIMITED') refused = reply;
      else expect(reply.codes).toEqual(['GRAPHQL_PARSE_FAILED']);
    }
    expect(refused?.status).toBe(429);
    expect(Number(refused?.headers['retry-after'])).toBeGreaterThan(0);
    expect((await send({ query: known }, '', address)).data).toEqual({ __typename: 'Query' });
    // Other addresses, and accounts behind this address, have their own budgets.
    expect((await send({ query: garbage(0) }, '', fromNewAddress())).codes).toEqual(['GRAPHQL_PARSE_FAILED']);
    expect((await post({ query: garbage(0) }, tokens[0], address)).codes).toEqual(['GRAPHQL_PARSE_FAILED']);
  });

  it('with an invalid token is refused before the document is parsed', async () => {
    for (const query of ['{ viewer {', '{ nothing }', `{ viewer { id } } ${filler(10_000)}`, filler(30_000)])
      expect((await send({ query }, 'no.such.token', fromNewAddress())).codes).toEqual(['UNAUTHENTICATED']);
  });
});

describe('an account', () => {
  it('has one parse budget per minute for HTTP and sockets, and cached documents are answered', async () => {
    const token = tokens[1]!;
    const socket = await openSignedIn(app.url, token);
    const known = '{ viewer { __typename } }';
    expect((await post({ query: known }, token)).codes).toEqual([]);
    let refused: Reply | undefined;
    for (let n = 0; n < 400 && refused === undefined; n += 1) {
      const query = `query Q${n} { viewer { id } } ${filler(19_900)}`;
      const reply = await (n % 2 === 0 ? post : postToYoga)({ query }, token);
      if (reply.codes[0] === 'RATE_LIMITED') refused = reply;
      else expect(reply.codes).toEqual([]);
    }
    expect(refused?.status).toBe(429);
    expect(Number(refused?.headers['retry-after'])).toBeGreaterThan(0);
    const { codes, errors } = await socket.run({ query: `query OnSocket { viewer { id } } ${filler(19_900)}` });
    expect([codes, errors?.[0]?.message]).toEqual([['RATE_LIMITED'], expect.stringMatching(/[а-я]/)]);
    expect((await socket.run({ query: known })).codes).toEqual([]);
    expect((await post({ query: known }, token)).codes).toEqual([]);
    // Another account has its own budget.
    expect((await post({ query: `query Other { viewer { id } } ${filler(19_900)}` }, tokens[2])).codes).toEqual([]);
    socket.ws.terminate();
  });

  it('gets an error for too many repeated fields, in its language', async () => {
    const query = `{ ${'viewer { id } '.repeat(490)} }`;
    for (const [language, message] of [
      ['en', 'The document repeats the same fields too often.'],
      ['ru', 'Одни и те же поля повторяются в документе слишком часто.'],
    ] as const) {
      const { codes, errors } = await post({ query }, tokens[0], { 'accept-language': language });
      expect([codes, errors?.map((error) => error.message)]).toEqual([['DOCUMENT_TOO_COMPLEX'], [message]]);
    }
  });

  it('can select more fields through fragments than a plan holds, with the same result', async () => {
    const query = `{ viewer { ...F0 } } ${Array.from({ length: 6 }, (_, n) => `fragment F${n} on User { ${['a', 'b', 'c'].map((at) => `${at}${n}: enrolment { student { id fullName shortName surname givenName patronymic ...F${n + 1} } }`).join(' ')} }`).join(' ')} fragment F6 on User { id }`;
    const { codes, data } = await post({ query }, tokens[0]);
    expect(codes).toEqual([]);
    expect(data?.viewer).toEqual({ a0: null, b0: null, c0: null });
  });
});

describe("Apollo's persisted queries", () => {
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
  // Sends the requests of Apollo Client's persisted query link: first only the hash, then hash and text if the server
  // does not know the hash.
  const byHash = (text: string) => ({
    operationName: 'P',
    variables: {},
    extensions: { persistedQuery: { version: 1, sha256Hash: sha256(text) }, clientLibrary: { name: '@apollo/client', version: '4.0.0' } },
  });
  const withText = (text: string) => ({ ...byHash(text), query: text });
  const params = (body: object): Record<string, string> =>
    Object.fromEntries(Object.entries(body).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]));

  const transports = [
    ['posted', post],
    ['read by Yoga', postToYoga],
    ['by GET', (body: object, token: string, headers?: Record<string, string>) => get(params(body), token, headers)],
  ] as const;
  it.each(transports)('are sent by hash, refused once, stored and answered (%s)', async (way, send) => {
    const text = `query P {\n  viewer {\n    id\n    __typename\n  }\n}\n# ${way}`;
    for (const accept of ['application/json', 'application/graphql-response+json,application/json;q=0.9']) {
      const own = `${text} ${accept}`;
      const unknown = await send(byHash(own), tokens[0]!, { accept });
      expect([unknown.status, unknown.errors]).toEqual([
        200,
        [{ message: 'PersistedQueryNotFound', extensions: { code: 'PERSISTED_QUERY_NOT_FOUND' } }],
      ]);
      for (const body of [withText(own), byHash(own), { ...byHash(own), query: '' }])
        expect((await send(body, tokens[0]!, { accept })).data).toMatchObject({ viewer: { __typename: 'User' } });
    }
  });

  it('are refused if the hash belongs to another text, and nothing is stored', async () => {
    const [text, other] = ['query P { viewer { id } } # this', 'query P { viewer { id } } # other'];
    for (const [, send] of transports) {
      const { status, codes } = await send({ ...withText(text), query: other }, tokens[0]!, {
        accept: 'application/graphql-response+json',
      });
      expect([status, codes]).toEqual([400, ['PERSISTED_QUERY_MISMATCH']]);
      for (const each of [text, other]) expect((await send(byHash(each), tokens[0]!)).codes).toEqual(['PERSISTED_QUERY_NOT_FOUND']);
    }
  });

  it.each([
    { version: 2, sha256Hash: sha256('') },
    { version: 1 },
    { version: 1, sha256Hash: 'x' },
    { version: 1, sha256Hash: 5 },
    5,
    'x',
    [],
    true,
  ])('of another kind are said not to be supported, so that the client sends the text: %j', async (persistedQuery) => {
    for (const send of [post, postToYoga]) {
      const { status, errors } = await send({ operationName: 'P', extensions: { persistedQuery } }, tokens[0]);
      expect([status, errors]).toEqual([
        200,
        [{ message: 'PersistedQueryNotSupported', extensions: { code: 'PERSISTED_QUERY_NOT_SUPPORTED' } }],
      ]);
    }
  });

  it('may be sent with their text over a socket', async () => {
    const text = 'query P { viewer { __typename } } # by socket';
    expect((await overSocket(app.url, tokens[0]!, withText(text))).data).toEqual({ viewer: { __typename: 'User' } });
    expect((await post(byHash(text), tokens[0])).data).toEqual({ viewer: { __typename: 'User' } });
    expect((await overSocket(app.url, tokens[0]!, { ...withText(text), query: `${text}.` })).codes).toEqual(['PERSISTED_QUERY_MISMATCH']);
  });

  it('of an anonymous client have the same bounds', async () => {
    const large = `query P { a: viewer { id } b: viewer { id } c: viewer { id } }`;
    expect((await post(withText(large), tokens[0])).codes).toEqual([]);
    for (const body of [byHash(large), withText(large)])
      expect((await post(body, '', fromNewAddress())).codes).toEqual(['UNAUTHENTICATED']);
    const small = 'query P { __typename }';
    expect((await post(byHash(small), '', fromNewAddress())).codes).toEqual(['PERSISTED_QUERY_NOT_FOUND']);
    for (const body of [withText(small), byHash(small)])
      expect((await post(body, '', fromNewAddress())).data).toEqual({ __typename: 'Query' });
  });
});

describe('the cache of documents', () => {
  let accounts = 0;
  const account = (userId = `account ${(accounts += 1)}`) =>
    ({ actor: { kind: 'user' }, credential: { kind: 'user', userId }, address: null, language: 'en' }) as unknown as GraphContext;
  const nobody = () =>
    ({ actor: { kind: 'anonymous' }, credential: null, address: `address ${(accounts += 1)}`, language: 'en' }) as unknown as GraphContext;
  const ids = `[${'"x" '.repeat(100)}]`;
  const large = (name: string) => `query ${name} { ${Array.from({ length: 17 }, (_, n) => `a${n}: nodes(ids: ${ids}) { id }`).join(' ')} }`;
  const small = (name: string) => `query ${name} { __typename } ${filler(1800)}`;

  it('costs an anonymous client a few milliseconds at most', () => {
    const repeat = (count: number, of: (n: number) => string) => Array.from({ length: count }, (_, n) => of(n)).join(' ');
    const shapes = [
      `{ viewer { ${repeat(190, () => 'id')} } }`,
      `{ ${repeat(48, () => 'viewer{id}')} }`,
      `{ ${repeat(20, () => 'viewer{enrolment{class{id}}}')} }`,
      `{ viewer { ${repeat(18, (n) => `...F${n}`)} } } ${repeat(18, (n) => `fragment F${n} on User{id}`)}`,
      `{ ${repeat(20, (n) => `node(id:"${n}"){id}`)} }`,
      `{ ${'x'.repeat(1900)} }`,
      `{ ... on ${'X'.repeat(1900)} { id } }`,
      '{'.repeat(198),
      `{ nodes(ids: [${'"x" '.repeat(180)}]) { id } }`,
      `{ viewer { ...F0 } } ${repeat(14, (n) => `fragment F${n} on User{...F${n + 1} ...F${n + 1}}`)} fragment F14 on User{id}`,
    ];
    for (const query of shapes) {
      const took = Array.from({ length: 10 }, () => {
        const [documents, ctx] = [new Documents(), nobody()];
        return cpuMsOf(() => {
          try {
            documents.read(query, ctx);
          } catch {
            // Ignores the error: most of the documents are invalid, and the test measures the time until they are
            // refused.
          }
        });
      });
      expect(Math.min(...took), query.slice(0, 60)).toBeLessThan(20);
    }
  });

  it('keeps documents in use, and evicts others before it exceeds its budget', () => {
    const documents = new Documents();
    const steady = documents.read(large('Steady'), account());
    const { weight } = documents.read(large('First'), account());
    const count = Math.ceil((2 * cacheBudget) / weight);
    for (let n = 0; n < count; n += 1) {
      documents.read(large(`Q${n}`), account());
      expect(documents.find(steady.text)).toBe(steady);
    }
    const kept = Array.from({ length: count }, (_, n) => large(`Q${n}`)).filter((text) => documents.find(text) !== undefined);
    expect(kept.length).toBeGreaterThan(1);
    expect(kept.length * weight).toBeLessThanOrEqual(cacheBudget);
    expect(documents.find(large('First'))).toBeUndefined();
    expect(documents.findByHash(createHash('sha256').update(large('First')).digest('hex'))).toBeUndefined();
  });

  it('keeps documents of accounts, with any number of anonymous documents', () => {
    const documents = new Documents();
    const known = documents.read(large('Known'), account());
    const count = Math.ceil(cacheBudget / 4 / documents.read(small('First'), nobody()).weight);
    for (let n = 0; n < count; n += 1) documents.read(small(`Q${n}`), nobody());
    expect(documents.find(known.text)).toBe(known);
    expect(documents.find(small('First'))).toBeUndefined();
    expect(documents.find(small(`Q${count - 1}`))).toBeDefined();
  });

  it('keeps nothing of an invalid document', () => {
    const documents = new Documents();
    for (const text of ['{ viewer {', '{ nothing }', 'fragment F on User { id }']) {
      expect(() => documents.read(text, account())).toThrow();
      expect(documents.find(text)).toBeUndefined();
    }
  });

  it('keeps the document of a subscription as long as it is open', () => {
    const documents = new Documents();
    const ctx = account();
    const open = documents.read(large('Open'), ctx);
    const ends = [documents.hold(open.document, null, ctx), documents.hold(open.document, null, account())];
    const fill = (name: string) => {
      for (let n = 0; n < Math.ceil((2 * cacheBudget) / open.weight); n += 1) documents.read(large(`${name}${n}`), account());
    };
    fill('A');
    expect(documents.find(open.text)).toBe(open);
    ends[0]!();
    ends[0]!();
    fill('B');
    expect(documents.find(open.text)).toBe(open);
    ends[1]!();
    fill('C');
    expect(documents.find(open.text)).toBeUndefined();
  });

  it('bounds the documents of the subscriptions of one account, and of all accounts together', () => {
    const documents = new Documents();
    const hold = (userId: string, name: string) => documents.hold(documents.read(large(name), account()).document, null, account(userId));
    const ends: (() => void)[] = [];
    const fill = (userId: string): string => {
      for (let n = 0; ; n += 1) {
        try {
          ends.push(hold(userId, `${userId}${n}`));
        } catch (error) {
          return (error as { extensions: { code: string } }).extensions.code;
        }
      }
    };
    expect(fill('a')).toBe('TOO_MANY_DOCUMENTS');
    const own = ends.length;
    // A further subscription with a document that the account already holds is allowed.
    ends.push(hold('a', 'a0'));
    // Eight more accounts, each at its own limit, do not exhaust the limit that all accounts share.
    const codes = Array.from({ length: 8 }, (_, n) => fill(`b${n}`));
    expect(codes).toEqual(Array(8).fill('TOO_MANY_DOCUMENTS'));
    expect(() => ends.push(hold('y', 'y0'))).not.toThrow();
    while (codes.at(-1) !== 'UNAVAILABLE' && codes.length < 100) codes.push(fill(`c${codes.length}`));
    expect(codes.length).toBeGreaterThan(30);
    expect(codes.at(-1)).toBe('UNAVAILABLE');
    // A document adds nothing to the shared total if a subscription of another account already keeps it.
    hold('z', 'a1')();
    for (const end of ends.splice(0, own)) end();
    expect(() => hold('z', 'z0')).not.toThrow();
  });
});
