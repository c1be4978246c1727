import type { IncomingMessage, ServerResponse } from 'node:http';
import { OperationTypeNode, type ExecutionArgs, type ExecutionResult, type GraphQLError } from 'graphql';
import { captureHeads } from '../../domain/schools.ts';
import type { Language } from '../../errors.ts';
import type { ResultExtensions } from '../../executor/execution-state.ts';
import { isExecutionState, operationOf, resultOf, withExtensions, type Executed } from '../../executor/executor.ts';
import type { Logger } from '../../logger.ts';
import type { Finish } from '../account-limits.ts';
import { isDecodable, mediaTypeOf, readText } from '../body.ts';
import { RequestError, type Mask } from '../errors.ts';
import { messages } from '../messages.ts';
import type { Metrics } from '../metrics.ts';
import type { AuthenticatedRequest, RequestContext, RequestContexts } from '../request-context.ts';
import { noteOperation, type RequestInfo } from '../request-info.ts';
import { admit, boundUnslicedCost, checkLimits, costOf, maxCostOf, prepareCharged, type OperationArgs } from './admission.ts';
import { isStream, openCounted, type Results } from './counted-streams.ts';
import type { DocumentParams, Documents, KnownDocument } from './documents.ts';
import { bounds } from './limits.ts';

/** A request to execute an operation, with the results of the pipeline's steps. */
export interface RequestEnvelope {
  requestInfo: RequestInfo;
  /** Set by `authenticate`, so that a second call does not count the operation again. */
  authenticated?: AuthenticatedRequest;
  /** Set by `readDocument`. */
  document?: KnownDocument;
}

export interface PipelineDeps {
  log: Logger;
  /** Returns whether the request has the server's own origin, an allowed origin, or no origin. */
  isOriginAllowed(request: IncomingMessage): boolean;
  documents: Documents;
  contexts: RequestContexts;
  mask: Mask;
  metrics: Metrics;
  /** Opens the stream of a subscription. */
  subscribe(args: ExecutionArgs): Promise<Results | ExecutionResult>;
}

/**
 * The steps of every operation, in their order. fast-path.ts and yoga.ts call them for HTTP;
 * src/http/websocket/protocol.ts calls the steps after `readBody`. So a rule that is added to a step applies to HTTP and
 * WebSocket alike: test/http/graphql/pipeline.test.ts adds a rule to each step and checks this.
 *
 *   accept → readBody → findText → authenticate → readDocument (parse, validate) → createContext → execute or subscribe
 *   execute: checkLimits → admit → takeAsOf → run → maskErrors
 *   subscribe: checkLimits → the stream of src/http/live/ → maskErrors
 */
export class Pipeline {
  readonly #deps: PipelineDeps;

  constructor(deps: PipelineDeps) {
    this.#deps = deps;
  }

  /** Refuses a request by its origin, method, media type or query string. @throws RequestError */
  accept(request: IncomingMessage): void {
    const { method, headers, url } = request;
    if (!this.#deps.isOriginAllowed(request)) {
      const { origin, 'x-request-id': requestId } = headers;
      this.#deps.log.debug({ requestId, origin }, 'an origin that ALLOWED_ORIGINS does not name was refused');
      throw errors.originForbidden;
    }
    if (method === 'OPTIONS') return;
    const isJson = mediaTypeOf(headers['content-type']) === 'application/json';
    // Refuses requests that a page of another site can send without a preflight (GET, forms, plain text).
    if (headers.authorization === undefined && headers['x-requested-with'] === undefined && !isJson) throw errors.csrfHeaderRequired;
    if (method === 'GET') checkQuery(url!);
    else if (method !== 'POST') throw errors.methodNotAllowed;
    else if (!isJson) throw errors.mediaTypeUnsupported;
  }

  /** Returns the decompressed body as UTF-8; undefined if the client disconnected. @throws RequestError */
  readBody(request: IncomingMessage, response: ServerResponse): Promise<Buffer | undefined> {
    return readText(request, bounds.body, response);
  }

