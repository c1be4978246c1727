import { encodeGlobalID } from '@pothos/plugin-relay';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hashPassword } from '../../../src/auth/passwords.ts';
import { createLogger } from '../../../src/logger.ts';
import { patternOf } from '../../../src/http/request-info.ts';
import { start, type Running } from '../../../src/http/bootstrap.ts';
import { eventsStream } from '../live/streams.ts';
import { Browser } from '../../support/auth-server.ts';
import { createBuild, type Build } from '../../support/build.ts';
import { person, type Person } from '../../support/client.ts';
import { openTestDatabase } from '../../support/database.ts';
import { startSecondApp } from '../../support/second-app.ts';
import { testConfig } from '../../support/sfera.ts';
import { ask, json, openSignedIn, type Payload } from '../raw-http.ts';

/** The log lines of requests, streams and errors, as they are written. */

interface Line {
  level: number;
  msg: string;
  requestId?: string;
  err?: Described;
  [name: string]: unknown;
}
interface Described {
  type: string;
  code?: string;
  cause?: Described;
}

const lines: Line[] = [];
let running: Running;
let build: Build;
let url: string;
let token: string;
let userId: string;
let schoolId: string;
let who: Person;
beforeAll(async () => {
  const destination = new Writable({ write: (chunk: Buffer, _encoding, done) => (lines.push(JSON.parse(String(chunk)) as Line), done()) });
  running = await start(await testConfig(), createLogger('info', destination), await openTestDatabase());
  url = `http://127.0.0.1:${running.port}/graphql`;
  build = createBuild(running);
  const { school, administrator } = await build.school();
  schoolId = encodeGlobalID('School', school.id);
  userId = administrator.id;
  const { id: sessionId } = await running.db.prisma.session.create({
    data: { userId, clientId: 'tests', expiresAt: new Date(Date.now() + 3_600_000) },
  });
  token = await running.tokens.issueAccessToken({ userId, sessionId, clientId: 'tests' });
  who = person(url, token);
});
afterAll(() => running.close());
beforeEach(() => {
  lines.length = 0;
});

const of = (msg: string) => lines.filter((line) => line.msg === msg);
const line = async (msg: string): Promise<Line> => {
  await expect.poll(() => of(msg)).toHaveLength(1);
  return of(msg)[0]!;
};
const uuid = /^[0-9a-f-]{36}$/;

describe('a request', () => {
  it('logs one line: operation, outcome and account, without the query', async () => {
    await ask(url, {
      headers: json(token, { 'x-request-id': 'of-the-test' }),
      body: JSON.stringify({ query: 'query Own { viewer { id } }' }),
    });
    expect(await line('request')).toMatchObject({
      level: 30,
      requestId: 'of-the-test',
      method: 'POST',
      path: '/graphql',
      status: 200,
      ms: expect.any(Number) as number,
      operation: 'query',
      name: 'Own',
      account: 'user',
      accountId: userId,
    });
    expect(JSON.stringify(lines)).not.toContain('viewer');
  });

  it('logs the same line through Yoga', async () => {
    await ask(url, { method: 'GET', path: `/graphql?query=${encodeURIComponent('query Own { viewer { id } }')}`, headers: json(token) });
    expect(await line('request')).toMatchObject({
      method: 'GET',
      path: '/graphql',
      status: 200,
      operation: 'query',
      name: 'Own',
      account: 'user',
      accountId: userId,
      requestId: expect.stringMatching(uuid) as string,
    });
  });

  it('that is refused logs a line too, without an account if it has no token', async () => {
    await ask(url, { headers: json(`${token}x`), body: '{"query":"{ viewer { id } }"}' });
    expect(await line('request')).toMatchObject({ method: 'POST', path: '/graphql', status: 401 });
    // The server refused the token before it parsed the document, so the line names no operation.
    expect(of('request')[0]).not.toHaveProperty('operation');
    expect(of('request')[0]).not.toHaveProperty('accountId');
    lines.length = 0;
    await ask(url, { headers: { 'content-type': 'application/json' }, body: '{"query":"{ viewer { id } }"}' });
    expect(await line('request')).toMatchObject({ account: 'anonymous' });
    expect(of('request')[0]).not.toHaveProperty('accountId');
  });

  it('logs no operation name that could contain other data', async () => {
    const name = 'n'.repeat(61);
    await ask(url, { headers: json(token), body: JSON.stringify({ query: `query ${name} { viewer { id } }` }) });
    expect(await line('request')).toMatchObject({ operation: 'query' });
    expect(JSON.stringify(lines)).not.toContain(name);
  });

  it.each([
    ['/join/ThisCodeOpensNothingAtAll?lang=en', '/join/…'],
    ['/reset/ThisCodeOpensNothingAtAll', '/reset/…'],
    ['/downloads/ThisCodeOpensNothingAtAll', '/downloads/…'],
    ['/password/forgotten?sent', '/password/forgotten'],
    ['/password/ivanova', '/…'],
    ['/sign-in/ThisSignInIsNotThere', '/sign-in/…'],
    ['/oidc/auth/ThisSignInIsNotThere', '/oidc/auth/…'],
    ['/oidc/auth?state=ivanova', '/oidc/auth'],
    ['/assets/site.css', '/assets/…'],
    ['/sessions/end', '/sessions/end'],
    ['/ivanova@example.org/secret', '/…'],
    ['/health/live?ivanova', '/health/live'],
    ['/graphql/ivanova', '/…'],
    ['/', '/'],
    ['//ivanova', '/…'],
    ['/join', '/…'],
    ['/JOIN/ThisCodeOpensNothingAtAll', '/…'],
    ['/join/ThisCode\nOpens', '/…'],
    ['http://ivanova.example/graphql', '/…'],
    ['*', '/…'],
  ])('to %s is written as %s', (path, pattern) => {
    expect(patternOf(path)).toBe(pattern);
  });
});

