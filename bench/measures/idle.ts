import { execFileSync } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { limitProgram, oursAt, peerPrograms, sameListeners } from '../live/hall.ts';
import { collectGarbage } from '../live/memory.ts';
import { peerStage, type Stage } from '../live/stage.ts';
import { assemble } from '../live/turn.ts';
import { spread, type Measure, type Server } from '../measure.ts';

/** Sockets that are opened and closed first, so that one-time allocations are not measured. */
const before = 100;
/** File descriptors that a process needs in addition to its sockets. */
const besides = 500;
const names = ['ours', 'graphql-ws', 'limit'] as const;

export const idle: Measure = {
  name: 'idle',
  title: 'Memory of an open subscription that hears nothing, of 10,000 on one process',
  unit: 'KiB per socket',
  better: 'lower',
  target: { peer: 1 / 1.5 },
  async run(env) {
    // Node raises its soft limit of open files to the hard limit, which bounds the number of sockets.
    const allowed = execFileSync('sh', ['-c', 'ulimit -H -n'], { encoding: 'utf8' }).trim();
    const count = Math.min(env.quick ? 200 : 10_000, allowed === 'unlimited' ? Infinity : Number(allowed) - besides);
    const processes = Math.ceil(count / 5000);
    // Milliseconds until freed memory is returned to the system, and until the memory of the sockets is stable.
    const [freeing, settling] = env.quick ? [100, 300] : [1000, 3000];
    const beside = await env.beside();
    const seconds: Record<(typeof names)[number], number[]> = { ours: [], 'graphql-ws': [], limit: [] };
    const withGarbage: typeof seconds = { ours: [], 'graphql-ws': [], limit: [] };

    const sample = async (name: (typeof names)[number]): Promise<number> => {
      const server: Server = await (name === 'ours' ? env.startOurs() : env.startPeer(name === 'limit' ? limitProgram : peerPrograms[name]));
      const stage: Stage = name === 'ours' ? oursAt([server], beside) : peerStage(server.port, beside.school, name === 'limit' ? [256] : undefined);
      const first = await assemble(stage, sameListeners(beside, before));
      await first.close();
      await pause(freeing);
      await collectGarbage(server.pid, freeing);
      const empty = server.rssBytes();
      const begun = performance.now();
      const audience = await assemble(stage, sameListeners(beside, count), processes);
      seconds[name].push((performance.now() - begun) / 1000);
      await pause(settling);
      withGarbage[name].push((server.rssBytes() - empty) / count / 1024);
      await collectGarbage(server.pid, freeing);
      const full = server.rssBytes();
      for (const { troubles } of await audience.crowd.report()) if (troubles.length > 0) throw new Error(`${name}: ${troubles[0]}`);
      await audience.close();
      await server.stop();
      return (full - empty) / count / 1024;
    };

    // Each round starts a server, and the figures hardly differ: two rounds are enough.
    const samples: typeof seconds = { ours: [], 'graphql-ws': [], limit: [] };
    for (let n = 0; n < (env.quick ? 1 : 2); n++) for (const name of names) samples[name].push(await sample(name));
    const row = (name: (typeof names)[number]) => ({
      'KiB with garbage': spread(withGarbage[name]).median,
      'seconds to open all': spread(seconds[name]).median,
    });
    return {
      ours: spread(samples.ours),
      peers: { 'graphql-ws': spread(samples['graphql-ws']) },
      limit: spread(samples.limit),
      notes: `${count} sockets with one subscription each, of as many sessions; resident memory after a full collection of garbage, less what it was before they came.`,
      series: { title: 'Memory as it settles, and the time to open them', unit: '', rows: { ours: row('ours'), 'graphql-ws': row('graphql-ws'), ws: row('limit') } },
    };
  },
};
