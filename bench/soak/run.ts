import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { connect } from '../../src/db/client.ts';
import { migrate } from '../../src/db/migrate.ts';
import { globalId } from '../../src/graphql/typed-id.ts';
import { createLogger } from '../../src/logger.ts';
import { createTokenIssuer, settingsFor } from '../env.ts';
import { createStarter } from '../processes.ts';
import { addPeople, seed } from '../seed.ts';
import { createCluster } from './cluster.ts';
import { Follower } from './followers.ts';
import { moveStudents, openSilentSockets, readHeavily, sendGarbage, sendUnknownDocuments } from './load.ts';
import type { ProbeOrder, ProbeReply } from './probe.ts';
import { ask, operation, Tally } from './requests.ts';

/**
 * `npm run soak -- [--minutes 20] [--sockets 1000]`: runs one server process for twenty minutes under anonymous
 * garbage, heavy queries, sockets that break and reconnect, revocations, and a database that stalls and restarts.
 * Prints the result and writes bench/soak.json. Exits with 1 if one of these requirements is not met: stable memory,
 * fast small reads, no 5xx except UNAVAILABLE, no event lost, repeated or out of order, nothing sent after a revocation.
 */

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '20' }, sockets: { type: 'string', default: '1000' } } });
const minutes = Number(values.minutes);
const socketCount = Number(values.sockets);
const durationMs = minutes * 60_000;
/** Limit of V8's heap in MB, as on a small virtual machine. */
const heapMegabytes = 512;

/** Disturbances of the database; `at` is a fraction of the duration. */
const disturbances = [
  { at: 0.3, kind: 'stall' },
  { at: 0.45, kind: 'restart' },
  { at: 0.6, kind: 'stall' },
  { at: 0.75, kind: 'crash' },
] as const;
const stallMs = 40_000;
/** Milliseconds from a disturbance until the server's deadlines have passed and its connections are open again. */
const recoveryMs = 30_000;

interface Sample {
  second: number;
  rssMegabytes: number;
}