  /**
   * Returns the text of the document. If the request has only a hash, finds the text by the hash. Returns undefined
   * if the request has neither a text nor a hash.
   * @throws RequestError
   */
  findText(params: DocumentParams): string | undefined {
    return this.#deps.documents.textOf(params);
  }

  /** Finds out who sends the request, and counts the operation. @throws UNAUTHENTICATED, RATE_LIMITED, UNAVAILABLE */
  async authenticate(envelope: RequestEnvelope): Promise<AuthenticatedRequest> {
    return (envelope.authenticated ??= await this.#deps.contexts.authenticate(envelope.requestInfo));
  }

  /**
   * Returns the document. If the request has a credential, returns a cached document at once. In all other cases
   * authenticates the sender first: the account of the sender pays for a new document, and stricter limits apply to the
   * documents of anonymous senders.
   * @throws GraphQLError or AggregateError
   */
  readDocument(text: string, envelope: RequestEnvelope): KnownDocument | Promise<KnownDocument> {
    const known = envelope.requestInfo.authorization === null ? undefined : this.#deps.documents.find(text);
    if (known === undefined)
      return this.authenticate(envelope).then((sender) => (envelope.document = this.#deps.documents.read(text, sender)));
    envelope.document = known;
    return known;
  }

  /** Creates the context. For a query, its loaders load only the columns that the document needs. @throws like `authenticate` */
  async createContext(envelope: RequestEnvelope, operationName: string | null | undefined): Promise<RequestContext> {
    const { requestInfo, document } = envelope;
    const operation = operationOf(document!.document, operationName);
    noteOperation(requestInfo.access, operation?.operation ?? 'query', operation?.name?.value);
    const authenticated = await this.authenticate(envelope);
    return this.#deps.contexts.create(authenticated, requestInfo, document!, operation?.operation === OperationTypeNode.QUERY);
  }

  /** Executes a query or a mutation. Never rejects: the result has the masked errors and its cost in `extensions`. */
  async execute(args: OperationArgs): Promise<Executed> {
    const { language, requestId } = args.contextValue;
    const extensions = extensionsOf(args);
    try {
      this.checkLimits(args);
      const startedAt = performance.now();
      const executed = await this.#executeAdmitted(args);
      const { errors = [] } = executed;
      const type = operationOf(args.document, args.operationName)?.operation ?? 'query';
      this.#count(type, startedAt, errors.length > 0);
      if (errors.length === 0) return withExtensions(executed, extensions);
      return withExtensions({ ...resultOf(executed), errors: this.maskErrors(errors, language, requestId) }, extensions);
    } catch (error) {
      return withExtensions({ errors: this.maskErrors(error, language, requestId) }, extensions);
    }
  }

  /** Opens the stream of a subscription. Never rejects: the result, or an item of the stream, has the masked errors. */
  async subscribe(args: OperationArgs): Promise<Results | ExecutionResult> {
    const { contextValue } = args;
    const mask = (error: unknown): GraphQLError[] => this.maskErrors(error, contextValue.language, contextValue.requestId);
    try {
      this.checkLimits(args);
      const results = await openCounted(contextValue, () => this.#deps.subscribe(args), mask);
      this.#deps.metrics.operations.inc({ type: 'subscription', outcome: isStream(results) ? 'ok' : 'error' });
      return results;
    } catch (error) {
      return { errors: mask(error) };
    }
  }

  /** Checks variables, cost and introspection. @throws RequestError */
  checkLimits(args: OperationArgs): void {
    checkLimits(args);
  }

  /**
   * Reserves cost and a slot of the account. Returns a promise if the operation has to wait.
   * @throws RATE_LIMITED, UNAVAILABLE
   */
  admit(args: OperationArgs): Finish | Promise<Finish> {
    return admit(args);
  }

  /**
   * For a document that selects `asOf`, reads the cursors of the event logs before the execution. So no row in the
   * result is older than the cursor of its school's log. Returns undefined for other documents.
   */
  takeAsOf({ contextValue }: OperationArgs): Promise<unknown> | undefined {
    return contextValue.document.selectsAsOf ? captureHeads(contextValue) : undefined;
  }

  /** Runs the plan, or graphql-js. @throws RequestError for an operation without a plan that costs too much. */
  run(args: OperationArgs): Executed | Promise<Executed> {
    const { rootValue, contextValue } = args;
    const prepared = prepareCharged(args);
    if (prepared.runsUnsliced) boundUnslicedCost(costOf(args));
    return prepared.execute(rootValue, contextValue);
  }

  /**
   * Returns the errors of a step as clients may see them.
   * @param error one error, or several errors as an array or an AggregateError.
   */
  maskErrors(error: unknown, language: Language, requestId: string | null): GraphQLError[] {
    const errors: unknown[] = Array.isArray(error) ? error : error instanceof AggregateError ? error.errors : [error];
    return errors.map((each) => this.#deps.mask(each, language, requestId));
  }

  /** Counts a query or mutation, and its duration. @param startedAt the value of `performance.now` at its start. */
  #count(type: string, startedAt: number, failed: boolean): void {
    const { operations, duration } = this.#deps.metrics;
    operations.inc({ type, outcome: failed ? 'error' : 'ok' });
    duration.observe({ type }, (performance.now() - startedAt) / 1000);
  }

  /** Executes an operation once the limits of its account allow it. Charges the account for the bytes of the result. */
  async #executeAdmitted(args: OperationArgs): Promise<Executed> {
    const admission = this.admit(args);
    const finish = admission instanceof Promise ? await admission : admission;
    let bytes: number | undefined;
    try {
      // Rights may have been revoked while the operation waited.
      const current = admission instanceof Promise ? { ...args, contextValue: await this.#deps.contexts.reload(args.contextValue) } : args;
      const cursors = this.takeAsOf(current);
      if (cursors !== undefined) await cursors;
      const executed = await this.run(current);
      if (isExecutionState(executed)) bytes = executed.writer.at;
      return executed;
    } finally {
      finish(bytes);
    }
  }
}

/** Returns the extensions of a result: the cost of the operation, and the limit of this cost. */
function extensionsOf(args: OperationArgs): ResultExtensions {
  const { document, operationName, contextValue } = args;
  return contextValue.document.extensionsOf(costOf(args), maxCostOf(operationOf(document, operationName)?.operation));
}

const errors = {
  originForbidden: new RequestError('ORIGIN_FORBIDDEN', messages.originForbidden, { status: 403 }),
  csrfHeaderRequired: new RequestError('CSRF_HEADER_REQUIRED', messages.csrfHeaderRequired),
  methodNotAllowed: new RequestError('BAD_REQUEST', messages.methodNotAllowed, { status: 405, headers: { allow: 'GET, POST, OPTIONS' } }),
  mediaTypeUnsupported: new RequestError('UNSUPPORTED_MEDIA_TYPE', messages.mediaTypeUnsupported, {
    status: 415,
    headers: { 'accept-post': 'application/json' },
  }),
  urlMalformed: new RequestError('MALFORMED_TEXT', messages.urlMalformed),
  parameterMalformed: new RequestError('BAD_REQUEST', messages.parameterMalformed),
};

/**
 * Checks the query string of a GET.
 * @throws RequestError if the query string cannot be decoded without loss, or holds invalid JSON.
 */
function checkQuery(url: string): void {
  const query = url.slice(url.indexOf('?') + 1);
  if (!isDecodable(query)) throw errors.urlMalformed;
  const parameters = new URLSearchParams(query);
  for (const name of ['variables', 'extensions']) {
    try {
      JSON.parse(parameters.get(name) || '{}');
    } catch {
      throw errors.parameterMalformed;
    }
  }
}
