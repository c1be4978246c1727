import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import type { Logger } from '../log.ts';
import { parseConnectionUrl } from './connection-url.ts';
import { openEmbedded, type Embedded } from './embedded.ts';
import { PrismaClient } from './generated/client.ts';
import { reach } from './reach.ts';
import { createReads, type Reads } from './reads.ts';
import { Client } from './rows.ts';

export interface Database {
  prisma: PrismaClient;
  /** For transactions, and for statements that write without one. */
  pool: pg.Pool;
  reads: Reads;
  embedded: boolean;
  /** For a connection beside the pool, such as one that listens. Undefined when embedded: there is only one session. */
  connectionString?: string;
  /** A copy of an embedded database, for `template`. */
  dump?(): Promise<Uint8Array>;
  /** Resolves when an embedded database stopped by itself, which a restart of the process may mend. */
  failed?: Promise<Error>;
  /** Waits for what is running, then ends every connection and, when embedded, writes everything down. */
  close(): Promise<void>;
}

export interface ConnectOptions {
  /** A PostgreSQL server; undefined selects the embedded database. */
  databaseUrl?: string | undefined;
  poolSize: number;
  /** Where the embedded database is kept; undefined keeps it in memory. */
  dataDir?: string | undefined;
  log: Logger;
  /** What a new embedded database is a copy of. */
  template?: Uint8Array | undefined;
}

/** Of a process: each takes as much as its processor can answer. */
const mostReaders = 4;

/** Deadlines are the server's own, so that what runs out of time is undone as a whole. */
const settings = {
  TimeZone: 'UTC',
  default_transaction_isolation: 'read committed',
  statement_timeout: '15s',
  lock_timeout: '5s',
  idle_in_transaction_session_timeout: '30s',
  // A school's rows lie in memory or on a disk without a head that moves: reckoning with one, PostgreSQL reads whole tables instead of a class.
  random_page_cost: '1.1',
};

const startOptions = Object.entries(settings).map(([name, value]) => `-c ${name}=${value.replaceAll(' ', '\\ ')}`).join(' ');

/**
 * Opens the database: a server, retrying for some seconds, or the embedded one. Migrations are not applied.
 * @throws ConfigError with one line that names the host and never the password.
 */
export async function connect(options: ConnectOptions): Promise<Database> {
  const { databaseUrl, dataDir, template, poolSize, log } = options;
  if (databaseUrl === undefined) return openHere(await openEmbedded({ dataDir, template, log }), log);
  const url = parseConnectionUrl(databaseUrl, startOptions);
  const { connectionString } = url;
  const readers = Math.min(mostReaders, Math.max(1, Math.floor(poolSize / 3)));
  const pool = poolOf({ connectionString, max: Math.max(1, poolSize - readers) }, log);
  try {
    await reach(pool, url, settings, log);
  } catch (error) {
    await pool.end();
    throw error;
  }
  const prisma = prismaOn(pool);
  const reads = createReads({ connectionString, ...usual }, readers, log);
  const close = async (): Promise<void> => {
    await reads.end();
    await closeAll(prisma, pool);
  };
  return { prisma, pool, reads, embedded: false, connectionString, close };
}

function openHere(embedded: Embedded, log: Logger): Database {
  const pool = poolOf({ stream: () => embedded.connection(), max: 1, ssl: false, user: 'postgres', database: 'postgres', idleTimeoutMillis: 0 }, log);
  const prisma = prismaOn(pool);
  const close = async (): Promise<void> => {
    await closeAll(prisma, pool);
    await embedded.close();
  };
  // One session, so one statement after another.
  const reads: Reads = { query: (query) => pool.query(query as pg.QueryConfig), underWay: () => 0, end: () => Promise.resolve() };
  return { prisma, pool, reads, embedded: true, dump: () => embedded.dump(), failed: embedded.failed, close };
}

/** Statements on a connection leave without waiting for the answers of those before. */
const usual = { application_name: 'sfera', connectionTimeoutMillis: 30_000, keepAlive: true, pipeline: true };

function poolOf(config: pg.PoolConfig, log: Logger): pg.Pool {
  const pool = new pg.Pool({ ...usual, ...config, Client });
  const lost = (error: Error): void => log.warn({ err: error }, 'A database connection was lost.');
  pool.on('error', lost);
  // A client that loses its socket while it is checked out raises the error on itself, not on the pool.
  pool.on('connect', (client) => client.on('error', lost));
  return pool;
}

/** Prisma's own deadline is not atomic, so it stands far beyond the server's. */
const prismaOn = (pool: pg.Pool): PrismaClient =>
  new PrismaClient({ adapter: new PrismaPg(pool), errorFormat: 'minimal', transactionOptions: { maxWait: 30_000, timeout: 120_000 } });

async function closeAll(prisma: PrismaClient, pool: pg.Pool): Promise<void> {
  await prisma.$disconnect();
  await pool.end();
}
