import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { loadSigningKeys } from '../src/auth/keys.ts';
import { Tokens } from '../src/auth/tokens.ts';
import { readConfig } from '../src/config.ts';
import { connect } from '../src/db/client.ts';
import { migrate } from '../src/db/migrate.ts';
import { createLogger } from '../src/logger.ts';
import { openLiveFixture, type LiveFixture } from './live/fixture.ts';
import { summarise, type Env, type Server, type Summary } from './measure.ts';
import { createStarter } from './processes.ts';
import { seed } from './seed.ts';

/** Opens the environment of the measures: a scratch database on a PostgreSQL server, and the servers that run on it. */

export interface BenchEnv extends Env {
  postgres: string;
  close(): Promise<void>;
}

const server = process.env.PG_URL || 'postgres://root@127.0.0.1:5432/postgres';

async function withAdminClient<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: server });
  try {
    await client.connect();
  } catch (error) {
    const why = `${(error as { code?: string }).code ?? ''} ${(error as Error).message}`.trim();
    throw new Error(
      `No PostgreSQL server answers at ${new URL(server).host} (${why}). The benchmarks need PostgreSQL 15 or newer and a role that may create ` +
        'databases: PG_URL=postgres://user:password@host:5432/postgres npm run bench',
    );
  }
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Creates a migrated database. `drop` removes it. */
async function createScratch(): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `sfera_bench_${randomBytes(6).toString('hex')}`;
  await withAdminClient((client) => client.query(`create database ${name} template template0`));
  const url = new URL(server);
  url.pathname = `/${name}`;
  const drop = () => withAdminClient(async (client) => void (await client.query(`drop database if exists ${name} with (force)`)));
  const log = createLogger('warn');
  try {
    const db = await connect({ databaseUrl: url.href, poolSize: 1, log });
    await migrate(db, log).finally(() => db.close());
  } catch (error) {
    await drop();
    throw error;
  }
  return { url: url.href, drop };
}

/**
 * Returns the settings with which our server runs on a database. They are the defaults, except that
 * `OPERATIONS_PER_MINUTE` is raised, because in the benchmark one account sends the load of a whole city.
 */
export const settingsFor = (databaseUrl: string): Record<string, string> => ({
  DATABASE_URL: databaseUrl,
  PUBLIC_URL: 'http://localhost:4000',
  SECRET_KEY: 'a secret of thirty-two bytes for benches',
  OPERATIONS_PER_MINUTE: '100000000',
});

/** Issues access tokens. Signs them with the keys of our servers that run on this database. */
export async function createTokenIssuer(settings: Record<string, string>): Promise<{ token: Env['token']; close(): Promise<void> }> {
  const config = readConfig(settings);
  const log = createLogger('warn');
  const db = await connect({ databaseUrl: config.databaseUrl, poolSize: 2, log });
  const tokens = new Tokens({ config, db, keys: await loadSigningKeys(db, config), log });
  return {
    async token(userId) {
      const expiresAt = new Date(Date.now() + 86_400_000);
      const { id: sessionId } = await db.prisma.session.create({ data: { userId, clientId: 'bench', expiresAt } });
      return tokens.issueAccessToken({ userId, sessionId, clientId: 'bench' }, 7200);
    },
    close: () => db.close(),
  };
}

async function sampleRounds<T extends string>(
  contenders: readonly T[],
  times: number,
  sample: (contender: T) => Promise<number>,
): Promise<Record<T, Summary>> {
  const samples = new Map<T, number[]>(contenders.map((contender) => [contender, []]));
  for (let n = 0; n < times; n++) for (const contender of contenders) samples.get(contender)!.push(await sample(contender));
  return Object.fromEntries([...samples].map(([contender, values]) => [contender, summarise(values)])) as Record<T, Summary>;
}

export async function openEnv(quick: boolean): Promise<BenchEnv> {
  const postgres = await withAdminClient(
    async (client) => (await client.query<{ server_version: string }>('show server_version')).rows[0]!.server_version,
  );
  const scratch = await createScratch();
  const settings = settingsFor(scratch.url);
  const starter = createStarter(settings);
  const issuer = await createTokenIssuer(settings);
  const servers = new Map<string, Promise<Server>>();
  let fixture: Promise<LiveFixture> | undefined;
  return {
    quick,
    settings,
    postgres,
    databaseUrl: scratch.url,
    ids: await seed(scratch.url),
    token: issuer.token,
    server(name) {
      const server = servers.get(name) ?? (name === 'ours' ? starter.startOurs() : starter.startPeer(name));
      servers.set(name, server);
      return server;
    },
    fixture: () => (fixture ??= openLiveFixture(settings)),
    startOurs: starter.startOurs,
    startPeer: starter.startPeer,
    rounds: (contenders, sample) => sampleRounds(contenders, quick ? 1 : 5, sample),
    async close() {
      await starter.close();
      // If the fixture failed to open, the measure has already reported the error.
      await fixture?.then(
        (opened) => opened.close(),
        () => undefined,
      );
      await issuer.close();
      await scratch.drop();
    },
  };
}
