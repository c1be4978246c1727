import { readFileSync } from 'node:fs';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import * as engine from '@prisma/schema-engine-wasm/schema_engine_bg';
import type pg from 'pg';
import { connect } from '../src/db/client.ts';
import { migrate } from '../src/db/migrate.ts';
import { createLogger } from '../src/logger.ts';

/**
 * Applies the migrations to an empty embedded database. Prints the SQL that is still missing for schema.prisma, as a
 * draft of the next migration. With `--check` it fails if the migrations and schema.prisma differ, and prints nothing
 * if they agree.
 */

/**
 * Returns an adapter for the schema engine. The engine reads columns of type "char" (OID 18), which adapter-pg does not
 * know. So this pool reports such a column as text (OID 25), which adapter-pg accepts. The returned adapter then changes
 * the column's type in the result to the engine's type for a character (6).
 */
function createAdapter(pool: pg.Pool): PrismaPg {
  const columns = new WeakMap<object, number[]>();
  const query = pool.query.bind(pool) as (...args: unknown[]) => Promise<pg.QueryResult>;
  pool.query = (async (...args: unknown[]) => {
    const result = await query(...args);
    const chars = result.fields.flatMap((field, at) => (field.dataTypeID === 18 ? [at] : []));
    for (const at of chars) Object.assign(result.fields[at] ?? {}, { dataTypeID: 25 });
    columns.set(result.rows, chars);
    return result;
  }) as pg.Pool['query'];
  const factory = new PrismaPg(pool);
  const open = factory.connect.bind(factory);
  factory.connect = async () => {
    const adapter = await open();
    const queryRaw = adapter.queryRaw.bind(adapter);
    adapter.queryRaw = async (sql) => {
      const result = await queryRaw(sql);
      for (const at of columns.get(result.rows) ?? []) result.columnTypes[at] = 6;
      return result;
    };
    return adapter;
  };
  return factory;
}

async function difference(pool: pg.Pool): Promise<string> {
  const bytes = readFileSync(new URL('schema_engine_bg.wasm', import.meta.resolve('@prisma/schema-engine-wasm/schema_engine_bg')));
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': engine as unknown as WebAssembly.ModuleImports });
  engine.__wbg_set_wasm(instance.exports);
  (instance.exports.__wbindgen_start as () => void)();
  const path = 'prisma/schema.prisma';
  const content = readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
  const files = [{ path, content }];
  const adapter = bindMigrationAwareSqlAdapterFactory(createAdapter(pool));
  const schemaEngine = await engine.SchemaEngine.new({ datamodels: [[path, content]] }, () => {}, adapter);
  const { stdout } = await schemaEngine.diff({
    from: { tag: 'schemaDatasource', files, configDir: 'prisma' },
    to: { tag: 'schemaDatamodel', files },
    script: true,
    exitCode: null,
    filters: { externalTables: ['public._prisma_migrations'], externalEnums: [] },
  });
  return (stdout ?? '').trim();
}

const log = createLogger('error');
const database = await connect({ poolSize: 1, log });
await migrate(database, log);
const sql = await difference(database.pool);
await database.close();
const check = process.argv.includes('--check');
if (sql !== '' && sql !== '-- This is an empty migration.') {
  console.log(sql);
  if (check) {
    console.error('schema.prisma and the migrations differ: write a migration with the SQL above.');
    process.exitCode = 1;
  }
} else if (!check) console.log('-- Nothing to migrate.');
