import { Writable } from 'node:stream';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { connect, type Database } from '../../src/db/client.ts';
import { findRows } from '../../src/reader/select.ts';
import { transaction } from '../../src/db/transaction.ts';
import { createLogger } from '../../src/logger.ts';
import { server } from '../support/database.ts';
import { createDatabase, dropDatabase } from '../support/server.ts';

/** A PostgreSQL server that allows fewer connections than the settings configure. */

describe.runIf(server)('a limit of connections', () => {
  let made: { name: string; url: string };
  let url: string;
  let administrator: pg.Client;
  const opened: Database[] = [];
  const lines: string[] = [];
  const log = createLogger('warn', new Writable({ write: (chunk: Buffer, _encoding, done) => (lines.push(String(chunk)), done()) }));

  beforeAll(async () => {
    made = await createDatabase(server!, inject('template'));
    administrator = new pg.Client({ connectionString: made.url });
    await administrator.connect();
    await administrator.query(`create role ${made.name} login; grant pg_read_all_data, pg_write_all_data to ${made.name}`);
    const own = new URL(made.url);
    own.username = made.name;
    own.password = '';
    url = own.href;
  });
  afterAll(async () => {
    for (const each of opened) await each.close();
    await administrator.query(`drop owned by ${made.name}; drop role ${made.name}`);
    await administrator.end();
    await dropDatabase(server!, made.name);
  });

  const open = async (poolSize: number, processes = 1) => {
    const db = await connect({ databaseUrl: url, poolSize, processes, log });
    opened.push(db);
    return db;
  };
  const load = (db: Database) =>
    Promise.allSettled(
      Array.from({ length: 40 }, (_, n) => [
        db.reads.query({ text: 'select pg_sleep(0.02)' }),
        db.pool.query('select pg_sleep(0.02)'),
        db.prisma.user.count(),
        transaction(db, async (tx) => tx.prisma.$queryRaw`select ${n}::int`),
      ]).flat(),
    );
  /** Returns the number of connections of src/reader/pipelined-pool.ts: all connections except those of `db.pool`. */
  const reading = async (db: Database) => {
    const { rows } = await administrator.query<{ count: string }>(
      `select count(*) from pg_stat_activity where usename = $1 and application_name = 'sfera'`,
      [made.name],
    );
    return Number(rows[0]!.count) - db.pool.totalCount;
  };
  const failures = async (db: Database) =>
    (await load(db)).flatMap((answer) => (answer.status === 'rejected' ? [String(answer.reason)] : []));

  it('is logged once at the start, with its numbers, and respected', async () => {
    await administrator.query(`alter role ${made.name} connection limit 4`);
    lines.length = 0;
    const db = await open(10);
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toMatchObject({ level: 40, allowed: 4, wanted: 11, role: 4, database: -1, size: 3 });
    expect(lines[0]).toMatch(/allows 4 connections.*DATABASE_POOL=10/);
    expect(await failures(db)).toEqual([]);
    expect(lines).toHaveLength(1);
    await opened.pop()!.close();
  });

  it('of one connection serves reads and changes over that connection', async () => {
    await administrator.query(`alter role ${made.name} connection limit 1`);
    const db = await open(10);
    expect(await failures(db)).toEqual([]);
    await opened.pop()!.close();
  });

  it('is shared by processes, and not logged if it is high enough', async () => {
    await administrator.query(`alter role ${made.name} connection limit 22`);
    lines.length = 0;
    await open(10, 2);
    await opened.pop()!.close();
    expect(lines).toEqual([]);
  });

  it('that other clients exhaust makes reads and changes wait', async () => {
    await administrator.query(`alter role ${made.name} connection limit 9`);
    const [one, other] = [await open(8), await open(8)];
    expect((await Promise.all([failures(one), failures(other)])).flat()).toEqual([]);
  });

  it('that leaves only the pipelined connections gives one of them to the pool', async () => {
    for (const each of opened.splice(0)) await each.close();
    const db = await open(8);
    await load(db);
    expect(await reading(db)).toBe(2);
    // Leaves only the pipelined connections: closes the connections of the pool, and lowers the limit so that no new
    // connection opens.
    await administrator.query(`alter role ${made.name} connection limit 1`);
    for (const client of await Promise.all(Array.from({ length: db.pool.totalCount }, () => db.pool.connect()))) client.release(true);
    await expect.poll(() => db.pool.totalCount).toBe(0);
    await expect(transaction(db, async (tx) => tx.prisma.user.count())).resolves.toBeGreaterThanOrEqual(0);
  });

  it('that leaves no pipelined connection makes the pool read', async () => {
    for (const each of opened.splice(0)) await each.close();
    await administrator.query(`alter role ${made.name} connection limit 9`);
    const db = await open(8);
    await db.pool.query('select 1');
    await administrator.query(`alter role ${made.name} connection limit 1`);
    const reads = [db.reads.query<{ n: number }>({ text: 'select 1 as n' }), db.reads.query<{ n: number }>({ text: 'select 2 as n' })];
    expect((await Promise.all(reads)).map(({ rows }) => rows[0]!.n)).toEqual([1, 2]);
    // Repeats the check with `findRows`, which does not parse rows like `reads.query`, but as row views
    // (src/reader/row-view.ts).
    await administrator.query(`alter role ${made.name} connection limit 9`);
    const other = await open(8);
    await other.pool.query('select 1');
    await administrator.query(`alter role ${made.name} connection limit 1`);
    expect(await findRows(other, 'User', { where: {} })).toEqual([]);
  });
});
