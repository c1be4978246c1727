import { setTimeout as pause } from 'node:timers/promises';
import { now } from './clock.ts';
import { openListeners, type ListenerPool } from './listener-pool.ts';
import type { ListenerReport, ListenerSpec } from './protocol.ts';
import type { EnrolmentRows } from './school.ts';
import { shouldReceive, type Listener, type Target } from './target.ts';

/** Open listeners of one server. */
export interface ListenerGroup {
  target: Target;
  listeners: readonly Listener[];
  specs: readonly ListenerSpec[];
  pool: ListenerPool;
  close(): Promise<void>;
}

export async function openGroup(target: Target, listeners: readonly Listener[], processes = 1): Promise<ListenerGroup> {
  const specs = await target.specsFor(listeners);
  const pool = await openListeners(specs, processes);
  await target.waitForSubscribers(listeners.length);
  return { target, listeners, specs, pool, close: () => pool.close() };
}

export interface PublishedEvent {
  seq: number;
  classId: string;
  /** Time of the commit, in ms of bench/live/clock.ts. */
  at: number;
}

/** Milliseconds that a server may take from the first event of `publishAtRate` to the delivery of the last one. */
const maxBacklogMs = 150_000;

/** Returns a predicate for the listeners that should receive a change in this class. */
function receiversOf({ specs, listeners }: ListenerGroup, classId: string): (spec: ListenerSpec) => boolean {
  const due = new Set(specs.filter((_spec, n) => shouldReceive(listeners[n]!, classId)));
  return (spec) => due.has(spec);
}

/**
 * Minimum milliseconds between two events. Our server sends NOTIFY at most forty times a second. A server that gets
 * events more often has warmer caches, so every compared server gets at most forty events a second.
 */
const minIntervalMs = 25;

/**
 * Publishes events one by one. Publishes the next event when every listener that should receive the previous event has
 * it.
 */
export async function publishOneByOne(
  group: ListenerGroup,
  enrolments: readonly EnrolmentRows[],
  count: number,
): Promise<PublishedEvent[]> {
  const { target, pool } = group;
  const published: PublishedEvent[] = [];
  for (let n = 0; n < count; n++) {
    const next = enrolments[n % enrolments.length]!;
    const seq = target.nextSeq();
    const classId = next.class.id;
    const complete = pool.waitForEvent(seq, receiversOf(group, classId));
    const begun = now();
    published.push({ seq, classId, at: await target.publish(next) });
    await complete;
    await pause(Math.max(0, minIntervalMs - (now() - begun)));
  }
  return published;
}

/**
 * Publishes events at a fixed rate without waiting for delivery. Resolves when the last event has arrived at every
 * listener that should receive it.
 */
export async function publishAtRate(
  group: ListenerGroup,
  enrolments: readonly EnrolmentRows[],
  perSecond: number,
  seconds: number,
): Promise<PublishedEvent[]> {
  const { target, pool } = group;
  const first = target.nextSeq();
  const count = perSecond * seconds;
  const last = first + count - 1;
  const complete = pool.waitForEvent(last, receiversOf(group, enrolments[(count - 1) % enrolments.length]!.class.id), maxBacklogMs);
  const begun = now();
  const publishing: Promise<PublishedEvent>[] = [];
  for (let n = 0; n < count; n++) {
    const due = begun + (n * 1000) / perSecond;
    if (due > now()) await pause(due - now());
    const enrolment = enrolments[n % enrolments.length]!;
    publishing.push(target.publish(enrolment).then((at) => ({ seq: first + n, classId: enrolment.class.id, at })));
  }
  const published = await Promise.all(publishing);
  await complete;
  return published;
}

/** Returns the milliseconds from commit to arrival of every message, sorted. */
export function latencies(reports: readonly ListenerReport[], published: readonly PublishedEvent[]): Float64Array {
  const committedAt = new Map(published.map((event) => [event.seq, event.at]));
  const all = reports.flatMap(({ seqs, times }) => Array.from(seqs, (seq, n) => times[n]! - committedAt.get(seq)!));
  return Float64Array.from(all).sort();
}

export const quantile = (sorted: Float64Array, q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]!;

/**
 * Verifies that each listener received exactly the events that it should receive, once each and in the order of the
 * log. Returns the number of messages. @throws for the first listener with a missing, repeated or unexpected event.
 */
export function verifyDelivery(
  { listeners }: ListenerGroup,
  reports: readonly ListenerReport[],
  published: readonly PublishedEvent[],
): number {
  let messages = 0;
  listeners.forEach((listener, n) => {
    const due = published.filter(({ classId }) => shouldReceive(listener, classId)).map(({ seq }) => seq);
    const { seqs, problems } = reports[n]!;
    const wrong = due.findIndex((seq, index) => seqs[index] !== seq);
    const who = `listener ${n} (${listener.account.role})`;
    if (problems.length > 0) throw new Error(`${who}: ${problems[0]}`);
    if (wrong >= 0) throw new Error(`${who}: expected event ${due[wrong]}, received ${seqs[wrong] ?? 'nothing'}`);
    if (seqs.length > due.length) throw new Error(`${who}: received the unexpected event ${seqs[due.length]}`);
    messages += due.length;
  });
  return messages;
}
