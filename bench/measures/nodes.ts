import { setTimeout as pause } from 'node:timers/promises';
import type { LiveFixture } from '../live/fixture.ts';
import { sferaTargetFor, sameListeners } from '../live/contenders.ts';
import { openGroup, latencies, quantile, publishAtRate, publishOneByOne, verifyDelivery } from '../live/delivery.ts';
import { summarise, type Env, type Measure } from '../measure.ts';

const perSecond = 20;

/**
 * Spreads the listeners over `processes` servers and measures the delivery. Then kills one server while events are
 * published. The listeners of this server reconnect to the next server with their cursors.
 * @throws if a listener misses or repeats an event.
 */
async function serve(env: Env, fixture: LiveFixture, processes: number): Promise<Record<string, number>> {
  const { enrolments } = fixture.school;
  const [count, events, seconds] = env.quick ? [100, 5, 1] : [1000, 40, 5];
  const servers = await Promise.all(Array.from({ length: processes }, () => env.startOurs()));
  const group = await openGroup(sferaTargetFor(servers, fixture), sameListeners(fixture, count));
  try {
    await publishOneByOne(group, enrolments, 10);

    await group.pool.reset();
    const cpu = () => servers.reduce((sum, server) => sum + server.cpuSeconds(), 0);
    const [cpuBefore, startedAt] = [cpu(), performance.now()];
    const oneByOne = await publishOneByOne(group, enrolments, events);
    const [usedSeconds, elapsedSeconds] = [cpu() - cpuBefore, (performance.now() - startedAt) / 1000];
    const messages = verifyDelivery(group, await group.pool.report(), oneByOne);

    await group.pool.reset();
    const published = await publishAtRate(group, enrolments, perSecond, seconds);
    const reports = await group.pool.report();
    verifyDelivery(group, reports, published);
    const times = latencies(reports, published);
    const row: Record<string, number> = {
      'messages per CPU second': messages / usedSeconds,
      'messages per second': messages / elapsedSeconds,
      'p50, ms': quantile(times, 0.5),
      'p99, ms': quantile(times, 0.99),
    };
    if (processes === 1) return row;

    await group.pool.reset();
    const publishing = publishAtRate(group, enrolments, perSecond, seconds);
    await pause(seconds * 400);
    await servers[0]!.kill();
    const publishedDuring = await publishing;
    const reportsDuring = await group.pool.report();
    verifyDelivery(group, reportsDuring, publishedDuring);
    const reconnected = reportsDuring.filter(({ sockets }) => sockets > 1).length;
    const expectedReconnects = Math.ceil(count / processes);
    if (reconnected !== expectedReconnects)
      throw new Error(`${reconnected} listeners reconnected; ${expectedReconnects} had lost their process`);
    return {
      ...row,
      'listeners that came back': reconnected,
      'longest wait over the kill, ms': latencies(reportsDuring, publishedDuring).at(-1)!,
    };
  } finally {
    await group.close();
    await Promise.all(servers.map((server) => server.stop()));
  }
}

export const nodes: Measure = {
  name: 'nodes',
  title: '1,000 listeners spread over 4 processes on one database, from commit to arrival: the 99th percentile',
  unit: 'ms',
  better: 'lower',
  target: {},
  async run(env) {
    const fixture = await env.fixture();
    const rows: Record<string, Record<string, number>> = {};
    const processCounts = env.quick ? [2] : [1, 2, 4];
    for (const processes of processCounts) rows[`${processes}`] = await serve(env, fixture, processes);
    return {
      ours: summarise([rows[`${processCounts.at(-1)}`]!['p99, ms']!]),
      peers: {},
      notes:
        `${perSecond} changes a second for the times; one event at a time for the throughput. Of 2 and of 4 processes one is killed while changes go on. ` +
        'Every listener was seen to get every event, once and in order, over the kill too. All processes share the cores of this one machine with the database and the listeners.',
      series: { title: 'By processes', unit: '', rows },
    };
  },
};
