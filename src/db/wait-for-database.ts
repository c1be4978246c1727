import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { ConfigError } from '../config.ts';
import type { Logger } from '../logger.ts';
import type { ConnectionUrl } from './connection-url.ts';
import { connectionError, isTemporary } from './database-errors.ts';
import { checkSession } from './session-checks.ts';

const minVersion = 15;
const maxWaitMs = 10_000;

/**
 * Waits until the database server answers. Then checks its version, encoding and schema, and that it accepts changes.
 * Also checks that a pooler between this process and the server passes `settings` on and keeps the session of a
 * connection (src/db/session-checks.ts).
 * @throws ConfigError when the server does not answer in ten seconds, refuses the connection, or fails a check.
 */
export async function waitForDatabase(
  pool: pg.Pool,
  url: ConnectionUrl,
  settings: Readonly<Record<string, string>>,
  log: Logger,
): Promise<void> {
  if (url.withoutEffect.length > 0) log.warn(`These parameters of DATABASE_URL have no effect: ${url.withoutEffect.join(', ')}.`);
  const deadline = Date.now() + maxWaitMs;
  for (;;) {
    try {
      return await checkServer(pool, { url, settings, deadline }, log);
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      if (!isTemporary(error) || Date.now() > deadline) throw connectionError(error, url);
    }
    await pause(500);
  }
}

interface ServerCheck {
  url: ConnectionUrl;
  settings: Readonly<Record<string, string>>;
  /** Time after which a read-only server counts as a standby, in ms since 1970. */
  deadline: number;
}

async function checkServer(pool: pg.Pool, { url, settings, deadline }: ServerCheck, log: Logger): Promise<void> {
  const client = await pool.connect();
  let failure: Error | undefined;
  try {
    const facts = await readFacts(client, deadline);
    checkFacts(facts, url);
    await checkSession(client, url, settings, facts.role);
    for (const [setting, off] of Object.entries(facts.off))
      if (off) log.warn({ setting }, `The database has ${setting} off: what it confirmed may be lost when it stops suddenly.`);
  } catch (error) {
    failure = error as Error;
    throw error;
  } finally {
    client.release(failure);
  }
}

interface Facts {
  version: number;
  encoding: string;
  readOnly: boolean;
  /** Schema of new tables; null if no schema of the search path exists or may be used. */
  schema: string | null;
  searchPath: string;
  role: string;
  database: string;
  off: Record<'fsync' | 'full_page_writes' | 'synchronous_commit', boolean>;
}

/**
 * Reads the facts about the server. While the server is read-only, reads them again until `deadline`, because a standby
 * may become the primary server.
 */
async function readFacts(client: pg.PoolClient, deadline: number): Promise<Facts> {
  for (;;) {
    const { rows } = await client.query<Facts>(`
      select current_setting('server_version_num')::int / 10000 as version,
             current_setting('server_encoding') as encoding,
             current_setting('transaction_read_only') = 'on' as "readOnly",
             current_schema() as schema,
             current_setting('search_path') as "searchPath",
             current_user as role,
             current_database() as database,
             json_build_object(
               'fsync', current_setting('fsync') = 'off',
               'full_page_writes', current_setting('full_page_writes') = 'off',
               'synchronous_commit', current_setting('synchronous_commit') = 'off') as off`);
    const [facts] = rows;
    if (!facts!.readOnly || Date.now() > deadline) return facts!;
    await pause(500);
  }
}

function checkFacts({ version, encoding, readOnly, schema, searchPath, role, database }: Facts, { host }: ConnectionUrl): void {
  if (version < minVersion) throw new ConfigError(`The database on ${host} is PostgreSQL ${version}; ${minVersion} or later is needed.`);
  if (encoding !== 'UTF8')
    throw new ConfigError(
      `The database ${database} on ${host} has the encoding ${encoding}: create one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.`,
    );
  if (readOnly)
    throw new ConfigError(`The database ${database} on ${host} is read-only, such as a standby: name the primary in DATABASE_URL.`);
  if (schema === null)
    throw new ConfigError(
      `The role "${role}" may not use the schema public, or its search_path (${searchPath}) leads to no schema: GRANT USAGE, CREATE ON SCHEMA public TO "${role}"; ALTER ROLE "${role}" SET search_path = public.`,
    );
  if (schema !== 'public')
    throw new ConfigError(
      `The search_path (${searchPath}) leads to the schema ${schema}, but the tables are in the schema public: take it out of DATABASE_URL or ALTER ROLE "${role}" SET search_path = public, and use a database of its own for Sfera.`,
    );
}
