import { scopesByRole as placesOf, type ServiceActor, type UserActor } from '../../policy/actor.ts';
import { canReceive } from '../../policy/topics.ts';
import type { Credential } from '../../auth/tokens.ts';
import { checkpointEvery, type Broadcaster } from './broadcaster.ts';
import { retry } from './backoff.ts';
import { encodeCursor, type Cursor } from '../cursor.ts';
import type { EventType } from '../catalog.ts';
import { isActor, maxRightsAgeMs, type EndReason, type RightsCache, type SubscriberRights, type ResolvedActor } from './rights-cache.ts';
import type { SharedResult, SubscriptionPosition, GroupExecutor } from './subscriber-index.ts';
import type { LogBounds, LoggedEvent, LogReader } from '../log-reader.ts';

/** Following one school's log as one listener: in order, each event once, and only what may be heard when it is told. */

export type SubscriptionItem =
  /** The place reached where nothing was to be told: at the start, and after long stretches for others. */
  | { kind: 'checkpoint'; cursor: string; actor: UserActor | ServiceActor }
  | { kind: 'event'; cursor: string; event: LoggedEvent; actor: UserActor | ServiceActor }
  /** An event that was answered for several listeners at once. */
  | { kind: 'answer'; answer: SharedResult }
  | { kind: 'resync'; oldest: string }
  | { kind: 'ended'; reason: EndReason; cursor: string };

/** An event to be told, as the fields of its item are given it. */
export const eventItem = (event: LoggedEvent, actor: UserActor | ServiceActor): Extract<SubscriptionItem, { kind: 'event' }> => ({
  kind: 'event', cursor: encodeCursor(event), event, actor,
});

export interface SubscriptionRequest {
  schoolId: string;
  credential: Credential;
  /** The last cursor seen; null starts with what comes next. */
  after: Cursor | null;
  /** The same for all streams that tell the same to the same rights. */
  streamKey: string;
  types: ReadonlySet<EventType>;
  /** A narrower choice than the types. */
  filter(event: LoggedEvent): boolean;
  /** May this actor have this stream at all? */
  isAllowed(actor: UserActor | ServiceActor): boolean;
}

export interface Stream extends AsyncIterableIterator<SubscriptionItem, void, undefined> {
  request: SubscriptionRequest;
  /** From now on the listener is told together with others whenever nothing else is to be told to them. */
  shareExecution(sharing: GroupExecutor): void;
  /**
   * Returns whether the last item may be sent: the listener still has the rights that it was made with. Reads the rights
   * again if they were read too long ago.
   */
  confirm(): Promise<boolean>;
  /** Takes back the last item, which was not sent: `next` returns its event again, by the rights of that moment. */
  repeat(): void;
}

const batch = 100;

/** What following needs: the logs' reader, the rights' reader and those who are told together; one of each in a process. */
export interface LiveEvents {
  reader: LogReader;
  rights: RightsCache;
  broadcaster: Broadcaster;
}

/**
 * Pulls: nothing is read before the listener asks for the next item, so a slow one holds no memory. Ends with `ended`
 * when the rights it began with are lost, and leaves no timer and no listener behind however it ends.
 * `next` rejects where the log or the rights could not be read after several attempts; the stream is then over.
 */
export const follow = (feed: LiveEvents, following: SubscriptionRequest): Stream => new Subscription(feed, following);

class Subscription implements Stream {
  readonly request: SubscriptionRequest;
  readonly #feed: LiveEvents;
  readonly #items: AsyncGenerator<SubscriptionItem, void, undefined>;
  readonly #stop = new AbortController();
  readonly #lost = new AbortController();
  readonly #wait = AbortSignal.any([this.#lost.signal, this.#stop.signal]);
  #listener!: SubscriberRights;
  #sharing: GroupExecutor | null = null;
  /** `#seq`: the last event that the listener heard or that was for others. `#told`: the last one that the listener received. */
  #seq = 0n;
  #told = 0n;
  /** Whether the listener has caught up with the log. */
  #inStep = false;
  #first: ResolvedActor | null = null;
  /** The reason that a sweep found. It is final: rights that come back a moment later begin with another stream. */
  #swept: EndReason | null = null;
  /** The last judgement, cached for one reading of the rights. */
  #judged: { of: ResolvedActor | null; reason: EndReason | null } = { of: null, reason: null };
  /** The rights that the last item was made with; null for a shared answer, which was checked when it was delivered. */
  #heardBy: ResolvedActor | null = null;
  #repeated = false;

  constructor(feed: LiveEvents, following: SubscriptionRequest) {
    this.#feed = feed;
    this.request = following;
    this.#items = this.#hear();
  }

  shareExecution(sharing: GroupExecutor): void {
    this.#sharing = sharing;
  }

