import { sferaTargetFor, peerPrograms, sameListeners, openWarmGroup } from '../live/contenders.ts';
import { peerTarget, type Target } from '../live/target.ts';
import { latencies, quantile, publishAtRate, verifyDelivery, type ListenerGroup } from '../live/delivery.ts';
import { summarise, allByName, type Measure } from '../measure.ts';

const perSecond = 50;

export const latency: Measure = {
  name: 'latency',
  title: 'From commit to arrival at 1,000 listeners while 50 changes a second are written: the 99th percentile',
  unit: 'ms',
  better: 'lower',
  target: { peer: 0.5, absolute: 100 },
  async run(env) {
    const [count, seconds] = env.quick ? [100, 1] : [1000, 5];
    const fixture = await env.fixture();
    const listeners = sameListeners(fixture, count);
    const { server, peer } = await allByName({ server: env.server('ours'), peer: env.server(peerPrograms['graphql-ws']) });
    const targets: Record<'ours' | 'graphql-ws', Target> = {
      ours: sferaTargetFor([server], fixture),
      'graphql-ws': peerTarget(peer.port, fixture.school),
    };
    const groups = {} as Record<keyof typeof targets, ListenerGroup>;
    const medians: Record<keyof typeof targets, number[]> = { ours: [], 'graphql-ws': [] };
    try {
      for (const name of ['ours', 'graphql-ws'] as const) groups[name] = await openWarmGroup(env, targets[name], listeners, fixture);
      const { ours, ...peers } = await env.rounds(['ours', 'graphql-ws'], async (name) => {
        const group = groups[name];
        await group.pool.reset();
        const published = await publishAtRate(group, fixture.school.enrolments, perSecond, seconds);
        const reports = await group.pool.report();
        verifyDelivery(group, reports, published);
        const all = latencies(reports, published);
        medians[name].push(quantile(all, 0.5));
        return quantile(all, 0.99);
      });
      const row = (name: keyof typeof targets, p99: number) => ({ p50: summarise(medians[name]).median, p99 });
      return {
        ours,
        peers,
        notes:
          `${perSecond * seconds} changes in ${seconds} s, recorded by another process on the database; the peer publishes in memory, and its time begins as it is told to. ` +
          'Every listener was seen to get every event, once and in order.',
        series: {
          title: 'Milliseconds to arrival',
          unit: 'ms',
          rows: { ours: row('ours', ours.median), 'graphql-ws': row('graphql-ws', peers['graphql-ws'].median) },
        },
      };
    } finally {
      for (const group of Object.values(groups)) await group.close();
    }
  },
};
