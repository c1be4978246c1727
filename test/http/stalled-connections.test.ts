import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startSecondApp, type SecondApp } from '../support/second-app.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

/** A response that is larger than the kernel's socket buffers. */
const large = Buffer.alloc(48 * 1024 * 1024, 'x');
const stalledMs = 700;

let app: Sfera;
let quickApp: SecondApp;
/** The server's sockets, one for each connection, the newest last. */
const ends: Socket[] = [];
const noteEnd = (message: unknown) => void ends.push((message as { socket: Socket }).socket);
beforeAll(async () => {
  subscribe('net.server.socket', noteEnd);
  app = await openSfera();
  quickApp = await startSecondApp(app, {
    config: { stopSeconds: 60 },
    timeouts: { init: 300, stalled: stalledMs },
    routes: async (_request, response) => {
      response.end(large);
      return true;
    },
  });
});
afterAll(async () => {
  unsubscribe('net.server.socket', noteEnd);
  await quickApp.close();
  await app.close();
});

/**
 * Requests the large response without reading it. Resolves with the server's socket once this socket has unsent bytes.
 */
async function requestWithoutReading(): Promise<{ client: Socket; end: Socket }> {
  const client = connect({ port: quickApp.port, host: '127.0.0.1' }).pause();
  client.on('error', () => undefined);
  client.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n');
  await expect.poll(() => ends.at(-1)?.remotePort === client.localPort && ends.at(-1)!.writableLength > 0, { interval: 5 }).toBe(true);
  return { client, end: ends.at(-1)! };
}

it('disconnects a client that does not read an ordinary answer', async () => {
  const { client, end } = await requestWithoutReading();
  await expect.poll(() => end.destroyed).toBe(true);
  client.destroy();
});

it('lets a slow client read one large answer for longer than a client may stall', async () => {
  const { client, end } = await requestWithoutReading();
  let received = 0;
  let steps = 0;
  const begun = performance.now();
  const over = new Promise<void>((resolve) => client.once('close', resolve));
  client.on('data', (part: Buffer) => (received += part.length));
  // A slow client reads a part and then pauses for less than the stall limit.
  while (received < large.length && !client.destroyed) {
    client.resume();
    const target = received + large.length / 12;
    await expect.poll(() => received >= Math.min(target, large.length) || client.destroyed, { interval: 1 }).toBe(true);
    client.pause();
    steps += 1;
    if (received < large.length) await new Promise((resolve) => setTimeout(resolve, stalledMs / 4));
  }
  expect(received).toBeGreaterThanOrEqual(large.length);
  expect(end.destroyed).toBe(false);
  expect(steps).toBeGreaterThan(4);
  expect(performance.now() - begun).toBeGreaterThan(stalledMs * 2);
  client.destroy();
  await over;
});

it('completes running responses when it stops, and does not wait for a client that does not read', async () => {
  const [{ client: reading }, { client: stalled, end }] = [await requestWithoutReading(), await requestWithoutReading()];
  let received = 0;
  const over = new Promise<void>((resolve) => reading.once('close', resolve));
  const closed = quickApp.close();
  reading.on('data', (part: Buffer) => (received += part.length)).resume();
  await over;
  expect(received).toBeGreaterThanOrEqual(large.length);
  // Resolves when the stalled connection is destroyed, well before STOP_SECONDS (60).
  await closed;
  expect(end.destroyed).toBe(true);
  stalled.destroy();
});
