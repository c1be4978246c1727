import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it, describe } from 'vitest';
import { connect, type Database } from '../../src/db/client.ts';
import { createLogger } from '../../src/logger.ts';
import { server } from '../support/database.ts';
import { createDatabase, dropDatabase } from '../support/server.ts';
import { until } from '../support/until.ts';

/** Reads on connections that pipeline statements. */

describe.runIf(server)('reads on a server', () => {
  let made: { name: string; url: string };
  let db: Database;
  let admin: pg.Client;
  beforeAll(async () => {
    made = await createDatabase(server!, inject('template'));
    // Of the six connections, two are pipelined: they send statements without waiting for the results of earlier ones.
    db = await connect({ databaseUrl: made.url, poolSize: 6, log: createLogger('silent') });
    admin = new pg.Client({ connectionString: made.url, application_name: 'test administrator' });
    await admin.connect();
  });
  afterAll(async () => {
    await admin?.end();
    await db?.close();
    await dropDatabase(server!, made.name);
  });

  const number = async (n: number): Promise<number> =>
    (await db.reads.query<{ n: number }>({ text: 'select $1::int as n', values: [n] })).rows[0]!.n;
  const numbers = Array.from({ length: 200 }, (_, n) => n);
  const connections = async (): Promise<number> => {
    const { rows } = await admin.query<{ count: string }>(
      `select count(*) from pg_stat_activity where datname = $1 and application_name = 'sfera'`,
      [made.name],
    );
    return Number(rows[0]!.count);
  };

  it('each return their own rows, for any number of concurrent reads on two connections', async () => {
    const before = await connections();
    const answers = Promise.all(numbers.map(number));
    expect(db.reads.inFlightCount()).toBe(numbers.length);
    expect(await answers).toEqual(numbers);
    expect(db.reads.inFlightCount()).toBe(0);
    expect((await connections()) - before).toBeLessThanOrEqual(2);
  });

  it('that fail do not affect the others', async () => {
    const answers = await Promise.allSettled(
      numbers.map((n) => (n % 10 === 3 ? db.reads.query({ text: 'select 1 / $1::int as n', values: [0] }) : number(n))),
    );
    expect(answers.map(({ status }) => status)).toEqual(numbers.map((n) => (n % 10 === 3 ? 'rejected' : 'fulfilled')));
    expect(answers.flatMap((answer, n) => (answer.status === 'fulfilled' && n % 10 !== 3 ? [answer.value] : []))).toEqual(
      numbers.filter((n) => n % 10 !== 3),
    );
  });

  it('continue on a new connection when one breaks, and fail only the reads in flight on it', async () => {
    await Promise.all(numbers.map(number));
    const slow = Promise.allSettled([1, 2].map(() => db.reads.query({ text: 'select pg_sleep(300)' })));
    await until(async () => {
      const { rows } = await admin.query(
        `select pid from pg_stat_activity where datname = $1 and query = 'select pg_sleep(300)' and state = 'active'`,
        [made.name],
      );
      expect(rows).toHaveLength(2);
    });
    await admin.query(`select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and query = 'select pg_sleep(300)'`, [
      made.name,
    ]);
    expect((await slow).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await Promise.all(numbers.map(number))).toEqual(numbers);
    expect(db.reads.inFlightCount()).toBe(0);
  });

  it('move to new connections when the server reports that it is read-only, also while a read waits', async () => {
    const pid = async () => (await db.reads.query<{ pid: number }>({ text: 'select pg_backend_pid() as pid' })).rows[0]!.pid;
    const busy = db.reads.query<{ pid: number }>({ text: 'select pg_backend_pid() as pid, pg_sleep(1)' });
    const idle = await pid();
    await expect(db.pool.query(`do $$ begin raise exception using errcode = '25006'; end $$`)).rejects.toThrow();
    const { rows } = await busy;
    await expect.poll(async () => [idle, rows[0]!.pid].includes(await pid())).toBe(false);
    const after = await Promise.all(Array.from({ length: 20 }, pid));
    expect(after.filter((each) => each === idle || each === rows[0]!.pid)).toEqual([]);
  });

  it('close all connections at the end', async () => {
    const other = await connect({ databaseUrl: made.url, poolSize: 6, log: createLogger('silent') });
    const before = await connections();
    await Promise.all(numbers.map((n) => other.reads.query({ text: 'select $1::int', values: [n] })));
    expect(await connections()).toBeGreaterThan(before);
    await other.close();
    await until(async () => expect(await connections()).toBeLessThan(before));
  });
});
