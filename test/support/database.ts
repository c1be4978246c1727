import { readFileSync } from 'node:fs';
import { inject } from 'vitest';
import { connect, type Database } from '../../src/db/client.ts';
import { createLogger } from '../../src/logger.ts';
import { createDatabase, dropDatabase } from './server.ts';

const log = createLogger(process.env.TEST_LOG ?? 'silent');

/** Set, the suite runs on this PostgreSQL server, where races are real; unset, on embedded databases in memory. */
export const server = process.env.TEST_DATABASE_URL || undefined;

/** A migrated database of its own; gone when closed. */
export function openTestDatabase(): Promise<Database> {
  const template = inject('template');
  return server === undefined ? connect({ poolSize: 1, log, template: readFileSync(template) }) : openOnServer(server, template);
}

/** A database of its own without any table; gone when closed. */
export function openEmptyDatabase(): Promise<Database> {
  return server === undefined ? connect({ poolSize: 1, log }) : openOnServer(server);
}

async function openOnServer(url: string, template?: string): Promise<Database> {
  const made = await createDatabase(url, template);
  const database = await connect({ databaseUrl: made.url, poolSize: 10, log });
  return {
    ...database,
    async close() {
      await database.close();
      await dropDatabase(url, made.name);
    },
  };
}
