import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Tokens } from '../../../src/auth/tokens.ts';
import { person } from '../../support/client.ts';
import { server } from '../../support/database.ts';
import { startSecondApp, type SecondApp } from '../../support/second-app.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';
import { ask, json, openSignedIn, openSocket, type RawSocket } from '../raw-http.ts';
import { chatsStream, enrolmentsStream } from '../live/streams.ts';
import { factMs } from '../../support/limits.ts';

it('stops without waiting for idle clients: sockets are closed with a code to reconnect, streams end, and nothing is left', async () => {
  const app = await openSfera({ STOP_SECONDS: '300' });
  const { school, administrator } = await app.build.school();
  const schoolId = app.id('School', school.id);
  const socket = await app.as(administrator).listen(enrolmentsStream, { schoolId });
  const sse = await app.as(administrator).listenSse(chatsStream, { schoolId });
  await Promise.all([socket, sse].map((stream) => stream.until(({ items }) => items.length > 0)));
  const begun = performance.now();
  await app.close();
  expect(performance.now() - begun).toBeLessThan(factMs);
  expect((await socket.over).code).toBe(1012);
  await sse.over;
  expect(app.liveEvents.rights.stats().subscribers).toBe(0);
  expect(app.liveEvents.reader.stats().schools).toBe(0);
  expect(app.db.pool.totalCount).toBe(0);
  await expect(fetch(app.url)).rejects.toThrow();
  const left = process
    .getActiveResourcesInfo()
    .filter((name) => ['TCPServerWrap', 'TTYWrap', 'Worker'].includes(name) && name !== 'TTYWrap');
  expect(left).toEqual([]);
});

