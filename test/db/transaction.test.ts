import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/client.ts';
import { findRows } from '../../src/reader/select.ts';
import { transaction, type Tx } from '../../src/db/transaction.ts';
import { openTestDatabase, server } from '../support/database.ts';
import { person } from '../reader/sample-rows.ts';

let db: Database;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());

const locale = async (id: string) => (await db.prisma.user.findUniqueOrThrow({ where: { id } })).locale;
const setLocale = (tx: Tx, id: string, to: string) => tx.prisma.user.update({ where: { id }, data: { locale: to } });

/** Returns a fake pool with one scripted connection, and the statements that the connection received. */
function fakePool(answer: (text: string) => Promise<void>) {
  const statements: string[] = [];
  const query = ({ text }: { text: string }, callback: (error: Error | null, result?: object) => void): void => {
    statements.push(text);
    answer(text).then(() => callback(null, { rows: [], command: text.toUpperCase() }), callback);
  };
  const client = { query, release() {}, connection: { stream: { cork() {}, uncork() {} } } };
  return { statements, pool: { connect: async () => client } as unknown as Database['pool'] };
}

const losing = `do $$ begin raise exception using errcode = 'serialization_failure'; end $$`;

describe('transaction', () => {
  it('runs beforeCommit steps last, each key once, in the order of registration', async () => {
    const said: string[] = [];
    await transaction(db, async (tx) => {
      for (const key of ['a', 'b', 'a']) tx.beforeCommit(key, async () => void said.push(key));
      tx.beforeCommit('late', async (inside) => inside.beforeCommit('later', async () => void said.push('later')));
      tx.afterCommit(() => said.push('after'));
      said.push('run');
    });
    expect(said).toEqual(['run', 'a', 'b', 'later', 'after']);
  });

  it('commits its writes and those of its beforeCommit steps', async () => {
    const id = await person(db);
    await transaction(db, async (tx) => {
      await setLocale(tx, id, 'en');
      tx.beforeCommit('step', async (inside) => void (await setLocale(inside, id, 'tt')));
    });
    expect(await locale(id)).toBe('tt');
  });

  it('rolls back when it throws, and runs no afterCommit step', async () => {
    const id = await person(db);
    let said = false;
    const failing = transaction(db, async (tx) => {
      await setLocale(tx, id, 'en');
      tx.afterCommit(() => (said = true));
      throw new Error('stop');
    });
    await expect(failing).rejects.toThrow('stop');
    expect([await locale(id), said]).toEqual(['ru', false]);
  });

  it('fails, and runs no afterCommit step, if the error of a statement was swallowed', async () => {
    const id = await person(db);
    let said = false;
    const failing = transaction(db, async (tx) => {
      await setLocale(tx, id, 'en');
      await tx.prisma.$executeRaw`select 1 / 0`.catch(() => {});
      tx.afterCommit(() => (said = true));
    });
    await expect(failing).rejects.toThrow();
    expect([await locale(id), said]).toEqual(['ru', false]);
  });

  it('fails as a whole if a statement that was sent with the COMMIT fails', async () => {
    const id = await person(db);
    let said = false;
    const failing = transaction(db, async (tx) => {
      await setLocale(tx, id, 'en');
      tx.beforeCommit('step', async (inside) => inside.executeAtCommit('select 1 / $1::int', [0]));
      tx.afterCommit(() => (said = true));
    });
    await expect(failing).rejects.toMatchObject({ code: '22012' });
    expect([await locale(id), said]).toEqual(['ru', false]);
  });

  it('changes nothing after a failed BEGIN', async () => {
    for (const change of [
      async (tx: Tx) => void (await tx.execute('change', [])),
      async (tx: Tx) => tx.beforeCommit('step', async () => tx.executeAtCommit('change', [])),
      async (tx: Tx) => void (await tx.prisma.$executeRawUnsafe('change')),
    ]) {
      const { pool, statements } = fakePool((text) => (text === 'begin' ? Promise.reject(new Error('no BEGIN')) : Promise.resolve()));
      await expect(transaction({ ...db, pool }, change)).rejects.toThrow('no BEGIN');
      expect(statements).toEqual(['begin', 'rollback']);
    }
  });

  it('sends COMMIT before the statements sent with it are answered', async () => {
    let answer!: () => void;
    const committing = new Promise<void>((resolve) => (answer = resolve));
    const { pool, statements } = fakePool(async (text) => {
      if (text === 'commit') answer();
      if (text === 'last') await committing;
    });
    await transaction({ ...db, pool }, async (tx) => tx.beforeCommit('step', async () => tx.executeAtCommit('last', [])));
    expect(statements).toEqual(['begin', 'last', 'commit']);
  });

  it('includes the nested writes of Prisma', async () => {
    const id = randomUUID();
    const failing = transaction(db, async (tx) => {
      const data = { id, name: 'Школа', fullName: 'Школа', externalIds: { create: { system: 'system', value: id } } };
      expect(await tx.prisma.school.create({ data, include: { externalIds: true } })).toMatchObject({ id, externalIds: [{ value: id }] });
      throw new Error('stop');
    });
    await expect(failing).rejects.toThrow('stop');
    expect([await db.prisma.school.count({ where: { id } }), await db.prisma.externalId.count({ where: { value: id } })]).toEqual([0, 0]);
  });

  it('cannot be used after its end', async () => {
    const id = await person(db);
    const { tx, lazy } = await transaction(db, async (open) => ({ tx: open, lazy: { of: setLocale(open, id, 'en') } }));
    const uses: (() => unknown)[] = [
      () => tx.prisma,
      () => tx.reads,
      () => tx.query('select 1', []),
      () => tx.execute('select 1', []),
      () => tx.executeAtCommit('select 1', []),
      () => tx.beforeCommit('step', async () => {}),
      () => tx.afterCommit(() => {}),
    ];
    for (const use of uses) await expect(async () => use()).rejects.toThrow('not inside a transaction');
    // Prisma sends a statement only when its promise is awaited. The promise `lazy.of` is awaited after the
    // transaction.
    await expect(lazy.of).rejects.toThrow('the transaction is over');
    expect(await locale(id)).toBe('ru');
  });

  it('reads rows like Prisma, including its own changes', async () => {
    const id = await person(db);
    await transaction(db, async (tx) => {
      const [row] = await tx.execute<{ createdAt: Date }>(
        `update app_user set locale = 'en' where id = $1 returning created_at as "createdAt"`,
        [id],
      );
      const found = await tx.prisma.user.findUniqueOrThrow({ where: { id } });
      expect(found).toMatchObject({ locale: 'en', createdAt: row!.createdAt });
      expect(await findRows(tx, 'User', { where: { id }, lock: 'share' })).toEqual([found]);
    });
  });

  it('runs no statements of others inside an open transaction', async () => {
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
      (tx) => tx.prisma.$queryRaw<object[]>`select current_setting('TimeZone') zone, current_setting('transaction_isolation') isolation`,
    );
    expect(row).toEqual({ zone: 'UTC', isolation: 'read committed' });
  });

  it.each([
    ['Prisma', (tx: Tx) => tx.prisma.$executeRawUnsafe(losing)],
    ['a prepared one', (tx: Tx) => tx.query(losing, [])],
    ['one that leaves with the COMMIT', async (tx: Tx) => tx.beforeCommit('step', async () => tx.executeAtCommit(losing, []))],
  ])('gives up after five tries (a statement of %s)', async (_of, lose) => {
    let tries = 0;
    const losing = transaction(db, async (tx) => {
      tries += 1;
      await lose(tx);
    });
    await expect(losing).rejects.toThrow();
    expect(tries).toBe(5);
  });

  it.skipIf(server === undefined).each(['raw', 'plain'])(
    'runs the loser of a deadlock again completely, with new steps (%s)',
    async (kind) => {
      const [one, other] = [await person(db), await person(db)];
      let [runs, steps, after] = [0, 0, 0];
      const take = (tx: Tx, id: string, to: string): Promise<unknown> =>
        kind === 'raw' ? tx.prisma.$executeRaw`update app_user set locale = ${to} where id = ${id}::uuid` : setLocale(tx, id, to);
      const both = (first: string, second: string, to: string) =>
        transaction(db, async (tx) => {
          runs += 1;
          tx.beforeCommit('step', async () => void (steps += 1));
          tx.afterCommit(() => (after += 1));
          await take(tx, first, to);
          await pause(100);
          await take(tx, second, to);
        });
      await Promise.all([both(one, other, 'en'), both(other, one, 'tt')]);
      expect(runs).toBeGreaterThan(2);
      expect([steps, after]).toEqual([2, 2]);
      expect(await locale(one)).toBe(await locale(other));
    },
  );

  it.skipIf(server === undefined)('recovers from a connection lost in the middle', async () => {
    const cut = transaction(db, async (tx) => {
      const [row] = await tx.prisma.$queryRaw<{ pid: number }[]>`select pg_backend_pid() as pid`;
      await db.pool.query('select pg_terminate_backend($1)', [row?.pid]);
      await pause(50);
      await tx.prisma.$queryRaw`select 1`;
    });
    await expect(cut).rejects.toThrow();
    expect(await transaction(db, async (tx) => tx.prisma.user.count())).toBeGreaterThan(0);
  });
});
