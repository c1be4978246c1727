import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { transaction } from '../../src/db/transaction.ts';
import { lock, lockLate, lockName, lockUnread } from '../../src/domain/access.ts';
import { checkLockOrder } from '../../src/domain/lock-order.ts';
import { resources, resourceTypes } from '../../src/domain/resources.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
let school: { id: string };
let administrator: { id: string };
let own: { id: string };
beforeAll(async () => {
  app = await openSfera();
  ({ school, administrator } = await app.build.school());
  own = await app.build.class({ schoolId: school.id });
});
afterAll(() => app.close());

describe('lock', () => {
  it('takes rows in ascending rank, and a row that is locked already again', async () => {
    await transaction(app.db, async (tx) => {
      await lockName(tx, 'idempotency key', 'a');
      await lock(tx, 'School', school.id, 'hold');
      await lock(tx, 'Class', own.id, 'hold');
      await lock(tx, 'User', administrator.id);
      await lock(tx, 'Class', own.id);
      await lockName(tx, 'unique name', 'b');
    });
  });

  it('refuses a row of a lower rank, and says what to do', async () => {
    const wrong = transaction(app.db, async (tx) => {
      await lockUnread(tx, 'User', administrator.id);
      await lock(tx, 'Class', own.id, 'hold');
    });
    await expect(wrong).rejects.toThrow('Class (rank 20) is locked after User (rank 30): lock rows in ascending `lockRank`');
  });

  it('refuses an idempotency key after a row', async () => {
    const wrong = transaction(app.db, async (tx) => {
      await lock(tx, 'School', school.id);
      await lockName(tx, 'idempotency key', 'a');
    });
    await expect(wrong).rejects.toThrow('idempotency key (rank 0) is locked after School (rank 10)');
  });

  it('takes a row of a lower rank by lockLate', async () => {
    const locked = await transaction(app.db, async (tx) => {
      await lock(tx, 'User', administrator.id);
      return lockLate(tx, 'Class', own.id, 'hold');
    });
    expect(locked.id).toBe(own.id);
  });
});

describe('checkLockOrder', () => {
  it('refuses a row of the same type with a lower id', () => {
    const locks = [{ rank: 20, of: 'Class', id: 'b' }];
    expect(() => checkLockOrder(locks, { rank: 20, of: 'Class', id: 'a' })).toThrow('Class (rank 20) is locked after Class (rank 20)');
    checkLockOrder(locks, { rank: 20, of: 'Class', id: 'c' });
    expect(locks.map(({ id }) => id)).toEqual(['b', 'c']);
  });
});

it('no two types have the same rank', () => {
  const ranks = resourceTypes.flatMap((type) => resources[type].lockRank ?? []);
  expect(new Set(ranks).size).toBe(ranks.length);
});
