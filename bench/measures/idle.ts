import { execFileSync } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { limitProgram, sferaTargetFor, peerPrograms, sameListeners } from '../live/contenders.ts';
import { collectGarbage } from '../live/memory.ts';
import { peerTarget, type Target } from '../live/target.ts';
import { openGroup } from '../live/delivery.ts';
import { summarise, type Measure, type Server } from '../measure.ts';

/** Number of sockets that are opened and closed first, so that the measure contains no one-time allocations. */
const warmUpSockets = 100;
/** File descriptors that a process needs in addition to its sockets. */
const reservedDescriptors = 500;
const names = ['ours', 'graphql-ws', 'limit'] as const;

export const idle: Measure = {
  name: 'idle',
  title: 'Memory of an open subscription that hears nothing, of 10,000 on one process',
  unit: 'KiB per socket',
  better: 'lower',
  target: { peer: 1 / 1.5 },
  async run(env) {
    // Node raises its soft limit of open files to the hard limit, which bounds the number of sockets.
    const hardLimit = execFileSync('sh', ['-c', 'ulimit -H -n'], { encoding: 'utf8' }).trim();
    const count = Math.min(env.quick ? 200 : 10_000, hardLimit === 'unlimited' ? Infinity : Number(hardLimit) - reservedDescriptors);
    const processes = Math.ceil(count / 5000);
    // `freeMs` is the time in which V8 returns freed memory to the system. `settleMs` is the time until the memory of
    // the sockets is stable.
    const [freeMs, settleMs] = env.quick ? [100, 300] : [1000, 3000];
    const fixture = await env.fixture();
    const seconds: Record<(typeof names)[number], number[]> = { ours: [], 'graphql-ws': [], limit: [] };
    const withGarbage: typeof seconds = { ours: [], 'graphql-ws': [], limit: [] };

    const sample = async (name: (typeof names)[number]): Promise<number> => {
      const server: Server = await (name === 'ours'
        ? env.startOurs()
        : env.startPeer(name === 'limit' ? limitProgram : peerPrograms[name]));
      const target: Target =
        name === 'ours' ? sferaTargetFor([server], fixture) : peerTarget(server.port, fixture.school, name === 'limit' ? [256] : undefined);
      const first = await openGroup(target, sameListeners(fixture, warmUpSockets));
      await first.close();
      await pause(freeMs);
      await collectGarbage(server.pid, freeMs);
      const empty = server.rssBytes();
      const begun = performance.now();
      const group = await openGroup(target, sameListeners(fixture, count), processes);
      seconds[name].push((performance.now() - begun) / 1000);
      await pause(settleMs);
      withGarbage[name].push((server.rssBytes() - empty) / count / 1024);
      await collectGarbage(server.pid, freeMs);
      const full = server.rssBytes();
      for (const { problems } of await group.pool.report()) if (problems.length > 0) throw new Error(`${name}: ${problems[0]}`);
      await group.close();
      await server.stop();
      return (full - empty) / count / 1024;
    };

    // Each round starts a server, and the figures hardly differ: two rounds are enough.
    const samples: typeof seconds = { ours: [], 'graphql-ws': [], limit: [] };
    for (let n = 0; n < (env.quick ? 1 : 2); n++) for (const name of names) samples[name].push(await sample(name));
    const row = (name: (typeof names)[number]) => ({
      'KiB with garbage': summarise(withGarbage[name]).median,
      'seconds to open all': summarise(seconds[name]).median,
    });
    return {
      ours: summarise(samples.ours),
      peers: { 'graphql-ws': summarise(samples['graphql-ws']) },
      limit: summarise(samples.limit),
      notes: `${count} sockets with one subscription each, of as many sessions; resident memory after a full collection of garbage, less what it was before they came.`,
      series: {
        title: 'Memory as it settles, and the time to open them',
        unit: '',
        rows: { ours: row('ours'), 'graphql-ws': row('graphql-ws'), ws: row('limit') },
      },
    };
  },
};