describe('a stream', () => {
  it('on a socket logs a line at its end, with its duration', async () => {
    const socket = await openSignedIn(url, token);
    socket.send({ type: 'subscribe', id: '1', payload: { query: eventsStream, variables: { schoolId } } });
    await socket.waitForMessage(({ id, type }) => id === '1' && type === 'next');
    await socket.run({ query: 'query Own { viewer { id } }' });
    expect(of('operation')).toMatchObject([
      { operation: 'query', name: 'Own', account: 'user', accountId: userId, requestId: expect.stringMatching(uuid) as string },
    ]);
    socket.send({ type: 'complete', id: '1' });
    await expect.poll(() => of('operation')).toHaveLength(2);
    expect(of('operation')[1]).toMatchObject({
      level: 30,
      operation: 'subscription',
      path: '/graphql',
      ms: expect.any(Number) as number,
      accountId: userId,
    });
    socket.send({ type: 'subscribe', id: '2', payload: { query: eventsStream, variables: { schoolId } } });
    await socket.waitForMessage(({ id, type }) => id === '2' && type === 'next');
    socket.ws.terminate();
    await expect.poll(() => of('operation')).toHaveLength(3);
    expect(await line('socket')).toMatchObject({ status: 101, path: '/graphql', closeCode: 1006 });
  });

  it('over server-sent events logs a line at its end', async () => {
    const stream = who.listenSse(eventsStream, { schoolId });
    await stream.until(({ items }) => items.length > 0);
    expect(of('request')).toEqual([]);
    stream.close();
    expect(await line('request')).toMatchObject({ operation: 'subscription', status: 200, accountId: userId, aborted: true });
  });
});

