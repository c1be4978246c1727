import { restrictToSchool, type Actor, type ServiceActor, type UserActor } from '../../policy/actor.ts';
import type { Database } from '../../db/client.ts';
import { loadActors } from '../../auth/actors.ts';
import type { Credential } from '../../auth/tokens.ts';
import type { Logger } from '../../logger.ts';
import { everyone, rightsChangedBy } from '../catalog.ts';
import type { LoggedEvent } from '../log-reader.ts';

/**
 * Caches the rights of each subscriber. Loads them on subscribe, and again after an event of the school invalidates
 * them: in this process when the change commits, in every process when the log is read. The log is read in order, so no
 * event is delivered by rights that are older than the event. Rights that are needed in the same tick are loaded in one
 * statement. A periodic sweep loads rights again, to find changes that no event records.
 */

/** Milliseconds for which loaded rights are valid, unless the log confirms them. */
export const maxRightsAgeMs = 50;

export type EndReason = 'SESSION_ENDED' | 'USER_DEACTIVATED' | 'TOKEN_EXPIRED' | 'ROLE_ENDED' | 'CLASS_LEFT';

/** The actor, with the rights in the subscribed school only, or why the credential is not valid. */
export type ResolvedActor = UserActor | ServiceActor | { ended: EndReason };

export interface SubscriberRights {
  readonly credential: Credential;
  /** Returns the actor. Loads the rights if an event invalidated them, or if they are older than `maxAgeMs`. */
  resolve(maxAgeMs?: number): Promise<ResolvedActor>;
  /** Returns the cached actor; null if `resolve` would load the rights. */
  cached(maxAgeMs?: number): ResolvedActor | null;
  /** Sets the callback for every change of the result of `cached`, except by age or expiry; null removes it. */
  onChange(callback: (() => void) | null): void;
  close(): void;
}

export interface RightsCache {
  /** @param onRevoked is called when a sweep loads rights for which `checkAccess` returns a reason to end. */
  subscribe(
    schoolId: string,
    credential: Credential,
    checkAccess: (actor: ResolvedActor) => EndReason | null,
    onRevoked: (reason: EndReason) => void,
  ): SubscriberRights;
  /** Invalidates the rights that these events of a school may have changed. */
  invalidate(schoolId: string, events: readonly Pick<LoggedEvent, 'type' | 'payload'>[]): void;
  stats(): { subscribers: number };
  close(): void;
}

/** Less than the second within which a stream without rights must end. */
const sweepIntervalMs = 700;
/** The number of entries, those with the oldest rights, that each sweep loads even if no event invalidated them. */
const sweepSize = 50;
const batchSize = 1000;

interface Entry {
  schoolId: string;
  credential: Credential;
  checkAccess(actor: ResolvedActor): EndReason | null;
  onRevoked(reason: EndReason): void;
  actor: ResolvedActor | null;
  /** `actor` as JSON. Equal JSON keeps the object, so that callers can compare actors by identity. */
  json: string;
  loadedAt: number;
  /** The number of invalidations, and how many of them `actor` includes. */
  version: number;
  loadedVersion: number;
  /** The number of loads that were started, and the last one whose result was stored. */
  loadsStarted: number;
  lastLoad: number;
  /** The load that is queued; later callers share it. */
  pending: Promise<ResolvedActor> | null;
  onChange: (() => void) | null;
}

