import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { ConfigError, readConfig } from '../../src/config.ts';
import { connect } from '../../src/db/client.ts';
import { migrate, readMigrations } from '../../src/db/migrate.ts';
import { waitForDatabase } from '../../src/db/wait-for-database.ts';
import { createLogger } from '../../src/logger.ts';
import { open } from '../../src/http/bootstrap.ts';
import { server } from '../support/database.ts';
import { createDatabase, dropDatabase } from '../support/server.ts';
import { freePort } from '../support/sfera.ts';
import { until } from '../support/until.ts';

/** Misconfigured databases and roles: the start fails with one line that says what to do. */

const log = createLogger('silent');

interface Made {
  name: string;
  url: string;
}

/** Connects, migrates and reads the keys, as the server does at every start. Returns the error message. */
async function start(databaseUrl: string): Promise<string> {
  const config = readConfig({ DATABASE_URL: databaseUrl, SECRET_KEY: 'a secret of thirty-two bytes for tests', DATABASE_POOL: '2' });
  try {
    await (await open(config, log)).close();
    return 'started';
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as Error).message).toMatch(/^[^\n]+\.$/);
    return (error as Error).message;
  }
}

async function run(url: string, ...statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

describe('waiting for a database', () => {
  const url = { connectionString: '', host: 'h', user: 'u', database: 'db', withoutEffect: [] };
  const failure = (code: string | undefined, message = 'x') => Object.assign(new Error(message), code === undefined ? {} : { code });
  const final = failure('28P01');
  const waiting = (connect: () => Promise<unknown>) => waitForDatabase({ connect } as unknown as pg.Pool, url, {}, log);

  it.each([
    [undefined, 'Connection terminated unexpectedly'],
    [undefined, 'Connection terminated'],
    ['08P01', 'server login has been failing, try again later'],
    ['08006', 'x'],
    ['57P01', 'terminating connection due to administrator command'],
    ['57P02', 'x'],
    ['57P03', 'the database system is starting up'],
    ['53300', 'sorry, too many clients already'],
    ['EPIPE', 'write EPIPE'],
    ['ECONNREFUSED', 'x'],
    ['ENETUNREACH', 'x'],
    ['EHOSTUNREACH', 'x'],
    ['ENOENT', 'x'],
    ['EAI_AGAIN', 'x'],
  ])('connects again after %s «%s»', async (code, message) => {
    const attempts = vi.fn().mockRejectedValueOnce(failure(code, message)).mockRejectedValue(final);
    await expect(waiting(attempts)).rejects.toThrow('refused the user or the password');
    expect(attempts).toHaveBeenCalledTimes(2);
  });

  it('connects again when the connection is lost at the first statement', async () => {
    const release = vi.fn();
    const query = () => Promise.reject(failure('57P01'));
    const attempts = vi.fn().mockResolvedValueOnce({ query, release }).mockRejectedValue(final);
    await expect(waiting(attempts)).rejects.toThrow('refused the user or the password');
    expect(release).toHaveBeenCalledWith(expect.any(Error));
  });

  it.each([
    ['28P01', 'x'],
    ['28000', 'x'],
    ['3D000', 'x'],
    ['EACCES', 'x'],
    ['CERT_HAS_EXPIRED', 'x'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'x'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'x'],
    ['08P01', 'unsupported startup parameter: options'],
    [undefined, 'The server does not support SSL connections'],
  ])('gives up at once after %s «%s»', async (code, message) => {
    const attempts = vi.fn().mockRejectedValue(failure(code, message));
    await expect(waiting(attempts)).rejects.toThrow(ConfigError);
    expect(attempts).toHaveBeenCalledTimes(1);
  });
});

describe.runIf(server)('a start on a server', () => {
  const role = `sfera_test_${randomBytes(6).toString('hex')}`;
  const databases: Made[] = [];
  beforeAll(() => run(server!, `create role ${role} login`));
  afterEach(async () => {
    for (const { name } of databases.splice(0)) await dropDatabase(server!, name);
    await run(server!, `alter role ${role} reset all`, `alter role ${role} connection limit -1`);
  });
  afterAll(() => run(server!, `drop role ${role}`));

  const make = async (template?: string): Promise<Made> => {
    const made = await createDatabase(server!, template);
    databases.push(made);
    return made;
  };
  const asRole = ({ url }: Made, user = role): string => {
    const own = new URL(url);
    own.username = user;
    return own.href;
  };

  it('names what to grant where the role may not create tables', async () => {
    const made = await make();
    await run(server!, `grant all on database ${made.name} to ${role}`);
    expect(await start(asRole(made))).toBe(
      `The role "${role}" may not create tables in the schema public: GRANT USAGE, CREATE ON SCHEMA public TO "${role}"; or make it the owner: ALTER DATABASE "${made.name}" OWNER TO "${role}".`,
    );
    await run(made.url, `grant usage, create on schema public to ${role}`);
    expect(await start(asRole(made))).toBe('started');
  });

  it('names what to grant where the role may not create extensions', async () => {
    const made = await make();
    await run(made.url, `grant usage, create on schema public to ${role}`);
    const refused = await start(asRole(made));
    expect(refused).toContain(`may not create the extension btree_gist: GRANT CREATE ON DATABASE "${made.name}" TO "${role}"`);
    await run(server!, `grant create on database ${made.name} to ${role}`);
    expect(await start(asRole(made))).toBe('started');
  });

  it('names what to grant where the tables belong to another role', async () => {
    const made = await make(inject('template'));
    expect(await start(asRole(made))).toContain('which belong to another role: connect as that role, or GRANT ALL ON ALL TABLES');
    await run(made.url, `grant all on all tables in schema public to ${role}`);
    expect(await start(asRole(made))).toBe('started');
  });

  it.each([
    ['of the role', (made: Made) => `alter role ${role} in database ${made.name} set search_path = other`],
    ['of the database', (made: Made) => `alter database ${made.name} set search_path = other, public`],
    ['that leads to the role’s own schema', () => `create schema ${role}; grant usage on schema ${role} to ${role}`],
  ])('refuses a search_path %s, and creates no table', async (_whose, statement) => {
    const made = await make();
    await run(
      made.url,
      'create schema other',
      `grant usage on schema other to ${role}`,
      `grant all on database ${made.name} to ${role}`,
      `grant create on schema public to ${role}`,
      statement(made),
    );
    expect(await start(asRole(made))).toMatch(/leads to the schema (other|sfera_test_\w+), but the tables are in the schema public/);
    expect(await start(`${made.url}?options=-c%20search_path%3Dother`)).toMatch(/leads to the schema other/);
    const client = new pg.Client({ connectionString: made.url });
    await client.connect();
    const { rows } = await client
      .query(`select 1 from information_schema.tables where table_schema not in ('pg_catalog', 'information_schema')`)
      .finally(() => client.end());
    expect(rows).toEqual([]);
  });

  it('refuses a role that may not use the schema public', async () => {
    const made = await make();
    await run(made.url, 'revoke usage on schema public from public');
    expect(await start(asRole(made))).toContain(`GRANT USAGE, CREATE ON SCHEMA public TO "${role}"`);
  });

  it('refuses a database of another encoding', async () => {
    const name = `sfera_test_${randomBytes(6).toString('hex')}`;
    await run(server!, `create database ${name} template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'`);
    const url = new URL(server!);
    url.pathname = name;
    databases.push({ name, url: url.href });
    expect(await start(url.href)).toContain('has the encoding SQL_ASCII');
  });

  it('refuses a read-only database', async () => {
    const made = await make(inject('template'));
    await run(server!, `alter database ${made.name} set default_transaction_read_only = on`);
    expect(await start(made.url)).toContain('is read-only, such as a standby: name the primary');
  });

  it('says in one line that the connection was lost during a migration', async () => {
    const made = await make(inject('template'));
    const db = await connect({ databaseUrl: made.url, poolSize: 2, log });
    const cut = { name: '29990101000000_cut', sql: 'select pg_terminate_backend(pg_backend_pid())', checksum: 'e'.repeat(64) };
    await expect(migrate(db, log, [...readMigrations(), cut])).rejects.toThrow(
      /^The connection to the database was lost during the migration 29990101000000_cut: start again/,
    );
    await db.close();
  });

  it('refuses a database that has tables of another program', async () => {
    const made = await make();
    await run(made.url, 'create table school (id int)');
    expect(await start(made.url)).toMatch(
      /^The migration \w+ failed \(42P07\); nothing of it was applied\. The database has tables or types of another program/,
    );
  });

  it('refuses a missing database', async () => {
    const missing = new URL((await make()).url);
    missing.pathname = '/sfera_test_missing';
    expect(await start(missing.href)).toContain('it has no database of this name');
  });

  it('refuses a missing role', async () => {
    expect(await start(asRole(await make(), 'sfera_test_nobody'))).toContain('it has no role of this name');
  });

  it('refuses a role that may not connect, and says what to grant', async () => {
    const made = await make();
    await run(server!, `revoke connect on database ${made.name} from public`);
    expect(await start(asRole(made))).toContain('GRANT CONNECT ON DATABASE');
  });

  it('refuses a role without connections', async () => {
    const made = await make();
    await run(server!, `alter role ${role} connection limit 0`);
    expect(await start(asRole(made))).toContain('it has no connection left: lower DATABASE_POOL');
  });

  describe('while another session holds the migration lock', () => {
    const warnings: string[] = [];
    const telling = createLogger('warn', { write: (text) => void warnings.push((JSON.parse(text) as { msg: string }).msg) });
    const lock = 'select pg_advisory_lock(7261001)';

    it('names the session, continues when it ends, and leaves no lock behind', async () => {
      const made = await make();
      const holder = new pg.Client({ connectionString: made.url, application_name: 'a former version' });
      await holder.connect();
      await holder.query(lock);
      const db = await connect({ databaseUrl: made.url, poolSize: 2, log });
      try {
        const done = migrate(db, telling);
        await until(() =>
          expect(warnings.join()).toMatch(
            /^Another process migrates the database \(a former version, PID \d+ there\).*pg_terminate_backend\(\d+\)/,
          ),
        );
        await holder.end();
        await done;
        const { rows } = await db.pool.query<{ locks: number; migrations: number }>(
          `select (select count(*)::int from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())) as locks, (select count(*)::int from "_prisma_migrations") as migrations`,
        );
        expect(rows).toEqual([{ locks: 0, migrations: readMigrations().length }]);
      } finally {
        await db.close();
      }
    });

    it('gives up with one line when nothing changes', async () => {
      const made = await make();
      const holder = new pg.Client({ connectionString: made.url });
      await holder.connect();
      await holder.query(lock);
      const db = await connect({ databaseUrl: made.url, poolSize: 2, log });
      try {
        await expect(migrate(db, log, readMigrations(), 1000)).rejects.toThrow(/^Another process migrates .* so the start gives up\.$/);
      } finally {
        await db.close();
        await holder.end();
      }
    });

    it('says that a migration waits for a table, and applies it when the table is free', async () => {
      const made = await make(inject('template'));
      const holder = new pg.Client({ connectionString: made.url });
      await holder.connect();
      await holder.query('begin; lock table school in access exclusive mode');
      const db = await connect({ databaseUrl: made.url, poolSize: 2, log });
      const extra = { name: '29990101000000_extra', sql: 'alter table school add column extra int', checksum: 'e'.repeat(64) };
      try {
        const done = migrate(db, telling, [...readMigrations(), extra]);
        await until(() => expect(warnings).toContain(`The migration ${extra.name} waits for a table that another transaction uses.`));
        await holder.end();
        await done;
        await db.pool.query('select extra from school');
      } finally {
        await db.close();
      }
    });
  });
});

const hasPgBouncer = spawnSync('pgbouncer', ['--version']).status === 0;

describe.runIf(server && hasPgBouncer)('a start behind PgBouncer', () => {
  const role = `sfera_test_${randomBytes(6).toString('hex')}`;
  let made: Made;
  let folder: string;
  let pooler: ChildProcess | undefined;
  beforeAll(async () => {
    await run(server!, `create role ${role} login superuser`);
    made = await createDatabase(server!, inject('template'));
    folder = mkdtempSync(join(tmpdir(), 'sfera-'));
    chmodSync(folder, 0o777);
  });
  afterEach(async () => {
    pooler?.kill('SIGINT');
    if (pooler !== undefined && pooler.exitCode === null && pooler.signalCode === null) await once(pooler, 'exit');
    await run(server!, `alter role ${role} reset all`);
  });
  afterAll(async () => {
    await dropDatabase(server!, made.name);
    await run(server!, `drop role ${role}`);
    rmSync(folder, { recursive: true, force: true });
  });

  /** Starts PgBouncer. Returns the database URL that leads through PgBouncer. */
  async function through(mode: string, extra = ''): Promise<string> {
    const { hostname, port } = new URL(server!);
    const listening = await freePort();
    const ini = join(folder, 'pgbouncer.ini');
    writeFileSync(
      ini,
      `[databases]\n* = host=${hostname} port=${port || 5432} user=${role}\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port=${listening}\nauth_type=any\npool_mode=${mode}\nunix_socket_dir=\n${extra}\n`,
    );
    const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
    pooler = spawn('pgbouncer', ['-q', ...user, ini], { stdio: ['ignore', 'ignore', 'inherit'] });
    return `postgres://${role}@127.0.0.1:${listening}/${made.name}`;
  }
  const roleSettings = [
    "TimeZone = 'UTC'",
    "default_transaction_isolation = 'read committed'",
    "statement_timeout = '15s'",
    "lock_timeout = '5s'",
    "idle_in_transaction_session_timeout = '30s'",
    "random_page_cost = '1.1'",
  ];

  it('in transaction mode is refused, even where the role has the settings, and leaves no lock', async () => {
    const url = await through('transaction', 'ignore_startup_parameters=options');
    expect(await start(url)).toMatch(
      /^A connection pooler on 127\.0\.0\.1 does not keep the session \(lost: .*lock_timeout.*LISTEN\): connect to PostgreSQL directly, or use the pooler in session mode\.$/,
    );
    await run(server!, ...roleSettings.map((each) => `alter role ${role} set ${each}`));
    pooler!.kill('SIGINT');
    await once(pooler!, 'exit');
    const again = await through('transaction', 'ignore_startup_parameters=options');
    expect(await start(again)).toContain('does not keep the session');
    const client = new pg.Client({ connectionString: made.url });
    await client.connect();
    const { rows } = await client
      .query(
        `select 1 from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`,
      )
      .finally(() => client.end());
    expect(rows).toEqual([]);
  });

  it('that refuses the settings is reported as such', async () => {
    expect(await start(await through('session'))).toMatch(/refuses the parameter `options`: connect to PostgreSQL directly/);
  });

  it('in session mode starts once the role has the settings', async () => {
    const url = await through('session', 'ignore_startup_parameters=options');
    const refused = await start(url);
    const commands = /give them to the role: (.*)\.$/.exec(refused)?.[1];
    expect(commands).toContain(`ALTER ROLE "${role}" SET lock_timeout = '5s'`);
    await run(server!, ...commands!.split('; '));
    pooler!.kill('SIGINT');
    await once(pooler!, 'exit');
    expect(await start(await through('session', 'ignore_startup_parameters=options'))).toBe('started');
  });
});
