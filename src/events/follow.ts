import { standing as placesOf, type ServiceActor, type UserActor } from '../policy/actor.ts';
import { hears } from '../policy/topics.ts';
import type { Credential } from '../auth/tokens.ts';
import { checkpointEvery, type Audience } from './audience.ts';
import { encodeCursor, type Cursor } from './cursor.ts';
import type { EventType } from './catalog.ts';
import { isActor, type EndReason, type Hearing, type Standing } from './hearing.ts';
import type { Answer, Place, Sharing } from './seating.ts';
import type { LoggedEvent, Tail } from './tail.ts';

/** Following one school's log as one listener: in order, each event once, and only what may be heard when it is told. */

export type Heard =
  /** The place reached where nothing was to be told: at the start, and after long stretches for others. */
  | { kind: 'checkpoint'; cursor: string; actor: UserActor | ServiceActor }
  | { kind: 'event'; cursor: string; event: LoggedEvent; actor: UserActor | ServiceActor }
  /** An event that was answered for several listeners at once. */
  | { kind: 'answer'; answer: Answer }
  | { kind: 'resync'; oldest: string }
  | { kind: 'ended'; reason: EndReason; cursor: string };

/** An event to be told, as the fields of its item are given it. */
export const heardEvent = (event: LoggedEvent, actor: UserActor | ServiceActor): Extract<Heard, { kind: 'event' }> => ({
  kind: 'event', cursor: encodeCursor(event), event, actor,
});

export interface Following {
  schoolId: string;
  credential: Credential;
  /** The last cursor seen; null starts with what comes next. */
  after: Cursor | null;
  /** The same for all streams that tell the same to the same rights. */
  name: string;
  types: ReadonlySet<EventType>;
  /** A narrower choice than the types. */
  chosen(event: LoggedEvent): boolean;
  /** May this actor have this stream at all? */
  allowed(actor: UserActor | ServiceActor): boolean;
}

export interface Stream extends AsyncIterableIterator<Heard, void, undefined> {
  following: Following;
  /** From now on the listener is told together with others whenever nothing else is to be told to them. */
  share(sharing: Sharing): void;
}

const batch = 100;

/** What following needs: the logs' reader, the rights' reader and those who are told together; one of each in a process. */
export interface Feed {
  tail: Tail;
  hearing: Hearing;
  audience: Audience;
}

/**
 * Pulls: nothing is read before the listener asks for the next item, so a slow one holds no memory. Ends with `ended`
 * when the rights it began with are lost, and leaves no timer and no listener behind however it ends.
 */
export function follow(feed: Feed, following: Following): Stream {
  const stop = new AbortController();
  let sharing: Sharing | null = null;
  const items = hear(feed, following, stop.signal, () => sharing);
  return {
    following,
    share: (given) => void (sharing = given),
    next: () => items.next(),
    // A generator that waits for the log would not hear of its end before the next event.
    return: () => {
      stop.abort();
      return items.return();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function* hear(
  { tail, hearing, audience }: Feed,
  following: Following,
  stop: AbortSignal,
  sharing: () => Sharing | null,
): AsyncGenerator<Heard, void, undefined> {
  const { schoolId, types, chosen } = following;
  const lost = new AbortController();
  const wait = AbortSignal.any([lost.signal, stop]);
  let first: Standing | null = null;
  // What a sweep found is final: rights that come back a moment later begin with another stream.
  let swept: EndReason | null = null;
  const resync = (oldest: bigint) => ({ kind: 'resync', oldest: encodeCursor({ schoolId, seq: oldest - 1n }) }) as const;
  // Asked before every event, answered once for every reading of the rights.
  let judged: { of: Standing | null; reason: EndReason | null } = { of: null, reason: null };
  const judge = (now: Standing): EndReason | null => {
    if (swept !== null) return swept;
    if (!isActor(now)) return now.ended;
    if (judged.of !== now) {
      const reason = first !== null && isActor(first) ? whatWasLost(first, now, schoolId) : null;
      judged = { of: now, reason: reason ?? (following.allowed(now) ? null : 'ROLE_ENDED') };
    }
    return judged.reason;
  };
  const listener = hearing.listen(schoolId, following.credential, judge, (reason) => {
    swept = reason;
    lost.abort();
  });
  const leave = tail.join(schoolId);
  try {
    const extent = (await tail.extent(schoolId)) ?? { oldest: 1n, head: 0n };
    let seq = following.after?.seq ?? extent.head;
    if (seq + 1n < extent.oldest) return yield resync(extent.oldest);
    let now = (first = await listener.actor());
    let told = seq - BigInt(checkpointEvery);
    while (!stop.aborted) {
      const reason = judge(now);
      if (reason !== null || !isActor(now)) {
        yield { kind: 'ended', reason: reason ?? 'SESSION_ENDED', cursor: encodeCursor({ schoolId, seq }) };
        return;
      }
      const events = await tail.read(schoolId, seq, batch);
      // A slow listener may be overtaken by the forgetting of old events.
      if (events === null) return yield resync((await tail.extent(schoolId))?.oldest ?? 1n);
      // Rights are asked for after the events, so that an event later than a loss of rights is never told by earlier rights.
      now = await listener.actor();
      let ended = judge(now) !== null;
      for (const event of events) {
        now = listener.known() ?? (await listener.actor());
        ended = judge(now) !== null;
        if (ended || !isActor(now) || stop.aborted) break;
        seq = event.seq;
        if (!types.has(event.type) || !chosen(event) || !hears(now, schoolId, event.topics)) continue;
        told = seq;
        yield heardEvent(event, now);
      }
      if (ended || !isActor(now)) continue;
      // Before the first look at the log nobody knows whether there is news.
      if (tail.head(schoolId) === null) {
        await tail.grown(schoolId, seq, wait);
        continue;
      }
      if (seq - told >= BigInt(checkpointEvery)) {
        told = seq;
        yield { kind: 'checkpoint', cursor: encodeCursor({ schoolId, seq }), actor: now };
        continue;
      }
      if (events.length > 0) continue;
      const shared = sharing();
      if (shared === null) await tail.grown(schoolId, seq, wait);
      else {
        const place: Place = { schoolId, seq, told, listener, types, chosen, goesOn: (standing) => judge(standing) === null, sharing: shared };
        const answer = await audience.wait(place, wait);
        ({ seq, told } = place);
        if (answer !== null) yield { kind: 'answer', answer };
      }
      now = await listener.actor();
    }
  } finally {
    listener.close();
    leave();
  }
}

/** A role or class in this school that the stream began with and that is gone. */
function whatWasLost(before: UserActor | ServiceActor, now: UserActor | ServiceActor, schoolId: string): EndReason | null {
  const was = placesOf(before);
  const is = placesOf(now);
  for (const column of Object.keys(was) as (keyof typeof was)[]) {
    if (!was[column]!.schools.includes(schoolId)) continue;
    if (column !== 'classTeacher' && !is[column]?.schools.includes(schoolId)) return 'ROLE_ENDED';
    if (was[column]!.classes.some((id) => !is[column]?.classes.includes(id))) return 'CLASS_LEFT';
  }
  return null;
}
