import { encodeGlobalID } from '@pothos/plugin-relay';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { connect, type Database } from '../../../src/db/client.ts';
import { createLogger } from '../../../src/logger.ts';
import { start, type Running } from '../../../src/http/bootstrap.ts';
import { eventsStream } from '../live/streams.ts';
import { createBuild, type Build } from '../../support/build.ts';
import { person, type Person } from '../../support/client.ts';
import { server } from '../../support/database.ts';
import { createDatabase, dropDatabase } from '../../support/server.ts';
import { testConfig } from '../../support/sfera.ts';
import { stallingProxy, type StallingProxy } from '../../support/stalling-proxy.ts';
import { json, openSocket } from '../raw-http.ts';

/** Responses while the database does not respond or is read-only. Afterwards the server recovers by itself. */

const createSubject =
  'mutation ($input: CreateSubjectInput!) { createSubject(input: $input) { __typename ... on Refusal { code message retryAfter } } }';

describe.runIf(server)('a server whose database fails', () => {
  let made: { name: string; url: string };
  let proxy: StallingProxy;
  let running: Running;
  let admin: Database;
  let build: Build;
  let administrator: Person;
  let token: string;
  let schoolId: string;
  let url: string;

  beforeAll(async () => {
    made = await createDatabase(server!, inject('template'));
    const log = createLogger('silent');
    proxy = await stallingProxy(made.url);
    const db = await connect({ databaseUrl: proxy.url, poolSize: 6, answerWithinMs: 1000, log });
    running = await start(await testConfig(), log, db);
    admin = await connect({ databaseUrl: made.url, poolSize: 2, log });
    build = createBuild(running);
    url = `http://127.0.0.1:${running.port}/graphql`;
    const { school, administrator: who } = await build.school();
    const { id: sessionId } = await db.prisma.session.create({
      data: { userId: who.id, clientId: 'tests', expiresAt: new Date(Date.now() + 86_400_000) },
    });
    token = await running.tokens.issueAccessToken({ userId: who.id, sessionId, clientId: 'tests' }, 3600);
    administrator = person(url, token);
    schoolId = encodeGlobalID('School', school.id);
  });
  afterEach(() => proxy.resume());
  afterAll(async () => {
    await running?.close();
    await proxy?.close();
    await admin?.close();
    await dropDatabase(server!, made.name);
  });

  const ask = async ({
    path = '/graphql',
    ...options
  }: {
    path?: string;
    method?: string;
    headers?: Record<string, string>;
    body?: string;
  }) => {
    const response = await fetch(new URL(path, url), { method: 'POST', redirect: 'manual', ...options });
    return { status: response.status, headers: Object.fromEntries(response.headers), text: await response.text() };
  };
  const get = (path: string, headers: Record<string, string> = {}) => ask({ method: 'GET', path, headers });
  const post = (query: string, headers: Record<string, string> = {}) =>
    ask({ headers: { ...json(token), ...headers }, body: JSON.stringify({ query }) });
  const connections = async () => {
    const { rows } = await admin.pool.query<{ pid: number }>(
      `select pid from pg_stat_activity where datname = $1 and application_name = 'sfera' and pid <> pg_backend_pid()`,
      [made.name],
    );
    return rows.map(({ pid }) => pid);
  };
  const ready = async () => {
    const { status, text } = await get('/health/ready');
    return [status, (JSON.parse(text) as { status: string }).status];
  };
  const changed = async (name: string) =>
    (await administrator.send(createSubject, { input: { schoolId, name } })).data?.createSubject as {
      __typename: string;
      code?: string;
      retryAfter?: number;
    };

  it('answers UNAVAILABLE with 503 and Retry-After, is not ready, and serves again by itself', async () => {
    const stream = administrator.listen(eventsStream, { schoolId });
    await stream.until(({ items }) => items.length > 0);
    proxy.stall();
    expect(await ready()).toEqual([503, 'no database']);
    const accept = 'application/graphql-response+json';
    const answers = await Promise.all([
      post('{ viewer { id } }', { accept }),
      post('{ viewer { id } }', { accept, 'accept-language': 'en' }),
      // Yoga handles GET requests. The two POST requests above take the fast path (src/http/graphql/fast-path.ts).
      ask({ method: 'GET', path: `/graphql?query=${encodeURIComponent('{ viewer { id } }')}`, headers: { ...json(token), accept } }),
    ]);
    for (const { status, headers, text } of answers) {
      expect([status, headers['retry-after']]).toEqual([503, '2']);
      expect(JSON.parse(text)).toMatchObject({ errors: [{ extensions: { code: 'UNAVAILABLE', retryAfter: 2 } }] });
    }
    expect(answers[0].text).toContain('Повторите');
    expect(answers[1].text).toContain('Try again');
    // After other errors, a stream gives up within about six seconds. While the database cannot be reached, it must not
    // give up, so the test waits longer.
    await pause(7000);
    expect(stream.items).toHaveLength(1);
    proxy.resume();
    await expect.poll(ready).toEqual([200, 'ready']);
    await expect
      .poll(() =>
        changed('Химия').then(
          (made) => made?.__typename,
          () => undefined,
        ),
      )
      .toBe('Subject');
    // The stream has not ended, and delivers the events that were recorded meanwhile.
    await stream.until(({ news }) => news.length > 0);
    stream.close();
  });

  it('answers UNAVAILABLE for a field, a change, a page and the authorization server', async () => {
    await expect.poll(ready).toEqual([200, 'ready']);
    proxy.stall();
    const [field, page, english, authorization, tokens] = await Promise.all([
      ask({
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: '{ invitationPreview(code: "ThisCodeOpensNothingAtAll") { role } }' }),
      }),
      get('/join/ThisCodeOpensNothingAtAll'),
      get('/join/ThisCodeOpensNothingAtAll', { 'accept-language': 'en' }),
      get('/oidc/auth?client_id=explorer&response_type=code'),
      ask({
        path: '/oidc/token',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: 'grant_type=refresh_token&refresh_token=ThisTokenOpensNothingAtAll&client_id=explorer',
      }),
    ]);
    expect(JSON.parse(field.text)).toMatchObject({
      data: { invitationPreview: null },
      errors: [{ path: ['invitationPreview'], extensions: { code: 'UNAVAILABLE', retryAfter: 2 } }],
    });
    for (const each of [page, english, authorization]) {
      expect([each.status, each.headers['retry-after'], each.headers['content-type']]).toEqual([503, '2', 'text/html; charset=utf-8']);
      expect(each.text).toMatch(/<a href="\/(join\/ThisCode|oidc\/auth)/);
    }
    expect(page.text).toContain('Сервер временно не может ответить');
    expect(english.text).toContain('The server cannot answer right now');
    expect([tokens.status, tokens.headers['retry-after']]).toEqual([503, '2']);
    expect(JSON.parse(tokens.text)).toMatchObject({ error: 'temporarily_unavailable' });
  });

  it('does not call a token invalid whose keys cannot be looked up', async () => {
    await expect.poll(ready).toEqual([200, 'ready']);
    const [head, ...rest] = token.split('.');
    const unknown = [
      Buffer.from(JSON.stringify({ ...(JSON.parse(Buffer.from(head!, 'base64url').toString()) as object), kid: 'another' })).toString(
        'base64url',
      ),
      ...rest,
    ].join('.');
    proxy.stall();
    const { status } = await ask({ headers: json(unknown), body: '{"query":"{ viewer { id } }"}' });
    expect(status).not.toBe(401);
    const socket = await openSocket(url);
    socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
    // graphql-ws reconnects after 1013, but not after 4401 and 4500.
    expect(await socket.closed).toMatchObject({ code: 1013 });
    proxy.resume();
    await expect.poll(async () => (await ask({ headers: json(unknown), body: '{"query":"{ viewer { id } }"}' })).status).toBe(401);
  });

  it('reports a read-only database, and notices by itself when it is writable again', async () => {
    await expect.poll(ready).toEqual([200, 'ready']);
    const { pool } = admin;
    await pool.query(`alter database ${made.name} set default_transaction_read_only = on`);
    await pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name like 'sfera%' and pid <> pg_backend_pid()`,
      [made.name],
    );
    await expect.poll(ready).toEqual([503, 'read-only']);
    const before = await connections();
    expect(await changed('Физика')).toMatchObject({ __typename: 'Refusal', code: 'UNAVAILABLE', retryAfter: 2 });
    // The database accepts writes again, but existing connections stay read-only. So the server has to replace them.
    await pool.query(`set default_transaction_read_only = off; alter database ${made.name} reset default_transaction_read_only`);
    await expect.poll(ready).toEqual([200, 'ready']);
    expect((await changed('Физика')).__typename).toBe('Subject');
    // The server opens new connections for reads too: an old connection may lead to a standby that lags behind.
    await expect.poll(async () => (await connections()).filter((pid) => before.includes(pid))).toEqual([]);
  });

  it('recovers when connections are terminated during many requests, without INTERNAL errors', async () => {
    const terminate = () =>
      admin.pool.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name = 'sfera' and pid <> pg_backend_pid()`,
        [made.name],
      );
    const codes = new Set<string>();
    const until = Date.now() + 3000;
    const load = Array.from({ length: 8 }, async (_, n) => {
      while (Date.now() < until) {
        const { text } = await post(
          n % 2 === 0
            ? '{ viewer { id } }'
            : `mutation { createSubject(input: {schoolId: "${schoolId}", name: "П-${n}-${Date.now()}"}) { __typename ... on Refusal { code } } }`,
        );
        for (const [, code] of text.matchAll(/"code":"(\w+)"/g)) codes.add(code!);
      }
    });
    while (Date.now() < until) {
      await terminate().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await Promise.all(load);
    expect([...codes].filter((code) => code !== 'UNAVAILABLE' && code !== 'CONFLICT')).toEqual([]);
    expect(codes).toContain('UNAVAILABLE');
    await expect.poll(ready).toEqual([200, 'ready']);
  });
});
