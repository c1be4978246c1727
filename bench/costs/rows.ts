import pg from 'pg';
import { trimLogs } from '../../src/jobs/housekeeping.ts';
import { alphabeticalKey, searchable } from '../../src/domain/text.ts';
import type { Database } from '../../src/db/client.ts';
import type { BenchEnv } from '../env.ts';
import { cpuSecondsOf } from '../processes.ts';
import { addSchool, nameOf } from '../seed.ts';
import { figure, type Cost } from './table.ts';

/**
 * Measures the cost of rows: their bytes including indexes, their deletion, and commits. Also measures the query with
 * which each server process looks once a second for new events of many schools.
 */

const count = 100_000;
const schools = 1000;
/**
 * Number of schools that get events. It is small compared with `schools`, so that each of these few schools has a long
 * event log.
 */
const logs = 20;
const seconds = 3;
const clients = 16;
/**
 * Number of sessions whose `last_seen_at` one statement updates. Our server also updates several sessions with one
 * statement.
 */
const batch = 50;
const batches = 200;

/** Creates UUIDv7 ids, as our server does. UUIDv7 ids grow with time, so inserts append to the right end of an index. */
const uuid7 = `create function pg_temp.uuid7() returns uuid language sql volatile as $$
  select (lpad(to_hex(floor(extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') || '7' || substr(r, 1, 3) || '8' || substr(r, 4, 15))::uuid
  from md5(random()::text) as r $$`;