const percentile = (sorted: readonly number[], part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;

async function soak(): Promise<boolean> {
  const cluster = await createCluster();
  const settings: Record<string, string> = {
    ...settingsFor(cluster.url),
    OPERATIONS_PER_MINUTE: '6000',
    LOG_LEVEL: 'error',
    NODE_OPTIONS: `--max-old-space-size=${heapMegabytes}`,
  };
  const starter = createStarter(settings);
  try {
    const db = await connect({ databaseUrl: cluster.url, poolSize: 1, log: createLogger('warn') });
    await migrate(db, createLogger('warn')).finally(() => db.close());
    const ids = await seed(cluster.url);
    const client = new pg.Client({ connectionString: cluster.url });
    await client.connect();
    const administrators = await addPeople(client, ids.schoolId, 'PLATFORM_ADMINISTRATOR', 5000, socketCount);
    const revocable = await addPeople(client, ids.schoolId, 'SCHOOL_ADMINISTRATION', 20_000, 400);
    await client.end();
    const issuer = await createTokenIssuer(settings);
    const [administratorTokens, revocableTokens, actingTokens] = [
      await Promise.all(administrators.map(issuer.token)),
      await Promise.all(revocable.map(async (id) => [await issuer.token(id), await issuer.token(id)] as const)),
      await Promise.all(administrators.slice(0, 6).map(issuer.token)),
    ];
    await issuer.close();
    return await runAgainst(await starter.startOurs(), { ids, administratorTokens, revocableTokens, actingTokens }, cluster);
  } finally {
    await starter.close();
    cluster.remove();
  }
}

interface People {
  ids: Awaited<ReturnType<typeof seed>>;
  administratorTokens: readonly string[];
  revocableTokens: readonly (readonly [followed: string, other: string])[];
  actingTokens: readonly string[];
}

async function runAgainst(
  server: Awaited<ReturnType<ReturnType<typeof createStarter>['startOurs']>>,
  people: People,
  cluster: Awaited<ReturnType<typeof createCluster>>,
): Promise<boolean> {
  const { ids, actingTokens } = people;
  const { url, port } = server;
  const tally = new Tally();
  const abort = new AbortController();
  const { signal } = abort;
  const schoolId = globalId('School', ids.schoolId);
  const followers = people.administratorTokens.slice(0, socketCount).map((token) => new Follower(url, token, schoolId));
  while (followers.some(({ startedAt }) => startedAt === undefined)) await pause(200);
  console.log(`${followers.length} sockets follow the school.`);

  const probe = fork(fileURLToPath(new URL('probe.ts', import.meta.url)));
  const reads: ProbeReply[] = [];
  probe.on('message', (reply: ProbeReply) => reads.push(reply));
  probe.send({ url, token: actingTokens[0]!, classId: globalId('Class', ids.classIds[0]!) } satisfies ProbeOrder);

  const rows = { studentIds: ids.studentIds.map((id) => globalId('User', id)), classIds: ids.classIds.map((id) => globalId('Class', id)) };
  const loads = [
    sendGarbage(url, tally, signal),
    sendGarbage(url, tally, signal),
    openSilentSockets(port, signal),
    readHeavily(url, actingTokens[1]!, schoolId, tally, signal),
    readHeavily(url, actingTokens[2]!, schoolId, tally, signal),
    sendUnknownDocuments(url, actingTokens[3]!, tally, signal),
    moveStudents(url, actingTokens[4]!, rows, tally, signal),
    cutSockets(followers, signal),
  ];
  const lateDeliveries = { streams: 0, messages: 0 };
  loads.push(revoke(url, schoolId, people.revocableTokens, lateDeliveries, tally, signal));

  const startedAt = Date.now();
  const samples: Sample[] = [];
  const disturbed: { kind: string; from: number; to: number }[] = [];
  const pending = [...disturbances];
  while (Date.now() - startedAt < durationMs) {
    samples.push({ second: Math.round((Date.now() - startedAt) / 1000), rssMegabytes: Math.round(server.rssBytes() / 1048576) });
    if (samples.length % 30 === 0)
      console.log(`${samples.at(-1)!.second} s: ${samples.at(-1)!.rssMegabytes} MB, ${reads.length} small reads`);
    if (pending.length > 0 && Date.now() - startedAt > pending[0]!.at * durationMs) {
      const { kind } = pending.shift()!;
      console.log(`The database: ${kind}.`);
      const from = Date.now();
      await disturb(cluster, kind);
      disturbed.push({ kind, from, to: Date.now() + recoveryMs });
    }
    await pause(2000);
  }
  abort.abort();
  await Promise.all(loads);
  probe.disconnect();
  const events = await waitForFollowers(cluster.url, ids.schoolId, followers);
  for (const follower of followers) follower.close();
  return evaluate({ samples, reads, disturbed, tally, followers, events, lateDeliveries });
}

async function disturb(cluster: Awaited<ReturnType<typeof createCluster>>, kind: (typeof disturbances)[number]['kind']): Promise<void> {
  if (kind === 'restart') return cluster.restart('fast');
  if (kind === 'crash') return cluster.restart('immediate');
  cluster.stall();
  await pause(stallMs);
  cluster.resume();
}

async function cutSockets(followers: readonly Follower[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (let n = 0; n < 5; n += 1) followers[Math.floor(Math.random() * followers.length)]!.cut();
    await pause(1000);
  }
}

const endOthers = 'mutation { endOtherSessions(input: {}) { __typename ... on Refusal { code } } }';

/**
 * With the mutation `endOtherSessions`, ends sessions that have an open subscription. Counts the messages that still
 * arrive on the subscription after the server has answered the mutation.
 */
async function revoke(
  url: string,
  schoolId: string,
  tokens: readonly (readonly [string, string])[],
  lateDeliveries: { streams: number; messages: number },
  tally: Tally,
  signal: AbortSignal,
): Promise<void> {
  for (const [followed, other] of tokens) {
    if (signal.aborted) return;
    const follower = new Follower(url, followed, schoolId);
    for (let n = 0; n < 100 && follower.startedAt === undefined && !signal.aborted; n += 1) await pause(100);
    await pause(1500);
    const reply = await ask({ url, token: other, body: operation(endOthers) });
    const before = follower.seqs.length;
    tally.add('revoke', reply);
    if (follower.startedAt !== undefined && reply.body.includes('"User"')) {
      await pause(1500);
      lateDeliveries.streams += 1;
      lateDeliveries.messages += follower.seqs.length - before;
    }
    follower.close();
    await pause(500);
  }
}

/** Waits until every follower has reached the end of the log; returns the sequence numbers of all enrolment events. */
async function waitForFollowers(databaseUrl: string, schoolId: string, followers: readonly Follower[]): Promise<number[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const { rows } = await client.query<{ seq: string }>(
    "select seq from event where school_id = $1 and type like 'student.%' order by seq",
    [schoolId],
  );
  await client.end();
  const events = rows.map(({ seq }) => Number(seq));
  const last = events.at(-1) ?? 0;
  for (const deadline = Date.now() + 60_000; Date.now() < deadline && followers.some(({ position }) => position < last);) await pause(500);
  return events;
}

interface Observations {
  samples: readonly Sample[];
  reads: readonly ProbeReply[];
  disturbed: readonly { kind: string; from: number; to: number }[];
  tally: Tally;
  followers: readonly Follower[];
  events: readonly number[];
  lateDeliveries: { streams: number; messages: number };
}

function evaluate({ samples, reads, disturbed, tally, followers, events, lateDeliveries }: Observations): boolean {
  const calm = reads.filter(({ at }) => !disturbed.some(({ from, to }) => at >= from - 1000 && at <= to));
  const times = calm.map(({ ms }) => ms).sort((a, b) => a - b);
  const broken = followers.filter(({ startedAt, seqs }) => {
    const expected = events.filter((seq) => seq > (startedAt ?? 0));
    return expected.length !== seqs.length || expected.some((seq, n) => seq !== seqs[n]);
  });
  const troubles = followers.flatMap((follower) => follower.troubles);
  const afterWarmUp = samples.filter(({ second }) => second >= (minutes * 60) / 4);
  const firstThird = afterWarmUp.slice(0, Math.ceil(afterWarmUp.length / 3)).map(({ rssMegabytes }) => rssMegabytes);
  const lastThird = afterWarmUp.slice(-Math.ceil(afterWarmUp.length / 3)).map(({ rssMegabytes }) => rssMegabytes);
  const mean = (values: readonly number[]) => Math.round(values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length));
  const probeStatuses: Record<string, number> = {};
  for (const { status, code } of reads)
    probeStatuses[`${status} ${code ?? ''}`.trim()] = (probeStatuses[`${status} ${code ?? ''}`.trim()] ?? 0) + 1;
  const wrongReads = reads.filter(({ status, code }) => status >= 500 && code !== 'UNAVAILABLE').length;
  const result = {
    date: new Date().toISOString(),
    minutes,
    heapMegabytes,
    sockets: followers.length,
    socketsOpened: followers.reduce((sum, follower) => sum + follower.sockets, 0),
    events: events.length,
    followersWithLostOrRepeatedEvents: broken.length,
    troubles: [...new Set(troubles)].slice(0, 10),
    troubleCount: troubles.length,
    revocations: lateDeliveries,
    rssMegabytes: {
      firstThirdAfterWarmUp: mean(firstThird),
      lastThird: mean(lastThird),
      highest: Math.max(...samples.map(({ rssMegabytes }) => rssMegabytes)),
    },
    smallReads: {
      count: reads.length,
      calm: calm.length,
      p50: percentile(times, 0.5),
      p99: percentile(times, 0.99),
      max: times.at(-1),
      statuses: probeStatuses,
    },
    replies: tally.counts,
    wrong: tally.wrong.slice(0, 10),
    wrongCount: tally.wrong.length + wrongReads,
    disturbances: disturbed.map(({ kind }) => kind),
    samples: samples.filter((_sample, n) => n % 15 === 0),
  };
  const promises = {
    'memory is level after the first quarter (within a tenth)': mean(lastThird) <= mean(firstThird) * 1.1,
    'p99 of a small read is at most 250 ms where the database answers': percentile(times, 0.99) <= 250,
    'no 5xx but UNAVAILABLE': result.wrongCount === 0,
    'no event is lost, repeated or out of order': broken.length === 0 && troubles.length === 0,
    'nothing arrives after an acknowledged revocation': lateDeliveries.messages === 0 && lateDeliveries.streams > 0,
  };
  writeFileSync(new URL('../soak.json', import.meta.url), `${JSON.stringify({ ...result, promises }, null, 2)}\n`);
  console.log(JSON.stringify({ ...result, samples: undefined }, null, 2));
  for (const [promise, kept] of Object.entries(promises)) console.log(`${kept ? 'kept  ' : 'BROKEN'}  ${promise}`);
  return Object.values(promises).every(Boolean);
}

process.exitCode = (await soak()) ? 0 : 1;
process.exit();
