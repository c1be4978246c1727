import { randomUUID } from 'node:crypto';
import { can } from '../policy/can.ts';
import type { Actor } from '../policy/actor.ts';
import { loadActors, type Ended } from '../auth/actors.ts';
import type { SigningKeys } from '../auth/keys.ts';
import type { Credential, Tokens } from '../auth/tokens.ts';
import type { Config } from '../config.ts';
import { refusalOf } from '../db/availability.ts';
import type { Database } from '../db/client.ts';
import { batchPerTick } from '../reader/batching.ts';
import type { Context } from '../domain/context.ts';
import { createLoaders } from '../domain/loaders.ts';
import { Refusal, type Language } from '../errors.ts';
import type { Notifier } from '../events/notifier.ts';
import type { LiveEvents } from '../events/live/subscription.ts';
import type { GraphContext } from '../graphql/context.ts';
import type { Logger } from '../logger.ts';
import { accountIdOf, noteAccount, type Access } from './access-log.ts';
import type { Account, AccountLimits } from './account-limits.ts';
import { BilingualError, invalidTokenError, refusalError } from './errors.ts';
import { headerElements } from './header-elements.ts';

/** Builds the context of a request from its headers, its address and the rights of its credential. */

export interface ServerDeps {
  config: Config;
  db: Database;
  log: Logger;
  keys: SigningKeys;
  tokens: Tokens;
  notifier: Notifier;
  liveEvents: LiveEvents;
}

/** The headers and the address of an HTTP request, or of an operation on a WebSocket. */
export interface RequestInfo {
  authorization: string | null;
  acceptLanguage: string | null;
  requestId: string | null;
  address: string | null;
  access?: Access | undefined;
  bytes?: (() => number) | undefined;
}

/** Returns the supported language with the highest weight in Accept-Language; Russian by default. */
export function languageOf(acceptLanguage: string | null): Language {
  if (acceptLanguage === null) return 'ru';
  const ranges = headerElements(acceptLanguage).map(([tag = '', ...parameters], i) => {
    const quality = parameters.map((p) => /^q=([\d.]+)$/.exec(p)?.[1]).find((q) => q !== undefined);
    return { tag: tag.split('-')[0], quality: quality === undefined ? 1 : Number(quality), i };
  });
  const [first] = ranges
    .filter(({ tag, quality }) => (tag === 'ru' || tag === 'en') && quality > 0)
    .sort((a, b) => b.quality - a.quality || a.i - b.i);
  return first?.tag === 'en' ? 'en' : 'ru';
}

const anonymous: Actor = { kind: 'anonymous' };

/** Returns a context for an actor, with new loaders: it serves no cached rows. */
export function contextFor(
  deps: ServerDeps,
  actor: Actor,
  requestInfo: Pick<RequestInfo, 'acceptLanguage' | 'requestId' | 'address'>,
  credential: Context['credential'] = null,
): Context {
  const { config, db, log, notifier, liveEvents } = deps;
  const context: Context = {
    actor,
    credential,
    config,
    db,
    log,
    liveEvents,
    loaders: createLoaders(db, actor),
    language: languageOf(requestInfo.acceptLanguage),
    requestId: requestInfo.requestId ?? randomUUID(),
    address: requestInfo.address,
    renew: (newActor) => ({ ...context, actor: newActor, loaders: createLoaders(db, newActor) }),
    notify: (schoolIds) => notifier.notify(schoolIds),
  };
  return context;
}

/** The context of a request, with the account whose limits apply to it. */
export interface RequestContext extends GraphContext {
  account: Account;
  /** Returns the size of the request in bytes; undefined if it is unknown. */
  requestBytes?: (() => number) | undefined;
  /** Reloads the rights. Returns the new actor and loaders of the context. @throws UNAUTHENTICATED */
  reload(): Promise<Partial<Pick<Context, 'actor' | 'loaders'>>>;
}

/**
 * Adds the account to the context itself, which `renew` copies. Hot path: `Object.assign` took a microsecond longer.
 */