export function createRightsCache(db: Database, log: Logger): RightsCache {
  // In the order of their last load, so that a sweep finds the oldest first.
  const entries = new Set<Entry>();
  const entriesBySchool = new Map<string, Map<string, Set<Entry>>>();
  let queue = new Map<Entry, PromiseWithResolvers<ResolvedActor>>();
  let isSweeping = false;

  const load = async (wanted: readonly Entry[]): Promise<void> => {
    for (let offset = 0; offset < wanted.length; offset += batchSize) {
      // Takes the versions first: the statement may or may not see a change that invalidates an entry from here on.
      const batch = wanted
        .slice(offset, offset + batchSize)
        .map((entry) => ({ entry, loadNumber: (entry.loadsStarted += 1), version: entry.version }));
      const distinct = new Map(batch.map(({ entry: { credential } }) => [keyOf(credential), credential]));
      const actors = await loadActors(db, [...distinct.values()]);
      const actorByKey = new Map([...distinct.keys()].map((key, n) => [key, actors[n] as Actor | { ended: EndReason }]));
      for (const { entry, loadNumber, version } of batch) {
        if (loadNumber < entry.lastLoad) continue;
        const loaded = actorByKey.get(keyOf(entry.credential))!;
        Object.assign(entry, { lastLoad: loadNumber, loadedVersion: version, loadedAt: performance.now() } satisfies Partial<Entry>);
        const actor =
          'kind' in loaded && isPersonOrService(loaded) ? restrictToSchool(entry.schoolId, loaded) : (loaded as { ended: EndReason });
        const json = jsonOf(actor);
        if (entry.actor === null || entry.json !== json) {
          Object.assign(entry, { actor, json } satisfies Partial<Entry>);
          entry.onChange?.();
        }
        if (entries.delete(entry)) entries.add(entry);
      }
    }
  };

  const loadQueued = async (): Promise<void> => {
    const batch = [...queue];
    queue = new Map();
    for (const [entry] of batch) entry.pending = null;
    try {
      await load(batch.map(([entry]) => entry));
      for (const [entry, deferred] of batch) deferred.resolve(cachedActor(entry) ?? enqueue(entry));
    } catch (error) {
      for (const [, deferred] of batch) deferred.reject(error);
    }
  };

  const isExpired = ({ credential }: Entry): boolean => credential.expiresAt <= Date.now() / 1000;

  const cachedActor = (entry: Entry, maxAgeMs = Infinity): ResolvedActor | null => {
    if (isExpired(entry)) return { ended: 'TOKEN_EXPIRED' };
    return entry.loadedVersion === entry.version && performance.now() - entry.loadedAt <= maxAgeMs ? entry.actor : null;
  };

  const enqueue = (entry: Entry): Promise<ResolvedActor> => {
    if (entry.pending !== null) return entry.pending;
    if (queue.size === 0) setImmediate(() => void loadQueued());
    const deferred = withResolvers<ResolvedActor>();
    queue.set(entry, deferred);
    return (entry.pending = deferred.promise);
  };

  const sweep = async (): Promise<void> => {
    if (isSweeping || entries.size === 0) return;
    isSweeping = true;
    try {
      const due: Entry[] = [];
      for (const entry of entries)
        if (due.length < sweepSize || cachedActor(entry) === null || entry.credential.kind === 'service') due.push(entry);
      await load(due);
      for (const entry of [...entries]) {
        const actor = cachedActor(entry);
        const reason = actor === null ? null : entry.checkAccess(actor);
        if (reason !== null && entries.has(entry)) entry.onRevoked(reason);
      }
    } catch (error) {
      log.warn({ err: error }, 'loading the rights of subscribers failed');
    } finally {
      isSweeping = false;
    }
  };
  const timer = setInterval(() => void sweep(), sweepIntervalMs);

  return {
    subscribe(schoolId, credential, checkAccess, onRevoked) {
      const entry: Entry = {
        schoolId,
        credential,
        checkAccess,
        onRevoked,
        actor: null,
        json: '',
        loadedAt: -Infinity,
        version: 1,
        loadedVersion: 0,
        loadsStarted: 0,
        lastLoad: 0,
        pending: null,
        onChange: null,
      };
      const holder = holderOf(credential);
      const byHolder = entriesBySchool.get(schoolId) ?? new Map<string, Set<Entry>>();
      entriesBySchool.set(schoolId, byHolder);
      const ofHolder = byHolder.get(holder) ?? new Set<Entry>();
      byHolder.set(holder, ofHolder.add(entry));
      entries.add(entry);
      return {
        credential,
        resolve: (maxAgeMs) => {
          const actor = cachedActor(entry, maxAgeMs);
          return actor === null ? enqueue(entry) : Promise.resolve(actor);
        },
        cached: (maxAgeMs) => cachedActor(entry, maxAgeMs),
        onChange: (callback) => void (entry.onChange = callback),
        close() {
          entries.delete(entry);
          ofHolder.delete(entry);
          if (ofHolder.size === 0 && byHolder.get(holder) === ofHolder) byHolder.delete(holder);
          if (byHolder.size === 0 && entriesBySchool.get(schoolId) === byHolder) entriesBySchool.delete(schoolId);
        },
      };
    },

    invalidate(schoolId, events) {
      const byHolder = entriesBySchool.get(schoolId);
      if (byHolder === undefined) return;
      const invalidateAll = (stale: Iterable<Entry> = []): void => {
        for (const entry of stale) {
          entry.version += 1;
          entry.onChange?.();
        }
      };
      // No school's log records changes of a service's rights.
      invalidateAll(byHolder.get(service));
      for (const { type, payload } of events) {
        const userId = rightsChangedBy(type, payload as never);
        if (userId === everyone) for (const ofHolder of byHolder.values()) invalidateAll(ofHolder);
        else if (userId !== null) invalidateAll(byHolder.get(userId));
      }
    },

    stats: () => ({ subscribers: entries.size }),
    close() {
      clearInterval(timer);
      entries.clear();
      entriesBySchool.clear();
    },
  };
}

const service = 'service';
/** Returns the person's id; all services share one key. */
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
