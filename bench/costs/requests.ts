import { readFileSync } from 'node:fs';
import type pg from 'pg';
import { globalId } from '../../src/graphql/typed-id.ts';
import type { BenchEnv } from '../env.ts';
import { sendLoad } from '../load.ts';
import type { Server } from '../measure.ts';
import { connections, nested, one } from '../measures/reads.ts';
import { addPeople } from '../seed.ts';
import { backendsOf, perUnit, meter, type CpuTime } from './meter.ts';
import type { Cost } from './table.ts';

/**
 * Measures the cost of requests: a small read, a large read and an enrolment. bench/measures/reads.ts and write.ts
 * measure the speed of the same requests.
 */

const enrolment =
  'mutation E($input: EnrolStudentInput!) { enrolStudent(input: $input) { __typename ... on Enrolment { id startedAt } ... on Refusal { code } } }';

const cost = (name: string, what: string, used: CpuTime): Cost => ({ name, what, unit: 'ms', ...used });

/** Returns the anonymous (not shared) memory of a process in bytes. */
const ownMemoryOf = (pid: number): number =>
  Number(/^Anonymous:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))![1]) * 1024;

export async function requests({ ids, token }: BenchEnv, server: Server, client: pg.Client): Promise<Cost[]> {
  const { schoolId, classIds, administratorId } = ids;
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${await token(administratorId)}` };
  const measureRequests = async (bodies: readonly string[], amount: number): Promise<CpuTime> =>
    perUnit(await meter(server, client, () => sendLoad({ url: server.url, headers, bodies, connections, amount })), amount);
  const idle = server.rssBytes();

  const small = [JSON.stringify({ query: one.ours, variables: { id: globalId('Class', classIds[0]!) } })];
  const large = [JSON.stringify({ query: nested.ours, variables: { id: globalId('School', schoolId) } })];
  await measureRequests(small, 2000);
  const smallRead = await measureRequests(small, 5000);
  await measureRequests(large, 100);
  const largeRead = await measureRequests(large, 300);

  const enrol = async (from: number, amount: number): Promise<CpuTime> => {
    const students = await addPeople(client, schoolId, 'STUDENT', from, amount);
    const input = (id: string, n: number) => ({
      studentId: globalId('User', id),
      classId: globalId('Class', classIds[n % classIds.length]!),
    });
    return measureRequests(
      students.map((id, n) => JSON.stringify({ query: enrolment, variables: { input: input(id, n) } })),
      amount,
    );
  };
  const readCounters = async () =>
    (
      await client.query<{ wal: string; events: string }>(
        `select pg_current_wal_lsn() - '0/0' as wal, (select sum(seq) from event_head) as events`,
      )
    ).rows[0]!;
  await enrol(10_000, 200);
  const amount = 1000;
  await addPeople(client, schoolId, 'TEACHER', 30_000, 1);
  await client.query('checkpoint');
  const before = await readCounters();
  const enrolmentCost = await enrol(20_000, amount);
  const after = await readCounters();
  const backends = await backendsOf(client);
  const memory = backends.map(ownMemoryOf).sort((a, b) => a - b);

  return [
    cost('r_small', 'a small read: the viewer, and a class by its id', smallRead),
    cost('r_nested', 'a large read: a school, its 20 classes and the 30 pupils of each', largeRead),
    cost('w_enrol', 'an enrolment: rights, invariants, the class’s chat, the event', enrolmentCost),
    {
      name: 'w_events',
      what: 'events that an enrolment records',
      unit: '',
      postgres: (Number(after.events) - Number(before.events)) / amount,
    },
    {
      name: 'w_wal',
      what: 'WAL of an enrolment, just after a checkpoint, its pupil’s row and role with it',
      unit: 'B',
      postgres: (Number(after.wal) - Number(before.wal)) / amount,
    },
    { name: 'm_process', what: 'memory of a process that has answered nothing yet', unit: 'MiB', server: idle / 2 ** 20 },
    {
      name: 'c_process',
      what: 'connections of a process under load (`DATABASE_POOL`, and one that listens)',
      unit: '',
      postgres: backends.length,
    },
    {
      name: 'm_backend',
      what: 'memory of a backend that no other shares, the median',
      unit: 'MiB',
      postgres: memory[memory.length >> 1]! / 2 ** 20,
    },
  ];
}
