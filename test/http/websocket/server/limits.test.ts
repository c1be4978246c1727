import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { request } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { socketLimits } from '../../../../src/http/websocket/open-sockets.ts';
import { startSecondApp, type SecondApp } from '../../../support/second-app.ts';
import { openSfera, type Sfera } from '../../../support/sfera.ts';
import { ask, json, openSignedIn, openSocket, type RawSocket } from '../../raw-http.ts';
import { factMs } from '../../../support/limits.ts';

/** Limits on the number of sockets and streams, and timeouts of silent sockets. */

const upgrade = (more = '') =>
  `GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n${more}\r\n`;
/** A masked frame of a client (RFC 6455, 5.2), with a mask of zeros. */
const frame = (first: number, payload: string | Buffer, length = Buffer.byteLength(payload)) =>
  Buffer.concat([Buffer.from([first, 0x80 | length, 0, 0, 0, 0]), Buffer.from(payload)]);
const stream = 'subscription ($id: ID!) { events(schoolId: $id) { __typename } }';

let app: Sfera;
/** A second HTTP server with the database of `app`, but with a shorter timeout for `connection_init`. */
let quickApp: SecondApp;
const raw = new Set<Socket>();
beforeAll(async () => {
  app = await openSfera({ STREAMS_PER_ACCOUNT: '5' });
  quickApp = await startSecondApp(app, { timeouts: { init: 500, stalled: 15_000, recheck: 500 } });
});
afterEach(() => {
  for (const socket of raw) socket.destroy();
  raw.clear();
});
afterAll(async () => {
  await quickApp.close();
  await app.close();
});

/**
 * Opens a connection that never responds. `over` resolves with the received text when the server has closed the
 * connection.
 */
function openRaw(port: number): { socket: Socket; over: Promise<string>; said: () => string } {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  raw.add(socket);
  let text = '';
  socket.on('error', () => undefined).on('data', (part: Buffer) => (text += part.toString('latin1')));
  return {
    socket,
    said: () => text,
    over: new Promise((resolve) => socket.once('close', () => resolve(text)).once('end', () => socket.write('x', () => resolve(text)))),
  };
}

describe('a socket without connection_init', () => {
  it.each<[what: string, act: (socket: Socket) => void]>([
    ['and says nothing', () => undefined],
    ['and sends half a frame', (socket) => socket.write(frame(0x81, '{"type":"conn', 40))],
    [
      'and sends fragments without an end',
      (socket) => {
        socket.write(frame(0x01, '{"type":'));
        const timer = setInterval(() => socket.write(frame(0x00, ' ')), 100);
        socket.once('close', () => clearInterval(timer));
      },
    ],
    [
      'and sends pings only',
      (socket) => {
        const timer = setInterval(() => socket.write(frame(0x89, 'x')), 100);
        socket.once('close', () => clearInterval(timer));
      },
    ],
    [
      'and sends pings of the protocol only',
      (socket) => {
        const timer = setInterval(() => socket.write(frame(0x81, '{"type":"ping"}')), 100);
        socket.once('close', () => clearInterval(timer));
      },
    ],
    ['and takes nothing', (socket) => void socket.pause()],
  ])('%s is closed by the server, although its client does not respond', async (_what, act) => {
    const { socket, over } = openRaw(quickApp.port);
    const begun = performance.now();
    socket.write(upgrade());
    await new Promise((resolve) => socket.once('data', resolve));
    act(socket);
    socket.resume();
    await over;
    await expect.poll(() => socket.destroyed || socket.readyState === 'writeOnly' || socket.readyState === 'closed').toBe(true);
    expect(performance.now() - begun).toBeLessThan(factMs);
  });

  it('is closed early if its address has too many of them, the oldest first', async () => {
    const silent = await Promise.all(Array.from({ length: socketLimits.silentPerAddress + 20 }, () => openSocket(app.url)));
    const closes: number[] = [];
    for (const { closed } of silent) void closed.then(({ code }) => closes.push(code));
    await expect.poll(() => closes.length, { interval: 50 }).toBeGreaterThanOrEqual(20);
    expect(new Set(closes)).toEqual(new Set([4408]));
    // Meanwhile the server accepts clients that send `connection_init`, even thirty at once.
    const { administrator } = await app.build.school();
    const { token } = await app.token(administrator);
    const last = silent.at(-1)!;
    if (last.ws.readyState === last.ws.OPEN) {
      last.send({ type: 'connection_init', payload: { token } });
      await last.waitForMessage(({ type }) => type === 'connection_ack');
    }
    const accounts = await Promise.all(
      Array.from({ length: 30 }, async () => (await app.token((await app.build.school()).administrator)).token),
    );
    const sockets = await Promise.all(accounts.map((each) => openSignedIn(app.url, each)));
    for (const { ws } of [...sockets, ...silent]) ws.terminate();
  });

  it('prevents further upgrades if its address has thousands of them, and no connection of another address', async () => {
    const opened = Array.from({ length: socketLimits.refusedPerAddress }, () => openRaw(app.port));
    for (const { socket } of opened) socket.write(upgrade());
    await expect.poll(() => opened.filter(({ said }) => said() !== '').length).toBe(opened.length);
    const next = openRaw(app.port);
    next.socket.write(upgrade());
    expect(await next.over).toMatch(/^HTTP\/1\.1 429 .*Retry-After: \d+/s);
    const elsewhere = connect({ port: app.port, host: '127.0.0.1', localAddress: '127.0.0.2' });
    raw.add(elsewhere);
    elsewhere.write(upgrade());
    const [answer] = (await once(elsewhere, 'data')) as [Buffer];
    expect(answer.toString('latin1')).toMatch(/^HTTP\/1\.1 101 /);
  });
});

