import { together, type Env, type Result, type Server } from '../measure.ts';
import type { Beside } from './beside.ts';
import { roles } from './school.ts';
import { ofOneClass } from './selections.ts';
import { oursStage, peerStage, type Listener, type Stage } from './stage.ts';
import { assemble, tellInTurn, verify, type Audience } from './turn.ts';

/** Names of the peer programs with subscriptions, by the name in the report. */

export const peerPrograms = { 'graphql-ws': 'live-graphql-ws', Mercurius: 'live-mercurius', PostGraphile: 'live-postgraphile' } as const;
export const limitProgram = 'live-ws';

/** Listeners with the same selection: dashboards of administrators of the school. */
export const sameListeners = ({ school }: Beside, count: number): Listener[] =>
  Array.from({ length: count }, (_, n) => ({
    account: school.accounts.administrator[n % school.accounts.administrator.length]!, selection: 0, classId: null,
  }));

/** Listeners with every combination of five roles and eight selections; the last two selections follow one of the three classes. */
export const mixedListeners = ({ school }: Beside, count: number): Listener[] =>
  Array.from({ length: count }, (_, n) => {
    const block = Math.floor(n / 40);
    const of = school.accounts[roles[n % 5]!];
    const account = of[block % of.length]!;
    const selection = Math.floor(n / 5) % 8;
    return { account, selection, classId: selection < ofOneClass ? null : (account.classId ?? school.classIds[block % 3]!) };
  });

export const oursAt = (servers: readonly Server[], { school, writer, tokensOf }: Beside): Stage =>
  oursStage(servers.map(({ port }) => `ws://127.0.0.1:${port}/graphql`), school, writer, tokensOf);

/** Opens the listeners and publishes a few events, so that the measure starts warm. */
export async function warm({ quick }: Env, stage: Stage, listeners: readonly Listener[], { school }: Beside): Promise<Audience> {
  const audience = await assemble(stage, listeners);
  await tellInTurn(audience, school.places, quick ? 5 : 20);
  return audience;
}

/** Measures messages delivered per second of the server's CPU time, one event at a time, the contenders in turn. */
export async function fanOut(env: Env, listenersOf: (beside: Beside, count: number) => Listener[]): Promise<Result> {
  const [count, events] = env.quick ? [100, 5] : [1000, 60];
  const beside = await env.beside();
  const { school } = beside;
  const listeners = listenersOf(beside, count);
  const halls = new Map<string, { server: Server; audience: Audience }>();
  const open = async (name: string, server: Server, stage: Stage) => halls.set(name, { server, audience: await warm(env, stage, listeners, beside) });
  try {
    const { ours: product, limit: bare, ...others } = await together({
      ours: env.server('ours'),
      'graphql-ws': env.server(peerPrograms['graphql-ws']),
      Mercurius: env.server(peerPrograms.Mercurius),
      PostGraphile: env.server(peerPrograms.PostGraphile),
      limit: env.server(limitProgram),
    });
    await open('ours', product, oursAt([product], beside));
    const bytes: number[] = [];
    (await halls.get('ours')!.audience.crowd.report()).forEach((heard, n) => {
      if (heard.seqs.length > 0) bytes[listeners[n]!.selection] = Math.round(heard.bytes / heard.seqs.length);
    });
    for (const [name, peer] of Object.entries(others)) await open(name, peer, peerStage(peer.port, school));
    await open('limit', bare, peerStage(bare.port, school, bytes));

    const lengths = new Set<number>();
    const { ours, limit: least, ...peers } = await env.rounds([...halls.keys()], async (name) => {
      const { server: measured, audience } = halls.get(name)!;
      await audience.crowd.forget();
      const before = measured.cpuSeconds();
      const told = await tellInTurn(audience, school.places, events);
      const used = measured.cpuSeconds() - before;
      const heard = await audience.crowd.report();
      const messages = verify(audience, heard, told);
      lengths.add(Math.round(heard.reduce((sum, each) => sum + each.bytes, 0) / messages));
      return messages / used;
    });
    const [shortest, longest] = [Math.min(...lengths), Math.max(...lengths)];
    return {
      ours: ours!, peers, limit: least!,
      notes:
        `${count} sockets, each with a session of its own; ${events} events a round, one at a time and at most forty a second; messages of ${shortest} to ${longest} bytes on average. ` +
        'Every listener was seen to get exactly its events, each once and in order. The events are recorded by another process on the database; ' +
        'the peers publish ready objects in memory and check no rights.',
    };
  } finally {
    for (const { audience } of halls.values()) await audience.close();
  }
}
