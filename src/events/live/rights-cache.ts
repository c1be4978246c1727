import { restrictToSchool, type Actor, type ServiceActor, type UserActor } from '../../policy/actor.ts';
import type { Database } from '../../db/client.ts';
import { loadActors } from '../../auth/actors.ts';
import type { Credential } from '../../auth/tokens.ts';
import type { Logger } from '../../logger.ts';
import { everyone, rightsChangedBy } from '../catalog.ts';
import type { LoggedEvent } from '../log-reader.ts';

/**
 * Caches the rights of each listener. Loads them when a listener comes, and again as soon as an event of the school says
 * that they may have changed: in this process when the change is committed, and everywhere when the log is read. The log
 * is read in order, so no event is sent by rights older than itself. One statement reads the rights that are needed in one
 * turn. All rights are read again periodically, to find changes that no event records.
 */

/** Milliseconds for which rights count after they were read, unless the log confirms them. */
export const maxRightsAgeMs = 50;

export type EndReason = 'SESSION_ENDED' | 'USER_DEACTIVATED' | 'TOKEN_EXPIRED' | 'ROLE_ENDED' | 'CLASS_LEFT';

/** Who a listener is, with what they are in the school that they listen to and nowhere else. */
export type ResolvedActor = UserActor | ServiceActor | { ended: EndReason };

export interface SubscriberRights {
  readonly credential: Credential;
  /** The standing, read again where an event may have changed it or where it was read longer ago than `maxAgeMs`. */
  resolve(maxAgeMs?: number): Promise<ResolvedActor>;
  /** As `actor`; null where something has to be read for it. */
  cached(maxAgeMs?: number): ResolvedActor | null;
  /** Calls back whenever `known` may answer otherwise than before, but for time that ran out; null stops it. */
  onChange(call: (() => void) | null): void;
  close(): void;
}

export interface RightsCache {
  /** @param lost is called when a reading that nobody asked for finds that `judge` gives a reason to end. */
  subscribe(schoolId: string, credential: Credential, judge: (standing: ResolvedActor) => EndReason | null, lost: (reason: EndReason) => void): SubscriberRights;
  /** Takes note of whose rights these events of a school may have changed. */
  invalidate(schoolId: string, events: readonly Pick<LoggedEvent, 'type' | 'payload'>[]): void;
  stats(): { listeners: number };
  close(): void;
}

/** Under the second within which a stream without rights must be told. */
const sweepEvery = 700;
/** Rights that a sweep reads again whatever the log says: those read longest ago. */
const sweepSize = 50;
/** Credentials per statement. */
const chunk = 1000;

interface Entry {
  schoolId: string;
  credential: Credential;
  judge(standing: ResolvedActor): EndReason | null;
  lost(reason: EndReason): void;
  standing: ResolvedActor | null;
  /** What the standing says; one that says the same stays the same object. */
  text: string;
  /** When the standing was read, by `performance.now()`. */
  readAt: number;
  /** Number of changes that events reported, and how many of them the standing includes. */
  noted: number;
  known: number;
  /** Readings begun, and the last of them whose answer stands here. */
  begun: number;
  answered: number;
  /** Of the reading under way, for all who ask meanwhile. */
  answer: Promise<ResolvedActor> | null;
  changed: (() => void) | null;
}

