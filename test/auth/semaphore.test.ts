import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Semaphore } from '../../src/auth/semaphore.ts';

describe('Semaphore', () => {
  const held = () => {
    let finish!: () => void;
    return { done: new Promise<void>((resolve) => (finish = resolve)), finish };
  };

  it('runs up to the limit, queues the rest in order, and refuses tasks past the queue limit', async () => {
    const semaphore = new Semaphore({ concurrency: 2, maxWaiting: 2 });
    const [works, begun] = [Array.from({ length: 4 }, held), [] as number[]];
    const all = works.map(({ done }, n) => semaphore.run(() => (begun.push(n), done)));
    await expect(semaphore.run(() => Promise.resolve())).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterSeconds: 2 });
    expect(begun).toEqual([0, 1]);
    works[1]!.finish();
    await all[1];
    await setImmediate();
    expect(begun).toEqual([0, 1, 2]);
    for (const { finish } of works) finish();
    await Promise.all(all);
    expect(begun).toEqual([0, 1, 2, 3]);
    expect(await semaphore.run(() => Promise.resolve('free'))).toBe('free');
  });

  it('releases the slot when the task fails', async () => {
    const semaphore = new Semaphore({ concurrency: 1, maxWaiting: 1 });
    const failing = semaphore.run(() => Promise.reject(new Error('failed')));
    const next = semaphore.run(() => Promise.resolve('next'));
    await expect(failing).rejects.toThrow('failed');
    expect(await next).toBe('next');
  });
});
