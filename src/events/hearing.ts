import type { Actor, ServiceActor, UserActor } from '../policy/actor.ts';
import type { Database } from '../db/client.ts';
import { loadActors } from '../auth/actors.ts';
import type { Credential } from '../auth/tokens.ts';
import type { Logger } from '../log.ts';

/**
 * Asking again what listeners may hear. However many listen, their rights are read in one statement: those asked for in
 * the same turn together, and once a second those of everybody, so that lost rights end an idle stream too.
 */

export type EndReason = 'SESSION_ENDED' | 'USER_DEACTIVATED' | 'TOKEN_EXPIRED' | 'ROLE_ENDED' | 'CLASS_LEFT';

export type Standing = UserActor | ServiceActor | { ended: EndReason };

export interface Listener {
  /** The actor as the database has it now. */
  actor(): Promise<Standing>;
  close(): void;
}

export interface Hearing {
  /** @param lost is called when a sweep finds that `judge` gives a reason to end. */
  listen(credential: Credential, judge: (standing: Standing) => EndReason | null, lost: (reason: EndReason) => void): Listener;
  stats(): { listeners: number };
  close(): void;
}

/** Under the second within which a stream without rights must be told. */
const sweepEvery = 700;
/** Credentials per statement. */
const chunk = 1000;

export function createHearing(db: Database, log: Logger): Hearing {
  const listeners = new Set<{ credential: Credential; judge(standing: Standing): EndReason | null; lost(reason: EndReason): void }>();
  let asked = new Map<string, { credential: Credential; answer: PromiseWithResolvers<Standing> }>();
  let sweeping = false;

  const load = async (credentials: readonly Credential[]): Promise<Standing[]> => {
    const now = Date.now() / 1000;
    const standings: Standing[] = [];
    for (let at = 0; at < credentials.length; at += chunk) {
      const part = credentials.slice(at, at + chunk);
      const actors = await loadActors(db, part);
      part.forEach((credential, n) =>
        standings.push(credential.expiresAt <= now ? { ended: 'TOKEN_EXPIRED' } : (actors[n] as Standing)),
      );
    }
    return standings;
  };

  const answer = async (): Promise<void> => {
    const batch = [...asked.values()];
    asked = new Map();
    try {
      const standings = await load(batch.map(({ credential }) => credential));
      batch.forEach((item, n) => item.answer.resolve(standings[n]!));
    } catch (error) {
      for (const item of batch) item.answer.reject(error);
    }
  };

  const ask = (credential: Credential): Promise<Standing> => {
    const key = keyOf(credential);
    let item = asked.get(key);
    if (item === undefined) {
      if (asked.size === 0) setImmediate(() => void answer());
      asked.set(key, (item = { credential, answer: withResolvers<Standing>() }));
    }
    return item.answer.promise;
  };

  const sweep = async (): Promise<void> => {
    if (sweeping || listeners.size === 0) return;
    sweeping = true;
    try {
      const all = [...listeners];
      const distinct = new Map(all.map(({ credential }) => [keyOf(credential), credential]));
      const standings = await load([...distinct.values()]);
      const found = new Map([...distinct.keys()].map((key, n) => [key, standings[n]!]));
      for (const listener of all) {
        const standing = found.get(keyOf(listener.credential));
        const reason = standing !== undefined && listeners.has(listener) ? listener.judge(standing) : null;
        if (reason !== null) listener.lost(reason);
      }
    } catch (error) {
      log.warn({ err: error }, 'asking for rights failed');
    } finally {
      sweeping = false;
    }
  };
  const timer = setInterval(() => void sweep(), sweepEvery);

  return {
    listen(credential, judge, lost) {
      const listener = { credential, judge, lost };
      listeners.add(listener);
      return { actor: () => ask(credential), close: () => void listeners.delete(listener) };
    },
    stats: () => ({ listeners: listeners.size }),
    close() {
      clearInterval(timer);
      listeners.clear();
    },
  };
}

const keyOf = (credential: Credential): string =>
  `${credential.kind === 'user' ? credential.sessionId : credential.clientId} ${credential.expiresAt}`;

interface PromiseWithResolvers<T> {
  promise: Promise<T>;
  resolve(value: T): void;
  reject(reason: unknown): void;
}

/** Promise.withResolvers, which Node 20 has not. */
function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

export const isActor = (standing: Standing): standing is Extract<Actor, UserActor | ServiceActor> => 'kind' in standing;
