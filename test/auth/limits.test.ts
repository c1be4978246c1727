import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countTry, deleteExpiredTries, extendWindow, forgetTries, returnToken, secondsLeft, takeToken } from '../../src/auth/limits.ts';
import { fingerprint } from '../../src/auth/seal.ts';
import type { Database } from '../../src/db/client.ts';
import { openTestDatabase } from '../support/database.ts';

let db: Database;
beforeAll(async () => void (db = await openTestDatabase()));
afterAll(() => db.close());

const secret = randomBytes(32);
const fresh = () => fingerprint(secret, 'test', randomUUID());
/** Matches a number of seconds with a tolerance of about five seconds, because the machine may be busy. */
const about = (seconds: number): unknown => expect.closeTo(seconds, -1.05);
const past = (key: string) => db.prisma.rateLimit.update({ where: { key }, data: { resetsAt: new Date(Date.now() - 1000) } });

describe('countTry', () => {
  it('allows as many tries as the limit, also under concurrency', async () => {
    const key = fresh();
    const tries = await Promise.all(Array.from({ length: 12 }, () => countTry(db, key, 5, 60)));
    expect(tries.filter(Boolean)).toHaveLength(5);
    expect(await countTry(db, fresh(), 5, 60)).toBe(true);
  });

  it('starts again when the window is over; tries beyond the limit do not extend it', async () => {
    const key = fresh();
    await countTry(db, key, 1, 60);
    const { resetsAt } = await db.prisma.rateLimit.findUniqueOrThrow({ where: { key } });
    for (let i = 0; i < 3; i++) await countTry(db, key, 1, 600);
    expect(await db.prisma.rateLimit.findUniqueOrThrow({ where: { key } })).toEqual({ key, count: 4, resetsAt });
    await past(key);
    expect([await countTry(db, key, 1, 60), await countTry(db, key, 1, 60)]).toEqual([true, false]);
  });

  it('opens a window, whose rest secondsLeft returns', async () => {
    const key = fresh();
    expect(await secondsLeft(db, key)).toBe(0);
    await countTry(db, key, 1, 60);
    expect(await secondsLeft(db, key)).toEqual(about(55));
  });

  it('allows no try in a window that extendWindow made longer', async () => {
    const key = fresh();
    await countTry(db, key, 1, 60);
    await extendWindow(db, key, 600);
    expect(await countTry(db, key, 1, 60)).toBe(false);
    expect(await secondsLeft(db, key)).toBeGreaterThan(500);
  });

  it('allows tries again after forgetTries', async () => {
    const key = fresh();
    await countTry(db, key, 1, 60);
    await forgetTries(db, key);
    expect(await countTry(db, key, 1, 60)).toBe(true);
  });

  it('deleteExpiredTries deletes the rows of windows that are over, and no others', async () => {
    const [over, open] = [fresh(), fresh()];
    for (const key of [over, open]) await countTry(db, key, 1, 60);
    await past(over);
    expect(await deleteExpiredTries(db)).toBeGreaterThanOrEqual(1);
    expect(await db.prisma.rateLimit.findMany({ where: { key: { in: [over, open] } }, select: { key: true } })).toEqual([{ key: open }]);
  });
});

describe('takeToken', () => {
  const bucket = () => ({ key: fresh(), burst: 5, intervalSeconds: 100 });
  const pass = (key: string, seconds: number) =>
    db.pool.query(`update rate_limit set resets_at = resets_at - $2 * interval '1 second' where key = $1`, [key, seconds]);

  it('gives the burst, also under concurrency, then one token per interval, and returns the waiting time', async () => {
    const of = bucket();
    const all = await Promise.all(Array.from({ length: 20 }, () => takeToken(db, of)));
    expect(all.filter(({ taken }) => taken)).toEqual(Array(5).fill({ taken: true, waitSeconds: 0 }));
    for (const { waitSeconds } of all.filter(({ taken }) => !taken)) expect(waitSeconds).toEqual(about(95));
    await pass(of.key, 60);
    expect((await takeToken(db, of)).waitSeconds).toEqual(about(36));
    await pass(of.key, 41);
    expect([(await takeToken(db, of)).taken, (await takeToken(db, of)).taken]).toEqual([true, false]);
  });

  it('never gives more than burst and refill in any window', async () => {
    const of = bucket();
    let given = 0;
    for (let second = 0; second <= 500; second += 20, await pass(of.key, 20))
      for (const { taken } of await Promise.all([takeToken(db, of), takeToken(db, of)])) given += Number(taken);
    expect(given).toBe(10);
  });

  it('reserves a later token for each caller that waits', async () => {
    const of = { ...bucket(), burst: 1, intervalSeconds: 100 };
    const all = [];
    for (let n = 0; n < 5; n++) all.push(await takeToken(db, of, 250));
    expect(all.map(({ taken }) => taken)).toEqual([true, true, true, false, false]);
    expect(all.slice(0, 3).map(({ waitSeconds }) => waitSeconds)).toEqual([0, about(95), about(195)]);
  });

  it('gives a token again after returnToken', async () => {
    const of = { ...bucket(), burst: 1 };
    await takeToken(db, of);
    await returnToken(db, of);
    expect([(await takeToken(db, of)).taken, (await takeToken(db, of)).taken]).toEqual([true, false]);
  });

  it('gives the whole burst after housekeeping deleted the row of a full bucket', async () => {
    const of = { ...bucket(), burst: 1 };
    await takeToken(db, of);
    await pass(of.key, 101);
    await deleteExpiredTries(db);
    expect(await db.prisma.rateLimit.findUnique({ where: { key: of.key } })).toBeNull();
    expect(await takeToken(db, of)).toEqual({ taken: true, waitSeconds: 0 });
  });
});
