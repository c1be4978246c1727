import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startSecondApp } from '../support/second-app.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';
import { ask, json, openSignedIn } from './raw-http.ts';

/** The endpoints for operators: /health/live, /health/ready and /metrics. */

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

/** Makes new connections look as if they came from another machine. */
const elsewhere = (message: unknown): void =>
  void Object.defineProperty((message as { socket: Socket }).socket, 'remoteAddress', { value: '192.0.2.1' });
afterEach(() => unsubscribe('net.server.socket', elsewhere));

const get = (path: string, headers: Record<string, string> = {}, url = app.url) => ask(url, { method: 'GET', path, headers });

describe('/health', () => {
  it('reports that the process is alive and ready', async () => {
    expect(await get('/health/live')).toMatchObject({ status: 200, text: '{"status":"live"}' });
    expect(await get('/health/ready')).toMatchObject({ status: 200, text: '{"status":"ready"}', headers: { 'cache-control': 'no-store' } });
  });

  it('is not ready without a database, but alive', async () => {
    const pool = { query: () => Promise.reject(new Error('the database is gone')) } as never;
    const broken = await startSecondApp(app, { db: { ...app.db, pool } });
    const answer = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${broken.port}${path}`);
      return [response.status, await response.json()];
    };
    expect(await answer('/health/ready')).toEqual([503, { status: 'no database' }]);
    expect(await answer('/health/live')).toEqual([200, { status: 'live' }]);
    await broken.close();
  });

  it('is not ready while it stops, but still answers open connections', async () => {
    const stopping = await startSecondApp(app);
    const socket = connect(stopping.port, '127.0.0.1');
    let received = '';
    const over = new Promise((resolve) => socket.once('close', resolve));
    socket.on('data', (part) => (received += part.toString()));
    // The first response shows that the server has accepted the connection. The half request keeps the connection from
    // being idle.
    socket.write('GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\nGET /health/ready HTTP/1.1\r\n');
    await expect.poll(() => received).toContain('{"status":"ready"}');
    const closed = stopping.close();
    socket.write('Host: x\r\nConnection: close\r\n\r\n');
    await over;
    await closed;
    expect(received.slice(received.lastIndexOf('HTTP/1.1'))).toMatch(/^HTTP\/1.1 503 [^]*\{"status":"stopping"\}/);
  });
});

describe('/metrics', () => {
  const read = async () => {
    const { text } = await get('/metrics');
    const samples = text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.split(/ (?=[^ ]+$)/) as [string, string]);
    return { text, of: (name: string) => Number(new Map(samples).get(name) ?? 0), names: samples.map(([name]) => name) };
  };

  it('is in the Prometheus text format', async () => {
    const { status, headers, text } = await get('/metrics');
    expect([status, headers['content-type']]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
    for (const line of text.trimEnd().split('\n'))
      expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"]*",?)+\})? [-+\d.e]+(Inf|NaN)?|)$/);
    for (const name of [
      'sfera_http_requests_total',
      'sfera_operations_total',
      'sfera_subscribers',
      'sfera_websockets',
      'sfera_log_lag_seconds',
      'sfera_db_pool_connections',
      'process_resident_memory_bytes',
    ])
      expect(text).toContain(`# TYPE ${name} `);
  });

  it('is available only from the same machine if no token is configured', async () => {
    expect((await get('/metrics', { 'x-forwarded-for': '127.0.0.1' })).status).toBe(404);
    const { token } = await app.token((await app.build.school()).administrator);
    subscribe('net.server.socket', elsewhere);
    expect((await get('/metrics')).status).toBe(404);
    expect((await get('/metrics', { authorization: `Bearer ${token}` })).status).toBe(404);
  });

  it('is available from anywhere with the configured token', async () => {
    const guarded = await startSecondApp(app, { config: { metricsToken: 'a token for metrics' } });
    const url = `http://127.0.0.1:${guarded.port}/`;
    subscribe('net.server.socket', elsewhere);
    expect((await get('/metrics', { authorization: 'Bearer a token for metrics' }, url)).status).toBe(200);
    for (const authorization of ['', 'Bearer ', 'Bearer another token', 'a token for metrics', 'Basic a token for metrics'])
      expect((await get('/metrics', { authorization }, url)).status).toBe(404);
    await guarded.close();
  });

  it('counts answered requests and operations', async () => {
    const { school, administrator } = await app.build.school();
    const { token } = await app.token(administrator);
    const before = await read();
    const send = (query: string, variables: object = {}) =>
      ask(app.url, { headers: json(token), body: JSON.stringify({ query, variables }) });
    const subject = 'mutation ($id: ID!) { createSubject(input: { schoolId: $id, name: "Физика" }) { __typename } }';
    await send('{ viewer { id } }');
    await send('{ viewer { id surname } }');
    await send('{ schools(first: 0) { edges { cursor } } }');
    await send(subject, { id: app.id('School', school.id) });
    await get('/nothing');
    const socket = await openSignedIn(app.url, token);
    await socket.run({ query: '{ viewer { id } }' });
    const after = await read();
    socket.ws.terminate();
    const grown = (name: string) => after.of(name) - before.of(name);
    expect(grown('sfera_operations_total{type="query",outcome="ok"}')).toBe(3);
    expect(grown('sfera_operations_total{type="query",outcome="error"}')).toBe(1);
    expect(grown('sfera_operations_total{type="mutation",outcome="ok"}')).toBe(1);
    expect(grown('sfera_operation_seconds_count{type="query"}')).toBe(4);
    expect(grown('sfera_http_requests_total{method="POST",status="200"}')).toBe(4);
    expect(grown('sfera_http_requests_total{method="GET",status="404"}')).toBe(1);
  });

  it('counts open sockets and subscribers', async () => {
    const { school, administrator } = await app.build.school();
    const { token } = await app.token(administrator);
    const before = (await read()).of('sfera_operations_total{type="subscription",outcome="ok"}');
    await expect.poll(async () => (await read()).of('sfera_websockets')).toBe(0);
    const socket = await openSignedIn(app.url, token);
    for (const id of ['1', '2']) {
      socket.send({
        type: 'subscribe',
        id,
        payload: {
          query: 'subscription ($id: ID!) { chats(schoolId: $id) { __typename } }',
          variables: { id: app.id('School', school.id) },
        },
      });
      await socket.waitForMessage((message) => message.id === id);
    }
    const during = await read();
    expect([during.of('sfera_websockets'), during.of('sfera_subscribers'), during.of('sfera_followed_schools')]).toEqual([1, 2, 1]);
    expect(during.of('sfera_operations_total{type="subscription",outcome="ok"}') - before).toBe(2);
    socket.ws.close();
    await expect
      .poll(async () => {
        const now = await read();
        return [now.of('sfera_websockets'), now.of('sfera_subscribers'), now.of('sfera_followed_schools')];
      })
      .toEqual([0, 0, 0]);
  });

  it('shows an exhausted pool, and a delayed log reader', async () => {
    const { school, administrator } = await app.build.school();
    const stream = app
      .as(administrator)
      .listen('subscription ($id: ID!) { chats(schoolId: $id) { __typename } }', { id: app.id('School', school.id) });
    const listening = await stream;
    await listening.until(({ items }) => items.length > 0);
    expect((await read()).of('sfera_log_lag_seconds')).toBe(0);
    const { pool } = app.db;
    const held = await Promise.all(Array.from({ length: pool.options.max }, () => pool.connect()));
    app.notifier.notify([school.id]);
    await expect.poll(async () => (await read()).of('sfera_log_lag_seconds')).toBeGreaterThan(0.05);
    const during = await read();
    expect([during.of('sfera_db_pool_connections'), during.of('sfera_db_pool_idle')]).toEqual([pool.options.max, 0]);
    expect(during.of('sfera_db_pool_waiting')).toBeGreaterThan(0);
    for (const client of held) client.release();
    await expect.poll(async () => (await read()).of('sfera_log_lag_seconds')).toBe(0);
    await expect.poll(async () => (await read()).of('sfera_db_pool_waiting')).toBe(0);
    listening.close();
  });

  it('contains no person, school or operation', async () => {
    const { school, administrator } = await app.build.school({ name: 'Школа имени Иванова' });
    const { token } = await app.token(administrator);
    const query = 'query OfIvanova($id: ID!) { node(id: $id) { id } }';
    await ask(app.url, {
      headers: json(token),
      body: JSON.stringify({ query, variables: { id: app.id('School', school.id) }, operationName: 'OfIvanova' }),
    });
    await (await fetch(new URL(`/join/${school.id}`, app.url))).text();
    const { text, names } = await read();
    for (const secret of [school.id, administrator.id, app.id('School', school.id), 'Ivanova', 'Иванов', administrator.signInName!, token])
      expect(text).not.toContain(secret);
    const labels = new Set(
      names.filter((name) => name.startsWith('sfera_')).flatMap((name) => [...name.matchAll(/(\w+)=/g)].map(([, label]) => label)),
    );
    expect([...labels].sort()).toEqual(['le', 'method', 'outcome', 'status', 'type']);
  });
});
