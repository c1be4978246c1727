import { PrismaPg } from '@prisma/adapter-pg';
import type pg from 'pg';
import { ConfigError } from '../config.ts';
import type { Logger } from '../logger.ts';
import { PipelinedPool, type Reads } from '../reader/pipelined-pool.ts';
import type { RowFormat } from '../reader/row-parser.ts';
import type { RowSource } from '../reader/select.ts';
import { NoAnswer } from './availability.ts';
import { limitConnections } from './connection-limit.ts';
import { parseConnectionUrl } from './connection-url.ts';
import { Connection } from './connection.ts';
import { connectionError } from './database-errors.ts';
import { openEmbedded, type Embedded } from './embedded/embedded.ts';
import { PrismaClient } from './generated/client.ts';
import { models } from './generated/tables.ts';
import { isFull, Pool } from './pool.ts';
import { TransactionClients } from './prisma-in-transaction.ts';
import { waitForDatabase } from './wait-for-database.ts';
import { answerWithinMs, Watchdog } from './watchdog.ts';

export interface Database extends RowSource {
  prisma: PrismaClient;
  /** Executes transactions, and single statements that write. */
  pool: pg.Pool;
  reads: Reads;
  /** Prisma's clients for transactions. */
  transactionClients: TransactionClients;
  embedded: boolean;
  /**
   * For connections outside the pool, such as the one that listens for NOTIFY. Undefined for the embedded database: it
   * has only one session, which the pool uses.
   */
  connectionString?: string;
  /** Returns a copy of an embedded database. `connect` takes the copy as its option `template`. */
  dump?(): Promise<Uint8Array>;
  /** Resolves when an embedded database fails. A restart of the process may repair it. */
  failed?: Promise<Error>;
  /** Waits for running statements, ends all connections and, when embedded, writes everything to the folder. */
  close(): Promise<void>;
}

export interface ConnectOptions {
  /** A PostgreSQL server; undefined selects the embedded database. */
  databaseUrl?: string | undefined;
  poolSize: number;
  /** Processes that share the server's connection limit; 1 by default. */
  processes?: number;
  /** How queries return their rows: by default as `views` of the received bytes (src/reader/). */
  rows?: RowFormat | undefined;
  /** Milliseconds that the server may be silent during a statement. The default is `answerWithinMs` of src/db/watchdog.ts. */
  answerWithinMs?: number | undefined;
  /** Folder of the embedded database; undefined keeps it in memory. */
  dataDir?: string | undefined;
  log: Logger;
  /** A result of `dump`. A new embedded database starts as a copy of it. */
  template?: Uint8Array | undefined;
}

/** Largest number of reading connections per process; six were no faster than four (docs/profile.md). */
const maxReaders = 4;

/**
 * Settings of each session, among them the server's deadlines. When one of them passes, the server rolls back the whole
 * transaction. The client has deadlines of its own in src/db/watchdog.ts.
 */
const settings = {
  TimeZone: 'UTC',
  default_transaction_isolation: 'read committed',
  statement_timeout: '15s',
  lock_timeout: '5s',
  idle_in_transaction_session_timeout: '30s',
  // The default of 4 suits spinning disks. With 4, PostgreSQL scans whole tables instead of using an index.
  random_page_cost: '1.1',
};

const startOptions = Object.entries(settings)
  .map(([name, value]) => `-c ${name}=${value.replaceAll(' ', '\\ ')}`)
  .join(' ');

/**
 * Opens the database: connects to a server, retrying for some seconds, or opens the embedded database. Applies no
 * migrations.
 * @throws ConfigError with one line that names the host and never the password.
 */
