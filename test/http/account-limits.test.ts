import { parse } from 'graphql';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { concurrency, AccountLimits, type Account, type Finish } from '../../src/http/account-limits.ts';
import { schema } from '../../src/graphql/schema.ts';
import { executeAdmitted } from '../../src/http/graphql/admission.ts';
import { resultOf } from '../../src/executor/executor.ts';
import { createContexts } from '../../src/http/request-context.ts';
import { SlidingWindow } from '../../src/http/sliding-window.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';
import { ask, json, openSignedIn, overHttp, overSocket } from './raw-http.ts';

/** The limits of one account in a process; other accounts are not affected. */

const nextImmediate = () => new Promise((resolve) => setImmediate(resolve));

describe('a sliding window', () => {
  it('never lets more than the limit through in any 60 seconds, also across minutes', () => {
    const window = new SlidingWindow();
    const passed: number[] = [];
    // Twice the limit, evenly spread around the start of a minute, and again a minute later.
    for (let now = 1_800_000_000_000 - 10_000; now < 1_800_000_000_000 + 130_000; now += 50)
      if (window.waitFor(1, 100, now) === 0) {
        window.add(1, now);
        passed.push(now);
      }
    for (const begin of passed) expect(passed.filter((at) => at >= begin && at < begin + 60_000).length).toBeLessThanOrEqual(100);
    expect(passed.length).toBeGreaterThanOrEqual(200);
  });

  it('says how long to wait, and lets a later request through', () => {
    const window = new SlidingWindow();
    const now = 1_800_000_000_000;
    window.add(60, now);
    window.add(40, now + 20_000);
    expect(window.waitFor(0, 100, now + 21_000)).toBe(0);
    const wait = window.waitFor(50, 100, now + 21_000);
    expect(wait).toBeGreaterThan(38_000);
    expect(wait).toBeLessThanOrEqual(45_000);
    expect(window.waitFor(50, 100, now + 21_000 + wait)).toBe(0);
    expect(window.waitFor(100, 100, now + 200_000)).toBe(0);
  });
});

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
    // The heavy operation gets the free slot, because it has waited longer.
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
    // Waiting operations stay until their deadline.
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

describe('by HTTP and by a socket', () => {
  let app: Sfera;
  beforeAll(async () => void (app = await openSfera({ OPERATIONS_PER_MINUTE: '30', COST_PER_MINUTE: '100000' })));
  afterAll(() => app.close());

  const small = { query: '{ viewer { id } }' };
  const classes =
    'schools(first: 1) { edges { node { classes(first: 100) { edges { node { enrolments(first: 100) { edges { node { id } } } } } } } } }';

  it('operations past the limit of a minute are refused with the seconds to wait; other accounts and anonymous clients are not affected', async () => {
    const { administrator } = await app.build.school();
    const { administrator: other } = await app.build.school();
    const { token } = await app.token(administrator);
    const replies = await Promise.all(
      Array.from({ length: 29 }, () => ask(app.url, { headers: json(token), body: JSON.stringify(small) })),
    );
    expect(replies.flatMap(({ codes }) => codes)).toEqual([]);
    // Opening the socket counts as the 30th.
    const socket = await openSignedIn(app.url, token);
    expect((await socket.run(small)).codes).toEqual(['RATE_LIMITED']);
    expect(socket.messages.at(-1)!.type).toBe('error');
    socket.ws.terminate();
    const refused = await ask(app.url, {
      headers: json(token, { accept: 'application/graphql-response+json' }),
      body: JSON.stringify(small),
    });
    expect([refused.status, refused.codes]).toEqual([429, ['RATE_LIMITED']]);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(65);
    expect((await overHttp(app.url, (await app.token(other)).token, small)).codes).toEqual([]);
    expect((await overHttp(app.url, '', { query: '{ __typename }' })).codes).toEqual([]);
  });

  it('a socket that is opened past the limit is closed with a code after which graphql-ws reconnects', async () => {
    const { administrator } = await app.build.school();
    const { token } = await app.token(administrator);
    await Promise.all(Array.from({ length: 30 }, () => overHttp(app.url, token, small)));
    await expect(openSignedIn(app.url, token)).rejects.toThrow('closed with 1013');
  });

  it('operations past the cost budget of a minute are refused over both transports, changes too', async () => {
    const { school, administrator } = await app.build.school();
    const { token } = await app.token(administrator);
    for (const over of [overHttp, overSocket]) expect((await over(app.url, token, { query: `{ ${classes} }` })).codes).toEqual([]);
    // Fourteen concurrent operations would reserve more than the budget.
    const all = await Promise.all(Array.from({ length: 14 }, () => overHttp(app.url, token, { query: `{ a: ${classes} }` })));
    const codes = all.map(({ codes: [code] }) => code);
    expect(codes.filter((code) => code === undefined).length).toBeGreaterThan(0);
    expect(codes.filter((code) => code === 'RATE_LIMITED').length).toBeGreaterThan(0);
    expect(
      (
        await overHttp(app.url, token, {
          query: `mutation ($input: CreateSubjectInput!) { createSubject(input: $input) { __typename } }`,
          variables: { input: { schoolId: app.id('School', school.id), name: 'Физика' } },
        })
      ).codes,
    ).toEqual([]);
  });

  it('requests count once if the fast path passes them to Yoga, and if their session has ended', async () => {
    // One of the 30 of this address was sent above.
    for (let n = 0; n < 15; n += 1)
      expect((await overHttp(app.url, '', { query: `query A${n} { __typename } query B${n} { __typename }` })).codes).toEqual([
        'OPERATION_RESOLUTION_FAILURE',
      ]);
    const { administrator: ended } = await app.build.school();
    const { token: revoked, sessionId } = await app.token(ended);
    await app.db.prisma.session.update({ where: { id: sessionId }, data: { endedAt: new Date() } });
    for (let n = 0; n < 30; n += 1) expect((await overHttp(app.url, revoked, small)).codes).toEqual(['UNAUTHENTICATED']);
    expect((await overHttp(app.url, revoked, small)).codes).toEqual(['RATE_LIMITED']);
  });

  it('requests without credentials count for their address', async () => {
    const replies = await Promise.all(Array.from({ length: 40 }, () => overHttp(app.url, '', { query: '{ __typename }' })));
    const codes = replies.flatMap((reply) => reply.codes);
    expect(new Set(codes)).toEqual(new Set(['RATE_LIMITED']));
    expect(codes.length).toBeGreaterThanOrEqual(10);
  });
});

