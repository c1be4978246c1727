import { setTimeout as pause } from 'node:timers/promises';
import { now } from './clock.ts';
import { gather, type Crowd } from './crowd.ts';
import type { Heard, Listening } from './protocol.ts';
import type { Place } from './school.ts';
import { hears, type Listener, type Stage } from './stage.ts';

/** Open listeners of one server. */
export interface Audience {
  stage: Stage;
  listeners: readonly Listener[];
  specs: readonly Listening[];
  crowd: Crowd;
  close(): Promise<void>;
}

export async function assemble(stage: Stage, listeners: readonly Listener[], processes = 1): Promise<Audience> {
  const specs = await stage.listening(listeners);
  const crowd = await gather(specs, processes);
  await stage.settled(listeners.length);
  return { stage, listeners, specs, crowd, close: () => crowd.close() };
}

/** A published event. */
export interface Told {
  seq: number;
  classId: string;
  /** Time of its commit, in ms of bench/live/clock.ts. */
  at: number;
}

/** Milliseconds that a server may take to deliver the backlog. */
const patience = 150_000;

/** Returns a predicate for the listeners that should receive a change in this class. */
function hearing({ specs, listeners }: Audience, classId: string): (spec: Listening) => boolean {
  const due = new Set(specs.filter((_spec, n) => hears(listeners[n]!, classId)));
  return (spec) => due.has(spec);
}

/**
 * Minimal milliseconds between two events. The product sends NOTIFY at most forty times a second, and a server that gets
 * events faster does the same work with warmer caches; so all contenders get events at that rate.
 */
const spacing = 25;

/** Publishes one event at a time: the next one when the last has arrived at every listener that should receive it. */
export async function tellInTurn(audience: Audience, places: readonly Place[], count: number): Promise<Told[]> {
  const { stage, crowd } = audience;
  const told: Told[] = [];
  for (let n = 0; n < count; n++) {
    const next = places[n % places.length]!;
    const seq = stage.next();
    const classId = next.class.id;
    const complete = crowd.complete(seq, hearing(audience, classId));
    const begun = now();
    told.push({ seq, classId, at: await stage.publish(next) });
    await complete;
    await pause(Math.max(0, spacing - (now() - begun)));
  }
  return told;
}

/** Publishes events at a fixed rate without waiting for delivery; resolves when the newest has arrived at every listener. */
export async function tellAtRate(audience: Audience, places: readonly Place[], perSecond: number, seconds: number): Promise<Told[]> {
  const { stage, crowd } = audience;
  const first = stage.next();
  const count = perSecond * seconds;
  const last = first + count - 1;
  const complete = crowd.complete(last, hearing(audience, places[(count - 1) % places.length]!.class.id), patience);
  const begun = now();
  const telling: Promise<Told>[] = [];
  for (let n = 0; n < count; n++) {
    const due = begun + (n * 1000) / perSecond;
    if (due > now()) await pause(due - now());
    const place = places[n % places.length]!;
    telling.push(stage.publish(place).then((at) => ({ seq: first + n, classId: place.class.id, at })));
  }
  const told = await Promise.all(telling);
  await complete;
  return told;
}

/** Returns the milliseconds from commit to arrival of every message, sorted. */
export function latencies(heard: readonly Heard[], told: readonly Told[]): Float64Array {
  const at = new Map(told.map((each) => [each.seq, each.at]));
  const all = heard.flatMap(({ seqs, times }) => Array.from(seqs, (seq, n) => times[n]! - at.get(seq)!));
  return Float64Array.from(all).sort();
}

export const quantile = (sorted: Float64Array, q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]!;

/**
 * Verifies that each listener received exactly the events that it should, each once and in the order of the log.
 * Returns the number of messages. @throws for the first listener with a missing, repeated or unexpected event.
 */
export function verify({ listeners }: Audience, heard: readonly Heard[], told: readonly Told[]): number {
  let messages = 0;
  listeners.forEach((listener, n) => {
    const due = told.filter(({ classId }) => hears(listener, classId)).map(({ seq }) => seq);
    const { seqs, troubles } = heard[n]!;
    const at = due.findIndex((seq, place) => seqs[place] !== seq);
    const who = `listener ${n} (${listener.account.role})`;
    if (troubles.length > 0) throw new Error(`${who}: ${troubles[0]}`);
    if (at >= 0) throw new Error(`${who}: event ${due[at]} should have come, and ${seqs[at] ?? 'nothing'} came`);
    if (seqs.length > due.length) throw new Error(`${who}: event ${seqs[due.length]} came besides`);
    messages += due.length;
  });
  return messages;
}
