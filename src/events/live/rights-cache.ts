import type { Actor, ServiceActor, UserActor } from '../../policy/actor.ts';
import { restrictToSchool } from '../../policy/recipients.ts';
import type { Database } from '../../db/client.ts';
import { loadActors } from '../../auth/actors.ts';
import type { Credential } from '../../auth/tokens.ts';
import type { Logger } from '../../logger.ts';
import { everyone, rightsChangedBy } from '../catalog.ts';
import type { LoggedEvent } from '../log-reader.ts';

/**
 * Caches the rights of each subscriber. Loads them on subscribe, and again after an event of the school invalidates
 * them. The process that commits a change invalidates its cached rights at the commit. Every process invalidates its
 * cached rights when it reads the event in the log. The log is read in order, so no event is delivered by rights that
 * are older than the event.
 * Rights that are needed in the same tick are loaded in one statement. A periodic sweep loads rights again, to find
 * changes that no event records.
 */

/**
 * Maximum age of cached rights, in milliseconds. The age counts from the load of the rights, or from a later read of the
 * log to its end if no event in the log invalidated them.
 */
export const maxRightsAgeMs = 50;

export type EndReason = 'SESSION_ENDED' | 'USER_DEACTIVATED' | 'TOKEN_EXPIRED' | 'ROLE_ENDED' | 'CLASS_LEFT';

/** The actor, with only the rights in the subscribed school, or the reason why the credential is no longer valid. */
export type ResolvedActor = UserActor | ServiceActor | { ended: EndReason };

export interface SubscriberRights {
  readonly credential: Credential;
  /** Returns the actor. Loads the rights if an event invalidated them, or if they are older than `maxAgeMs`. */
  resolve(maxAgeMs?: number): Promise<ResolvedActor>;
  /** Returns the cached actor; null if `resolve` would load the rights. */
  cached(maxAgeMs?: number): ResolvedActor | null;
  /**
   * Sets the callback. It is called when the rights are invalidated, and when a load finds that they have changed; not when
   * they become too old or the credential expires. Null removes the callback.
   */
  onChange(callback: (() => void) | null): void;
  close(): void;
}

export interface RightsSubscription {
  readonly schoolId: string;
  readonly credential: Credential;
  /** Returns the reason to end the subscription if the actor has these rights; null if it may continue. */
  checkAccess(actor: ResolvedActor): EndReason | null;
  /** Called when a sweep loads rights for which `checkAccess` returns a reason to end. */
  onRevoked(reason: EndReason): void;
}

/** Milliseconds between sweeps. A stream without rights must end within a second. */
const sweepIntervalMs = 700;
/** The number of entries with the oldest rights that each sweep loads, besides all invalidated entries and all services. */
const sweepSize = 50;
const batchSize = 1000;

export class RightsCache {
  /**
   * Milliseconds after a load for which rights are valid if no read of the log confirms them and no event invalidates
   * them. Unlimited with the embedded database: then only this process changes rights, so it invalidates them at every
   * change. Also, rights cannot be read from the embedded database while a transaction is open.
   */
  readonly maxAgeMs: number;
  readonly #db: Database;
  readonly #log: Logger;
  /** Entries in the order of their last load, so that a sweep finds the oldest rights first. */
  readonly #entries = new Set<CachedRights>();
  /** Entries by the id of the school, then by the id of the person. In a school, the entries of all services have one key. */
  readonly #bySchool = new Map<string, Map<string, Set<CachedRights>>>();
  readonly #timer: NodeJS.Timeout;
  #queue = new Map<CachedRights, PromiseWithResolvers<ResolvedActor>>();
  #isSweeping = false;

  constructor(db: Database, log: Logger) {
    this.maxAgeMs = db.embedded ? Infinity : maxRightsAgeMs;
    this.#db = db;
    this.#log = log;
    this.#timer = setInterval(() => void this.#sweep(), sweepIntervalMs);
  }

