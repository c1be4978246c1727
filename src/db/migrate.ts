import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { ConfigError } from '../config.ts';
import type { Logger } from '../logger.ts';
import type { Database } from './client.ts';
import type { Watched } from './watchdog.ts';
import { isUnanswered, sqlStateOf } from './availability.ts';
import { configErrorOf, statementError, statementReason } from './database-errors.ts';

/** Applies migrations when the server starts, and records them as `prisma migrate` does. */

export interface Migration {
  name: string;
  sql: string;
  checksum: string;
}

/** The package's root is two folders above both src/db and dist/db. */
const migrationsFolder = fileURLToPath(new URL('../../prisma/migrations/', import.meta.url));

/**
 * Key of the advisory lock. The process with this lock migrates; other processes wait. Any number works if it is
 * equal in all processes.
 */
const lockKey = 7_261_001;
/**
 * How long one attempt of a migration waits for the lock of a table. While it waits, all later statements on the table
 * wait behind it. So the wait is short, and the attempt is repeated.
 */
const lockTimeout = '5s';

/** Returns the migrations of this version, in order. */
export function readMigrations(folder = migrationsFolder): Migration[] {
  return readdirSync(folder)
    .filter((name) => existsSync(`${folder}/${name}/migration.sql`))
    .sort()
    .map((name) => {
      const sql = readFileSync(`${folder}/${name}/migration.sql`, 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    });
}

/** Milliseconds that the server may be silent while it rewrites a large table. */
const answerWithinMs = 4 * 3_600_000;
/** Milliseconds between two attempts to get the migration lock, or a table that another transaction uses. */
const retryMs = 500;
/** Milliseconds between two log lines about a wait. */
const logIntervalMs = 10_000;
/** Milliseconds that a process waits for another process to migrate, which may rewrite a large table for minutes. */
const maxWaitMs = 10 * 60_000;

/**
 * Brings the database to this version: applies the pending migrations, each in a transaction of its own. Processes
 * that start at the same time take turns by an advisory lock. The lock ends with the transaction, even behind a
 * pooler.
 * @throws ConfigError when an applied migration was changed later or is unknown to this version, when the role lacks
 *   the rights for a pending migration, or when waiting takes longer than `limitMs`.
 */
export async function migrate(
  { pool }: Pick<Database, 'pool'>,
  log: Logger,
  migrations = readMigrations(),
  limitMs = maxWaitMs,
): Promise<void> {
  const client: pg.PoolClient & Partial<Pick<Watched, 'answerWithinMs'>> = await pool.connect();
  client.answerWithinMs = answerWithinMs;
  const deadline = Date.now() + limitMs;
  let loggedAt = -Infinity;
  let failure: Error | undefined;
  try {
    for (;;) {
      const step = await applyNext(client, migrations);
      if (step.kind === 'done') return;
      if (step.kind === 'applied') log.info({ migration: step.name }, 'A migration was applied.');
      else {
        if (Date.now() > deadline)
          throw new ConfigError(`${step.reason} Nothing changed in ${Math.round(limitMs / 1000)} s, so the start gives up.`);
        if (Date.now() - loggedAt > logIntervalMs) {
          log.warn(step.reason);
          loggedAt = Date.now();
        }
        await pause(retryMs);
      }
    }
  } catch (error) {
    failure = error as Error;
    throw error;
  } finally {
    client.answerWithinMs = undefined;
    client.release(failure);
  }
}

type Step = { kind: 'done' } | { kind: 'applied'; name: string } | { kind: 'waiting'; reason: string };

/** Applies the first pending migration. Reads the applied migrations in the same transaction. */
async function applyNext(client: pg.PoolClient, migrations: readonly Migration[]): Promise<Step> {
  let migration: Migration | undefined;
  try {
    await client.query('begin');
    // Rewriting a large table may take longer than the limit for requests.
    await client.query(`set local statement_timeout = 0; set local lock_timeout = '${lockTimeout}'`);
    const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_xact_lock($1) as taken', [lockKey]);
    if (!rows[0]!.taken) {
      const reason = await describeHolder(client);
      await client.query('rollback');
      return { kind: 'waiting', reason };
    }
    [migration] = pendingMigrations(migrations, await readApplied(client));
    if (migration !== undefined) await apply(client, migration);
    await client.query('commit');
    return migration === undefined ? { kind: 'done' } : { kind: 'applied', name: migration.name };
  } catch (error) {
    // The rollback fails on a lost connection. The server then rolls back by itself.
    await client.query('rollback').catch(() => undefined);
    if ((error as { code?: string }).code === '55P03')
      return { kind: 'waiting', reason: `The migration ${migration?.name ?? ''} waits for a table that another transaction uses.` };
    throw await explainError(client, error, migration);
  }
}

/**
 * Describes the session that holds the migration lock. An idle session may hold it: an earlier version of this server
 * left the lock in the session of a pooler.
 */
async function describeHolder(client: pg.PoolClient): Promise<string> {
  const { rows } = await client.query<{ pid: number; program: string | null; idle: boolean }>(
    `select pid, application_name as program, coalesce(state = 'idle', false) as idle
     from pg_locks left join pg_stat_activity using (pid)
     where locktype = 'advisory' and classid = 0 and objid = $1 and granted
       and pg_locks.database = (select oid from pg_database where datname = current_database())`,
    [lockKey],
  );
  const [holder] = rows;
  if (holder === undefined) return 'Another process migrates the database: waiting for it.';
  const { pid, program, idle } = holder;
  return `Another process migrates the database (${program || 'a session'}, PID ${pid} there): waiting for it.${idle ? ` It does nothing; if it stays so, run SELECT pg_terminate_backend(${pid}).` : ''}`;
}

async function explainError(client: pg.PoolClient, error: unknown, migration: Migration | undefined): Promise<unknown> {
  const configError = configErrorOf(error);
  if (configError !== undefined) return configError;
  if (isUnanswered(error))
    return new ConfigError(
      `The connection to the database was lost during ${migration === undefined ? 'the migrations' : `the migration ${migration.name}`}: start again, and what is missing will be applied.`,
      { cause: error },
    );
  const code = sqlStateOf(error);
  if (code === undefined) return error;
  const session = await client
    .query<{ user: string; database: string }>('select current_user as user, current_database() as database')
    .catch(() => undefined);
  const reason = statementReason(error, session?.rows[0]);
  if (migration === undefined) return reason === undefined ? statementError(error) : new ConfigError(reason, { cause: error });
  return new ConfigError(
    `The migration ${migration.name} failed (${code}); nothing of it was applied.${reason === undefined ? '' : ` ${reason}`}`,
    { cause: error },
  );
}

type AppliedMigration = Pick<Migration, 'name' | 'checksum'>;

async function readApplied(client: pg.PoolClient): Promise<AppliedMigration[]> {
  // Looks for the table first, so that a role without CREATE can start on a database that is up to date.
  const {
    rows: [found],
  } = await client.query<{ exists: boolean }>(`select to_regclass('"_prisma_migrations"') is not null as exists`);
  if (!found!.exists)
    await client.query(`
    create table "_prisma_migrations" (
      id varchar(36) primary key not null,
      checksum varchar(64) not null,
      finished_at timestamptz,
      migration_name varchar(255) not null,
      logs text,
      rolled_back_at timestamptz,
      started_at timestamptz not null default now(),
      applied_steps_count integer not null default 0
    )`);
  const { rows } = await client.query<AppliedMigration & { finished: boolean }>(`
    select migration_name as name, checksum, finished_at is not null as finished
    from "_prisma_migrations" where rolled_back_at is null order by migration_name`);
  const unfinished = rows.find(({ finished }) => !finished);
  if (unfinished !== undefined) throw new ConfigError(`The migration ${unfinished.name} was begun by another tool and not finished.`);
  return rows;
}

function pendingMigrations(migrations: readonly Migration[], applied: readonly AppliedMigration[]): readonly Migration[] {
  for (const { name, checksum } of applied) {
    const known = migrations.find((migration) => migration.name === name);
    if (known === undefined)
      throw new ConfigError(`The database has the migration ${name}, which this version does not know: it was used by a later version.`);
    if (known.checksum !== checksum) throw new ConfigError(`The migration ${name} was changed after it was applied.`);
  }
  return migrations.filter(({ name }) => !applied.some((other) => other.name === name));
}

async function apply(client: pg.PoolClient, { name, sql, checksum }: Migration): Promise<void> {
  await client.query(sql);
  await client.query(
    `insert into "_prisma_migrations" (id, checksum, started_at, finished_at, migration_name, applied_steps_count)
     values ($1, $2, now(), clock_timestamp(), $3, 1)`,
    [randomUUID(), checksum, name],
  );
}