export async function connect(options: ConnectOptions): Promise<Database> {
  const { databaseUrl, dataDir, template, poolSize, processes = 1, rows = 'views', log } = options;
  if (databaseUrl === undefined) {
    const embedded = await openEmbedded({ dataDir, template, log });
    // A handshake may take as long as a statement, because the only session may be busy with the previous statement.
    const watchdog = new Watchdog(options.answerWithinMs, options.answerWithinMs ?? answerWithinMs);
    return connectEmbedded(embedded, { watchdog, rows }, log);
  }
  const watchdog = new Watchdog(options.answerWithinMs);
  const url = parseConnectionUrl(databaseUrl, startOptions);
  const { connectionString } = url;
  const renewal = new ConnectionRenewal(watchdog, log);
  const config = { connectionString, ...defaultConfig, watchdog, rows, onReadOnly: () => renewal.schedule() };
  const pool = new Pool({ ...config, max: poolSize }, log);
  let size: number;
  try {
    await waitForDatabase(pool, url, settings, log);
    size = await limitConnections(pool, { poolSize, processes }, log);
  } catch (error) {
    await watchdog.close(pool.end());
    throw error instanceof ConfigError ? error : connectionError(error, url);
  }
  const readers = size === 1 ? 0 : Math.min(maxReaders, Math.max(1, Math.floor(size / 3)));
  pool.limit(size - readers);
  const prisma = createPrisma(pool);
  const reads = new PipelinedPool({
    max: readers,
    createClient: (socket) => new Connection({ ...config, stream: () => socket }),
    fallback: pool,
    isFull,
    onLost: (error) => log.warn({ err: error }, 'A database connection was lost.'),
  });
  pool.onStarved = () => reads.closeOne();
  const close = (): Promise<void> => watchdog.close(Promise.all([reads.end(), closeAll(prisma, pool)]));
  const transactionClients = new TransactionClients();
  return { prisma, models, rows, pool, reads, transactionClients, embedded: false, connectionString, close };
}

/**
 * Minimum milliseconds between two renewals. The connections of a renewal may lead to a standby again. They would then
 * ask for the next renewal at once.
 */
const minRenewalIntervalMs = 5000;

/** Renews all connections after a failover. Old connections lead to a standby; new connections may lead to the new primary. */
class ConnectionRenewal {
  readonly #watchdog: Watchdog;
  readonly #log: Logger;
  /** Time of the last renewal, by `performance.now`. */
  #renewedAt = -Infinity;
  #timer: NodeJS.Timeout | undefined;

  constructor(watchdog: Watchdog, log: Logger) {
    this.#watchdog = watchdog;
    this.#log = log;
  }

  /** Renews in a moment, because the client is still reading the error. Renews at most once in `minRenewalIntervalMs`. */
  schedule(): void {
    const delayMs = Math.max(0, this.#renewedAt + minRenewalIntervalMs - performance.now());
    this.#timer ??= setTimeout(() => this.#renew(), delayMs).unref();
  }

  #renew(): void {
    this.#timer = undefined;
    this.#renewedAt = performance.now();
    this.#log.warn('The database is read-only. All connections to it are opened anew.');
    this.#watchdog.renew(new NoAnswer('The database is read-only.'));
  }
}

function connectEmbedded(embedded: Embedded, { watchdog, rows }: { watchdog: Watchdog; rows: RowFormat }, log: Logger): Database {
  const singleConnection = {
    stream: () => embedded.connection(),
    max: 1,
    ssl: false,
    user: 'postgres',
    database: 'postgres',
    idleTimeoutMillis: 0,
  };
  const pool = new Pool({ ...defaultConfig, ...singleConnection, watchdog, rows }, log);
  const prisma = createPrisma(pool);
  const close = async (): Promise<void> => {
    await watchdog.close(closeAll(prisma, pool));
    await embedded.close();
  };
  // On a PostgreSQL server, reads have connections of their own. The embedded database has only one session, so here
  // reads and writes share the single connection of `pool`.
  const reads: Reads = { query: (query) => pool.query(query as pg.QueryConfig), inFlightCount: () => 0, end: () => Promise.resolve() };
  return {
    prisma,
    models,
    rows,
    pool,
    reads,
    transactionClients: new TransactionClients(),
    embedded: true,
    dump: () => embedded.dump(),
    failed: embedded.failed,
    close,
  };
}

/** `pipeline` sends a statement before the server has answered the previous statements. */
const defaultConfig = { application_name: 'sfera', keepAlive: true, keepAliveInitialDelayMillis: 10_000, pipeline: true };

/**
 * Prisma's deadline for a transaction is far longer than PostgreSQL's deadlines, so that PostgreSQL's pass first:
 * PostgreSQL then rolls back the whole transaction, which Prisma would not do.
 */
const createPrisma = (pool: pg.Pool): PrismaClient =>
  new PrismaClient({ adapter: new PrismaPg(pool), errorFormat: 'minimal', transactionOptions: { maxWait: 30_000, timeout: 120_000 } });

async function closeAll(prisma: PrismaClient, pool: pg.Pool): Promise<void> {
  await prisma.$disconnect();
  await pool.end();
}
