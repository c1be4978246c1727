import type { Actor } from '../policy/actor.ts';
import type { Credential } from '../auth/tokens.ts';
import type { Config } from '../config.ts';
import type { Database } from '../db/client.ts';
import { transaction, type Tx } from '../db/transaction.ts';
import type { Language } from '../errors.ts';
import type { LiveEvents } from '../events/live/subscription.ts';
import { attribute } from '../events/record.ts';
import type { Logger } from '../logger.ts';
import type { Loaders } from './loaders.ts';

export { refusalOf } from '../db/availability.ts';

/** What every operation is given: who asks, and what it may use to answer. One request, one context. */
export interface Context {
  actor: Actor;
  /** What the actor signed in with; null for the operator and for nobody. */
  credential: Credential | null;
  db: Database;
  config: Config;
  log: Logger;
  loaders: Loaders;
  language: Language;
  /** The request's id; the log keeps it as the cause of what it recorded. */
  requestId: string;
  /** The network address of the asker, for rate limits only; never logged, never kept in clear. */
  address: string | null;
  liveEvents: LiveEvents;
  /** The same request with rights and rows as they are now: for each item of a subscription. */
  renew(actor: Actor): Context;
  /** Wakes those who follow these schools' logs. */
  notify(schoolIds: readonly string[]): void;
}

/** Runs a change: all of it and its events, or nothing. */
export function mutate<T>(ctx: Context, run: (tx: Tx) => Promise<T>): Promise<T> {
  return transaction(ctx.db, async (tx) => {
    attribute(tx, {
      actor: ctx.actor,
      causation: ctx.requestId,
      notify(schoolIds, recorded) {
        // Runs before the change is answered, so that no stream of this process uses the lost rights afterwards.
        for (const [schoolId, events] of recorded) ctx.liveEvents.rights.invalidate(schoolId, events);
        ctx.notify(schoolIds);
      },
    });
    return run(tx);
  });
}

/** The acting user's id, or null for a service, the operator and somebody who has not signed in. */
export const actingUserId = (ctx: Context): string | null => (ctx.actor.kind === 'user' ? ctx.actor.userId : null);
