import { randomUUID } from 'node:crypto';
import { can } from '../policy/can.ts';
import type { Actor } from '../policy/actor.ts';
import { loadActors, type Ended, type Loaded } from '../auth/actors.ts';
import type { SigningKeys } from '../auth/keys.ts';
import type { Credential, Tokens } from '../auth/tokens.ts';
import type { Config } from '../config.ts';
import { refusalOf } from '../db/availability.ts';
import type { Database } from '../db/client.ts';
import { batchPerTick } from '../reader/batching.ts';
import type { Context } from '../domain/context.ts';
import { BatchedRows, createLoaders, type SelectedFields } from '../domain/loaders.ts';
import type { Mailer } from '../domain/mailer.ts';
import { Refusal, type Language } from '../errors.ts';
import type { Notifier } from '../events/notifier.ts';
import type { LiveEvents } from '../events/live/subscription.ts';
import type { GraphContext } from '../graphql/context.ts';
import type { Logger } from '../logger.ts';
import type { Account, AccountLimits } from './account-limits.ts';
import { BilingualError, invalidTokenError, refusalError } from './errors.ts';
import type { KnownDocument } from './graphql/documents.ts';
import { accountIdOf, languageOf, noteAccount, type RequestInfo } from './request-info.ts';

/** Authenticates requests, and builds their contexts from headers, address and the rights of the credential. */

export interface ServerDeps {
  config: Config;
  db: Database;
  log: Logger;
  keys: SigningKeys;
  tokens: Tokens;
  notifier: Notifier;
  liveEvents: LiveEvents;
  mailer: Mailer | null;
}

const anonymous: Actor = { kind: 'anonymous' };

interface ContextOptions {
  /** Null (the default) for the operator and an anonymous actor. */
  credential?: Context['credential'];
  /** The fields that the operation selects, if it is a query. */
  selection?: SelectedFields | undefined;
  /** Loads rows by id for several concurrent requests with one SQL statement. */
  rows?: BatchedRows;
}

/** Returns a context for an actor. Its loaders are new, so they serve no cached rows. */
export function contextFor(
  deps: ServerDeps,
  actor: Actor,
  requestInfo: Pick<RequestInfo, 'acceptLanguage' | 'requestId' | 'address'>,
  { credential = null, selection, rows = new BatchedRows(deps.db) }: ContextOptions = {},
): Context {
  const { config, db, log, notifier, liveEvents, mailer } = deps;
  const context: Context = {
    actor,
    credential,
    config,
    db,
    log,
    liveEvents,
    mailer,
    loaders: createLoaders(rows, actor, selection),
    language: languageOf(requestInfo.acceptLanguage),
    requestId: requestInfo.requestId ?? randomUUID(),
    address: requestInfo.address,
    renew: (newActor) => ({ ...context, actor: newActor, loaders: createLoaders(rows, newActor) }),
    notify: (schoolIds) => notifier.notify(schoolIds),
  };
  return context;
}

/** A request whose credential has been checked and whose operation has been counted. */
export interface AuthenticatedRequest {
  actor: Actor;
  credential: Credential | null;
  /** The account whose limits apply: of the user or the service; of the network address for a request without credentials. */
  account: Account;
  language: Language;
  address: string | null;
}

/** The context of a request, with its account and its document. */
export interface RequestContext extends GraphContext {
  account: Account;
  document: KnownDocument;
  /** The estimated cost of the operation, in objects, once it is computed. */
  cost?: number;
  /** Returns the size of the request in bytes; undefined if it is unknown. */
  requestBytes?: (() => number) | undefined;
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

/** Authenticates requests and creates their contexts. */
export class RequestContexts {
  readonly #deps: ServerDeps;
  readonly #limits: AccountLimits;
  readonly #rows: BatchedRows;
  /** Loads the actors of all requests in a tick of the event loop with one statement. Caches nothing after the tick. */
  readonly #loadActor: (credential: Credential) => Promise<Loaded>;

