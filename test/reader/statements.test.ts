import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Database } from '../../src/db/client.ts';
import { maxPrepared, prepared, Statements, statements } from '../../src/reader/statements.ts';
import { openTestDatabase } from '../support/database.ts';

/**
 * Prepared statements. Rare statements do not evict frequent ones, and no connection keeps a rare statement forever.
 */

let db: Database;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());

const ask = async (text: string): Promise<unknown> => (await db.reads.query(prepared(text, [1]))).rows;

/**
 * Returns the prepared statements of each pipelined connection. The outer key is the backend's PID, the inner key is
 * the statement's name.
 */
async function preparedByConnection(): Promise<Map<number, Map<string, string>>> {
  const text =
    "select pg_backend_pid() as pid, name, statement from pg_prepared_statements where name like 'rows%' union all select pg_backend_pid(), '', ''";
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => db.reads.query<{ pid: number; name: string; statement: string }>({ text })),
  );
  const found = new Map<number, Map<string, string>>();
  for (const { rows } of answers)
    found.set(rows[0]!.pid, new Map(rows.filter(({ name }) => name !== '').map(({ name, statement }) => [name, statement])));
  return found;
}

const odd = (n: number): string => `select $1::int + ${n} as n`;

it('a statement is prepared by name from its second use on', async () => {
  const text = 'select $1::int as once';
  expect(prepared(text, [1])).not.toHaveProperty('name');
  const { name } = prepared(text, [1]);
  expect(name).toMatch(/^rows\d+$/);
  expect(prepared(text, [1]).name).toBe(name);
});

it('statements that are used once never evict names of statements in repeated use', () => {
  const text = 'select $1::int as steady';
  prepared(text, [1]);
  const { name } = prepared(text, [1]);
  for (let n = 0; n < 3 * maxPrepared; n += 1) prepared(`select $1::int as once${n}`, [1]);
  expect(prepared(text, [1]).name).toBe(name);
});

it('statements in use keep their names while rare ones come and go, and connections close dropped statements', async () => {
  const steady = 'select $1::int as kept';
  await ask(steady);
  await ask(steady);
  const { name } = prepared(steady, [1]);
  const known = new Map<string, string>();
  for (let n = 0; n < 2 * maxPrepared; n += 1) {
    const answers = await Promise.all([ask(odd(n)), ask(odd(n)), ask(odd(n))]);
    for (const rows of answers) expect(rows).toEqual([{ n: n + 1 }]);
    if (n % 100 === 0) expect(await ask(steady)).toEqual([{ kept: 1 }]);
  }
  expect(prepared(steady, [1]).name).toBe(name);
  const connections = await preparedByConnection();
  expect(connections.size).toBeGreaterThan(0);
  for (const texts of connections.values()) {
    expect(texts.size).toBeGreaterThan(0);
    expect(texts.size).toBeLessThanOrEqual(maxPrepared + 1);
    // A name stands for the same text on every connection.
    for (const [each, text] of texts) expect(known.set(each, known.get(each) ?? text).get(each)).toBe(text);
  }
  // A dropped statement runs again, prepared under a new name.
  expect(statements.find(odd(0))?.name).toBeUndefined();
  for (let n = 0; n < 3; n += 1) expect(await ask(odd(0))).toEqual([{ n: 1 }]);
});

it('a connection closes statements also in a failed transaction', async () => {
  const client = await db.pool.connect();
  try {
    const failed = 'select $1::int as failed';
    for (let n = 0; n < 2; n += 1) await client.query(prepared(failed, [1]));
    for (let n = 0; n < maxPrepared; n += 1) for (let use = 0; use < 2; use += 1) prepared(`select $1::int as gone${n}`, [1]);
    expect(statements.find(failed)).toBeUndefined();
    await client.query('begin');
    await client.query('select 1 / 0').catch(() => undefined);
    const next = 'select $1::int as next';
    prepared(next, [1]);
    await expect(client.query(prepared(next, [1]))).rejects.toMatchObject({ code: '25P02' });
    await client.query('rollback');
    expect((await client.query(prepared(next, [1]))).rows).toEqual([{ next: 1 }]);
    expect((await client.query(prepared(failed, [1]))).rows).toEqual([{ failed: 1 }]);
  } finally {
    client.release();
  }
});

it('long statements are bounded by their size in bytes', () => {
  const own = new Statements();
  const long = (n: number): string => `select '${'x'.repeat(1024 * 1024)}${n}'`;
  for (let n = 0; n < 20; n += 1) for (let use = 0; use < 2; use += 1) own.nameOf(long(n));
  const kept = Array.from({ length: 20 }, (_, n) => own.find(long(n))).filter((each) => each !== undefined);
  expect(kept.length).toBeGreaterThan(0);
  expect(kept.length).toBeLessThan(10);
});
