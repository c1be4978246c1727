import { oursAt, peerPrograms, sameListeners, warm } from '../live/hall.ts';
import { peerStage, type Stage } from '../live/stage.ts';
import { latencies, quantile, tellAtRate, verify, type Audience } from '../live/turn.ts';
import { spread, together, type Measure } from '../measure.ts';

const perSecond = 50;

export const latency: Measure = {
  name: 'latency',
  title: 'From commit to arrival at 1,000 listeners while 50 changes a second are written: the 99th percentile',
  unit: 'ms',
  better: 'lower',
  target: { peer: 0.5, absolute: 100 },
  async run(env) {
    const [count, seconds] = env.quick ? [100, 1] : [1000, 5];
    const beside = await env.beside();
    const listeners = sameListeners(beside, count);
    const { server, peer } = await together({ server: env.server('ours'), peer: env.server(peerPrograms['graphql-ws']) });
    const stages: Record<'ours' | 'graphql-ws', Stage> = { ours: oursAt([server], beside), 'graphql-ws': peerStage(peer.port, beside.school) };
    const audiences = {} as Record<keyof typeof stages, Audience>;
    const medians: Record<keyof typeof stages, number[]> = { ours: [], 'graphql-ws': [] };
    try {
      for (const name of ['ours', 'graphql-ws'] as const) audiences[name] = await warm(env, stages[name], listeners, beside);
      const { ours, ...peers } = await env.rounds(['ours', 'graphql-ws'], async (name) => {
        const audience = audiences[name];
        await audience.crowd.forget();
        const told = await tellAtRate(audience, beside.school.places, perSecond, seconds);
        const heard = await audience.crowd.report();
        verify(audience, heard, told);
        const all = latencies(heard, told);
        medians[name].push(quantile(all, 0.5));
        return quantile(all, 0.99);
      });
      const row = (name: keyof typeof stages, p99: number) => ({ p50: spread(medians[name]).median, p99 });
      return {
        ours, peers,
        notes:
          `${perSecond * seconds} changes in ${seconds} s, recorded by another process on the database; the peer publishes in memory, and its time begins as it is told to. ` +
          'Every listener was seen to get every event, once and in order.',
        series: { title: 'Milliseconds to arrival', unit: 'ms', rows: { ours: row('ours', ours.median), 'graphql-ws': row('graphql-ws', peers['graphql-ws'].median) } },
      };
    } finally {
      for (const audience of Object.values(audiences)) await audience.close();
    }
  },
};
