import { expect, it } from 'vitest';
import { Broadcaster } from '../../../src/events/live/broadcaster.ts';
import type { SubscriptionPosition } from '../../../src/events/live/subscriber-index.ts';
import type {
  Delivery,
  Recipient,
  SharedResult,
  SocketSink,
  SubscriptionExecutor,
} from '../../../src/events/live/subscription-executor.ts';
import type { LoggedEvent, LogReader } from '../../../src/events/log-reader.ts';
import { createLogger } from '../../../src/logger.ts';
import type { UserActor } from '../../../src/policy/actor.ts';
import { until } from '../../support/until.ts';

const schoolId = 'school';
const resultOf = (text: string): SharedResult => ({ result: { text }, bytes: Buffer.from(text) });

const administrator = (userId: string): UserActor => ({
  kind: 'user',
  userId,
  sessionId: '',
  expiresAt: Infinity,
  grants: [{ schoolId, role: 'PLATFORM_ADMINISTRATOR' }],
  assignments: [],
  enrolment: null,
  chats: new Map(),
});

/**
 * Creates a broadcaster over a log in memory. Each subscriber gets the result that `resultFor` returns for the
 * subscriber's user id.
 */
function openBroadcaster(resultFor: (userId: string) => Promise<SharedResult | null>) {
  const events: LoggedEvent[] = [];
  let notify: (id: string) => void = () => {};
  const reader = {
    onAppend(listener: (id: string) => void) {
      notify = listener;
      return () => {};
    },
    head: () => BigInt(events.length),
    readBuffered: (_id: string, seq: bigint) => events.filter((event) => event.seq > seq),
    age: () => 0,
  } as unknown as LogReader;
  const broadcaster = new Broadcaster(reader, createLogger('silent'));
  const executor: SubscriptionExecutor = {
    groupKey: 'group',
    executeFor: <R extends Recipient>(_event: unknown, cohorts: readonly { members: readonly R[] }[]): Promise<Delivery<R>[]> => {
      const members = cohorts.flatMap((cohort) => cohort.members);
      return Promise.resolve(members.map((member) => ({ recipients: [member], result: resultFor((member.actor as UserActor).userId) })));
    },
  };
  return {
    broadcaster,
    subscribe(userId: string, sink: SocketSink | null) {
      const actor = administrator(userId);
      const position: SubscriptionPosition = {
        schoolId,
        seq: BigInt(events.length),
        lastDeliveredSeq: 0n,
        rights: {
          credential: { kind: 'user', userId, sessionId: '', clientId: '', expiresAt: Infinity },
          resolve: () => Promise.resolve(actor),
          cached: () => actor,
          onChange: () => {},
          close: () => {},
        },
        types: new Set(['school.updated'] as const),
        rows: [],
        isAllowed: () => true,
        executor,
        sink,
      };
      return { position, left: broadcaster.wait(position, new AbortController().signal) };
    },
    append() {
      const seq = BigInt(events.length + 1);
      const topics = [`school:${schoolId}`];
      events.push({
        schoolId,
        seq,
        type: 'school.updated',
        topics,
        payload: { schoolId },
        actor: 'operator',
        causation: null,
        at: new Date(),
      });
      notify(schoolId);
    },
  };
}

function recordingSink() {
  const texts: string[] = [];
  return { texts, send: (bytes: Buffer) => texts.push(bytes.toString()) > 0 };
}

it('sends each result as soon as it is there', async () => {
  let finish: (result: SharedResult) => void = () => {};
  const late = new Promise<SharedResult>((resolve) => (finish = resolve));
  const { subscribe, append, broadcaster } = openBroadcaster((userId) => (userId === 'late' ? late : Promise.resolve(resultOf('early'))));
  const [first, second] = [recordingSink(), recordingSink()];
  subscribe('early', first);
  subscribe('late', second);
  append();
  await until(() => expect(first.texts).toEqual(['early']));
  expect(second.texts).toEqual([]);
  finish(resultOf('late'));
  await until(() => expect(second.texts).toEqual(['late']));
  expect(broadcaster.stats()).toEqual({ waiting: 2, deliveredCount: 2 });
});

it.each([
  ['whose execution failed', () => Promise.resolve(null), recordingSink()],
  [
    'whose result cannot be serialised',
    () =>
      Promise.resolve({
        result: {},
        get bytes(): Buffer {
          throw new Error('no');
        },
      }),
    recordingSink(),
  ],
  ['that is behind', () => Promise.resolve(resultOf('a')), { send: () => false }],
] as const)('lets a subscriber %s continue from before the event, and keeps the others', async (_which, resultFor, sink) => {
  const { subscribe, append, broadcaster } = openBroadcaster((userId) =>
    userId === 'other' ? Promise.resolve(resultOf('b')) : resultFor(),
  );
  const other = recordingSink();
  subscribe('other', other);
  const { position, left } = subscribe('one', sink);
  append();
  expect(await left).toBeNull();
  expect(position).toMatchObject({ seq: 0n, lastDeliveredSeq: 0n });
  await until(() => expect(other.texts).toEqual(['b']));
  expect(broadcaster.stats().waiting).toBe(1);
});

it('returns the result to a subscriber without a socket', async () => {
  const { subscribe, append } = openBroadcaster(() => Promise.resolve(resultOf('a')));
  const { position, left } = subscribe('one', null);
  append();
  expect((await left)?.result).toEqual({ text: 'a' });
  expect(position).toMatchObject({ seq: 1n, lastDeliveredSeq: 1n });
});
