import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { ConfigError } from '../config.ts';
import type { Logger } from '../log.ts';
import type { Database } from './client.ts';

/** Migrations are applied by the server itself when it starts, and are recorded as Prisma's own tool records them. */

export interface Migration {
  name: string;
  sql: string;
  checksum: string;
}

/** From src/db and from dist/db alike, the package's root is two folders up. */
const folder = fileURLToPath(new URL('../../prisma/migrations/', import.meta.url));

/** Any number, the same in every process: whoever holds its lock migrates, and the others wait. */
const lock = 7_261_001;

/** The migrations of this version, in order. */
export function readMigrations(from = folder): Migration[] {
  return readdirSync(from)
    .filter((name) => existsSync(`${from}/${name}/migration.sql`))
    .sort()
    .map((name) => {
      const sql = readFileSync(`${from}/${name}/migration.sql`, 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    });
}

/**
 * Brings the database to this version: applies what is pending, each migration in a transaction of its own. Processes
 * that start together take turns.
 * @throws ConfigError when an applied migration was changed since, or this version does not know it.
 */
export async function migrate({ pool }: Pick<Database, 'pool'>, log: Logger, migrations = readMigrations()): Promise<void> {
  const client = await pool.connect();
  let failed: Error | undefined;
  try {
    // Waiting for another process, and rewriting a large table, may take longer than a request may.
    await client.query('set statement_timeout = 0; set lock_timeout = 0');
    await client.query('select pg_advisory_lock($1)', [lock]);
    for (const migration of pending(migrations, await applied(client))) {
      await apply(client, migration);
      log.info({ migration: migration.name }, 'A migration was applied.');
    }
  } catch (error) {
    failed = error as Error;
    throw error;
  } finally {
    // Not given back to the pool: its lock and its settings end with it.
    client.release(failed ?? true);
  }
}

type Applied = Pick<Migration, 'name' | 'checksum'>;

async function applied(client: pg.PoolClient): Promise<Applied[]> {
  await client.query(`
    create table if not exists "_prisma_migrations" (
      id varchar(36) primary key not null,
      checksum varchar(64) not null,
      finished_at timestamptz,
      migration_name varchar(255) not null,
      logs text,
      rolled_back_at timestamptz,
      started_at timestamptz not null default now(),
      applied_steps_count integer not null default 0
    )`);
  const { rows } = await client.query<Applied & { finished: boolean }>(`
    select migration_name as name, checksum, finished_at is not null as finished
    from "_prisma_migrations" where rolled_back_at is null order by migration_name`);
  const half = rows.find(({ finished }) => !finished);
  if (half !== undefined) throw new ConfigError(`The migration ${half.name} was begun by another tool and not finished.`);
  return rows;
}

function pending(migrations: readonly Migration[], done: readonly Applied[]): readonly Migration[] {
  for (const { name, checksum } of done) {
    const ours = migrations.find((migration) => migration.name === name);
    if (ours === undefined)
      throw new ConfigError(`The database has the migration ${name}, which this version does not know: it was used by a later version.`);
    if (ours.checksum !== checksum) throw new ConfigError(`The migration ${name} was changed after it was applied.`);
  }
  return migrations.filter(({ name }) => !done.some((other) => other.name === name));
}

async function apply(client: pg.PoolClient, { name, sql, checksum }: Migration): Promise<void> {
  try {
    await client.query('begin');
    await client.query(sql);
    await client.query(
      `insert into "_prisma_migrations" (id, checksum, started_at, finished_at, migration_name, applied_steps_count)
       values ($1, $2, now(), clock_timestamp(), $3, 1)`,
      [randomUUID(), checksum, name],
    );
    await client.query('commit');
  } catch (error) {
    throw new ConfigError(`The migration ${name} failed (${(error as { code?: string }).code ?? 'no code'}); nothing of it was applied.`, { cause: error });
  }
}
