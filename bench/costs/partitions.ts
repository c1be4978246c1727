import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { BenchEnv } from '../env.ts';
import { cpuSecondsOf } from '../processes.ts';
import type { Cost } from './table.ts';

/**
 * Measures the most frequent read of the event log: the new events of a school. Compares three tables: one without
 * partitions, one partitioned by school, and one partitioned by month.
 */

const schools = 100;
const months = 13;
const reads = 400;

const columns =
  'school_id uuid not null, seq bigint not null, type text not null, topics text[], payload jsonb not null, actor text not null, causation text, at timestamptz not null';

export async function partitions({ ids }: BenchEnv, client: pg.Client): Promise<Cost[]> {
  const {
    rows: [self],
  } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  await client.query(`create table whole (${columns}, primary key (school_id, seq))`);
  // PostgreSQL requires the partition column `at` in the primary key. So the key allows a school to have two events
  // with the same `seq`; only the school's counter prevents that.
  await client.query(`create table by_month (${columns}, primary key (school_id, seq, at)) partition by range (at)`);
  for (let n = 0; n < months; n++)
    await client.query(
      `create table month_${n} partition of by_month for values from ('${new Date(Date.UTC(2025, n)).toISOString()}') to ('${new Date(Date.UTC(2025, n + 1)).toISOString()}')`,
    );
  await client.query(`create table by_school (${columns}, primary key (school_id, seq)) partition by hash (school_id)`);
  for (let n = 0; n < 16; n++)
    await client.query(`create table school_${n} partition of by_school for values with (modulus 16, remainder ${n})`);

  const schoolIds = Array.from({ length: schools }, () => randomUUID());
  await client.query(
    `insert into whole select s, n, e.type, e.topics, e.payload, e.actor, e.causation, '2025-01-01T00:00Z'::timestamptz + n * interval '395 days' / 1301
     from generate_series(1, 1300) as n, unnest($1::uuid[]) as s, event e where e.school_id = $2 and e.seq = 1 order by n`,
    [schoolIds, ids.schoolId],
  );
  for (const table of ['by_month', 'by_school']) await client.query(`insert into ${table} select * from whole`);
  for (const table of ['whole', 'by_month', 'by_school']) await client.query(`analyze ${table}`);

  const read = async (table: string): Promise<number> => {
    const query = (n: number) =>
      client.query({
        name: `read ${table}`,
        text: `select seq, type, topics, payload, actor, causation, at from ${table} where school_id = $1 and seq > $2 order by seq limit 500`,
        values: [schoolIds[n % schools], 1299],
      });
    for (let n = 0; n < 50; n++) if ((await query(n)).rowCount !== 1) throw new Error(`${table} did not return exactly one row`);
    const before = cpuSecondsOf(self!.pid);
    for (let n = 0; n < reads; n++) await query(n);
    return ((cpuSecondsOf(self!.pid) - before) * 1000) / reads;
  };
  return [
    { name: 'l_whole', what: 'the newest event of a school read, the log in one table', unit: 'ms', postgres: await read('whole') },
    { name: 'l_schools', what: 'the same, in 16 partitions by school', unit: 'ms', postgres: await read('by_school') },
    { name: 'l_months', what: 'the same, in 13 partitions by month', unit: 'ms', postgres: await read('by_month') },
  ];
}