  async confirm(): Promise<boolean> {
    const now = this.#heardBy === null ? this.#listener.cached() : await this.#rights();
    return now !== null && now === (this.#heardBy ?? now) && this.#judge(now) === null;
  }

  repeat(): void {
    this.#repeated = true;
  }

  next(): Promise<IteratorResult<SubscriptionItem, void>> {
    return this.#items.next();
  }

  /** Ends the stream. Aborts first, since a generator that waits for the log would end only at the next event. */
  return(): Promise<IteratorResult<SubscriptionItem, void>> {
    this.#stop.abort();
    return this.#items.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async *#hear(): AsyncGenerator<SubscriptionItem, void, undefined> {
    const { rights, reader } = this.#feed;
    const { schoolId, credential, after } = this.request;
    this.#listener = rights.subscribe(schoolId, credential, (standing) => this.#judge(standing), (reason) => {
      this.#swept = reason;
      this.#lost.abort();
    });
    const leave = reader.retain(schoolId);
    try {
      const extent = await this.#extent();
      this.#seq = after?.seq ?? extent.head;
      this.#told = this.#seq - BigInt(checkpointEvery);
      if (this.#seq + 1n < extent.oldest) return yield this.#resync(extent);
      // Waits for the first read of the log: changes of rights are not noticed before it.
      if (reader.head(schoolId) === null) await reader.waitForAppend(schoolId, this.#seq, this.#wait);
      this.#first = await this.#rights();
      while (!this.#stop.signal.aborted) {
        const now = await this.#rights();
        const reason = this.#judge(now);
        if (reason !== null || !isActor(now)) return yield { kind: 'ended', reason: reason ?? 'SESSION_ENDED', cursor: this.#cursor() };
        const events = await this.#retry(() => reader.read(schoolId, this.#seq, batch));
        // A slow listener may be overtaken by the forgetting of old events.
        if (events === null) return yield this.#resync(await this.#extent());
        if (events.length > 0) yield* this.#hearBatch(events);
        else yield* this.#hearNext();
      }
    } finally {
      this.#listener.close();
      leave();
    }
  }

  /**
   * Yields the events that may be heard. Reads the rights after the events, so that no event is sent by rights that were
   * lost before it.
   */
  async *#hearBatch(events: readonly LoggedEvent[]): AsyncGenerator<SubscriptionItem, void, undefined> {
    const { schoolId, types, filter } = this.request;
    for (const event of events) {
      const now = await this.#rights();
      if (this.#judge(now) !== null || !isActor(now) || this.#stop.signal.aborted) return;
      this.#seq = event.seq;
      if (!types.has(event.type) || !filter(event) || !canReceive(now, schoolId, event.topics)) continue;
      const told = this.#told;
      this.#told = event.seq;
      if (yield* this.#tell(eventItem(event, now), now)) continue;
      this.#seq = event.seq - 1n;
      this.#told = told;
      return;
    }
    yield* this.#checkpoint();
  }

  /** Yields a checkpoint if one is due; otherwise waits for the next event. */
  async *#hearNext(): AsyncGenerator<SubscriptionItem, void, undefined> {
    const { reader, broadcaster } = this.#feed;
    const { schoolId, types, filter } = this.request;
    if (yield* this.#checkpoint()) return;
    this.#inStep = true;
    if (this.#sharing === null) return reader.waitForAppend(schoolId, this.#seq, this.#wait);
    const place: SubscriptionPosition = {
      schoolId, types, filter, seq: this.#seq, lastDeliveredSeq: this.#told, rights: this.#listener, executor: this.#sharing,
      isAllowed: (standing) => this.#judge(standing) === null,
    };
    const answer = await broadcaster.wait(place, this.#wait);
    this.#seq = place.seq;
    this.#told = place.lastDeliveredSeq;
    if (answer === null || (yield* this.#tell({ kind: 'answer', answer }, null))) return;
    this.#seq = place.lastDeliveredSeq - 1n;
  }

  /** Yields a checkpoint after many events for others. Returns false if none was due. */
  async *#checkpoint(): AsyncGenerator<SubscriptionItem, boolean, undefined> {
    if (this.#seq - this.#told < BigInt(checkpointEvery)) return false;
    const now = await this.#rights();
    if (this.#judge(now) !== null || !isActor(now)) return true;
    if (yield* this.#tell({ kind: 'checkpoint', cursor: this.#cursor(), actor: now }, now)) this.#told = this.#seq;
    return true;
  }

  /** Yields an item. Returns false if `repeat` took it back. */
  async *#tell(item: SubscriptionItem, by: ResolvedActor | null): AsyncGenerator<SubscriptionItem, boolean, undefined> {
    this.#heardBy = by;
    this.#repeated = false;
    yield item;
    return !this.#repeated;
  }

  /**
   * Returns the current rights. A person who has caught up learns of every change from the log; otherwise, and for
   * services, whose rights are not in the log, rights count for `maxRightsAgeMs` after they were read.
   */
  async #rights(maxAgeMs = this.#maxAgeMs()): Promise<ResolvedActor> {
    return this.#listener.cached(maxAgeMs) ?? this.#retry(() => this.#listener.resolve(maxAgeMs));
  }

  #maxAgeMs(): number {
    const { schoolId, credential } = this.request;
    return this.#inStep && credential.kind === 'user' && this.#feed.reader.age(schoolId) <= maxRightsAgeMs ? Infinity : maxRightsAgeMs;
  }

  #judge(now: ResolvedActor): EndReason | null {
    if (this.#swept !== null) return this.#swept;
    if (!isActor(now)) return now.ended;
    if (this.#judged.of !== now) {
      const reason = this.#first !== null && isActor(this.#first) ? whatWasLost(this.#first, now, this.request.schoolId) : null;
      this.#judged = { of: now, reason: reason ?? (this.request.isAllowed(now) ? null : 'ROLE_ENDED') };
    }
    return this.#judged.reason;
  }

  async #extent(): Promise<LogBounds> {
    const { schoolId } = this.request;
    const extent = await this.#retry(() => this.#feed.reader.bounds(schoolId));
    // Every school has a log from its creation, so a missing one is a fault.
    if (extent === null) throw new Error('the school has no log');
    return extent;
  }

  #resync({ oldest }: LogBounds): Extract<SubscriptionItem, { kind: 'resync' }> {
    return { kind: 'resync', oldest: encodeCursor({ schoolId: this.request.schoolId, seq: oldest - 1n }) };
  }

  #cursor(): string {
    return encodeCursor({ schoolId: this.request.schoolId, seq: this.#seq });
  }

  #retry<T>(attempt: () => Promise<T>): Promise<T> {
    return retry(attempt, this.#stop.signal);
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
