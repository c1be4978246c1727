import { readFileSync } from 'node:fs';
import { inject } from 'vitest';
import { connect, type Database } from '../../src/db/client.ts';
import { createLogger } from '../../src/logger.ts';
import type { RowFormat } from '../../src/reader/row-parser.ts';
import { createDatabase, dropDatabase } from './server.ts';

const log = createLogger(process.env.TEST_LOG ?? 'silent');

/** test/support/template.ts provides this value, except to the project `unit` of vitest.config.ts. */
const template = inject('template') as string | undefined;
if (template === undefined)
  throw new Error('The tests of the project unit have no database: remove the file from `unit` in vitest.config.ts.');

/**
 * URL of the PostgreSQL server on which the tests run. Undefined if each test file has an embedded database in memory,
 * which runs one transaction at a time.
 */
export const server = process.env.TEST_DATABASE_URL || undefined;

/**
 * How the database code represents rows. By default as row views (src/reader/row-view.ts); with ROWS=objects as the row
 * objects of node-postgres.
 */
const rows = process.env.ROWS as RowFormat | undefined;

/** Opens a new migrated database; `close` drops it. */
export function openTestDatabase(): Promise<Database> {
  return server === undefined ? connect({ poolSize: 1, rows, log, template: readFileSync(template!) }) : openOnServer(server, template);
}

/** Opens a new database without tables; `close` drops it. */
export function openEmptyDatabase(): Promise<Database> {
  return server === undefined ? connect({ poolSize: 1, log }) : openOnServer(server);
}

async function openOnServer(url: string, template?: string): Promise<Database> {
  const created = await createDatabase(url, template);
  const database = await connect({ databaseUrl: created.url, poolSize: 10, rows, log });
  return {
    ...database,
    async close() {
      await database.close();
      await dropDatabase(url, created.name);
    },
  };
}