it('first tells load balancers: it is not ready for a while but still responds, and closes those connections', async () => {
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

it('does not wait for connections without a request', async () => {
  const app = await openSfera({ STOP_SECONDS: '300' });
  const sockets = Array.from({ length: 3 }, () => connect(app.port, '127.0.0.1'));
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
  // Uses one connection. The other connections stay unused, like connections that a browser opens in advance.
  const used = new Promise((resolve) => sockets[0]!.once('data', resolve));
  sockets[0]!.write('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n');
  await used;
  const over = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
  const begun = performance.now();
  await app.close();
  await Promise.all(over);
  expect(performance.now() - begun).toBeLessThan(factMs);
});

/** Blocks mutations. On PostgreSQL it locks a table; on the embedded database it takes the only connection. */
async function blockChanges(app: Sfera): Promise<() => Promise<void>> {
  const connection = await app.db.pool.connect();
  if (server !== undefined) await connection.query('begin; lock table subject in access exclusive mode');
  return async () => {
    if (server !== undefined) await connection.query('rollback');
    connection.release();
  };
}

const createSubject = 'mutation ($input: CreateSubjectInput!) { createSubject(input: $input) { __typename } }';

/**
 * A mutation on a socket of a second server. The mutation waits until `unblock` is called. Stopping the second server
 * leaves the database open.
 */
interface BlockedChange {
  stopping: SecondApp;
  changing: RawSocket;
  schoolId: string;
  unblock(): Promise<void>;
}

async function startBlockedChange(app: Sfera): Promise<BlockedChange> {
  const stopping = await startSecondApp(app);
  const { school, administrator } = await app.build.school();
  const changing = await openSignedIn(stopping.url, (await app.token(administrator)).token);
  const unblock = await blockChanges(app);
  const input = { schoolId: app.id('School', school.id), name: 'Физика' };
  changing.send({ type: 'subscribe', id: 'change', payload: { query: createSubject, variables: { input } } });
  changing.send({ type: 'ping' });
  await changing.waitForMessage(({ type }) => type === 'pong');
  return { stopping, changing, schoolId: school.id, unblock };
}

it('completes the running changes on sockets, accepts no further ones, and closes the other sockets at once', async () => {
  const app = await openSfera();
  const { school, administrator } = await app.build.school();
  const { token } = await app.token(administrator);
  const [changing, listening, silent] = [await openSignedIn(app.url, token), await openSignedIn(app.url, token), await openSocket(app.url)];
  listening.send({ type: 'subscribe', id: '1', payload: { query: chatsStream, variables: { schoolId: app.id('School', school.id) } } });
  await listening.waitForMessage(({ type }) => type === 'next');
  const unblock = await blockChanges(app);
  const answer = changing.run(
    { query: createSubject, variables: { input: { schoolId: app.id('School', school.id), name: 'Физика' } } },
    'change',
  );
  if (server === undefined) {
    changing.send({ type: 'ping' });
    await changing.waitForMessage(({ type }) => type === 'pong');
  } else {
    const waiting = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    await expect.poll(async () => (await app.db.pool.query(waiting)).rowCount).toBe(1);
  }
  const closed = app.close();
  expect([await listening.closed, await silent.closed]).toEqual(Array(2).fill({ code: 1012, reason: 'Service restart' }));
  changing.send({ type: 'subscribe', id: 'later', payload: { query: '{ viewer { id } }' } });
  changing.send({ type: 'ping', payload: { after: 'later' } });
  await changing.waitForMessage(({ type, payload }) => type === 'pong' && payload?.after === 'later');
  await unblock();
  expect(await answer).toMatchObject({ codes: [], data: { createSubject: { __typename: 'Subject' } } });
  expect(await changing.closed).toEqual({ code: 1012, reason: 'Service restart' });
  expect(changing.messages.filter(({ id }) => id === 'later')).toEqual([]);
  await closed;
});

it('closes a socket whose change is not completed within STOP_SECONDS', async () => {
  const app = await openSfera({ STOP_SECONDS: '1' });
  const { stopping, changing, unblock } = await startBlockedChange(app);
  const begun = performance.now();
  await stopping.close();
  expect(performance.now() - begun).toBeGreaterThan(900);
  expect([1006, 1012]).toContain((await changing.closed).code);
  await unblock();
  await app.close();
});

it('waits for the change of a client that has disconnected', async () => {
  const app = await openSfera();
  const { stopping, changing, unblock, schoolId } = await startBlockedChange(app);
  changing.ws.terminate();
  await changing.closed;
  let isOver = false;
  const closed = stopping.close().then(() => (isOver = true));
  await pause(300);
  expect(isOver).toBe(false);
  await unblock();
  await closed;
  expect(await app.db.prisma.subject.count({ where: { schoolId } })).toBe(1);
  await app.close();
});

it('ends a stream that starts while the server is stopping', async () => {
  const app = await openSfera();
  let open = (): void => undefined;
  let isAsked = false;
  const gate = new Promise<void>((resolve) => (open = resolve));
  const tokens = new (class extends Tokens {
    override async verifyAccessToken(token: string) {
      isAsked = true;
      await gate;
      return super.verifyAccessToken(token);
    }
  })(app);
  const stopping = await startSecondApp(app, { tokens, config: { stopSeconds: 300 } });
  const { school, administrator } = await app.build.school();
  const { token } = await app.token(administrator);
  const stream = person(stopping.url, token).listenSse(chatsStream, { schoolId: app.id('School', school.id) });
  await expect.poll(() => isAsked).toBe(true);
  const closed = stopping.close();
  // Waits longer than the server needs to end the open streams.
  await pause(300);
  const begun = performance.now();
  open();
  await closed;
  await stream.over;
  expect(performance.now() - begun).toBeLessThan(factMs);
  await app.close();
});

it('answers the first request on a connection that was opened just before', async () => {
  const app = await openSfera();
  const accepted = new Promise<void>((resolve) => {
    const note = () => {
      unsubscribe('net.server.socket', note);
      resolve();
    };
    subscribe('net.server.socket', note);
  });
  const socket = connect(app.port, '127.0.0.1');
  await accepted;
  const closed = app.close();
  socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n');
  const answer = await new Promise((resolve) =>
    socket
      .once('data', (part) => resolve(String(part)))
      .once('close', () => resolve(''))
      .on('error', () => undefined),
  );
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  expect(answer).toMatch(/connection: close/i);
  await closed;
});
