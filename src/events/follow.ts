import { standing as standingOf } from '../policy/actor.ts';
import { hears } from '../policy/topics.ts';
import type { Credential } from '../auth/tokens.ts';
import type { ServiceActor, UserActor } from '../policy/actor.ts';
import { encodeCursor, type Cursor } from './cursor.ts';
import type { EventType } from './catalog.ts';
import { isActor, type EndReason, type Hearing, type Standing } from './hearing.ts';
import type { LoggedEvent, Tail } from './tail.ts';

/** Following one school's log as one listener: in order, each event once, and only what may be heard when it is told. */

export type Heard =
  /** The place reached where nothing was to be told: at the start, and after long stretches for others. */
  | { kind: 'checkpoint'; cursor: string; actor: UserActor | ServiceActor }
  | { kind: 'event'; cursor: string; event: LoggedEvent; actor: UserActor | ServiceActor }
  | { kind: 'resync'; oldest: string }
  | { kind: 'ended'; reason: EndReason; cursor: string };

export interface Following {
  schoolId: string;
  credential: Credential;
  /** The last cursor seen; null starts with what comes next. */
  after: Cursor | null;
  types: ReadonlySet<EventType>;
  /** A narrower choice than the types. */
  chosen(event: LoggedEvent): boolean;
  /** May this actor have this stream at all? */
  allowed(actor: UserActor | ServiceActor): boolean;
}

const batch = 100;
/** Events for others after which the listener is told how far it is. */
const checkpointEvery = 1000;
/** Milliseconds that rights just read are good for; a slow listener's are read again before each of its events. */
const fresh = 50;

/** What following needs: the logs' reader and the rights' reader, one of each in a process. */
export interface Feed {
  tail: Tail;
  hearing: Hearing;
}

/**
 * Pulls: nothing is read before the listener asks for the next item, so a slow one holds no memory. Ends with `ended`
 * when the rights it began with are lost, and leaves no timer and no listener behind however it ends.
 */
export function follow(feed: Feed, following: Following): AsyncIterableIterator<Heard, void, undefined> {
  const stop = new AbortController();
  const items = hear(feed, following, stop.signal);
  return {
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

async function* hear({ tail, hearing }: Feed, following: Following, stop: AbortSignal): AsyncGenerator<Heard, void, undefined> {
  const { schoolId, types } = following;
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
  const listener = hearing.listen(following.credential, judge, (reason) => {
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
      // Rights are read after the events, so that an event later than a loss of rights is never told by earlier rights.
      let readAt = performance.now();
      now = await listener.actor();
      let ended = judge(now) !== null;
      for (const event of events) {
        if (performance.now() - readAt > fresh) {
          readAt = performance.now();
          now = await listener.actor();
        }
        ended = judge(now) !== null;
        if (ended || !isActor(now) || stop.aborted) break;
        seq = event.seq;
        if (!types.has(event.type) || !following.chosen(event) || !hears(now, schoolId, event.topics)) continue;
        told = seq;
        yield { kind: 'event', cursor: encodeCursor(event), event, actor: now };
      }
      if (ended || !isActor(now)) continue;
      if (seq - told >= BigInt(checkpointEvery)) {
        told = seq;
        yield { kind: 'checkpoint', cursor: encodeCursor({ schoolId, seq }), actor: now };
        continue;
      }
      if (events.length === 0) {
        await tail.grown(schoolId, seq, wait);
        if (lost.signal.aborted) now = await listener.actor();
      }
    }
  } finally {
    listener.close();
    leave();
  }
}

/** A role or class in this school that the stream began with and that is gone. */
function whatWasLost(before: UserActor | ServiceActor, now: UserActor | ServiceActor, schoolId: string): EndReason | null {
  const was = standingAt(before, schoolId);
  const is = standingAt(now, schoolId);
  for (const column of Object.keys(was) as (keyof typeof was)[]) {
    if (!was[column]!.schools.includes(schoolId)) continue;
    if (column !== 'classTeacher' && !is[column]?.schools.includes(schoolId)) return 'ROLE_ENDED';
    if (was[column]!.classes.some((id) => !is[column]?.classes.includes(id))) return 'CLASS_LEFT';
  }
  return null;
}

/** What an actor stands on in one school; what happens to them in another is not this stream's matter. */
function standingAt(actor: UserActor | ServiceActor, schoolId: string): ReturnType<typeof standingOf> {
  if (actor.kind === 'service') return standingOf(actor);
  const { grants, assignments, enrolment } = actor;
  const here = <T extends { schoolId: string }>(places: readonly T[]) => places.filter((place) => place.schoolId === schoolId);
  return standingOf({
    ...actor,
    grants: here(grants),
    assignments: here(assignments),
    enrolment: enrolment?.schoolId === schoolId ? enrolment : null,
  });
}