describe('a refused operation on a socket logs a line too', () => {
  it.each<[what: string, payload: Payload, expected: object]>([
    ['an invalid document', { query: 'query Own { nothing }' }, { error: 'GRAPHQL_VALIDATION_FAILED' }],
    ['a document that cannot be parsed', { query: '{' }, { error: 'GRAPHQL_PARSE_FAILED' }],
    [
      'an unknown operation',
      { query: 'query A { viewer { id } } query B { viewer { id } }', operationName: 'C' },
      { error: 'OPERATION_RESOLUTION_FAILURE' },
    ],
  ])('(%s)', async (_what, payload, expected) => {
    const socket = await openSignedIn(url, token);
    const { codes } = await socket.run(payload);
    expect(codes).toHaveLength(1);
    expect(await line('operation')).toMatchObject({
      level: 30,
      path: '/graphql',
      failed: true,
      account: 'user',
      accountId: userId,
      requestId: expect.stringMatching(uuid) as string,
      ...expected,
    });
    socket.ws.terminate();
  });

  it('(limits of the account)', async () => {
    const strict = await startSecondApp(running, { config: { operationsPerMinute: 4, costPerMinute: 60, streamsPerAccount: 1 } });
    const socket = await openSignedIn(strict.url, token);
    socket.send({ type: 'subscribe', id: 'stream', payload: { query: eventsStream, variables: { schoolId } } });
    await socket.waitForMessage(({ id, type }) => id === 'stream' && type === 'next');
    const subject = {
      query: 'mutation Own ($id: ID!) { createSubject(input: { schoolId: $id, name: "Физика" }) { __typename } }',
      variables: { id: schoolId },
    };
    expect((await socket.run({ query: eventsStream, variables: { schoolId } })).codes).toEqual(['TOO_MANY_STREAMS']);
    expect(
      (
        await socket.run({
          ...subject,
          query: subject.query
            .replaceAll('createSubject', 'a: createSubject')
            .replace('} }', '} b: createSubject(input: { schoolId: $id, name: "Химия" }) { __typename } }'),
        })
      ).codes,
    ).toEqual(['RATE_LIMITED']);
    expect((await socket.run({ query: '{ viewer { id } }' })).codes).toEqual(['RATE_LIMITED']);
    expect(of('operation')).toMatchObject([
      { operation: 'subscription', error: 'TOO_MANY_STREAMS', accountId: userId },
      // The operation costs more than the account may use.
      { operation: 'mutation', name: 'Own', error: 'RATE_LIMITED', failed: true, accountId: userId },
      // The account has used all operations of this minute.
      { error: 'RATE_LIMITED', failed: true, accountId: userId },
    ]);
    socket.ws.terminate();
    await strict.close();
  });
});

describe('a logged error', () => {
  const codes = (described: Described | undefined): unknown[] =>
    described === undefined ? [] : [described.code, ...codes(described.cause)];
  /** Returns the log lines of a mutation while the table `subject` fails with this error. */
  const failing = async (
    how: string,
    headers: Record<string, string> = {},
    send: (query: string, variables: object) => Promise<unknown> = (query, variables) => who.send(query, variables, headers),
  ): Promise<Line> => {
    await running.db.pool.query(
      `create or replace function fail() returns trigger language plpgsql as $f$ begin raise exception using errcode = '${how}', message = 'Иванова'; end $f$`,
    );
    await running.db.pool.query('create or replace trigger fail before insert on subject execute function fail()');
    lines.length = 0;
    try {
      await send('mutation ($id: ID!) { createSubject(input: { schoolId: $id, name: "Физика" }) { __typename } }', { id: schoolId });
      await expect.poll(() => lines.filter(({ err }) => err !== undefined)).toHaveLength(1);
      return lines.find(({ err }) => err !== undefined)!;
    } finally {
      await running.db.pool.query('drop trigger fail on subject');
    }
  };

  it.each([
    ['53100', 40],
    ['55P03', 40],
    ['XX000', 50],
  ])('of the database keeps its code: %s', async (state, level) => {
    const logged = await failing(state);
    expect(codes(logged.err)).toContain(state);
    expect(logged.level).toBe(level);
    expect(JSON.stringify(logged)).not.toContain('Иванова');
  });

  it.each<[way: string, headers: Record<string, string>]>([
    ['fast', {}],
    ['Yoga', { 'content-encoding': 'identity' }],
  ])('with the request id, on the %s path', async (_way, headers) => {
    for (const state of ['55P03', 'XX000'])
      expect(await failing(state, { 'x-request-id': 'of-the-test', ...headers })).toMatchObject({ requestId: 'of-the-test' });
  });

  it('of an operation on a socket keeps its code and its request id', async () => {
    const socket = await openSignedIn(url, token);
    const failed = await failing('XX000', {}, (query, variables) => socket.run({ query, variables }));
    expect(failed).toMatchObject({ requestId: expect.stringMatching(uuid) as string });
    expect((await line('operation')).requestId).toBe(failed.requestId);
    socket.ws.terminate();
  });

  it('of a connection keeps its code', () => {
    const error = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    running.log.warn({ err: error }, 'x');
    running.log.warn({ err: new Error('outer', { cause: error }) }, 'y');
    expect([of('x')[0]!.err!.code, of('y')[0]!.err!.cause!.code]).toEqual(['ECONNREFUSED', 'ECONNREFUSED']);
  });

  it('has no other code and no secret at any depth', () => {
    const code = 'pT3kZ0cYw1Qe7RrVbN5mXA';
    running.log.info(
      {
        code,
        input: { code, list: [{ code }], password: 'p4ssw0rd', deeper: { token: code, email: 'a@example.org' } },
        surname: 'Иванова',
      },
      'x',
    );
    running.log.info({ code: 1, signal: 'SIGTERM', sub: { code: '40P01' } }, 'y');
    running.log.info({ err: Object.assign(new Error('x'), { code }) }, 'z');
    expect(JSON.stringify(lines)).not.toMatch(/pT3kZ|p4ss|example|Иванова/);
    expect(of('y')[0]).toMatchObject({ code: 1, sub: { code: '40P01' } });
  });
});