describe('heavy readers of one account', () => {
  let app: Sfera;
  beforeAll(async () => void (app = await openSfera()));
  afterAll(() => app.close());

  it('are executed one at a time, and a small read of another account is answered before them', async () => {
    const { school, administrator } = await app.build.school();
    const { administrator: other } = await app.build.school();
    const [{ token }, { token: light }] = [await app.token(administrator), await app.token(other)];
    for (let n = 0; n < 3; n += 1) {
      const { id: classId } = await app.build.class({ schoolId: school.id });
      for (let k = 0; k < 5; k += 1) await app.build.student({ classId });
    }
    const heavy = `{ schools(first: 1) { edges { node { classes(first: 100) { edges { node { enrolments(first: 100) { edges { node { student { fullName } } } } } } } } } } }`;
    const order: string[] = [];
    const reads = Array.from({ length: 12 }, (_, n) =>
      overHttp(app.url, token, { query: heavy }).then(({ codes }) => void order.push(`heavy ${n} ${codes.join()}`)),
    );
    await overHttp(app.url, light, { query: '{ viewer { id } }' }).then(({ codes }) => void order.push(`light ${codes.join()}`));
    await Promise.all(reads);
    expect(order.filter((entry) => entry.endsWith(' ')).length).toBe(13);
    expect(order.indexOf('light ')).toBeLessThan(6);
  });

  it('whose session ends while they wait are not executed with the rights from their start', async () => {
    const { administrator } = await app.build.school();
    const { token, sessionId } = await app.token(administrator);
    const limits = new AccountLimits(app.config);
    const contextOf = createContexts(app, limits);
    const context = await contextOf({ authorization: `Bearer ${token}`, acceptLanguage: null, requestId: null, address: null });
    const document = parse('{ schools { edges { node { name } } } }');
    const running = Array.from({ length: concurrency.perAccount }, () => limits.of(administrator.id).admit(1) as () => void);
    const execute = () => executeAdmitted({ schema, document, contextValue: context });
    const first = execute();
    running[0]!();
    expect(resultOf(await first).data).toMatchObject({ schools: { edges: [{}] } });
    running[0] = limits.of(administrator.id).admit(1) as () => void;
    const second = execute();
    await app.db.pool.query('update session set ended_at = now() where id = $1', [sessionId]);
    running[0]();
    await expect(second).rejects.toMatchObject({ extensions: { code: 'UNAUTHENTICATED' } });
  });
});