  constructor(deps: ServerDeps, limits: AccountLimits) {
    this.#deps = deps;
    this.#limits = limits;
    this.#rows = new BatchedRows(deps.db);
    this.#loadActor = batchPerTick((credentials: readonly Credential[]) => loadActors(deps.db, credentials));
  }

  /**
   * Checks the credential and counts the operation. Reads the roles from the database, so that a revoked right is lost
   * at once. Requests without credentials get the anonymous actor; the limits of their address apply.
   * @throws UNAUTHENTICATED (401) for a credential that is invalid or has ended, RATE_LIMITED (429) when the account
   *   has used up its operations of this minute, UNAVAILABLE (503) when the credential cannot be checked now.
   */
  async authenticate(requestInfo: RequestInfo): Promise<AuthenticatedRequest> {
    const language = languageOf(requestInfo.acceptLanguage);
    try {
      return await this.#authenticate(requestInfo, language);
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal === undefined) throw error;
      if (!(error instanceof Refusal)) this.#deps.log.warn({ err: error, requestId: requestInfo.requestId }, 'unavailable');
      throw refusalError(refusal, language);
    }
  }

  /**
   * Creates the context of an operation in the document.
   * @param isQuery whether the operation is a query. The loaders of a query read only the columns of the selected
   *   fields.
   */
  create(request: AuthenticatedRequest, requestInfo: RequestInfo, document: KnownDocument, isQuery: boolean): RequestContext {
    const { actor, credential, account } = request;
    const selection = isQuery ? document.selectedFields : undefined;
    // Adds the fields to the object that `contextFor` made, because `renew` returns a copy of that object. Hot path:
    // `Object.assign` took a microsecond longer than these assignments.
    const context = contextFor(this.#deps, actor, requestInfo, { credential, selection, rows: this.#rows }) as RequestContext;
    context.account = account;
    context.document = document;
    context.requestBytes = requestInfo.bytes;
    return context;
  }

  /**
   * Returns a copy of the context with the present rights and with new loaders. This is a method, because V8 kept a
   * closure on the context until a full GC (docs/profile.md).
   * @throws UNAUTHENTICATED
   */
  async reload(context: RequestContext): Promise<RequestContext> {
    const { credential, language, loaders } = context;
    if (credential === null) return context;
    const actor = await this.#currentActor(credential, language);
    return { ...context, actor, loaders: createLoaders(this.#rows, actor, loaders.selection) };
  }

  async #authenticate({ authorization, address, access }: RequestInfo, language: Language): Promise<AuthenticatedRequest> {
    if (authorization === null) {
      noteAccount(access, null);
      const account = this.#limits.ofAddress(address);
      account.countOperation();
      return { actor: anonymous, credential: null, account, language, address };
    }
    const token = tokenOf(authorization);
    const verified = token === undefined ? undefined : this.#deps.tokens.verifyAccessToken(token);
    const credential = verified instanceof Promise ? await verified : verified;
    if (credential === undefined) throw new UnauthenticatedError('TOKEN_INVALID', language);
    // Counts before it reads from the database, so that requests with a revoked token are limited too.
    noteAccount(access, credential);
    const account = this.#limits.of(accountIdOf(credential));
    account.countOperation();
    return { actor: await this.#currentActor(credential, language), credential, account, language, address };
  }

  async #currentActor(credential: Credential, language: Language): Promise<Actor> {
    const actor = await this.#loadActor(credential);
    if ('ended' in actor) throw new UnauthenticatedError(actor.ended, language);
    return actor;
  }
}

/** Returns the token of an `Authorization` header (RFC 6750, 2.1). */
export const tokenOf = (authorization: string): string | undefined => /^Bearer ([\w.~+/=-]+)$/i.exec(authorization)?.[1];

/** Returns whether the actor may read the schema: signed-in staff of a school, and services with the scope `read` or `events`. */
export function mayIntrospect(actor: Actor): boolean {
  if (actor.kind === 'user') return actor.grants.some(({ role }) => role !== 'STUDENT');
  return actor.kind === 'service' && can(actor, 'school.read', { schoolId: actor.schoolId });
}
