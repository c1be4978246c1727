import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countTry, deleteExpiredTries, forgetTries, returnTry } from '../../src/auth/limits.ts';
import { fingerprint } from '../../src/auth/seal.ts';
import type { Database } from '../../src/db/client.ts';
import { openTestDatabase } from '../support/database.ts';

let db: Database;
beforeAll(async () => void (db = await openTestDatabase()));
afterAll(() => db.close());

const secret = randomBytes(32);
const fresh = () => fingerprint(secret, 'test', randomUUID());
const past = (key: string) => db.prisma.rateLimit.update({ where: { key }, data: { resetsAt: new Date(Date.now() - 1000) } });

describe('countTry', () => {
  it('allows as many as the limit, however many come at one moment', async () => {
    const key = fresh();
    const tries = await Promise.all(Array.from({ length: 12 }, () => countTry(db, key, 5, 60)));
    expect(tries.filter(Boolean)).toHaveLength(5);
    expect(await countTry(db, fresh(), 5, 60)).toBe(true);
  });

  it('begins anew when the window is over, which tries beyond the limit do not put off', async () => {
    const key = fresh();
    await countTry(db, key, 1, 60);
    const { resetsAt } = await db.prisma.rateLimit.findUniqueOrThrow({ where: { key } });
    for (let i = 0; i < 3; i++) await countTry(db, key, 1, 600);
    expect(await db.prisma.rateLimit.findUniqueOrThrow({ where: { key } })).toEqual({ key, count: 4, resetsAt });
    await past(key);
    expect([await countTry(db, key, 1, 60), await countTry(db, key, 1, 60)]).toEqual([true, false]);
  });

  it('forgets, and takes one back', async () => {
    const key = fresh();
    await countTry(db, key, 1, 60);
    await returnTry(db, key);
    expect([await countTry(db, key, 1, 60), await countTry(db, key, 1, 60)]).toEqual([true, false]);
    await forgetTries(db, key);
    expect(await countTry(db, key, 1, 60)).toBe(true);
  });

  it('leaves nothing behind', async () => {
    const [over, open] = [fresh(), fresh()];
    for (const key of [over, open]) await countTry(db, key, 1, 60);
    await past(over);
    expect(await deleteExpiredTries(db)).toBeGreaterThanOrEqual(1);
    expect(await db.prisma.rateLimit.findMany({ where: { key: { in: [over, open] } }, select: { key: true } })).toEqual([{ key: open }]);
  });
});