describe('an account', () => {
  it('has a limit of sockets: the next one is closed with 4429, and a closed one makes room', async () => {
    const { administrator } = await app.build.school();
    const { token } = await app.token(administrator);
    const sockets: RawSocket[] = [];
    for (let n = 0; n < 5; n += 1) sockets.push(await openSignedIn(app.url, token));
    const next = await openSocket(app.url);
    next.send({ type: 'connection_init', payload: { token } });
    expect(await next.closed).toEqual({ code: 4429, reason: 'Too many sockets' });
    const { token: another } = await app.token((await app.build.school()).administrator);
    (await openSignedIn(app.url, another)).ws.terminate();
    sockets.pop()!.ws.close();
    await expect
      .poll(async () =>
        openSignedIn(app.url, token).then(
          ({ ws }) => ws.close() ?? true,
          () => false,
        ),
      )
      .toBe(true);
    for (const { ws } of sockets) ws.terminate();
  });

  it('has a limit of streams on all its sockets and over SSE; one that ends makes room', async () => {
    const { school, administrator } = await app.build.school();
    const { token } = await app.token(administrator);
    const id = app.id('School', school.id);
    const body = JSON.stringify({ query: stream, variables: { id } });
    const sse = await new Promise<{ destroy(): void; statusCode?: number }>((resolve, reject) =>
      request(app.url, { method: 'POST', headers: { ...json(token), accept: 'text/event-stream' } }, resolve)
        .once('error', reject)
        .end(body),
    );
    expect(sse.statusCode).toBe(200);
    const [first, second] = [await openSignedIn(app.url, token), await openSignedIn(app.url, token)];
    for (const socket of [first, second])
      for (const n of [1, 2]) {
        socket.send({ type: 'subscribe', id: `${n}`, payload: { query: stream, variables: { id } } });
        await socket.waitForMessage((message) => message.id === `${n}` && message.type === 'next');
      }
    expect((await first.run({ query: stream, variables: { id } }, '3')).codes).toEqual(['TOO_MANY_STREAMS']);
    expect(first.messages.at(-1)).toMatchObject({ id: '3', type: 'error' });
    // Queries still work, and other accounts have their own streams.
    expect((await first.run({ query: '{ viewer { id } }' }, '4')).codes).toEqual([]);
    const refused = await ask(app.url, { headers: json(token, { accept: 'text/event-stream' }), body });
    expect(refused.text).toContain('TOO_MANY_STREAMS');
    sse.destroy();
    await expect
      .poll(async () => {
        second.send({ type: 'subscribe', id: '9', payload: { query: stream, variables: { id } } });
        const { type } = await second.waitForMessage((message) => message.id === '9' && ['next', 'error'].includes(message.type));
        second.messages.splice(0);
        return type;
      })
      .toBe('next');
    for (const { ws } of [first, second]) ws.terminate();
    await expect.poll(() => app.liveEvents.rights.stats().subscribers).toBe(0);
    const again = await openSignedIn(app.url, token);
    for (let n = 0; n < 5; n += 1) {
      again.send({ type: 'subscribe', id: `${n}`, payload: { query: stream, variables: { id } } });
      await again.waitForMessage((message) => message.id === `${n}` && message.type === 'next');
    }
    again.ws.terminate();
  });
});

describe('a socket that is idle', () => {
  it.each([
    [
      'whose session has ended',
      (user: { id: string }) => app.db.prisma.session.updateMany({ where: { userId: user.id }, data: { endedAt: new Date() } }),
    ],
    [
      'of somebody who was deactivated',
      (user: { id: string }) => app.db.prisma.user.update({ where: { id: user.id }, data: { deactivatedAt: new Date() } }),
    ],
  ])('%s is closed with 4401, others stay', async (_what, end) => {
    const [{ administrator }, { administrator: other }] = [await app.build.school(), await app.build.school()];
    const [ended, stays] = await Promise.all(
      [administrator, other].map(async (user) => openSignedIn(quickApp.url, (await app.token(user)).token)),
    );
    await end(administrator);
    expect((await ended!.closed).code).toBe(4401);
    expect((await stays!.run({ query: '{ viewer { id } }' })).codes).toEqual([]);
    stays!.ws.terminate();
  });
});

describe('a connection', () => {
  it.each<[what: string, bytes: string]>([
    ['that sends nothing', ''],
    ['that sends half of its headers', 'GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: webs'],
  ])('%s is ended before the 30 seconds that a request may take', async (_what, bytes) => {
    const { socket, over } = openRaw(app.port);
    const begun = performance.now();
    socket.write(bytes);
    await over;
    expect(performance.now() - begun).toBeLessThan(28_000);
  });

  it('whose upgrade is refused is closed, although its client keeps its own side open', async () => {
    const { socket, over } = openRaw(app.port);
    socket.write(upgrade().replace('/graphql', '/elsewhere'));
    expect(await over).toContain('404 Not Found');
    await expect
      .poll(() => new Promise((resolve) => socket.write('x', (error) => resolve(error ?? (socket.destroyed || null)))))
      .toBeTruthy();
  });
});
