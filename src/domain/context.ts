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
import type { Mailer } from './mailer.ts';

export { refusalOf } from '../db/availability.ts';

/** The context of one request, which every operation gets. */
export interface Context {
  actor: Actor;
  /** The actor's credential; null for the operator and an anonymous actor. */
  credential: Credential | null;
  db: Database;
  config: Config;
  log: Logger;
  loaders: Loaders;
  language: Language;
  /** The id of the request. The event log stores it with each event that the request causes. */
  requestId: string;
  /** The network address of the client, for rate limits only; never logged, never stored in plain text. */
  address: string | null;
  liveEvents: LiveEvents;
  /** Sends e-mail; null if SMTP_URL is not set. */
  mailer: Mailer | null;
  /** Returns the context with another actor and new loaders, so that an item of a subscription reads current rows. */
  renew(actor: Actor): Context;
  notify(schoolIds: readonly string[]): void;
}

/** Runs a change and the record of its events in one transaction. */
export function mutate<T>(ctx: Context, run: (tx: Tx) => Promise<T>): Promise<T> {
  return transaction(ctx.db, async (tx) => {
    attribute(tx, {
      actor: ctx.actor,
      causation: ctx.requestId,
      notify(schoolIds, recorded) {
        // Runs before the response is sent. So after the response, no stream of this process uses a right that this change
        // ended.
        for (const [schoolId, events] of recorded) ctx.liveEvents.rights.invalidate(schoolId, events);
        ctx.notify(schoolIds);
      },
    });
    return run(tx);
  });
}

/** Returns the acting user's id; null for a service, the operator and an anonymous actor. */
export const actingUserId = (ctx: Context): string | null => (ctx.actor.kind === 'user' ? ctx.actor.userId : null);
