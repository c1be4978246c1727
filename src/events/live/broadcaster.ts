import type { Logger } from '../../logger.ts';
import type { LoggedEvent, LogReader } from '../log-reader.ts';
import { isActor, maxRightsAgeMs, type ResolvedActor } from './rights-cache.ts';
import { SubscriberIndex, type Subscriber, type SubscriptionPosition } from './subscriber-index.ts';
import type { BroadcastEvent, Delivery, SharedResult } from './subscription-executor.ts';

/**
 * Delivers an event to many subscribers at once. Subscribers that have read the log to its end wait here, in groups
 * with the same request. Each event is executed once for the members of a group with equal rights, and all of them get
 * that result. A subscriber that cannot take a message at once, or whose execution failed, goes back to reading the log
 * from its own position, and misses nothing.
 */

/**
 * A subscriber gets a checkpoint after this number of events that were only for other subscribers. A checkpoint is an item
 * that holds no event, only the position in the log.
 */
export const checkpointEvery = 1000;

/** The waiting subscribers of one school. */
class WaitingSchool {
  readonly id: string;
  /** The last event that was broadcast. */
  seq: bigint;
  readonly subscribers = new SubscriberIndex();
  /** Subscribers whose cached rights are stale. */
  readonly stale = new Set<Subscriber>();
  isBroadcasting = false;

  constructor(id: string, seq: bigint) {
    this.id = id;
    this.seq = seq;
  }
}

export class Broadcaster {
  readonly #reader: LogReader;
  readonly #log: Logger;
  readonly #schools = new Map<string, WaitingSchool>();
  readonly #stopListening: () => void;
  #deliveredCount = 0;