function withAccount(context: Context, account: Account, { bytes }: RequestInfo, reload: RequestContext['reload']): RequestContext {
  const request = context as RequestContext;
  request.account = account;
  request.requestBytes = bytes;
  request.reload = reload;
  return request;
}

/** The error for a credential that is invalid, or whose session or account has ended. */
export class UnauthenticatedError extends BilingualError {
  readonly reason: 'TOKEN_INVALID' | Ended;

  constructor(reason: UnauthenticatedError['reason'], language: Language) {
    const { text, extensions } = invalidTokenError(language);
    super(text, language, { extensions });
    this.reason = reason;
  }
}

/**
 * Returns a function that creates the context of a request. Each request reads its roles from the database, so that a
 * revoked right is lost at once. Requests without credentials get the anonymous actor; the limits of their address apply.
 * @throws UNAUTHENTICATED (401) for a credential that is invalid or has ended, RATE_LIMITED (429) when the account has
 *   used up its operations of this minute, UNAVAILABLE (503) when the credential cannot be checked now.
 */
export function createContexts(deps: ServerDeps, limits: AccountLimits): (requestInfo: RequestInfo) => Promise<RequestContext> {
  const { db, log, tokens } = deps;
  // One statement loads the actors of all requests of one tick. Nothing is cached for the next tick.
  const actorOf = batchPerTick((credentials: readonly Credential[]) => loadActors(db, credentials));
  const currentActor = async (credential: Credential, language: Language): Promise<Actor> => {
    const actor = await actorOf(credential);
    if ('ended' in actor) throw new UnauthenticatedError(actor.ended, language);
    return actor;
  };
  const count = (account: Account, language: Language): void => {
    try {
      account.countOperation();
    } catch (error) {
      throw error instanceof Refusal ? refusalError(error, language) : error;
    }
  };

  const contextOf = async (requestInfo: RequestInfo, language: Language): Promise<RequestContext> => {
    if (requestInfo.authorization === null) {
      noteAccount(requestInfo.access, null);
      const account = limits.ofAddress(requestInfo.address);
      count(account, language);
      return withAccount(contextFor(deps, anonymous, requestInfo), account, requestInfo, () => Promise.resolve({}));
    }
    const token = tokenOf(requestInfo.authorization);
    const verified = token === undefined ? undefined : tokens.verifyAccessToken(token);
    const credential = verified instanceof Promise ? await verified : verified;
    if (credential === undefined) throw new UnauthenticatedError('TOKEN_INVALID', language);
    // Counts before it reads from the database, so that requests with a revoked token are limited too.
    noteAccount(requestInfo.access, credential);
    const account = limits.of(accountIdOf(credential));
    count(account, language);
    const actor = await currentActor(credential, language);
    return withAccount(contextFor(deps, actor, requestInfo, credential), account, requestInfo, async () => {
      const reloaded = await currentActor(credential, language);
      return { actor: reloaded, loaders: createLoaders(db, reloaded) };
    });
  };

  return async (requestInfo) => {
    const language = languageOf(requestInfo.acceptLanguage);
    try {
      return await contextOf(requestInfo, language);
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal === undefined) throw error;
      log.warn({ err: error, requestId: requestInfo.requestId }, 'unavailable');
      throw refusalError(refusal, language);
    }
  };
}

/** Returns the token of an `Authorization` header (RFC 6750, 2.1). */
export const tokenOf = (authorization: string): string | undefined => /^Bearer ([\w.~+/=-]+)$/i.exec(authorization)?.[1];

/**
 * Returns whether the actor may read the schema: signed-in staff of a school, and services with the scope to read it.
 */
export function mayIntrospect({ actor }: Context): boolean {
  if (actor.kind === 'user') return actor.grants.some(({ role }) => role !== 'STUDENT');
  return actor.kind === 'service' && can(actor, 'school.read', { schoolId: actor.schoolId });
}
