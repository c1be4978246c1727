import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { openSfera } from '../support/sfera.ts';
import { ask, json } from './raw-http.ts';
import { chatsStream, enrolmentsStream } from './live/streams.ts';

it('stops within ten seconds: sockets are told to come back, streams end, and nothing is left', async () => {
  const app = await openSfera();
  const { school, administrator } = await app.build.school();
  const schoolId = app.id('School', school.id);
  const socket = await app.as(administrator).listen(enrolmentsStream, { schoolId });
  const sse = await app.as(administrator).listenSse(chatsStream, { schoolId });
  await Promise.all([socket, sse].map((stream) => stream.until(({ items }) => items.length > 0)));
  const begun = performance.now();
  await app.close();
  expect(performance.now() - begun).toBeLessThan(10_000);
  expect((await socket.over).code).toBe(1012);
  await sse.over;
  expect(app.liveEvents.rights.stats().listeners).toBe(0);
  expect(app.liveEvents.reader.stats().schools).toBe(0);
  expect(app.db.pool.totalCount).toBe(0);
  await expect(fetch(app.url)).rejects.toThrow();
  const left = process.getActiveResourcesInfo().filter((name) => ['TCPServerWrap', 'TTYWrap', 'Worker'].includes(name) && name !== 'TTYWrap');
  expect(left).toEqual([]);
});

it('tells load balancers first: for a while it is not ready, and still answers, on connections that it then closes', async () => {
  const app = await openSfera({ STOP_DELAY_SECONDS: '2' });
  const { administrator } = await app.build.school();
  const { token } = await app.token(administrator);
  const closed = app.close();
  const ready = await fetch(app.url.replace('/graphql', '/health/ready'));
  expect([ready.status, ready.headers.get('connection'), await ready.json()]).toEqual([503, 'close', { status: 'stopping' }]);
  for (const body of ['{"query":"{ viewer { id } }"}', '{"query":"{ nothing }"}']) {
    const { status, headers } = await ask(app.url, { body, headers: json(token, { connection: 'keep-alive' }) });
    expect([status, headers.connection]).toEqual([200, 'close']);
  }
  await closed;
});

it('waits for no connection on which nothing was asked', async () => {
  const app = await openSfera();
  const sockets = Array.from({ length: 3 }, () => connect(app.port, '127.0.0.1'));
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
  // One has been used before; the others are open ahead, as browsers do it.
  const used = new Promise((resolve) => sockets[0]!.once('data', resolve));
  sockets[0]!.write('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n');
  await used;
  const over = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
  const begun = performance.now();
  await app.close();
  await Promise.all(over);
  expect(performance.now() - begun).toBeLessThan(10_000);
});