describe('an error of a client of the authorization server logs one line', () => {
  const mistake = 'a client of the authorization server was refused';
  const verifier = 'v'.repeat(43);
  const at = (path: string) => new URL(path, running.config.publicUrl);
  const redeem = async (body: Record<string, string>) =>
    (await fetch(at('/oidc/token'), { method: 'POST', body: new URLSearchParams(body) })).text();

  it.each<[string, () => Promise<unknown>, object]>([
    [
      'an unknown client',
      () => fetch(at('/oidc/auth?client_id=nobody&response_type=code')),
      { endpoint: 'authorization', error: 'invalid_client', clientId: 'nobody' },
    ],
    ['a client that is no id', () => fetch(at('/oidc/auth?client_id=ivanova@example.org&response_type=code')), { error: 'invalid_client' }],
    [
      'a wrong redirect_uri',
      () => fetch(at('/oidc/auth?client_id=explorer&response_type=code&redirect_uri=https://ivanova.example/'), { redirect: 'manual' }),
      { error: 'invalid_redirect_uri', clientId: 'explorer' },
    ],
    [
      'an unknown code',
      () =>
        redeem({
          grant_type: 'authorization_code',
          code: 'pT3kZ0cYw1Qe7RrVbN5mXA',
          client_id: 'explorer',
          redirect_uri: `${running.config.publicUrl}/explorer`,
          code_verifier: verifier,
        }),
      { endpoint: 'grant', error: 'invalid_grant', reason: 'authorization code not found', clientId: 'explorer' },
    ],
    [
      'an unknown refresh token',
      () => redeem({ grant_type: 'refresh_token', refresh_token: 'pT3kZ0cYw1Qe7RrVbN5mXA', client_id: 'explorer' }),
      { error: 'invalid_grant', reason: 'refresh token not found', clientId: 'explorer' },
    ],
    [
      'a grant that there is not',
      () => redeem({ grant_type: 'password', username: 'ivanova', password: 'p4ssw0rd', client_id: 'explorer' }),
      { error: 'unsupported_grant_type' },
    ],
  ])('(%s)', async (_what, make, expected) => {
    await make();
    expect(await line(mistake)).toMatchObject({ level: 40, requestId: expect.stringMatching(uuid) as string, ...expected });
    expect(JSON.stringify(lines)).not.toMatch(/ivanova|pT3kZ|p4ss|vvvv/);
  });

  it('(a wrong PKCE verifier)', async () => {
    await running.db.prisma.user.update({
      where: { id: userId },
      data: { signInName: 'pkce.tester', passwordHash: await hashPassword('верный пароль 7') },
    });
    const browser = new Browser(running.config.publicUrl);
    const redirectUri = `${running.config.publicUrl}/explorer`;
    const query = new URLSearchParams({
      client_id: 'explorer',
      response_type: 'code',
      scope: 'openid',
      redirect_uri: redirectUri,
      code_challenge: 'c'.repeat(43),
      code_challenge_method: 'S256',
    });
    const form = await browser.open(`/oidc/auth?${query.toString()}`);
    const landed = await browser.submit(form, { signInName: 'pkce.tester', password: 'верный пароль 7' });
    const code = new URL(landed.url).searchParams.get('code')!;
    expect(code).toMatch(/^[\w-]{20,}$/);
    lines.length = 0;
    await redeem({ grant_type: 'authorization_code', code, client_id: 'explorer', redirect_uri: redirectUri, code_verifier: verifier });
    expect(await line(mistake)).toMatchObject({
      error: 'invalid_grant',
      reason: 'code_verifier does not match code_challenge',
      clientId: 'explorer',
    });
    expect(JSON.stringify(lines)).not.toContain(code);
  });
});
