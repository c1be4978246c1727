import { afterEach, describe, expect, it, vi } from 'vitest';
import { ConfigError } from '../../src/config.ts';
import type { Database } from '../../src/db/client.ts';
import { migrate, readMigrations } from '../../src/db/migrate.ts';
import { createLogger } from '../../src/logger.ts';
import { openEmptyDatabase, openTestDatabase } from '../support/database.ts';

const log = createLogger('silent');
const opened: Database[] = [];
const keep = async (opening: Promise<Database>): Promise<Database> => {
  const database = await opening;
  opened.push(database);
  return database;
};
afterEach(() => Promise.all(opened.splice(0).map((database) => database.close())));

const recorded = async ({ pool }: Database) =>
  (
    await pool.query<{ name: string; checksum: string }>(
      `select migration_name as name, checksum from "_prisma_migrations" where finished_at is not null and applied_steps_count = 1`,
    )
  ).rows;

const extra = { name: '29990101000000_extra', sql: 'create table extra (id int); insert into extra values (1)', checksum: 'e'.repeat(64) };

describe('migrate', () => {
  it('migrates an empty database once, also when several processes start together', async () => {
    const database = await keep(openEmptyDatabase());
    await Promise.all([migrate(database, log), migrate(database, log)]);
    await migrate(database, log);
    expect(await recorded(database)).toEqual(readMigrations().map(({ name, checksum }) => ({ name, checksum })));
  });

  it('applies what is pending', async () => {
    const database = await keep(openTestDatabase());
    await migrate(database, log, [...readMigrations(), extra]);
    expect((await database.pool.query('select id from extra')).rows).toEqual([{ id: 1 }]);
  });

  it('stops if an applied migration was changed', async () => {
    const database = await keep(openTestDatabase());
    const changed = readMigrations().map((migration) => ({ ...migration, checksum: 'c'.repeat(64) }));
    await expect(migrate(database, log, changed)).rejects.toThrow(ConfigError);
  });

  it('stops if the database has a migration that this version does not know', async () => {
    const database = await keep(openTestDatabase());
    await migrate(database, log, [...readMigrations(), extra]);
    await expect(migrate(database, log)).rejects.toThrow(extra.name);
  });

  it('rolls back a failed migration completely', async () => {
    const database = await keep(openTestDatabase());
    const before = await recorded(database);
    const failing = { ...extra, sql: `${extra.sql}; select 1 / 0` };
    await expect(migrate(database, log, [...readMigrations(), failing])).rejects.toThrow(/22012/);
    expect(await recorded(database)).toEqual(before);
    await expect(database.pool.query('select id from extra')).rejects.toMatchObject({ code: '42P01' });
    await migrate(database, log, [...readMigrations(), extra]);
  });

  it.each([
    [
      'lost',
      undefined,
      'Connection terminated unexpectedly',
      /^The connection to the database was lost during the migrations: start again/,
    ],
    ['reset', 'ECONNRESET', 'read ECONNRESET', /^The connection to the database was lost during the migrations: start again/],
    [
      'ended by an administrator',
      '57P01',
      'terminating connection',
      /^The connection to the database was lost during the migrations: start again/,
    ],
    ['lost after another error', '42501', 'permission denied for schema public', /^The role … may not create tables in the schema public/],
  ])('says in one line that the connection was %s', async (_how, code, message, expected) => {
    const cause = Object.assign(new Error(message), code === undefined ? {} : { code });
    const query = vi
      .fn()
      .mockResolvedValueOnce({})
      .mockResolvedValueOnce({})
      .mockRejectedValueOnce(cause)
      .mockRejectedValue(new Error('Client has encountered a connection error and is not queryable'));
    const pool = { connect: () => Promise.resolve({ query, release: () => {} }) } as unknown as Database['pool'];
    const refused: unknown = await migrate({ pool }, log).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ConfigError);
    expect(refused).toMatchObject({ message: expect.stringMatching(expected), cause });
  });
});
