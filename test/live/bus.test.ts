import type pg from 'pg';
import { afterEach, expect, it, vi } from 'vitest';
import { createBus } from '../../src/events/bus.ts';
import { createLog } from '../../src/log.ts';

afterEach(() => void vi.useRealTimers());

it('tells the other processes at once, and together what follows soon after', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const notified: unknown[] = [];
  const query = (_text: string, [, ids]: unknown[]) => Promise.resolve(notified.push(ids));
  // Nobody answers there; what is sent goes by the pool.
  const bus = createBus({ query } as unknown as pg.Pool, 'postgres://127.0.0.1:1/none', createLog('silent'));
  bus.wake(['a']);
  expect(notified).toEqual(['a']);
  bus.wake(['b']);
  bus.wake(['c', 'b']);
  expect(notified).toEqual(['a']);
  vi.advanceTimersByTime(25);
  expect(notified).toEqual(['a', 'b,c']);
  // Nothing is said where nothing happened, and the next is told at once again.
  vi.advanceTimersByTime(25);
  expect(notified).toEqual(['a', 'b,c']);
  bus.wake(['d']);
  expect(notified).toEqual(['a', 'b,c', 'd']);
  bus.wake(['e']);
  await bus.close();
  expect(notified).toEqual(['a', 'b,c', 'd', 'e']);
});
