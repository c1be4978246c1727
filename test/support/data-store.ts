import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { connect, type Database } from '../../src/db/client.ts';
import { createLogger } from '../../src/logger.ts';
import { server } from './database.ts';
import { createDatabase, dropDatabase } from './server.ts';

const log = createLogger('silent');

/** The data of the processes that a test starts: a folder, or a database on the server of TEST_DATABASE_URL. */
export interface DataStore {
  /** The environment variable that tells a process where the data is. */
  env: Record<string, string>;
  /** Opens the database while no process runs, because the embedded database serves one process. */
  use<T>(at: (db: Database) => Promise<T>): Promise<T>;
  remove(): Promise<void>;
}

/** Creates a migrated database without a school. */
export const createDataStore = (): Promise<DataStore> => (server === undefined ? createInFolder() : createOnServer(server));

async function createOnServer(url: string): Promise<DataStore> {
  const made = await createDatabase(url, inject('template'));
  const db = await connect({ databaseUrl: made.url, poolSize: 4, log });
  return {
    env: { DATABASE_URL: made.url },
    use: (at) => at(db),
    async remove() {
      await db.close();
      await dropDatabase(url, made.name);
    },
  };
}

async function createInFolder(): Promise<DataStore> {
  const dataDir = mkdtempSync(join(tmpdir(), 'sfera-data-'));
  const use: DataStore['use'] = async (at) => {
    const db = await connect({ poolSize: 1, dataDir, log, template: readFileSync(inject('template')) });
    try {
      return await at(db);
    } finally {
      await db.close();
    }
  };
  // Opens the database once, which fills the folder with the migrated tables of the template.
  await use(async () => undefined);
  return { env: { DATA_DIR: dataDir }, use, remove: async () => rmSync(dataDir, { recursive: true, force: true }) };
}
