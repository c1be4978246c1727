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
import { createLoaders, prefetch, type Prefetched, type PrefetchTargets } from '../domain/loaders.ts';
import { Refusal, type Language } from '../errors.ts';
import type { Notifier } from '../events/notifier.ts';
import type { LiveEvents } from '../events/live/subscription.ts';
import type { GraphContext } from '../graphql/context.ts';
import type { Logger } from '../logger.ts';
import { accountIdOf, noteAccount, type Access } from './access-log.ts';
import type { Account, AccountLimits } from './account-limits.ts';
import { BilingualError, invalidTokenError, refusalError } from './errors.ts';
import { headerElements } from './header-elements.ts';

/** From what a request brings to the context that its fields are given. */

export interface ServerDeps {
  config: Config;
  db: Database;
  log: Logger;
  keys: SigningKeys;
  tokens: Tokens;
  notifier: Notifier;
  liveEvents: LiveEvents;
}

/** What is taken from a request, be it HTTP or an operation on a socket. */
export interface RequestInfo {
  authorization: string | null;
  acceptLanguage: string | null;
  requestId: string | null;
  address: string | null;
  /** Fields of the request's line in the access log; none for an operation on a socket. */
  access?: Access | undefined;
  /** Returns the size of the body, or of the message on a socket. */
  bytes?: (() => number) | undefined;
}

/** The first language of Accept-Language, by its weights, that there is; otherwise Russian. */
export function languageOf(acceptLanguage: string | null): Language {
  if (acceptLanguage === null) return 'ru';
  const wishes = headerElements(acceptLanguage).map(([tag = '', ...parameters], i) => {
    const quality = parameters.map((p) => /^q=([\d.]+)$/.exec(p)?.[1]).find((q) => q !== undefined);
    return { tag: tag.split('-')[0], quality: quality === undefined ? 1 : Number(quality), i };
  });
  const [first] = wishes
    .filter(({ tag, quality }) => (tag === 'ru' || tag === 'en') && quality > 0)
    .sort((a, b) => b.quality - a.quality || a.i - b.i);
  return first?.tag === 'en' ? 'en' : 'ru';
}

const anonymous: Actor = { kind: 'anonymous' };

/** A context for an actor: fresh loaders, so rows and rights are read anew. */
export function contextFor(
  deps: ServerDeps,
  actor: Actor,
  requestInfo: Pick<RequestInfo, 'acceptLanguage' | 'requestId' | 'address'>,
  credential: Context['credential'] = null,
  ahead?: Prefetched,
): Context {
  const { config, db, log, notifier, liveEvents } = deps;
  const context: Context = {
    actor, credential, config, db, log, liveEvents,
    loaders: createLoaders(db, actor, ahead),
    language: languageOf(requestInfo.acceptLanguage),
    requestId: requestInfo.requestId ?? randomUUID(),
    address: requestInfo.address,
    renew: (now) => ({ ...context, actor: now, loaders: createLoaders(db, now) }),
    notify: (schoolIds) => notifier.notify(schoolIds),
  };
  return context;
}

/** The context of a request, with the account that it counts for. */
export interface RequestContext extends GraphContext {
  account: Account;
  /** Returns the size of the request in bytes, where it is known. */
  requestBytes?: (() => number) | undefined;
  /** Reads the rights again. Returns the parts of the context that replace the former ones. @throws UNAUTHENTICATED */
  reload(): Promise<Partial<Pick<Context, 'actor' | 'loaders'>>>;
}

/** Adds to the context itself, which `renew` copies. Hot path: `Object.assign` took a microsecond longer. */
function withAccount(context: Context, account: Account, { bytes }: RequestInfo, reload: RequestContext['reload']): RequestContext {
  const request = context as RequestContext;
  request.account = account;
  request.requestBytes = bytes;
  request.reload = reload;
  return request;
}

/** The error for a credential that is wrong or no longer counts. */
export class UnauthenticatedError extends BilingualError {
  readonly reason: 'TOKEN_INVALID' | Ended;

  constructor(reason: UnauthenticatedError['reason'], language: Language) {
    const { text, extensions } = invalidTokenError(language);
    super(text, language, { extensions });
    this.reason = reason;
  }
}

/**
 * Returns the context of a request. Reads roles from the database now, so that a right lost is lost at once, and meanwhile
 * asks for what the operation names. Requests without credentials get the anonymous actor and count for their address.
 * @throws UNAUTHENTICATED (401) for a credential that is wrong or no longer counts, RATE_LIMITED (429) when the operations
 *   of this minute are used up, UNAVAILABLE (503) when the credential cannot be checked now.
 */
export function createContexts(deps: ServerDeps, limits: AccountLimits): (requestInfo: RequestInfo, named?: PrefetchTargets) => Promise<RequestContext> {
  const { db, log, tokens } = deps;
  // Requests of one turn of the event loop are told who asks by one statement; nothing is remembered for the next turn.
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

  const contextOf = async (requestInfo: RequestInfo, language: Language, named?: PrefetchTargets): Promise<RequestContext> => {
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
    // Counts before it reads anything: a revoked token must not cost statements without limit.
    noteAccount(requestInfo.access, credential);
    const account = limits.of(accountIdOf(credential));
    count(account, language);
    const known = currentActor(credential, language);
    const ahead = named && prefetch(db, named, credential.kind === 'user' ? credential.userId : null);
    const actor = await known;
    return withAccount(contextFor(deps, actor, requestInfo, credential, ahead), account, requestInfo, async () => {
      const now = await currentActor(credential, language);
      return { actor: now, loaders: createLoaders(db, now) };
    });
  };

  return async (requestInfo, named) => {
    const language = languageOf(requestInfo.acceptLanguage);
    try {
      return await contextOf(requestInfo, language, named);
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

/** Grown-ups of a school and services may look at the schema. */
export function mayIntrospect({ actor }: Context): boolean {
  if (actor.kind === 'user') return actor.grants.some(({ role }) => role !== 'STUDENT');
  return actor.kind === 'service' && can(actor, 'school.read', { schoolId: actor.schoolId });
}
