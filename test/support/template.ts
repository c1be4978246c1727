import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { connect } from '../../src/db/client.ts';
import { migrate, readMigrations } from '../../src/db/migrate.ts';
import { createLogger } from '../../src/logger.ts';
import { createDatabase, dropDatabase } from './server.ts';

/** Global setup: creates a migrated database. Every test file starts with a copy of this database. */

declare module 'vitest' {
  interface ProvidedContext {
    /** The path of a file with an embedded database, or the name of a database on the server of TEST_DATABASE_URL. */
    template: string;
  }
}

const log = createLogger('error');
const root = new URL('../../', import.meta.url);

export default async function prepare(project: TestProject): Promise<void | (() => Promise<void>)> {
  const server = process.env.TEST_DATABASE_URL;
  if (server === undefined || server === '') {
    project.provide('template', await embeddedTemplate());
    return;
  }
  const { name, url } = await createDatabase(server);
  const database = await connect({ databaseUrl: url, poolSize: 1, log });
  await migrate(database, log);
  await database.close();
  project.provide('template', name);
  return () => dropDatabase(server, name);
}

/** Creates the embedded template. Reuses the template of an earlier run with the same migrations and dependencies. */
async function embeddedTemplate(): Promise<string> {
  const hash = createHash('sha256').update(readFileSync(new URL('package-lock.json', root)));
  for (const { checksum } of readMigrations()) hash.update(checksum);
  const folder = fileURLToPath(new URL('node_modules/.cache/', root));
  const file = `${folder}sfera-${hash.digest('hex').slice(0, 16)}.tar`;
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  const database = await connect({ poolSize: 1, log });
  await migrate(database, log);
  const dump = await database.dump?.();
  await database.close();
  // Writes to a temporary name and then renames the file, so that a concurrent run never reads a partial file.
  const aside = `${file}.${randomUUID()}`;
  writeFileSync(aside, dump ?? new Uint8Array());
  renameSync(aside, file);
  return file;
}
