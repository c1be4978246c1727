import { allByName, type Env, type Result, type Server } from '../measure.ts';
import type { LiveFixture } from './fixture.ts';
import { roles } from './school.ts';
import { firstClassSelection } from './selections.ts';
import { sferaTarget, peerTarget, type Listener, type Target } from './target.ts';
import { openGroup, publishOneByOne, verifyDelivery, type ListenerGroup } from './delivery.ts';

/** The programs of bench/peers that offer subscriptions. The keys are their names in the report. */
export const peerPrograms = { 'graphql-ws': 'live-graphql-ws', Mercurius: 'live-mercurius', PostGraphile: 'live-postgraphile' } as const;
export const limitProgram = 'live-ws';

/** Returns listeners that all have the same selection: that of the dashboard of a school's administrator. */
export const sameListeners = ({ school }: LiveFixture, count: number): Listener[] =>
  Array.from({ length: count }, (_, n) => ({
    account: school.accounts.administrator[n % school.accounts.administrator.length]!,
    selection: 0,
    classId: null,
  }));

/**
 * Returns listeners with every combination of five roles and eight selections. The listeners with one of the last two
 * selections subscribe to one of the three classes.
 */
export const mixedListeners = ({ school }: LiveFixture, count: number): Listener[] =>
  Array.from({ length: count }, (_, n) => {
    const block = Math.floor(n / 40);
    const candidates = school.accounts[roles[n % 5]!];
    const account = candidates[block % candidates.length]!;
    const selection = Math.floor(n / 5) % 8;
    return { account, selection, classId: selection < firstClassSelection ? null : (account.classId ?? school.classIds[block % 3]!) };
  });

export const sferaTargetFor = (servers: readonly Server[], { school, writer, tokensOf }: LiveFixture): Target =>
  sferaTarget(
    servers.map(({ port }) => `ws://127.0.0.1:${port}/graphql`),
    school,
    writer,
    tokensOf,
  );

/** Opens the listeners and publishes a few events, so that the measure starts warm. */
export async function openWarmGroup(
  { quick }: Env,
  target: Target,
  listeners: readonly Listener[],
  { school }: LiveFixture,
): Promise<ListenerGroup> {
  const group = await openGroup(target, listeners);
  await publishOneByOne(group, school.enrolments, quick ? 5 : 20);
  return group;
}

/**
 * Measures how many messages a server delivers per second of its CPU time. Publishes one event at a time. Each round
 * measures each of the compared servers once.
 */
export async function measureFanOut(env: Env, listenersOf: (fixture: LiveFixture, count: number) => Listener[]): Promise<Result> {
  const [count, events] = env.quick ? [100, 5] : [1000, 60];
  const fixture = await env.fixture();
  const { school } = fixture;
  const listeners = listenersOf(fixture, count);
  const contenders = new Map<string, { server: Server; group: ListenerGroup }>();
  const open = async (name: string, server: Server, target: Target) =>
    contenders.set(name, { server, group: await openWarmGroup(env, target, listeners, fixture) });
  try {
    const {
      ours: sferaServer,
      limit: limitServer,
      ...peerServers
    } = await allByName({
      ours: env.server('ours'),
      'graphql-ws': env.server(peerPrograms['graphql-ws']),
      Mercurius: env.server(peerPrograms.Mercurius),
      PostGraphile: env.server(peerPrograms.PostGraphile),
      limit: env.server(limitProgram),
    });
    await open('ours', sferaServer, sferaTargetFor([sferaServer], fixture));
    const bytes: number[] = [];
    (await contenders.get('ours')!.group.pool.report()).forEach((reports, n) => {
      if (reports.seqs.length > 0) bytes[listeners[n]!.selection] = Math.round(reports.bytes / reports.seqs.length);
    });
    for (const [name, peer] of Object.entries(peerServers)) await open(name, peer, peerTarget(peer.port, school));
    await open('limit', limitServer, peerTarget(limitServer.port, school, bytes));

    const lengths = new Set<number>();
    const {
      ours,
      limit: limitSummary,
      ...peers
    } = await env.rounds([...contenders.keys()], async (name) => {
      const { server: measured, group } = contenders.get(name)!;
      await group.pool.reset();
      const before = measured.cpuSeconds();
      const published = await publishOneByOne(group, school.enrolments, events);
      const used = measured.cpuSeconds() - before;
      const reports = await group.pool.report();
      const messages = verifyDelivery(group, reports, published);
      lengths.add(Math.round(reports.reduce((sum, each) => sum + each.bytes, 0) / messages));
      return messages / used;
    });
    const [shortest, longest] = [Math.min(...lengths), Math.max(...lengths)];
    return {
      ours: ours!,
      peers,
      limit: limitSummary!,
      notes:
        `${count} sockets, each with a session of its own; ${events} events a round, one at a time and at most forty a second; messages of ${shortest} to ${longest} bytes on average. ` +
        'Every listener was seen to get exactly its events, each once and in order. The events are recorded by another process on the database; ' +
        'the peers publish ready objects in memory and check no rights.',
    };
  } finally {
    for (const { group } of contenders.values()) await group.close();
  }
}