export function createRightsCache(db: Database, log: Logger): RightsCache {
  // In the order of their last reading, so that the oldest are found first.
  const entries = new Set<Entry>();
  const ofSchool = new Map<string, Map<string, Set<Entry>>>();
  let asked = new Map<Entry, PromiseWithResolvers<ResolvedActor>>();
  let sweeping = false;

  const read = async (wanted: readonly Entry[]): Promise<void> => {
    for (let at = 0; at < wanted.length; at += chunk) {
      // A change noted from here on may be in what is read, or not.
      const part = wanted.slice(at, at + chunk).map((entry) => ({ entry, reading: (entry.begun += 1), noted: entry.noted }));
      const distinct = new Map(part.map(({ entry: { credential } }) => [keyOf(credential), credential]));
      const actors = await loadActors(db, [...distinct.values()]);
      const found = new Map([...distinct.keys()].map((key, n) => [key, actors[n] as Actor | { ended: EndReason }]));
      for (const { entry, reading, noted } of part) {
        if (reading < entry.answered) continue;
        const actor = found.get(keyOf(entry.credential))!;
        Object.assign(entry, { answered: reading, known: noted, readAt: performance.now() });
        const standing = 'kind' in actor && isPerson(actor) ? restrictToSchool(entry.schoolId, actor) : (actor as { ended: EndReason });
        const text = textOf(standing);
        if (entry.standing === null || entry.text !== text) {
          Object.assign(entry, { standing, text });
          entry.changed?.();
        }
        if (entries.delete(entry)) entries.add(entry);
      }
    }
  };

  const answerAll = async (): Promise<void> => {
    const batch = [...asked];
    asked = new Map();
    for (const [entry] of batch) entry.answer = null;
    try {
      await read(batch.map(([entry]) => entry));
      for (const [entry, answer] of batch) answer.resolve(known(entry) ?? ask(entry));
    } catch (error) {
      for (const [, answer] of batch) answer.reject(error);
    }
  };

  const expired = ({ credential }: Entry): boolean => credential.expiresAt <= Date.now() / 1000;

  const known = (entry: Entry, maxAgeMs = Infinity): ResolvedActor | null => {
    if (expired(entry)) return { ended: 'TOKEN_EXPIRED' };
    return entry.known === entry.noted && performance.now() - entry.readAt <= maxAgeMs ? entry.standing : null;
  };

  const ask = (entry: Entry): Promise<ResolvedActor> => {
    if (entry.answer !== null) return entry.answer;
    if (asked.size === 0) setImmediate(() => void answerAll());
    const answer = withResolvers<ResolvedActor>();
    asked.set(entry, answer);
    return (entry.answer = answer.promise);
  };

  const sweep = async (): Promise<void> => {
    if (sweeping || entries.size === 0) return;
    sweeping = true;
    try {
      const due: Entry[] = [];
      for (const entry of entries) if (due.length < sweepSize || known(entry) === null || entry.credential.kind === 'service') due.push(entry);
      await read(due);
      for (const entry of [...entries]) {
        const standing = known(entry);
        const reason = standing === null ? null : entry.judge(standing);
        if (reason !== null && entries.has(entry)) entry.lost(reason);
      }
    } catch (error) {
      log.warn({ err: error }, 'asking for rights failed');
    } finally {
      sweeping = false;
    }
  };
  const timer = setInterval(() => void sweep(), sweepEvery);

  return {
    subscribe(schoolId, credential, judge, lost) {
      const entry: Entry = {
        schoolId, credential, judge, lost, standing: null, text: '', readAt: -Infinity, noted: 1, known: 0, begun: 0, answered: 0, answer: null, changed: null,
      };
      const who = whoOf(credential);
      const school = ofSchool.get(schoolId) ?? new Map<string, Set<Entry>>();
      ofSchool.set(schoolId, school);
      const same = school.get(who) ?? new Set<Entry>();
      school.set(who, same.add(entry));
      entries.add(entry);
      return {
        credential,
        resolve: (maxAgeMs) => {
          const standing = known(entry, maxAgeMs);
          return standing === null ? ask(entry) : Promise.resolve(standing);
        },
        cached: (maxAgeMs) => known(entry, maxAgeMs),
        onChange: (call) => void (entry.changed = call),
        close() {
          entries.delete(entry);
          same.delete(entry);
          if (same.size === 0 && school.get(who) === same) school.delete(who);
          if (school.size === 0 && ofSchool.get(schoolId) === school) ofSchool.delete(schoolId);
        },
      };
    },

    invalidate(schoolId, events) {
      const school = ofSchool.get(schoolId);
      if (school === undefined) return;
      const mark = (same: Iterable<Entry> = []): void => {
        for (const entry of same) {
          entry.noted += 1;
          entry.changed?.();
        }
      };
      // What a service may do stands in no school's log.
      mark(school.get(service));
      for (const { type, payload } of events) {
        const whose = rightsChangedBy(type, payload as never);
        if (whose === everyone) for (const same of school.values()) mark(same);
        else if (whose !== null) mark(school.get(whose));
      }
    },

    stats: () => ({ listeners: entries.size }),
    close() {
      clearInterval(timer);
      entries.clear();
      ofSchool.clear();
    },
  };
}

const service = 'service';
const whoOf = (credential: Credential): string => (credential.kind === 'user' ? credential.userId : service);
const isPerson = (actor: Actor): actor is UserActor | ServiceActor => actor.kind === 'user' || actor.kind === 'service';

const textOf = (standing: ResolvedActor): string =>
  JSON.stringify(standing, (_key, value: unknown) => (value instanceof Map ? [...(value as Map<string, string>)] : value));

/** Returns a key of all fields of a credential: two tokens of one client may differ only in their scopes. */
const keyOf = (credential: Credential): string => JSON.stringify(credential);

interface PromiseWithResolvers<T> {
  promise: Promise<T>;
  resolve(value: T | Promise<T>): void;
  reject(reason: unknown): void;
}

/** Promise.withResolvers, which Node 20 has not. */
function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve!: (value: T | Promise<T>) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

export const isActor = (standing: ResolvedActor): standing is UserActor | ServiceActor => 'kind' in standing;
