import { connect as connectTo, createServer, type AddressInfo } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isTransient, isUnanswered, refusalOf, sqlStateOf } from '../../src/db/availability.ts';
import { connect, type Database } from '../../src/db/client.ts';
import { transaction } from '../../src/db/transaction.ts';
import { notFound } from '../../src/errors.ts';
import { createLogger } from '../../src/logger.ts';
import { openTestDatabase } from '../support/database.ts';

/**
 * Database errors that clients get as UNAVAILABLE. A read, a query of the pool, a query of Prisma and a transaction all
 * throw them.
 */

let db: Database;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());

const raising = (state: string) => `do $$ begin raise exception using errcode = '${state}', message = 'raised'; end $$`;
const thrown = (run: Promise<unknown>): Promise<unknown> =>
  run.then(
    () => undefined,
    (error: unknown) => error,
  );

const ways: [string, (sql: string) => Promise<unknown>][] = [
  ['a read', (sql) => db.reads.query({ text: sql })],
  ['the pool', (sql) => db.pool.query(sql)],
  ['Prisma', (sql) => db.prisma.$executeRawUnsafe(sql)],
  ['a transaction', (sql) => transaction(db, (tx) => tx.prisma.$executeRawUnsafe(sql))],
];

describe.each(ways)('an error of %s', (_way, run) => {
  it.each(['53100', '53200', '53300', '53400', '55P03', '57014', '25006', '40001', '40P01', '08006'])(
    'is transient with %s',
    async (state) => {
      const error = await thrown(run(raising(state)));
      expect([isTransient(error), sqlStateOf(error)]).toEqual([true, state]);
      expect(refusalOf(error)).toMatchObject({ code: 'UNAVAILABLE', retryAfterSeconds: 2 });
    },
  );

  it.each(['23505', '22012', '42501', '42P01', 'P0001', 'XX000', '23514'])('is not transient with %s', async (state) => {
    const error = await thrown(run(raising(state)));
    expect(error).toBeInstanceOf(Error);
    expect([isTransient(error), refusalOf(error)]).toEqual([false, undefined]);
  });
});

describe('an error of a connection', () => {
  /**
   * Returns three errors: of a query on this port, of connecting to this port, and of a query after the pool has ended.
   */
  const errorsAt = async (port: number): Promise<unknown[]> => {
    const pool = new pg.Pool({ connectionString: `postgres://postgres@127.0.0.1:${port}/none`, connectionTimeoutMillis: 300 });
    pool.on('error', () => undefined);
    const errors = [await thrown(pool.query('select 1')), await thrown(pool.connect())];
    await pool.end();
    return [...errors, await thrown(pool.query('select 1'))];
  };

  it.each<[string, ((socket: import('node:net').Socket) => void) | undefined]>([
    ['is refused', undefined],
    ['is closed at once', (socket) => socket.destroy()],
    ['is reset', (socket) => socket.resetAndDestroy()],
    ['stays silent', () => undefined],
  ])('that %s is transient', async (_how, serve) => {
    const server = createServer(serve);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    if (serve === undefined) await new Promise((resolve) => server.close(resolve));
    for (const error of await errorsAt(port)) {
      expect(isTransient(error), String(error)).toBe(true);
      expect(isUnanswered(error)).toBe(true);
    }
    if (serve !== undefined) server.close();
  });

  it('that has been closed is transient', async () => {
    const other = await connect({ poolSize: 1, log: createLogger('silent') });
    await other.close();
    for (const run of [
      () => other.pool.query('select 1'),
      () => other.prisma.$queryRawUnsafe('select 1'),
      () => transaction(other, async (tx) => tx.prisma.user.count()),
    ])
      expect(isTransient(await thrown(run()))).toBe(true);
  });

  it('to an unknown host is transient', async () => {
    const error = await thrown(
      new Promise((resolve, reject) => connectTo(5432, 'no-such-host.invalid').on('connect', resolve).on('error', reject)),
    );
    expect(isTransient(error)).toBe(true);
  });
});

it('does not treat other errors as transient', () => {
  for (const error of [
    undefined,
    null,
    'ECONNRESET',
    new Error('Connection'),
    new TypeError('x is not a function'),
    Object.assign(new Error('x'), { code: 'INVALID' }),
  ])
    expect(isTransient(error)).toBe(false);
  const refusal = notFound();
  expect(refusalOf(refusal)).toBe(refusal);
});
