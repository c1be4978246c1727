import { setTimeout as pause } from 'node:timers/promises';
import type { Beside } from '../live/beside.ts';
import { oursAt, sameListeners } from '../live/hall.ts';
import { assemble, latencies, quantile, tellAtRate, tellInTurn, verify } from '../live/turn.ts';
import { spread, type Env, type Measure } from '../measure.ts';

const perSecond = 20;

/**
 * Measures delivery by this many processes with the listeners spread over them. Then kills one process while changes go
 * on; its listeners reconnect to the next one with their cursors. @throws if a listener misses or repeats an event.
 */
async function serve(env: Env, beside: Beside, processes: number): Promise<Record<string, number>> {
  const { places } = beside.school;
  const [count, events, seconds] = env.quick ? [100, 5, 1] : [1000, 40, 5];
  const servers = await Promise.all(Array.from({ length: processes }, () => env.startOurs()));
  const audience = await assemble(oursAt(servers, beside), sameListeners(beside, count));
  try {
    await tellInTurn(audience, places, 10);

    await audience.crowd.forget();
    const cpu = () => servers.reduce((sum, server) => sum + server.cpuSeconds(), 0);
    const [cpuBefore, begun] = [cpu(), performance.now()];
    const inTurn = await tellInTurn(audience, places, events);
    const [used, took] = [cpu() - cpuBefore, (performance.now() - begun) / 1000];
    const messages = verify(audience, await audience.crowd.report(), inTurn);

    await audience.crowd.forget();
    const told = await tellAtRate(audience, places, perSecond, seconds);
    const heard = await audience.crowd.report();
    verify(audience, heard, told);
    const times = latencies(heard, told);
    const row: Record<string, number> = {
      'messages per CPU second': messages / used,
      'messages per second': messages / took,
      'p50, ms': quantile(times, 0.5),
      'p99, ms': quantile(times, 0.99),
    };
    if (processes === 1) return row;

    await audience.crowd.forget();
    const during = tellAtRate(audience, places, perSecond, seconds);
    await pause(seconds * 400);
    await servers[0]!.kill();
    const toldDuring = await during;
    const heardDuring = await audience.crowd.report();
    verify(audience, heardDuring, toldDuring);
    const back = heardDuring.filter(({ sockets }) => sockets > 1).length;
    const orphans = Math.ceil(count / processes);
    if (back !== orphans) throw new Error(`${back} listeners came back, and ${orphans} had lost their process`);
    return { ...row, 'listeners that came back': back, 'longest wait over the kill, ms': latencies(heardDuring, toldDuring).at(-1)! };
  } finally {
    await audience.close();
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
    const beside = await env.beside();
    const rows: Record<string, Record<string, number>> = {};
    const numbers = env.quick ? [2] : [1, 2, 4];
    for (const processes of numbers) rows[`${processes}`] = await serve(env, beside, processes);
    return {
      ours: spread([rows[`${numbers.at(-1)}`]!['p99, ms']!]),
      peers: {},
      notes:
        `${perSecond} changes a second for the times; one event at a time for the throughput. Of 2 and of 4 processes one is killed while changes go on. ` +
        'Every listener was seen to get every event, once and in order, over the kill too. All processes share the cores of this one machine with the database and the listeners.',
      series: { title: 'By processes', unit: '', rows },
    };
  },
};
