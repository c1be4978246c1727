import type { ServiceActor, UserActor } from '../../policy/actor.ts';
import { scopesByRole } from '../../policy/can.ts';
import { canReceive } from '../../policy/recipients.ts';
import type { Credential } from '../../auth/tokens.ts';
import { checkpointEvery, type Broadcaster } from './broadcaster.ts';
import { retry } from './backoff.ts';
import { encodeCursor, eventItem, type Cursor, type EventItem } from '../cursor.ts';
import type { EventType } from '../catalog.ts';
import type { ItemStream } from './item-stream.ts';
import { isActor, maxRightsAgeMs, type EndReason, type RightsCache, type SubscriberRights, type ResolvedActor } from './rights-cache.ts';
import { isSelected, type NamedRow, type SubscriptionPosition } from './subscriber-index.ts';
import type { Signals } from './signals.ts';
import type { SharedResult, SocketSink, SubscriptionExecutor } from './subscription-executor.ts';
import type { LogBounds, LoggedEvent, LogReader } from '../log-reader.ts';

/**
 * Subscribes to one school's log. Delivers each event once, in order, and only if the subscriber may receive it at
 * that moment.
 */

export type SubscriptionItem =
  /** The position in the log, sent at the start and after many events for other subscribers. */
  | { kind: 'checkpoint'; cursor: string; actor: UserActor | ServiceActor }
  | EventItem
  /** The result of an event that was executed for several subscribers at once. */
  | { kind: 'result'; result: SharedResult }
  | { kind: 'resync'; oldest: string }
  | { kind: 'ended'; reason: EndReason; cursor: string };

export interface SubscriptionRequest {
  schoolId: string;
  credential: Credential;
  /** The last cursor that the client has. If null, the stream starts with the next event. */
  after: Cursor | null;
  /** A key that is equal for streams that deliver the same events to subscribers with equal rights. */
  streamKey: string;
  types: ReadonlySet<EventType>;
  /** Delivers only events that name all of these rows. */
  rows: readonly NamedRow[];
  /** Returns whether the actor may have this stream at all. */
  isAllowed(actor: UserActor | ServiceActor): boolean;
}

/** The items of a subscription to the log. */
export interface Stream extends ItemStream<SubscriptionItem> {
  request: SubscriptionRequest;
  /**
   * Once the stream has read the log to its end, it gets new events from the broadcaster, which executes once for all
   * streams with the same request and rights. The broadcaster sends these results to `sink`; without a sink, the stream
   * returns them.
   */
  shareExecution(executor: SubscriptionExecutor, sink: SocketSink | null): void;
}

const batchSize = 100;

/** The parts that subscriptions need; one of each in a process. */
export interface LiveEvents {
  reader: LogReader;
  rights: RightsCache;
  broadcaster: Broadcaster;
  signals: Signals;
}

/** The parts that read the log. */
export type LogParts = Omit<LiveEvents, 'signals'>;

/**
 * Opens a stream. The stream reads nothing before the consumer calls `next`, so a slow consumer holds no memory. When
 * the subscriber loses rights with which the stream began, the last item is `ended`. The stream always removes its
 * timers and listeners. `next` rejects if the log or the rights could not be read after several attempts; the
 * stream is then over.
 */
export const follow = (live: LogParts, request: SubscriptionRequest): Stream => new Subscription(live, request);

class Subscription implements Stream {
  readonly request: SubscriptionRequest;
  readonly #live: LogParts;
  readonly #items: AsyncGenerator<SubscriptionItem, void, undefined>;
  readonly #stop = new AbortController();
  readonly #revoked = new AbortController();
  readonly #waitSignal = AbortSignal.any([this.#revoked.signal, this.#stop.signal]);
  #rights!: SubscriberRights;
  /** The executor of shared executions; null if the stream executes every event on its own. */
  #executor: SubscriptionExecutor | null = null;
  #sink: SocketSink | null = null;
  /** The last event that was processed, and the last one that was delivered to this subscriber. */
  #seq = 0n;
  #lastDeliveredSeq = 0n;
  /** Whether the stream has read the log to its end. */
  #isCaughtUp = false;
  #initialActor: ResolvedActor | null = null;
  /** The reason to end that a sweep found. It is final: if the rights are granted again, the client must open another stream. */
  #revokedReason: EndReason | null = null;
  /** The last result of `#checkAccess`, cached for one actor object. */
  #lastCheck: { actor: ResolvedActor | null; reason: EndReason | null } = { actor: null, reason: null };
  /** The actor of the last item; null for a shared result, whose delivery checked the rights. */
  #itemActor: ResolvedActor | null = null;
  #isItemRepeated = false;

