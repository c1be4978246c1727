import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/client.ts';
import { afterCommit, beforeCommit, transaction, type Tx } from '../../src/db/transaction.ts';
import { openTestDatabase, server } from '../support/database.ts';
import { person } from './rows.ts';

let db: Database;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());

const locale = async (id: string) => (await db.prisma.user.findUniqueOrThrow({ where: { id } })).locale;
const setLocale = (tx: Tx, id: string, to: string) => tx.user.update({ where: { id }, data: { locale: to } });

describe('transaction', () => {
  it('runs steps before the commit last, each key once, in the order of registration', async () => {
    const said: string[] = [];
    await transaction(db, async (tx) => {
      for (const key of ['a', 'b', 'a']) beforeCommit(tx, key, async () => void said.push(key));
      beforeCommit(tx, 'late', async (inside) => beforeCommit(inside, 'later', async () => void said.push('later')));
      afterCommit(tx, () => said.push('after'));
      said.push('run');
    });
    expect(said).toEqual(['run', 'a', 'b', 'later', 'after']);
  });

  it('keeps what it wrote, and what its last steps wrote', async () => {
    const id = await person(db);
    await transaction(db, async (tx) => {
      await setLocale(tx, id, 'en');
      beforeCommit(tx, 'step', async (inside) => void (await setLocale(inside, id, 'tt')));
    });
    expect(await locale(id)).toBe('tt');
  });

  it('rolls back when it throws, and says nothing after', async () => {
    const id = await person(db);
    let said = false;
    const failing = transaction(db, async (tx) => {
      await setLocale(tx, id, 'en');
      afterCommit(tx, () => (said = true));
      throw new Error('stop');
    });
    await expect(failing).rejects.toThrow('stop');
    expect([await locale(id), said]).toEqual(['ru', false]);
  });

  it('fails, and says nothing after, when the error of a statement was swallowed', async () => {
    const id = await person(db);
    let said = false;
    const failing = transaction(db, async (tx) => {
      await setLocale(tx, id, 'en');
      await tx.$executeRaw`select 1 / 0`.catch(() => {});
      afterCommit(tx, () => (said = true));
    });
    await expect(failing).rejects.toThrow();
    expect([await locale(id), said]).toEqual(['ru', false]);
  });

  it('keeps statements of others out of an open transaction', async () => {
    const id = await person(db);
    const writing = transaction(db, async (tx) => {
      await setLocale(tx, id, 'en');
      await pause(50);
      throw new Error('stop');
    });
    await Promise.all([expect(writing).rejects.toThrow('stop'), expect(locale(id)).resolves.toBe('ru')]);
  });

  it('runs in UTC, at READ COMMITTED', async () => {
    const [row] = await transaction(
      db,
      (tx) => tx.$queryRaw<object[]>`select current_setting('TimeZone') zone, current_setting('transaction_isolation') isolation`,
    );
    expect(row).toEqual({ zone: 'UTC', isolation: 'read committed' });
  });

  it('gives up after five tries', async () => {
    let tries = 0;
    const losing = transaction(db, async (tx) => {
      tries += 1;
      await tx.$executeRawUnsafe(`do $$ begin raise exception using errcode = 'serialization_failure'; end $$`);
    });
    await expect(losing).rejects.toThrow();
    expect(tries).toBe(5);
  });

  it.skipIf(server === undefined).each(['raw', 'plain'])('runs the loser of a deadlock again, whole, with fresh steps (%s)', async (kind) => {
    const [one, other] = [await person(db), await person(db)];
    let [runs, steps, after] = [0, 0, 0];
    const take = (tx: Tx, id: string, to: string): Promise<unknown> =>
      kind === 'raw' ? tx.$executeRaw`update app_user set locale = ${to} where id = ${id}::uuid` : setLocale(tx, id, to);
    const both = (first: string, second: string, to: string) =>
      transaction(db, async (tx) => {
        runs += 1;
        beforeCommit(tx, 'step', async () => void (steps += 1));
        afterCommit(tx, () => (after += 1));
        await take(tx, first, to);
        await pause(100);
        await take(tx, second, to);
      });
    await Promise.all([both(one, other, 'en'), both(other, one, 'tt')]);
    expect(runs).toBeGreaterThan(2);
    expect([steps, after]).toEqual([2, 2]);
    expect(await locale(one)).toBe(await locale(other));
  });

  it.skipIf(server === undefined)('survives the loss of a connection in the middle', async () => {
    const cut = transaction(db, async (tx) => {
      const [row] = await tx.$queryRaw<{ pid: number }[]>`select pg_backend_pid() as pid`;
      await db.pool.query('select pg_terminate_backend($1)', [row?.pid]);
      await pause(50);
      await tx.$queryRaw`select 1`;
    });
    await expect(cut).rejects.toThrow();
    expect(await transaction(db, async (tx) => tx.user.count())).toBeGreaterThan(0);
  });
});