export async function rows({ databaseUrl, ids }: BenchEnv, client: pg.Client): Promise<Cost[]> {
  const tableBytes = async (table: string): Promise<number> => {
    await client.query(`vacuum analyze ${table}`);
    return Number((await client.query<{ size: string }>('select pg_total_relation_size($1) as size', [table])).rows[0]!.size);
  };
  /** Returns the bytes of one row, including indexes. `fill` adds `count` rows to the table. */
  const measureRow = async (name: string, what: string, table: string, fill: () => Promise<unknown>): Promise<Cost> => {
    const before = await tableBytes(table);
    await fill();
    return { name, what, unit: 'B', postgres: ((await tableBytes(table)) - before) / count };
  };
  const {
    rows: [self],
  } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  const cpu = () => cpuSecondsOf(self!.pid) * 1000;

  await client.query(uuid7);
  const {
    rows: [log],
  } = await client.query<{ count: string }>('select count(*) from event where school_id = $1', [ids.schoolId]);
  const schoolIds: string[] = [];
  for (let n = 0; n < schools; n++) schoolIds.push((await addSchool(client, `Школа № ${1000 + n}`)).schoolId);

  const logIds = schoolIds.slice(0, logs);

  // Runs our server's job `trimLogs` on this connection, and returns the CPU time that the job costs PostgreSQL.
  const trim = async (days: number): Promise<number> => {
    const before = cpu();
    await trimLogs({ pool: client as unknown as pg.Pool } as Database, days);
    return cpu() - before;
  };
  // No event is 36,500 days old, so these two runs of the job delete nothing. The first run only warms up. The second
  // run measures what the job costs without deletions.
  await trim(36_500);
  const empty = await trim(36_500);

  const costs: Cost[] = [];
  const people = Array.from({ length: count }, (_, n) => nameOf(100_000 + n));
  costs.push(
    await measureRow('b_user', 'a person: name, order and search', 'app_user', () =>
      client.query(
        `insert into app_user (id, surname, given_name, sort_key, search_text, updated_at)
         select pg_temp.uuid7(), s, g, k, t, now() from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as p(s, g, k, t)`,
        [
          people.map(({ surname }) => surname),
          people.map(({ givenName }) => givenName),
          people.map(({ surname, givenName }) => alphabeticalKey([surname, givenName, null])),
          people.map(({ surname, givenName }) => searchable(`${surname} ${givenName}`)),
        ],
      ),
    ),
    await measureRow('b_grant', 'a role', 'role_grant', () =>
      client.query(
        `insert into role_grant (id, school_id, user_id, role) select pg_temp.uuid7(), $1, u.id, 'STUDENT' from app_user u left join role_grant g on g.user_id = u.id where g.id is null`,
        [ids.schoolId],
      ),
    ),
    await measureRow('b_enrolment', 'an enrolment', 'enrolment', () =>
      client.query(
        `insert into enrolment (id, school_id, class_id, student_id)
         select pg_temp.uuid7(), $1, ($2::uuid[])[1 + n % 20], g.user_id
         from (select g.user_id, row_number() over () as n from role_grant g left join enrolment e on e.student_id = g.user_id where e.id is null limit $3) g`,
        [ids.schoolId, ids.classIds, count],
      ),
    ),
    await measureRow('b_member', 'a member of a chat', 'chat_member', () =>
      client.query(
        `insert into chat_member (id, school_id, chat_id, user_id, reason)
         select pg_temp.uuid7(), e.school_id, c.id, e.student_id, 'RULE'
         from enrolment e join chat c on c.class_id = e.class_id left join chat_member m on m.user_id = e.student_id where m.id is null limit $1`,
        [count],
      ),
    ),
    await measureRow('b_session', 'a session', 'session', () =>
      client.query(
        `insert into session (id, user_id, client_id, grant_id, device, expires_at)
         select pg_temp.uuid7(), id, 'frontend', md5(random()::text), 'Chrome, Windows', now() + interval '30 days' from app_user limit $1`,
        [count],
      ),
    ),
    // Spreads copies of recorded events over the schools of `logIds`. The copies are two years old, so that `trimLogs`
    // deletes them.
    await measureRow('b_event', 'an event, as an enrolment records it', 'event', () =>
      client.query(
        `insert into event (school_id, seq, type, topics, payload, actor, causation, at)
         select ($1::uuid[])[1 + n % $4], 1 + n / $4, e.type, e.topics, e.payload, e.actor, e.causation, now() - interval '2 years'
         from generate_series(0, $3 - 1) as n join event e on e.school_id = $2 and e.seq = 1 + n % $5::int order by n`,
        [logIds, ids.schoolId, count, logs, log!.count],
      ),
    ),
  );

  await client.query(`update event_head set seq = $1 where school_id = any($2)`, [count / logs, logIds]);
  const startedAt = performance.now();
  const trimmed = (await trim(366)) - empty;
  const perSecond = count / ((performance.now() - startedAt) / 1000);
  const vacuumStart = cpu();
  await client.query('vacuum event');
  costs.push({
    name: 'd_event',
    what: `an event forgotten: deletion and vacuum (${figure(perSecond)} are deleted in a second)`,
    unit: 'ms',
    postgres: (trimmed + cpu() - vacuumStart) / count,
  });

  const { rows: sessions } = await client.query<{ id: string }>('select id from session limit $1', [batches * batch]);
  const walOf = async () => Number((await client.query<{ wal: string }>(`select pg_current_wal_lsn() - '0/0' as wal`)).rows[0]!.wal);
  const updateStart = [await walOf(), cpu()] as const;
  for (let n = 0; n < batches; n++)
    await client.query('update session set last_seen_at = now() where id = any($1::uuid[])', [
      sessions.slice(n * batch, n * batch + batch).map(({ id }) => id),
    ]);
  const updateCpu = cpu() - updateStart[1];
  costs.push(
    { name: 'i_stamp', what: `a session said to be in use, ${batch} at a time`, unit: 'ms', postgres: updateCpu / batches / batch },
    { name: 'i_wal', what: 'WAL of that', unit: 'B', postgres: ((await walOf()) - updateStart[0]) / batches / batch },
  );

  const pollStart = cpu();
  for (let n = 0; n < 100; n++)
    await client.query({
      name: 'heads',
      text: 'select school_id, seq from event_head where school_id = any($1::uuid[])',
      values: [schoolIds],
    });
  costs.push({
    name: 'i_poll',
    what: 'a school in the poll of a process, once a second',
    unit: 'ms',
    postgres: (cpu() - pollStart) / 100 / schools,
  });

  const commit = (candidates: readonly string[], parallel: number): Promise<number> =>
    commits(databaseUrl, ids.schoolId, candidates, parallel);
  costs.push(
    { name: 't_one', what: 'commits in a second, one connection, one school', unit: '', postgres: await commit(logIds.slice(0, 1), 1) },
    {
      name: 't_school',
      what: `commits in a second, ${clients} connections, one school`,
      unit: '',
      postgres: await commit(logIds.slice(0, 1), clients),
    },
    {
      name: 't_schools',
      what: `commits in a second, ${clients} connections, a hundred schools`,
      unit: '',
      postgres: await commit(schoolIds.slice(0, 100), clients),
    },
  );
  return costs;
}

/**
 * Returns the number of transactions per second. Each transaction increments the counter of a school and records one
 * event, like the last statement of a mutation.
 */
async function commits(databaseUrl: string, sourceSchoolId: string, candidates: readonly string[], parallel: number): Promise<number> {
  const until = performance.now() + seconds * 1000;
  let done = 0;
  const work = async (): Promise<void> => {
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    while (performance.now() < until) {
      await client.query({
        name: 'record',
        text: `with head as (update event_head set seq = seq + 1 where school_id = $1 returning seq)
               insert into event (school_id, seq, type, topics, payload, actor, causation, at)
               select $1, head.seq, e.type, e.topics, e.payload, e.actor, e.causation, clock_timestamp() from head, event e where e.school_id = $2 and e.seq = 1`,
        values: [candidates[Math.floor(Math.random() * candidates.length)], sourceSchoolId],
      });
      done += 1;
    }
    await client.end();
  };
  await Promise.all(Array.from({ length: parallel }, work));
  return done / seconds;
}
