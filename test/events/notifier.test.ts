import { createServer, type AddressInfo, type Socket } from 'node:net';
import type pg from 'pg';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Notifier } from '../../src/events/notifier.ts';
import { createLogger } from '../../src/logger.ts';

afterEach(() => void vi.useRealTimers());

it('notifies other processes at once, and batches notifications that follow soon after', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const notified: unknown[] = [];
  const query = (_text: string, [, ids]: unknown[]) => Promise.resolve(notified.push(ids));
  // Nothing listens at this address; notifications are sent through the pool.
  const notifier = new Notifier({ query } as unknown as pg.Pool, 'postgres://127.0.0.1:1/none', createLogger('silent'));
  notifier.notify(['a']);
  expect(notified).toEqual(['a']);
  notifier.notify(['b']);
  notifier.notify(['c', 'b']);
  expect(notified).toEqual(['a']);
  vi.advanceTimersByTime(25);
  expect(notified).toEqual(['a', 'b,c']);
  // Sends nothing while there is no event, and then sends the next event at once.
  vi.advanceTimersByTime(25);
  expect(notified).toEqual(['a', 'b,c']);
  notifier.notify(['d']);
  expect(notified).toEqual(['a', 'b,c', 'd']);
  notifier.notify(['e']);
  await notifier.close();
  expect(notified).toEqual(['a', 'b,c', 'd', 'e']);
});

it('closes although its server does not respond', async () => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => void sockets.push(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as AddressInfo;
  const never = () => new Promise(() => undefined);
  const notifier = new Notifier({ query: never } as unknown as pg.Pool, `postgres://127.0.0.1:${port}/none`, createLogger('silent'));
  await expect.poll(() => sockets.length).toBe(1);
  notifier.notify(['a']);
  await notifier.close();
  for (const socket of sockets) socket.destroy();
  silent.close();
});

it('listens again if the server does not respond', async () => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => void sockets.push(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as AddressInfo;
  const notifier = new Notifier({} as pg.Pool, `postgres://127.0.0.1:${port}/none`, createLogger('silent'));
  await expect.poll(() => sockets.length).toBe(2);
  await notifier.close();
  for (const socket of sockets) socket.destroy();
  silent.close();
});

describe('signals', () => {
  it('are sent in order, by one statement at a time, and the oldest are dropped beyond 100', async () => {
    const sent: string[][] = [];
    let answer: () => void = () => undefined;
    const query = (_text: string, [, texts]: [string, string[]]) => {
      sent.push(texts.map((text) => text.split(' ')[1]!));
      return new Promise<void>((resolve) => (answer = resolve));
    };
    const notifier = new Notifier({ query } as unknown as pg.Pool, 'postgres://127.0.0.1:1/none', createLogger('silent'));
    for (let n = 0; n < 150; n++) notifier.sendSignal(String(n));
    expect(sent).toEqual([['0']]);
    answer();
    await expect.poll(() => sent).toHaveLength(2);
    expect(sent[1]).toEqual(Array.from({ length: 100 }, (_, n) => String(n + 50)));
    answer();
    await notifier.close();
  });

  it('are sent nowhere with the embedded database', async () => {
    const query = () => Promise.reject(new Error('no statement is expected'));
    const notifier = new Notifier({ query } as unknown as pg.Pool, undefined, createLogger('silent'));
    notifier.sendSignal('x');
    await notifier.close();
  });
});
