import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { CommitUnknown, isTransient } from '../../src/db/availability.ts';
import { connect, type Database } from '../../src/db/client.ts';
import { transaction } from '../../src/db/transaction.ts';
import { createLogger } from '../../src/logger.ts';
import { backendsOf, maySignalBackends, type Backends } from '../support/backends.ts';
import { server } from '../support/database.ts';
import { createDatabase, dropDatabase } from '../support/server.ts';
import { person } from '../reader/sample-rows.ts';
import { factMs } from '../support/limits.ts';

/** A database that stops responding without closing connections, like a lost host. */

const log = createLogger('silent');
/** Deadline in ms, instead of the default of twenty seconds. */
const answerWithinMs = 1000;

describe.runIf(server && maySignalBackends)('a server that stops answering', () => {
  let made: { name: string; url: string };
  let db: Database;
  let backends: Backends;
  beforeAll(async () => {
    made = await createDatabase(server!, inject('template'));
    db = await connect({ databaseUrl: made.url, poolSize: 6, answerWithinMs, log });
    backends = await backendsOf(server!, made.name);
  });
  afterEach(() => backends.resume());
  afterAll(async () => {
    await backends?.close();
    await db?.close();
    await dropDatabase(server!, made.name);
  });

  const ways: [string, () => Promise<unknown>][] = [
    ['a read', () => db.reads.query({ text: 'select 1' })],
    ['a statement of the pool', () => db.pool.query('select 1')],
    ['a statement of Prisma', () => db.prisma.user.count()],
    [
      'a statement of Prisma with a transaction of its own',
      () => {
        const id = randomUUID();
        return db.prisma.school.create({
          data: { id, name: 'Школа', fullName: 'Школа', externalIds: { create: { system: 'system', value: id } } },
        });
      },
    ],
    ['the BEGIN of a transaction', () => transaction(db, async (tx) => tx.prisma.$queryRaw`select 1`)],
  ];

  it.each(ways)('fails %s within the deadline, and the next one is answered on a new connection', async (_of, ask) => {
    await ask();
    expect(await backends.stop()).toBeGreaterThan(0);
    const begun = performance.now();
    const error = await ask().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(performance.now() - begun).toBeGreaterThan(answerWithinMs / 2);
    expect(error).toBeInstanceOf(Error);
    expect(isTransient(error)).toBe(true);
    // The stopped backends are still stopped, so a query succeeds only on a new connection.
    await expect
      .poll(() =>
        ask().then(
          () => 'answered',
          () => 'failed',
        ),
      )
      .toBe('answered');
    expect(db.reads.inFlightCount()).toBe(0);
  });

  it('fails every read in flight on the connection', async () => {
    const hundred = () => Array.from({ length: 100 }, (_, n) => db.reads.query({ text: 'select $1::int', values: [n] }));
    await Promise.all(hundred());
    await backends.stop();
    const answers = await Promise.allSettled(hundred());
    expect(answers.filter(({ status }) => status === 'fulfilled')).toEqual([]);
    expect(db.reads.inFlightCount()).toBe(0);
  });

  it('does not fail a statement that is answered in time, with any number of statements queued behind it', async () => {
    const slow = Array.from({ length: 6 }, () => db.pool.query('select pg_sleep(0.6)'));
    const reads = Array.from({ length: 6 }, () => db.reads.query({ text: 'select pg_sleep(0.6)' }));
    expect((await Promise.allSettled([...slow, ...reads])).filter(({ status }) => status === 'rejected')).toEqual([]);
  });

  it('gives up a stopped transaction and never reuses its connection', async () => {
    const id = await person(db);
    const stopped = transaction(db, async (tx) => {
      await tx.prisma.user.update({ where: { id }, data: { locale: 'en' } });
      await backends.stop();
      await tx.prisma.user.update({ where: { id }, data: { locale: 'tt' } });
    });
    const error = await stopped.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect([isTransient(error), error instanceof CommitUnknown]).toEqual([true, false]);
    await expect.poll(() => db.pool.totalCount - db.pool.idleCount).toBe(0);
    backends.resume();
    await expect.poll(async () => (await db.prisma.user.findUnique({ where: { id } }).catch(() => null))?.locale).toBe('ru');
  });

  it('reports an unknown outcome if COMMIT was not answered', async () => {
    const id = await person(db);
    const stopped = transaction(db, async (tx) => {
      await tx.prisma.user.update({ where: { id }, data: { locale: 'en' } });
      tx.beforeCommit('stop', async () => void (await backends.stop()));
    });
    const error = await stopped.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(CommitUnknown);
    expect((error as CommitUnknown).say('en')).toContain('same idempotencyKey');
    backends.resume();
    // PostgreSQL had received the COMMIT, so the change is committed once the backends resume.
    await expect.poll(async () => (await db.prisma.user.findUnique({ where: { id } }).catch(() => null))?.locale).toBe('en');
  });

  it('does not keep the database from being closed', async () => {
    const other = await connect({ databaseUrl: made.url, poolSize: 6, log });
    await Promise.all([other.reads.query({ text: 'select 1' }), other.pool.query('select 1')]);
    await backends.stop();
    const under = [
      other.reads.query({ text: 'select 1' }),
      other.pool.query('select 1'),
      transaction(other, async (tx) => tx.prisma.user.count()),
    ];
    const settled = Promise.allSettled(under);
    const begun = performance.now();
    await other.close();
    expect(performance.now() - begun).toBeLessThan(factMs);
    expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  });
});

describe('an embedded database that hangs', () => {
  it('fails the running statement within the deadline, and is closed', async () => {
    const db = await connect({ poolSize: 1, answerWithinMs, log });
    await db.pool.query('select 1');
    const hanging = db.pool.query('do $$ begin loop end loop; end $$');
    const behind = db.reads.query({ text: 'select 1' });
    for (const each of [hanging, behind]) {
      const error = await each.then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(isTransient(error)).toBe(true);
    }
    await db.close();
  });
});