  subscribe(subscription: RightsSubscription): SubscriberRights {
    const { schoolId, credential } = subscription;
    const entry = new CachedRights(this, subscription);
    const byHolder = this.#bySchool.get(schoolId) ?? new Map<string, Set<CachedRights>>();
    this.#bySchool.set(schoolId, byHolder);
    const holder = holderOf(credential);
    byHolder.set(holder, (byHolder.get(holder) ?? new Set()).add(entry));
    this.#entries.add(entry);
    return entry;
  }

  /** Invalidates the rights that these events of a school may have changed. */
  invalidate(schoolId: string, events: readonly Pick<LoggedEvent, 'type' | 'payload'>[]): void {
    const byHolder = this.#bySchool.get(schoolId);
    if (byHolder === undefined) return;
    // Invalidates the rights of services at every event, since a change of a service's rights is in no school's log.
    invalidateAll(byHolder.get(service));
    for (const { type, payload } of events) {
      const userId = rightsChangedBy(type, payload as never);
      if (userId === everyone) for (const ofHolder of byHolder.values()) invalidateAll(ofHolder);
      else if (userId !== null) invalidateAll(byHolder.get(userId));
    }
  }

  stats(): { subscribers: number } {
    return { subscribers: this.#entries.size };
  }

  close(): void {
    clearInterval(this.#timer);
    this.#entries.clear();
    this.#bySchool.clear();
  }

  /** Loads the rights of an entry, in one statement with all entries of this tick. */
  enqueue(entry: CachedRights): Promise<ResolvedActor> {
    if (entry.queued !== null) return entry.queued;
    if (this.#queue.size === 0) setImmediate(() => void this.#loadQueued());
    const deferred = withResolvers<ResolvedActor>();
    this.#queue.set(entry, deferred);
    return (entry.queued = deferred.promise);
  }

  remove(entry: CachedRights): void {
    const { schoolId, credential } = entry.subscription;
    this.#entries.delete(entry);
    const byHolder = this.#bySchool.get(schoolId);
    const holder = holderOf(credential);
    const ofHolder = byHolder?.get(holder);
    ofHolder?.delete(entry);
    if (ofHolder?.size === 0) byHolder?.delete(holder);
    if (byHolder?.size === 0) this.#bySchool.delete(schoolId);
  }

  async #loadQueued(): Promise<void> {
    const batch = [...this.#queue];
    this.#queue = new Map();
    for (const [entry] of batch) entry.queued = null;
    try {
      await this.#load(batch.map(([entry]) => entry));
      for (const [entry, deferred] of batch) deferred.resolve(entry.cached() ?? this.enqueue(entry));
    } catch (error) {
      for (const [, deferred] of batch) deferred.reject(error);
    }
  }

  async #load(wanted: readonly CachedRights[]): Promise<void> {
    for (let offset = 0; offset < wanted.length; offset += batchSize) {
      // Marks the loads as started before the statement runs. The statement may miss a change that is committed from now
      // on, so the event of that change must invalidate the loaded rights.
      const loads = wanted.slice(offset, offset + batchSize).map((entry) => ({ entry, load: entry.startLoad() }));
      const distinct = new Map(loads.map(({ entry: { credential } }) => [keyOf(credential), credential]));
      const actors = await loadActors(this.#db, [...distinct.values()]);
      const actorByKey = new Map([...distinct.keys()].map((key, n) => [key, actors[n] as Actor | { ended: EndReason }]));
      for (const { entry, load } of loads) {
        const isStored = entry.store(load, actorByKey.get(keyOf(entry.credential))!);
        if (isStored && this.#entries.delete(entry)) this.#entries.add(entry);
      }
    }
  }

  async #sweep(): Promise<void> {
    if (this.#isSweeping || this.#entries.size === 0) return;
    this.#isSweeping = true;
    try {
      const due: CachedRights[] = [];
      for (const entry of this.#entries)
        if (due.length < sweepSize || entry.cached() === null || entry.credential.kind === 'service') due.push(entry);
      await this.#load(due);
      for (const entry of [...this.#entries]) {
        const actor = entry.cached();
        const reason = actor === null ? null : entry.subscription.checkAccess(actor);
        if (reason !== null && this.#entries.has(entry)) entry.subscription.onRevoked(reason);
      }
    } catch (error) {
      this.#log.warn({ err: error }, 'loading the rights of subscribers failed');
    } finally {
      this.#isSweeping = false;
    }
  }
}

/** A load of rights that has started: its number, and the entry's `#version` when the load started. */
interface Load {
  number: number;
  version: number;
}

class CachedRights implements SubscriberRights {
  readonly subscription: RightsSubscription;
  /** The load that waits in the queue; null if none waits. All callers share this load until it starts. */
  queued: Promise<ResolvedActor> | null = null;
  readonly #cache: RightsCache;
  #actor: ResolvedActor | null = null;
  /** `#actor` as JSON. If a load gives the same JSON, `#actor` stays the same object, and callers can compare by identity. */
  #json = '';
  #loadedAt = -Infinity;
  /** A number that grows with each invalidation, and its value when the load of `#actor` started. */
  #version = 1;
  #loadedVersion = 0;
  /** The number of loads that were started, and the number of the last load whose result was stored. */
  #loadsStarted = 0;
  #lastLoad = 0;
  #callback: (() => void) | null = null;

  constructor(cache: RightsCache, subscription: RightsSubscription) {
    this.#cache = cache;
    this.subscription = subscription;
  }

  get credential(): Credential {
    return this.subscription.credential;
  }

  resolve(maxAgeMs?: number): Promise<ResolvedActor> {
    const actor = this.cached(maxAgeMs);
    return actor === null ? this.#cache.enqueue(this) : Promise.resolve(actor);
  }

  cached(maxAgeMs = Infinity): ResolvedActor | null {
    if (this.credential.expiresAt <= Date.now() / 1000) return { ended: 'TOKEN_EXPIRED' };
    return this.#loadedVersion === this.#version && performance.now() - this.#loadedAt <= maxAgeMs ? this.#actor : null;
  }

  onChange(callback: (() => void) | null): void {
    this.#callback = callback;
  }

  close(): void {
    this.#cache.remove(this);
  }

  invalidate(): void {
    this.#version += 1;
    this.#callback?.();
  }

  startLoad(): Load {
    this.#loadsStarted += 1;
    return { number: this.#loadsStarted, version: this.#version };
  }

  /**
   * Stores the result of a load. Returns false, and stores nothing, if a load that started later has stored its
   * result already.
   */
  store({ number, version }: Load, loaded: Actor | { ended: EndReason }): boolean {
    if (number < this.#lastLoad) return false;
    this.#lastLoad = number;
    this.#loadedVersion = version;
    this.#loadedAt = performance.now();
    const actor =
      'kind' in loaded && isPersonOrService(loaded)
        ? restrictToSchool(this.subscription.schoolId, loaded)
        : (loaded as { ended: EndReason });
    const json = jsonOf(actor);
    if (this.#actor !== null && this.#json === json) return true;
    this.#actor = actor;
    this.#json = json;
    this.#callback?.();
    return true;
  }
}

function invalidateAll(entries: Iterable<CachedRights> = []): void {
  for (const entry of entries) entry.invalidate();
}

const service = 'service';
/** Returns the id of the person. All services share one key. */
const holderOf = (credential: Credential): string => (credential.kind === 'user' ? credential.userId : service);
const isPersonOrService = (actor: Actor): actor is UserActor | ServiceActor => actor.kind === 'user' || actor.kind === 'service';

const jsonOf = (actor: ResolvedActor): string =>
  JSON.stringify(actor, (_key, value: unknown) => (value instanceof Map ? [...(value as Map<string, string>)] : value));

/** Returns a key of all fields of a credential: two tokens of one client may differ only in their scopes. */
const keyOf = (credential: Credential): string => JSON.stringify(credential);

interface PromiseWithResolvers<T> {
  promise: Promise<T>;
  resolve(value: T | Promise<T>): void;
  reject(reason: unknown): void;
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve!: (value: T | Promise<T>) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

export const isActor = (actor: ResolvedActor): actor is UserActor | ServiceActor => 'kind' in actor;
