import { setTimeout as pause } from 'node:timers/promises';
import { now } from './clock.ts';
import { gather, type Crowd } from './crowd.ts';
import type { Heard, Listening } from './protocol.ts';
import type { Place } from './school.ts';
import { hears, type Listener, type Stage } from './stage.ts';

/** Listeners that follow one server, and the account of what they were told. */
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

/** An event as it was published. */
export interface Told {
  seq: number;
  classId: string;
  /** When it was committed. */
  at: number;
}

/** Milliseconds that a server is given for what it was too slow to tell at once. */
const patience = 150_000;

/** Which listeners are to be told of a change in this class. */
function hearing({ specs, listeners }: Audience, classId: string): (spec: Listening) => boolean {
  const due = new Set(specs.filter((_spec, n) => hears(listeners[n]!, classId)));
  return (spec) => due.has(spec);
}

/**
 * Milliseconds from one event to the next, at the least. The product's own wakes travel forty times a second, and
 * whoever is told faster does the same work on warmer caches: so all are told at that pace.
 */
const spacing = 25;

/** One event at a time: the next is published when everybody has the last. */
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

/** So many events a second, whether or not the last have arrived; resolves when the newest has, at everybody. */
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

/** Milliseconds from each event's commit to each of its arrivals, the shortest first. */
export function latencies(heard: readonly Heard[], told: readonly Told[]): Float64Array {
  const at = new Map(told.map((each) => [each.seq, each.at]));
  const all = heard.flatMap(({ seqs, times }) => Array.from(seqs, (seq, n) => times[n]! - at.get(seq)!));
  return Float64Array.from(all).sort();
}

export const quantile = (sorted: Float64Array, q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]!;

/**
 * Holds what each listener heard against what it should have: exactly those events, each once, in the order of the log.
 * Answers how many messages that were. @throws the first listener that missed, repeated or overheard anything.
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
