import { connect } from 'node:net';
import { exportJWK, generateKeyPair, importJWK, SignJWT, UnsecuredJWT } from 'jose';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { audienceOf } from '../../../src/auth/tokens.ts';
import { bounds } from '../../../src/http/graphql/limits.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';
import { ask, expectWellFormed, json, openSignedIn, openSocket, type Reply, type RawRequest } from '../raw-http.ts';

/** Requests and sockets that are refused before an operation is read. test/http/raw-http.ts checks every response. */

let app: Sfera;
let token: string;
let user: { userId: string; sessionId: string };
beforeAll(async () => {
  app = await openSfera({ ALLOWED_ORIGINS: 'https://front.example' });
  const { administrator } = await app.build.school();
  const signedIn = await app.token(administrator);
  token = signedIn.token;
  user = { userId: administrator.id, sessionId: signedIn.sessionId };
});
afterAll(() => app.close());

const viewer = '{"query":"{ viewer { id } }"}';
const post = (sent: RawRequest = {}): Promise<Reply> =>
  ask(app.url, { body: viewer, ...sent, headers: { ...json(token), ...sent.headers } });
const answers = async (): Promise<void> => expect((await post()).data?.viewer).toHaveProperty('id');

describe('a request', () => {
  const body = (bytes: number) => JSON.stringify({ query: '{ viewer { id } }', variables: { x: 'x'.repeat(bytes) } });

  it.each<[what: string, status: number, code: string, sent: () => RawRequest]>([
    ['from a foreign origin', 403, 'ORIGIN_FORBIDDEN', () => ({ headers: { origin: 'https://foreign.example' } })],
    [
      'from an origin that begins like an allowed one',
      403,
      'ORIGIN_FORBIDDEN',
      () => ({ headers: { origin: 'https://front.example.foreign.example' } }),
    ],
    ['from no origin in particular', 403, 'ORIGIN_FORBIDDEN', () => ({ headers: { origin: 'null' } })],
    ['of several operations at once', 400, 'BAD_REQUEST', () => ({ body: `[${viewer},${viewer}]` })],
    ['of one operation in a list', 400, 'BAD_REQUEST', () => ({ body: `[${viewer}]` })],
    ['that is no JSON', 400, 'BAD_REQUEST', () => ({ body: '{"query": Иванова' })],
    ['that is empty', 400, 'BAD_REQUEST', () => ({ body: '' })],
    ['that is null', 400, 'BAD_REQUEST', () => ({ body: 'null' })],
    ['whose query is a number', 400, 'BAD_REQUEST', () => ({ body: '{"query":1}' })],
    ['whose variables are a text', 400, 'BAD_REQUEST', () => ({ body: '{"query":"{ viewer { id } }","variables":"Иванова"}' })],
    ['in chunks that are too large together', 413, 'BODY_TOO_LARGE', () => ({ body: body(bounds.body), chunked: true })],
    ['that is too large', 413, 'BODY_TOO_LARGE', () => ({ body: body(bounds.body) })],
    ['with a text of 1 MB among the variables', 413, 'BODY_TOO_LARGE', () => ({ body: body(1024 * 1024) })],
    [
      'with a document of 1 MB',
      413,
      'BODY_TOO_LARGE',
      () => ({ body: JSON.stringify({ query: `{ viewer { id } } #${'x'.repeat(1024 * 1024)}` }) }),
    ],
    ['as plain text', 415, 'UNSUPPORTED_MEDIA_TYPE', () => ({ headers: { 'content-type': 'text/plain' } })],
    [
      'as a form',
      415,
      'UNSUPPORTED_MEDIA_TYPE',
      () => ({ headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'query={viewer{id}}' }),
    ],
    ['with files', 415, 'UNSUPPORTED_MEDIA_TYPE', () => ({ headers: { 'content-type': 'multipart/form-data; boundary=x' } })],
    ['whose answer it would not accept', 406, 'NOT_ACCEPTABLE', () => ({ headers: { accept: 'image/png' } })],
    [
      'of a mutation by GET',
      405,
      'BAD_REQUEST',
      () => ({ method: 'GET', path: '/graphql?query=mutation{endOtherSessions(input:{}){__typename}}' }),
    ],
    ['by PUT', 405, 'BAD_REQUEST', () => ({ method: 'PUT' })],
    ['by DELETE', 405, 'BAD_REQUEST', () => ({ method: 'DELETE', body: '' })],
  ])('%s is refused with %i %s', async (_what, status, code, sent) => {
    const reply = await post(sent());
    expect([reply.status, reply.codes]).toEqual([status, [code]]);
    expect(reply.data ?? null).toBeNull();
    expect(reply.text).not.toMatch(/Ива/);
    await answers();
  });

  it('that a foreign page could send without a preflight is refused and executes nothing', async () => {
    const mutation = 'mutation { createSubject(input: { schoolId: "x", name: "y" }) { __typename } }';
    const form = `query=${encodeURIComponent(mutation)}`;
    for (const sent of [
      { method: 'GET', path: `/graphql?query=${encodeURIComponent('{ viewer { id } }')}` },
      { method: 'GET', path: '/graphql' },
      { body: form, headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      { body: JSON.stringify({ query: mutation }), headers: { 'content-type': 'text/plain' } },
      { body: JSON.stringify({ query: mutation }), headers: { 'content-type': 'text/plain; application/json' } },
      { body: JSON.stringify({ query: mutation }), headers: { 'content-type': 'application/json-seq' } },
      { body: JSON.stringify({ query: mutation }) },
      { body: '--x--', headers: { 'content-type': 'multipart/form-data; boundary=x' } },
    ] satisfies RawRequest[]) {
      const { status, codes } = await ask(app.url, sent);
      expect([status, codes], JSON.stringify(sent)).toEqual([400, ['CSRF_HEADER_REQUIRED']]);
    }
    expect(
      (await ask(app.url, { method: 'GET', path: '/graphql?query={__typename}', headers: { 'x-requested-with': 'tests' } })).data,
    ).toEqual({ __typename: 'Query' });
  });

  it('from an allowed origin gets CORS headers for that origin only', async () => {
    const preflight = (origin: string) =>
      ask(app.url, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
      });
    expect((await post({ headers: { origin: 'https://front.example' } })).headers).toMatchObject({
      'access-control-allow-origin': 'https://front.example',
    });
    expect((await preflight('https://front.example')).headers).toMatchObject({ 'access-control-allow-origin': 'https://front.example' });
    expect((await preflight('https://foreign.example')).headers).not.toHaveProperty('access-control-allow-origin');
    expect((await post()).headers).not.toHaveProperty('access-control-allow-origin');
    expect((await post({ headers: { origin: 'https://front.example' } })).headers).not.toHaveProperty('access-control-allow-credentials');
  });

  it('to an unknown path is answered with 404', async () => {
    for (const path of [
      '/',
      '/nothing',
      '/graphql/',
      '/graphql/x',
      '/GRAPHQL',
      '//graphql',
      '/graphql%00',
      '/.env',
      '/assets/../package.json',
      '/assets/..%2fpackage.json',
      '/join/',
      '/health',
      '/metrics/x',
      '/%',
      '/%ff',
      'http://x/graphql',
    ])
      expect((await ask(app.url, { method: 'GET', path, headers: { authorization: `Bearer ${token}` } })).status, path).toBe(404);
  });

  it('without a token may not read the schema', async () => {
    const reply = await ask(app.url, { headers: json(''), body: JSON.stringify({ query: '{ __schema { types { name } } }' }) });
    expect(reply.codes).toEqual(['INTROSPECTION_FORBIDDEN']);
  });

  it('without a token has no viewer', async () => {
    expect((await ask(app.url, { headers: json(''), body: viewer })).data).toEqual({ viewer: null });
  });

  it('that is not HTTP is answered with 400, and endless headers with 431', async () => {
    const raw = (text: string) =>
      new Promise<string>((resolve, reject) => {
        const socket = connect(app.port, '127.0.0.1', () => socket.write(text));
        let received = '';
        socket.on('data', (part) => (received += part.toString()));
        socket.once('error', reject);
        socket.once('close', () => resolve(received));
      });
    for (const [text, status] of [
      ['\u0000\u0001\u0002\r\n\r\n', 400],
      ['GET /graphql HTTP/9.9\r\n\r\n', 400],
      ['POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
      ['POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
      [`GET /graphql HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`, 431],
    ] as const) {
      const answer = await raw(text);
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(JSON.parse(answer.split('\r\n\r\n')[1]!)).toMatchObject({ errors: [{ extensions: { code: 'BAD_REQUEST' } }] });
    }
    await answers();
  });
});

describe('a token', () => {
  const claims = () => ({ sid: user.sessionId, client_id: 'tests' });
  const signed = async (change: (jwt: SignJWT) => SignJWT = (jwt) => jwt, header: object = {}, key?: Parameters<SignJWT['sign']>[0]) => {
    const [newest] = app.keys.jwks;
    const jwt = new SignJWT(claims())
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: newest!.kid!, ...header })
      .setIssuer(app.config.publicUrl)
      .setAudience(audienceOf(app.config))
      .setSubject(user.userId)
      .setIssuedAt()
      .setExpirationTime('10m');
    return change(jwt).sign(key ?? (await importJWK(newest!, 'ES256')));
  };
  const unsecured = () =>
    new UnsecuredJWT(claims())
      .setIssuer(app.config.publicUrl)
      .setAudience(audienceOf(app.config))
      .setSubject(user.userId)
      .setIssuedAt()
      .setExpirationTime('10m')
      .encode();
  const ended = async () => {
    const { token: text, sessionId } = await app.token({ id: user.userId });
    await app.db.prisma.session.update({ where: { id: sessionId }, data: { endedAt: new Date() } });
    return text;
  };
  const withoutExp = async () => {
    const [newest] = app.keys.jwks;
    return new SignJWT(claims())
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: newest!.kid! })
      .setIssuer(app.config.publicUrl)
      .setAudience(audienceOf(app.config))
      .setSubject(user.userId)
      .setIssuedAt()
      .sign(await importJWK(newest!, 'ES256'));
  };
  /** Returns a token that is signed with the public key as an HMAC secret (algorithm confusion). */
  const symmetric = async () => {
    const { kid, ...jwk } = await exportJWK((await generateKeyPair('ES256', { extractable: true })).publicKey);
    return signed((jwt) => jwt, { alg: 'HS256', kid: app.keys.jwks[0]!.kid ?? kid }, new TextEncoder().encode(JSON.stringify(jwk)));
  };
  const wrong: [what: string, make: () => string | Promise<string>][] = [
    ['without a signature', unsecured],
    ['without a signature, cut from a good one', async () => `${(await signed()).split('.').slice(0, 2).join('.')}.`],
    ['without exp', withoutExp],
    ['for another audience', () => signed((jwt) => jwt.setAudience('https://other.example'))],
    ['of another issuer', () => signed((jwt) => jwt.setIssuer('https://other.example'))],
    ['that expired', () => signed((jwt) => jwt.setExpirationTime('-1m'))],
    ['of another key', async () => signed((jwt) => jwt, {}, (await generateKeyPair('ES256')).privateKey)],
    ['of a key that nobody knows', () => signed((jwt) => jwt, { kid: 'unknown' })],
    ['signed with what everybody knows', symmetric],
    ['that is an id token', () => signed((jwt) => jwt, { typ: 'JWT' })],
    ['of a session that was ended', ended],
    [
      'of somebody else’s session',
      async () => {
        const other = await app.build.user();
        return signed((jwt) => jwt.setSubject(other.id));
      },
    ],
    ['that is garbage', () => 'garbage'],
    ['of dots', () => '..'],
    ['of 20,000 signs', () => 'x'.repeat(20_000)],
  ];

  it('that is valid is accepted', async () => {
    expect((await post({ headers: { authorization: `Bearer ${await signed()}` } })).data?.viewer).toBeTruthy();
    (await openSignedIn(app.url, await signed())).ws.terminate();
  });

  it.each(wrong)('%s is refused: 401 over HTTP; on a socket 4403 if it has only expired, otherwise 4401', async (what, make) => {
    const text = await make();
    const reply = await post({ headers: { authorization: `Bearer ${text}` } });
    expect([reply.status, reply.codes, reply.data ?? null]).toEqual([401, ['UNAUTHENTICATED'], null]);
    const socket = await openSocket(app.url);
    socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${text}` } });
    const close = what === 'that expired' ? { code: 4403, reason: 'Token expired' } : { code: 4401, reason: 'Unauthorized' };
    expect(await socket.closed).toEqual(close);
    expect(socket.messages).toEqual([]);
  });

  it('is never taken from other headers', async () => {
    for (const authorization of ['', 'Bearer', 'Bearer ', `Basic ${token}`, token, `Bearer ${token} ${token}`, `Bearer ${token},x`])
      expect((await post({ headers: { authorization } })).status, authorization).toBe(401);
  });

  it('that expires closes its socket with 4403, after which clients reconnect with a new one', async () => {
    const socket = await openSignedIn(app.url, (await app.token({ id: user.userId }, 2)).token);
    expect(await socket.closed).toEqual({ code: 4403, reason: 'Token expired' });
  });
});

describe('any input', () => {
  const method = fc.constantFrom('POST', 'POST', 'POST', 'GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS');
  const type = fc.constantFrom(
    'application/json',
    'application/json',
    'application/json; charset=utf-8',
    'application/json; charset=utf-16',
    'application/graphql',
    'text/plain',
    'multipart/form-data',
    '',
  );
  const accept = fc.constantFrom(
    'application/json',
    'application/graphql-response+json',
    'text/event-stream',
    'multipart/mixed',
    '*/*',
    'text/html',
    ';;q=x',
    '',
  );
  const piece = fc.constantFrom(
    '{',
    '}',
    '(',
    ')',
    '[',
    ']',
    '...',
    '@',
    '$x',
    ':',
    '!',
    '"',
    '"""',
    '\\u0000',
    '\\uD800',
    '#',
    'query',
    'mutation',
    'subscription',
    'fragment F on User',
    'viewer',
    'node',
    'id',
    'first:',
    '-1',
    '1e999',
    '__schema',
    '__typename',
    'null',
    'on',
    ' ',
    '\n',
  );
  const document = fc.oneof(
    fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(' ')),
    fc.string({ unit: 'binary', maxLength: 60 }),
  );
  const payload = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record(
        {
          query: document,
          variables: fc.jsonValue({ maxDepth: 4 }),
          operationName: fc.jsonValue({ maxDepth: 1 }),
          extensions: fc.jsonValue({ maxDepth: 2 }),
        },
        { requiredKeys: [] },
      ),
    },
    { weight: 1, arbitrary: fc.jsonValue() },
  );
  const body = fc.oneof(
    payload.map((value) => Buffer.from(JSON.stringify(value))),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc.string({ unit: 'binary', maxLength: 100 }).map((text) => Buffer.from(text)),
  );
  const authorization = fc.oneof(fc.constant('good'), fc.constant('good'), fc.constant(''), fc.string({ maxLength: 40 }));
  const query = fc.oneof(
    fc.constant(''),
    fc.webQueryParameters().map((text) => `?${text}`),
    document.map((text) => `?${new URLSearchParams({ query: text }).toString()}`),
  );
  const header = (text: string) => text.replace(/[^\x20-\x7e]/g, '');

  it('gets a status below 500, and every error has a code', async () => {
    await fc.assert(
      fc.asyncProperty(
        method,
        type,
        accept,
        authorization,
        query,
        body,
        fc.string({ maxLength: 30 }),
        async (how, contentType, accepted, auth, search, bytes, odd) => {
          await ask(app.url, {
            method: how,
            path: `/graphql${search}`,
            body: bytes,
            headers: {
              ...(contentType === '' ? {} : { 'content-type': contentType }),
              ...(accepted === '' ? {} : { accept: accepted }),
              ...(auth === '' ? {} : { authorization: auth === 'good' ? `Bearer ${token}` : header(auth) }),
              'accept-language': header(odd),
              'x-request-id': header(odd),
              'x-forwarded-for': header(odd),
              'accept-encoding': header(odd),
            },
          });
        },
      ),
      { numRuns: 300 },
    );
    await answers();
  });

  it('over a socket closes at most that socket, with a code of the protocol', async () => {
    const other = await openSignedIn(app.url, token);
    const id = fc.constantFrom('1', '2', '', '__proto__', 'toString');
    const message = fc
      .oneof(
        fc.record(
          {
            type: fc.constantFrom('subscribe', 'complete', 'ping', 'pong', 'next', 'connection_init', 'x'),
            id,
            payload: fc.oneof(
              payload,
              fc.record({ query: document, variables: fc.dictionary(fc.string(), fc.jsonValue()) }, { requiredKeys: ['query'] }),
            ),
          },
          { requiredKeys: ['type'] },
        ),
        fc.jsonValue(),
      )
      .map((value) => JSON.stringify(value));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof({ weight: 4, arbitrary: message }, { weight: 1, arbitrary: fc.string({ unit: 'binary' }) }), {
          minLength: 1,
          maxLength: 5,
        }),
        async (said) => {
          const socket = await openSignedIn(app.url, token);
          for (const text of said) if (socket.ws.readyState === WebSocket.OPEN) socket.send(text);
          // The pong to the last message shows that the server has handled all messages before it.
          if (socket.ws.readyState === WebSocket.OPEN) socket.send({ type: 'ping', payload: { last: true } });
          const code = await Promise.race([
            socket.closed.then(({ code }) => code),
            socket
              .waitForMessage(({ type, payload }) => type === 'pong' && payload?.last)
              .then(
                () => 0,
                () => 0,
              ),
          ]);
          if (code !== 0) expect([4400, 4409, 4429], String(code)).toContain(code);
          for (const { type, payload } of socket.messages) {
            const errors = type === 'error' ? payload : type === 'next' ? payload.errors : undefined;
            expectWellFormed({ status: 200, text: '', headers: {}, errors });
          }
          socket.ws.terminate();
        },
      ),
      { numRuns: 100 },
    );
    expect((await other.run({ query: '{ __typename }' })).data).toEqual({ __typename: 'Query' });
    other.ws.terminate();
  });
});

describe('a socket', () => {
  const refusedUpgrade = (headers: Record<string, string>, path = '/graphql') =>
    new Promise<number>((resolve, reject) => {
      const ws = new WebSocket(`ws://127.0.0.1:${app.port}${path}`, 'graphql-transport-ws', { headers });
      ws.once('open', () => reject(new Error('it was opened')));
      ws.once('unexpected-response', (_request, response) => {
        resolve(response.statusCode!);
        ws.terminate();
      });
      ws.on('error', () => undefined);
    });

  it('from a foreign origin is not opened', async () => {
    expect(await refusedUpgrade({ origin: 'https://foreign.example' })).toBe(403);
    expect(await refusedUpgrade({ origin: 'null' })).toBe(403);
  });

  it('from an allowed origin is opened', async () => {
    (await openSocket(app.url, { origin: 'https://front.example' })).ws.terminate();
  });

  it('to another path is not opened', async () => {
    expect(await refusedUpgrade({}, '/')).toBe(404);
    expect(await refusedUpgrade({}, '/graphql/x')).toBe(404);
  });

  it('of another protocol is closed', async () => {
    for (const protocol of ['graphql-ws', 'other']) {
      const ws = new WebSocket(app.url.replace('http', 'ws'), protocol);
      ws.on('error', () => undefined);
      const code = await new Promise((resolve) => ws.once('close', resolve));
      expect([1006, 4406]).toContain(code);
    }
  });

  it('without a token is closed at connection_init', async () => {
    const anonymous = await openSocket(app.url);
    anonymous.send({ type: 'connection_init' });
    expect((await anonymous.closed).code).toBe(4401);
  });

  it('that subscribes before connection_init is closed', async () => {
    const hasty = await openSocket(app.url);
    hasty.send({ type: 'subscribe', id: '1', payload: { query: '{ __typename }' } });
    expect((await hasty.closed).code).toBe(4401);
  });

  it.each<[what: string, code: number, said: string | Buffer]>([
    ['no JSON', 4400, 'Иванова'],
    ['JSON that is no message', 4400, '[1]'],
    ['null', 4400, 'null'],
    ['a message of no known type', 4400, '{"type":"x"}'],
    ['an operation without a query', 4400, '{"type":"subscribe","id":"1","payload":{}}'],
    ['an operation without an id', 4400, '{"type":"subscribe","payload":{"query":"{ __typename }"}}'],
    ['variables that are a text', 4400, '{"type":"subscribe","id":"1","payload":{"query":"{ __typename }","variables":"x"}}'],
    ['bytes', 4400, Buffer.from([0, 255, 254])],
    ['a second greeting', 4429, '{"type":"connection_init"}'],
    ['a message past 64 KiB', 1009, JSON.stringify({ type: 'ping', payload: { x: 'x'.repeat(64 * 1024) } })],
    ['a message of 1 MB', 1009, 'x'.repeat(1024 * 1024)],
  ])('that sends %s is closed with %i, and no other', async (_what, code, said) => {
    const [wrong, other] = [await openSignedIn(app.url, token), await openSignedIn(app.url, token)];
    wrong.send(said);
    expect(await wrong.closed).toMatchObject({ code });
    expect((await other.run({ query: '{ __typename }' })).data).toEqual({ __typename: 'Query' });
    other.ws.terminate();
  });

  it('that sends a message in too many pieces is closed, and no other', async () => {
    const [wrong, other] = [await openSignedIn(app.url, token), await openSignedIn(app.url, token)];
    for (let n = 0; n < 64; n += 1) wrong.ws.send(' ', { fin: false });
    wrong.ws.send('{"type":"ping"}', { fin: true });
    expect((await wrong.closed).code).toBe(1008);
    for (let n = 0; n < 63; n += 1) other.ws.send(' ', { fin: false });
    other.ws.send('{"type":"ping"}', { fin: true });
    await other.waitForMessage(({ type }) => type === 'pong');
    other.ws.terminate();
  });

  it('with invalid framing is closed, and no other', async () => {
    const [wrong, other] = [await openSignedIn(app.url, token), await openSignedIn(app.url, token)];
    (wrong.ws as unknown as { _socket: { write(bytes: Buffer): void } })._socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
    expect([1002, 1006]).toContain((await wrong.closed).code);
    expect((await other.run({ query: '{ __typename }' })).data).toEqual({ __typename: 'Query' });
    other.ws.terminate();
  });

  it('has at most 50 operations at once, sent one by one or in a burst, and takes more when some are over', async () => {
    const schoolId = app.id('School', (await app.db.prisma.school.findFirstOrThrow()).id);
    const payload = { query: 'subscription ($id: ID!) { chats(schoolId: $id) { __typename } }', variables: { id: schoolId } };
    const socket = await openSignedIn(app.url, token);
    for (let n = 0; n < 60; n += 1) socket.send({ type: 'subscribe', id: String(n), payload });
    await expect.poll(() => socket.messages.filter(({ type }) => type === 'next').length).toBe(50);
    await expect
      .poll(() => socket.messages.filter(({ type }) => type === 'error').map(({ payload }) => payload[0].extensions.code))
      .toEqual(Array(10).fill('TOO_MANY_OPERATIONS'));
    expect((await socket.run({ query: '{ __typename }' })).codes).toEqual(['TOO_MANY_OPERATIONS']);
    for (let n = 0; n < 10; n += 1) socket.send({ type: 'complete', id: String(n) });
    await expect.poll(async () => (await socket.run({ query: '{ __typename }' })).data).toEqual({ __typename: 'Query' });
    socket.ws.terminate();
  });

  it('keeps its other operations when one is invalid, and invalid ones take no slot', async () => {
    const socket = await openSignedIn(app.url, token);
    for (const query of ['{', '{ nothing }', '{ nodes(ids: "x") { id } }', 'query A { __typename } query B { __typename }'])
      for (let n = 0; n < 15; n += 1) {
        const { codes } = await socket.run({ query, ...(query.startsWith('query A') ? { operationName: 'C' } : {}) });
        expect(codes.length).toBe(query.includes('nodes') ? 0 : 1);
      }
    const costly = `{ schools(first: 100) { edges { node { classes(first: 100) { edges { node { enrolments(first: 100) { edges { cursor } } } } } } } } }`;
    expect((await socket.run({ query: costly })).codes).toEqual(['QUERY_TOO_COSTLY']);
    expect((await socket.run({ query: '{ __typename }' })).data).toEqual({ __typename: 'Query' });
    socket.ws.terminate();
  });
});
