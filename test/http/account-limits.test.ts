import { describe, expect, it, vi } from 'vitest';
import { concurrency, AccountLimits, type Account, type Finish } from '../../src/http/account-limits.ts';

/** The limits of one account in a process. They do not affect other accounts. */

const nextImmediate = () => new Promise((resolve) => setImmediate(resolve));

describe('an account', () => {
  const limits = () => new AccountLimits({ operationsPerMinute: 1000, costPerMinute: 100_000, streamsPerAccount: 2 });
  const admitted = async (account: Account, estimate: number) => account.admit(estimate);

  it('runs 20 operations at once, queues others in order, and refuses those past the queue', async () => {
    const account = limits().of('a');
    const running = await Promise.all(Array.from({ length: concurrency.perAccount }, () => admitted(account, 1)));
    const begun: number[] = [];
    const waiting = Array.from({ length: concurrency.waiting }, async (_, n) => {
      const finish = await account.admit(1);
      begun.push(n);
      finish(0);
    });
    expect(() => account.admit(1)).toThrow(expect.objectContaining({ code: 'RATE_LIMITED', retryAfterSeconds: 1 }));
    await nextImmediate();
    expect(begun).toEqual([]);
    running[0]!(0);
    await Promise.all(waiting);
    expect(begun).toEqual(Array.from({ length: concurrency.waiting }, (_, n) => n));
    for (const finish of running.slice(1)) finish(0);
    expect(account.admit(1)).toBeTypeOf('function');
  });

  it('runs one heavy operation at once, and all accounts together two; light ones are not delayed', async () => {
    const all = limits();
    const [a, b, c] = ['a', 'b', 'c'].map((key) => all.of(key)) as [Account, Account, Account];
    const order: string[] = [];
    const heavy = async (name: string, account: Account) => {
      const finish = await account.admit(concurrency.heavyCost);
      order.push(name);
      return finish;
    };
    const asked = [heavy('a1', a), heavy('a2', a), heavy('b1', b), heavy('c1', c)];
    await nextImmediate();
    expect(order).toEqual(['a1', 'b1']);
    expect(a.admit(1)).toBeTypeOf('function');
    expect(c.admit(concurrency.heavyCost - 1)).toBeTypeOf('function');
    (await asked[2]!)(0);
    await nextImmediate();
    expect(order).toEqual(['a1', 'b1', 'c1']);
    (await asked[0]!)(0);
    await nextImmediate();
    expect(order).toEqual(['a1', 'b1', 'c1', 'a2']);
  });

  it('keeps its slots for light operations while heavy ones wait', async () => {
    const account = new AccountLimits({ operationsPerMinute: 1000, costPerMinute: 1_000_000, streamsPerAccount: 2 }).of('a');
    const first = await admitted(account, concurrency.heavyCost);
    const waiting = Array.from({ length: concurrency.perAccount }, () => admitted(account, concurrency.heavyCost));
    await nextImmediate();
    const light = account.admit(1);
    expect(light).toBeTypeOf('function');
    (light as Finish)(0);
    first(0);
    for (const each of waiting) (await each)(0);
  });

  it('with no free slot does not delay a heavy operation of another account', async () => {
    const all = limits();
    const [a, b, c] = ['a', 'b', 'c'].map((key) => all.of(key)) as [Account, Account, Account];
    const light = await Promise.all(Array.from({ length: concurrency.perAccount }, () => admitted(a, 1)));
    const order: string[] = [];
    const heavy = async (name: string, account: Account) => {
      const finish = await account.admit(concurrency.heavyCost);
      order.push(name);
      return finish;
    };
    const first = [heavy('a', a), heavy('b', b), heavy('c', c)];
    const waiting = a.admit(1);
    await nextImmediate();
    expect(order).toEqual(['b', 'c']);
    (await first[1]!)(0);
    // The heavy operation of `a` gets the slot that is now free. It has waited longer than the light operation `waiting`.
    light[0]!(0);
    await nextImmediate();
    expect(order).toEqual(['b', 'c', 'a']);
    (await first[0]!)(0);
    (await waiting)(0);
    for (const finish of [await first[2]!, ...light.slice(1)]) finish(0);
    expect(a.isIdle(Date.now() + 120_000)).toBe(true);
  });

  it('has a limit of bytes for waiting requests, and so have all accounts together', async () => {
    const all = limits();
    const { account: most, process } = concurrency.waitingBytes;
    const wait = async (key: string, bytes: number) => {
      const account = all.of(key);
      for (let n = 0; n < concurrency.perAccount; n += 1) void account.admit(1);
      return account.admit(1, () => bytes);
    };
    const waiting = Array.from({ length: process / most }, (_, n) => wait(`a${n}`, most));
    waiting.push(all.of('a0').admit(1, () => 0) as Promise<Finish>);
    // Ignores the errors of the waiting operations, because they may fail at their deadline after the test has ended.
    for (const each of waiting) each.catch(() => undefined);
    expect(() => all.of('a0').admit(1, () => 1)).toThrow(expect.objectContaining({ code: 'RATE_LIMITED', retryAfterSeconds: 1 }));
    await expect(wait('b', 1)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(waiting.length).toBe(9);
  });

  it('gets an error after some seconds for an operation that could not start, which then reserves nothing', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const account = limits().of('a');
      const running = [account.admit(concurrency.heavyCost) as Finish];
      const waiting = [account.admit(90_000) as Promise<Finish>];
      while (running.length < concurrency.perAccount) running.push(account.admit(1) as Finish);
      waiting.push(account.admit(1) as Promise<Finish>);
      const outcomes = Promise.allSettled(waiting);
      vi.advanceTimersByTime(concurrency.maxWaitMs);
      expect(await outcomes).toMatchObject(Array(2).fill({ status: 'rejected', reason: { code: 'UNAVAILABLE' } }));
      for (const finish of running) finish(0);
      expect(account.isIdle(Date.now() + 120_000)).toBe(true);
      expect(account.admit(90_000)).toBeTypeOf('function');
    } finally {
      vi.useRealTimers();
    }
  });

  it('is shared by the addresses past 10,000; those of people are not counted', () => {
    const all = limits();
    const first = all.ofAddress('a');
    for (let n = 1; n < 10_000; n += 1) all.ofAddress(String(n));
    expect(all.ofAddress('a')).toBe(first);
    const other = all.ofAddress('x');
    expect(all.ofAddress('y')).toBe(other);
    expect(all.of('x')).not.toBe(all.of('y'));
  });

  it('is charged for the written bytes, and refused while its estimates and charges exceed the budget', () => {
    const account = limits().of('a');
    const finish = account.admit(4000) as Finish;
    expect(() => account.admit(99_000)).toThrow(expect.objectContaining({ code: 'RATE_LIMITED', retryAfterSeconds: 1 }));
    finish(100);
    expect(() => account.admit(99_000)).not.toThrow();
    const other = limits().of('b');
    (other.admit(4000) as Finish)(9_990_000);
    expect(() => other.admit(4000)).toThrow(expect.objectContaining({ code: 'RATE_LIMITED' }));
    try {
      void other.admit(4000);
    } catch (error) {
      expect((error as { retryAfterSeconds: number }).retryAfterSeconds).toBeGreaterThan(50);
    }
    expect(other.exhaustedForSeconds).toBe(0);
    other.charge(100_000);
    expect(other.exhaustedForSeconds).toBeGreaterThan(50);
  });
});