  constructor(live: LogParts, request: SubscriptionRequest) {
    this.#live = live;
    this.request = request;
    this.#items = this.#iterate();
  }

  shareExecution(executor: SubscriptionExecutor, sink: SocketSink | null): void {
    this.#executor = executor;
    this.#sink = sink;
  }

  async confirm(): Promise<boolean> {
    const actor = this.#itemActor === null ? this.#rights.cached() : await this.#resolveActor();
    return actor !== null && actor === (this.#itemActor ?? actor) && this.#checkAccess(actor) === null;
  }

  repeat(): void {
    this.#isItemRepeated = true;
  }

  next(): Promise<IteratorResult<SubscriptionItem, void>> {
    return this.#items.next();
  }

  /** Ends the stream. Aborts first, because a generator that waits for the log would end only at the next event. */
  return(): Promise<IteratorResult<SubscriptionItem, void>> {
    this.#stop.abort();
    return this.#items.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async *#iterate(): AsyncGenerator<SubscriptionItem, void, undefined> {
    const { rights, reader } = this.#live;
    const { schoolId, credential, after } = this.request;
    this.#rights = rights.subscribe({
      schoolId,
      credential,
      checkAccess: (actor) => this.#checkAccess(actor),
      onRevoked: (reason) => {
        this.#revokedReason = reason;
        this.#revoked.abort();
      },
    });
    const release = reader.retain(schoolId);
    try {
      const bounds = await this.#bounds();
      this.#seq = after?.seq ?? bounds.head;
      this.#lastDeliveredSeq = this.#seq - BigInt(checkpointEvery);
      if (this.#seq + 1n < bounds.oldest) return yield this.#resync(bounds);
      // Waits for the log reader's first read of this log. Before that read, events do not invalidate cached rights.
      if (reader.head(schoolId) === null) await reader.waitForAppend(schoolId, this.#seq, this.#waitSignal);
      this.#initialActor = await this.#resolveActor();
      while (!this.#stop.signal.aborted) {
        const actor = await this.#resolveActor();
        const reason = this.#checkAccess(actor);
        if (reason !== null || !isActor(actor)) return yield { kind: 'ended', reason: reason ?? 'SESSION_ENDED', cursor: this.#cursor() };
        const events = await this.#retry(() => reader.read(schoolId, this.#seq, batchSize));
        // `read` returns null if housekeeping has deleted events that a slow consumer had not read yet.
        if (events === null) return yield this.#resync(await this.#bounds());
        if (events.length > 0) yield* this.#deliverBatch(events);
        else yield* this.#waitForNext();
      }
    } finally {
      this.#rights.close();
      release();
    }
  }

  /**
   * Delivers a batch. Checks the rights before each event, so that no event is sent by rights that were lost before
   * the event.
   */
  async *#deliverBatch(events: readonly LoggedEvent[]): AsyncGenerator<SubscriptionItem, void, undefined> {
    const { schoolId } = this.request;
    for (const event of events) {
      const actor = await this.#resolveActor();
      if (this.#checkAccess(actor) !== null || !isActor(actor) || this.#stop.signal.aborted) return;
      this.#seq = event.seq;
      if (!isSelected(event, this.request) || !canReceive(actor, schoolId, event.topics)) continue;
      const lastDeliveredSeq = this.#lastDeliveredSeq;
      this.#lastDeliveredSeq = event.seq;
      if (yield* this.#yieldItem(eventItem(event, actor), actor)) continue;
      this.#seq = event.seq - 1n;
      this.#lastDeliveredSeq = lastDeliveredSeq;
      return;
    }
    yield* this.#checkpoint();
  }

  /** Yields a checkpoint if one is due; otherwise waits for the next event. */
  async *#waitForNext(): AsyncGenerator<SubscriptionItem, void, undefined> {
    const { reader, broadcaster } = this.#live;
    const { schoolId, types, rows } = this.request;
    if (yield* this.#checkpoint()) return;
    this.#isCaughtUp = true;
    if (this.#executor === null) return reader.waitForAppend(schoolId, this.#seq, this.#waitSignal);
    const position: SubscriptionPosition = {
      schoolId,
      types,
      rows,
      seq: this.#seq,
      lastDeliveredSeq: this.#lastDeliveredSeq,
      rights: this.#rights,
      executor: this.#executor,
      sink: this.#sink,
      isAllowed: (actor) => this.#checkAccess(actor) === null,
    };
    const result = await broadcaster.wait(position, this.#waitSignal);
    this.#seq = position.seq;
    this.#lastDeliveredSeq = position.lastDeliveredSeq;
    if (result === null || (yield* this.#yieldItem({ kind: 'result', result }, null))) return;
    this.#seq = position.lastDeliveredSeq - 1n;
  }

  /** Yields a checkpoint after many events for other subscribers. Returns false if no checkpoint was due. */
  async *#checkpoint(): AsyncGenerator<SubscriptionItem, boolean, undefined> {
    if (this.#seq - this.#lastDeliveredSeq < BigInt(checkpointEvery)) return false;
    const actor = await this.#resolveActor();
    if (this.#checkAccess(actor) !== null || !isActor(actor)) return true;
    if (yield* this.#yieldItem({ kind: 'checkpoint', cursor: this.#cursor(), actor }, actor)) this.#lastDeliveredSeq = this.#seq;
    return true;
  }

  /** Yields an item. Returns false if `repeat` took it back. */
  async *#yieldItem(item: SubscriptionItem, actor: ResolvedActor | null): AsyncGenerator<SubscriptionItem, boolean, undefined> {
    this.#itemActor = actor;
    this.#isItemRepeated = false;
    yield item;
    return !this.#isItemRepeated;
  }

  /**
   * Returns the actor with its current rights. Events invalidate the rights of a person, so cached rights of a person
   * stay valid while the stream has read the log to its end and the log was read within the last `maxRightsAgeMs`.
   * In all other cases cached rights are valid for `maxRightsAgeMs`, also for services, whose rights are not in the
   * log.
   */
  async #resolveActor(maxAgeMs = this.#maxAgeMs()): Promise<ResolvedActor> {
    return this.#rights.cached(maxAgeMs) ?? this.#retry(() => this.#rights.resolve(maxAgeMs));
  }

  #maxAgeMs(): number {
    const { schoolId, credential } = this.request;
    return this.#isCaughtUp && credential.kind === 'user' && this.#live.reader.age(schoolId) <= maxRightsAgeMs ? Infinity : maxRightsAgeMs;
  }

  #checkAccess(actor: ResolvedActor): EndReason | null {
    if (this.#revokedReason !== null) return this.#revokedReason;
    if (!isActor(actor)) return actor.ended;
    if (this.#lastCheck.actor !== actor) {
      const reason =
        this.#initialActor !== null && isActor(this.#initialActor) ? lostAccess(this.#initialActor, actor, this.request.schoolId) : null;
      this.#lastCheck = { actor, reason: reason ?? (this.request.isAllowed(actor) ? null : 'ROLE_ENDED') };
    }
    return this.#lastCheck.reason;
  }

  async #bounds(): Promise<LogBounds> {
    const { schoolId } = this.request;
    const bounds = await this.#retry(() => this.#live.reader.bounds(schoolId));
    // Every school has a log.
    if (bounds === null) throw new Error('the school has no log');
    return bounds;
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

/**
 * Compares the rights at the start of the stream with the current rights. If the actor has lost a role or a class of
 * this school, returns the reason to end the stream; otherwise null.
 */
function lostAccess(initial: UserActor | ServiceActor, current: UserActor | ServiceActor, schoolId: string): EndReason | null {
  const initialScopes = scopesByRole(initial);
  const currentScopes = scopesByRole(current);
  for (const column of Object.keys(initialScopes) as (keyof typeof initialScopes)[]) {
    const scope = initialScopes[column]!;
    if (!scope.schools.includes(schoolId)) continue;
    if (column !== 'classTeacher' && !currentScopes[column]?.schools.includes(schoolId)) return 'ROLE_ENDED';
    if (scope.classes.some((id) => !currentScopes[column]?.classes.includes(id))) return 'CLASS_LEFT';
  }
  return null;
}