  constructor(reader: LogReader, log: Logger) {
    this.#reader = reader;
    this.#log = log;
    this.#stopListening = reader.onAppend((schoolId) => {
      const school = this.#schools.get(schoolId);
      if (school !== undefined) void this.#drain(school);
    });
  }

  /**
   * Waits until the subscriber must continue on its own: a result could not be sent, the subscriber lost its rights, or
   * the signal aborted. Then sets `position` to where the subscriber continues. If the subscriber has a `sink` (the
   * WebSocket of its client), sends the results there and resolves with null. A subscriber without a sink waits for one
   * result: resolves with this result, which the subscriber must deliver itself, or with null if there is none.
   */
  async wait(position: SubscriptionPosition, signal: AbortSignal): Promise<SharedResult | null> {
    const { schoolId, rights } = position;
    const head = this.#reader.head(schoolId);
    // Another process may have committed just before the stream began. The stream is then ahead of this process's log
    // reader, and waits for the reader.
    if (head === null || head < position.seq) {
      await this.#reader.waitForAppend(schoolId, position.seq, signal);
      return null;
    }
    const actor = rights.cached();
    // The log has grown meanwhile, or rights must be loaded: the subscriber continues on its own.
    if (signal.aborted || this.#reader.head(schoolId) !== position.seq || actor === null || !isActor(actor)) return null;
    const school = this.#schools.get(schoolId) ?? new WaitingSchool(schoolId, position.seq);
    this.#schools.set(schoolId, school);
    return new Promise((resolve) => {
      const { sink, lastDeliveredSeq } = position;
      const { expiresAt } = rights.credential;
      const onAbort = (): void => this.#leave(school, member, null);
      const member: Subscriber = {
        position,
        sink,
        expiresAt,
        lastDeliveredSeq,
        actor,
        cohortKey: '',
        hasLeft: false,
        signal,
        onAbort,
        resolve,
      };
      signal.addEventListener('abort', onAbort, { once: true });
      school.subscribers.add(member);
      rights.onChange(() => void school.stale.add(member));
    });
  }

  /** `waiting`: subscribers that wait now. `deliveredCount`: results delivered since the process started. */
  stats(): { waiting: number; deliveredCount: number } {
    let waiting = 0;
    for (const { subscribers } of this.#schools.values()) waiting += subscribers.size;
    return { waiting, deliveredCount: this.#deliveredCount };
  }

  close(): void {
    this.#stopListening();
    for (const school of this.#schools.values()) this.#dismiss(school, school.subscribers);
  }

  /** Ends the wait of a subscriber. `result` is null if the subscriber has no result to deliver. */
  #leave(school: WaitingSchool, member: Subscriber, result: SharedResult | null): void {
    if (member.hasLeft) return;
    member.hasLeft = true;
    const { position } = member;
    school.subscribers.remove(member);
    school.stale.delete(member);
    position.rights.onChange(null);
    member.signal.removeEventListener('abort', member.onAbort);
    // The subscriber continues after the last event that was broadcast to all. If the subscriber has got the next event
    // already, it continues after that event.
    if (school.seq > position.seq) position.seq = school.seq;
    if (member.lastDeliveredSeq > position.seq) position.seq = member.lastDeliveredSeq;
    position.lastDeliveredSeq = member.lastDeliveredSeq;
    this.#removeIfEmpty(school);
    member.resolve(result);
  }

  /** Ends the wait of subscribers, so that each one reads the log on its own again, from its position. */
  #dismiss(school: WaitingSchool, members: Iterable<Subscriber>): void {
    for (const member of [...members]) this.#leave(school, member, null);
  }

  #removeIfEmpty(school: WaitingSchool): void {
    if (school.subscribers.size === 0 && !school.isBroadcasting && this.#schools.get(school.id) === school) this.#schools.delete(school.id);
  }

  /** Broadcasts the buffered events of a school until no event is left. */
  async #drain(school: WaitingSchool): Promise<void> {
    if (school.isBroadcasting) return;
    school.isBroadcasting = true;
    try {
      while (school.subscribers.size > 0) {
        const events = this.#reader.readBuffered(school.id, school.seq);
        if (events?.length === 0) break;
        if (events === null) throw new Error('the broadcaster fell behind the log');
        for (const event of events) {
          await this.#broadcast(school, event);
          school.seq = event.seq;
          if (event.seq % BigInt(checkpointEvery) === 0n) this.#dismissIdle(school);
        }
      }
    } catch (error) {
      this.#log.warn({ err: error }, 'broadcasting failed; each subscriber continues on its own from its position');
      this.#dismiss(school, school.subscribers);
    } finally {
      school.isBroadcasting = false;
      this.#removeIfEmpty(school);
    }
  }

  /** Ends the wait of the subscribers that are due for a checkpoint. Their streams then send it. */
  #dismissIdle(school: WaitingSchool): void {
    for (const member of [...school.subscribers])
      if (school.seq - member.lastDeliveredSeq >= BigInt(checkpointEvery)) this.#leave(school, member, null);
  }

  async #broadcast(school: WaitingSchool, event: LoggedEvent): Promise<void> {
    await this.#refreshRights(school);
    const broadcastEvent = new LoadingEvent(event);
    const executions = school.subscribers.recipientsOf(event).map(async ({ executor, cohorts }) => {
      const deliveries = executor.executeFor(broadcastEvent, cohorts);
      // Uses `then` instead of `await`: a suspended function would keep the whole list of results in memory until the last
      // result is delivered. The results may be large.
      await deliveries.then((list) => Promise.all(list.map((delivery) => this.#deliver(school, event, delivery))));
    });
    await Promise.all(executions);
  }

  /** Delivers a result. A recipient that cannot take the result continues on its own. */
  async #deliver(school: WaitingSchool, event: LoggedEvent, { recipients, result }: Delivery<Subscriber>): Promise<void> {
    try {
      const shared = await result;
      if (shared !== null) return await this.#send(school, event, recipients, shared);
    } catch (error) {
      this.#log.warn({ err: error }, 'a shared result could not be delivered; each subscriber continues on its own');
    }
    this.#dismiss(school, recipients);
  }

  async #send(school: WaitingSchool, event: LoggedEvent, recipients: readonly Subscriber[], result: SharedResult): Promise<void> {
    // Reads the log first if the last read was too long ago, because rights may have changed during the execution.
    if (this.#reader.age(event.schoolId) > maxRightsAgeMs) await this.#reader.refresh(event.schoolId);
    const now = Date.now() / 1000;
    const hasStale = school.stale.size > 0;
    let bytes: Buffer | undefined;
    for (const member of recipients) {
      if (member.hasLeft) continue;
      const { sink } = member;
      // Sends nothing to a subscriber whose rights changed during the execution.
      const isOutdated = member.expiresAt <= now || (hasStale && member.position.rights.cached() !== member.actor);
      if (isOutdated || sink?.send((bytes ??= result.bytes)) === false) {
        this.#leave(school, member, null);
        continue;
      }
      member.lastDeliveredSeq = event.seq;
      this.#deliveredCount += 1;
      if (sink === null) this.#leave(school, member, result);
    }
  }

  /** Loads stale rights in one statement. A subscriber that lost its rights leaves, and its stream reports the reason. */
  async #refreshRights(school: WaitingSchool): Promise<void> {
    const { stale } = school;
    if (stale.size === 0) return;
    const toLoad: Subscriber[] = [];
    for (const member of stale) {
      const actor = member.position.rights.cached();
      if (actor === null) toLoad.push(member);
      else this.#changeActor(school, member, actor);
    }
    // A change of rights from here on marks the subscriber as stale again, so `#send` and the next event see the change.
    stale.clear();
    const actors = await Promise.all(toLoad.map((member) => member.position.rights.resolve()));
    toLoad.forEach((member, n) => this.#changeActor(school, member, actors[n]!));
  }

  #changeActor(school: WaitingSchool, member: Subscriber, actor: ResolvedActor): void {
    if (member.hasLeft || actor === member.actor) return;
    if (!isActor(actor) || !member.position.isAllowed(actor)) return this.#leave(school, member, null);
    school.subscribers.changeActor(member, actor);
  }
}

class LoadingEvent implements BroadcastEvent {
  readonly event: LoggedEvent;
  readonly #loaded = new Map<string, unknown>();

  constructor(event: LoggedEvent) {
    this.event = event;
  }

  loadOnce<T>(key: string, load: () => T): T {
    if (!this.#loaded.has(key)) this.#loaded.set(key, load());
    return this.#loaded.get(key) as T;
  }
}
