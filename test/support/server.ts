import { randomBytes } from 'node:crypto';
import pg from 'pg';

/** Creates and drops databases on the server of TEST_DATABASE_URL. */

async function runStatement(server: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** Creates a database: an empty one, or a copy of `template`, to which nothing may be connected. */
export async function createDatabase(server: string, template = 'template0'): Promise<{ name: string; url: string }> {
  const name = `sfera_test_${randomBytes(8).toString('hex')}`;
  await runStatement(server, `create database ${name} template ${template}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { name, url: url.href };
}

export function dropDatabase(server: string, name: string): Promise<void> {
  return runStatement(server, `drop database if exists ${name} with (force)`);
}
