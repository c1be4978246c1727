import type { IncomingMessage, ServerResponse } from 'node:http';
import { createYoga } from 'graphql-yoga';
import { loadActors } from '../auth/actors.ts';
import type { GraphContext } from '../graphql/context.ts';
import { schema } from '../graphql/schema.ts';
import { useAccessLog, type Access } from './access-log.ts';
import { AccountLimits } from './account-limits.ts';
import { useAccountLimits } from './graphql/admission.ts';
import { isDecodable, mediaTypeOf, readText } from './body.ts';
import { addressOf } from './client-address.ts';
import { createCors, isPreflight } from './cors.ts';
import { createFastPath } from './graphql/fast-path.ts';
import { Documents, useDocuments, type RequestEnvelope } from './graphql/documents.ts';
import { bounds, useLimits } from './graphql/limits.ts';
import { useSelection } from './graphql/selection.ts';
import { Listener, requestIdOf } from './listener.ts';
import { useAsOf, useLive } from './live/subscription-execution.ts';
import { createMask, createSerializer, RequestError } from './errors.ts';
import { messages } from './messages.ts';
import { createMetrics, useMetrics } from './metrics.ts';
import { useCodes, useLanguage, useMask, useStreamHeaders } from './graphql/plugins.ts';
import { Readiness } from './readiness.ts';
import { createContexts, mayIntrospect, type RequestInfo, type ServerDeps } from './request-context.ts';
import { sendResponse, sendError, withHeaders } from './responses.ts';
import { socketTimeouts, serveSockets, type SocketTimeouts } from './websocket/server.ts';
import { watchStalled, type OpenConnection } from './stalled-connections.ts';

export interface App {
  /** The port that the server listens on; if the configured port is 0, the port that the system chose. */
  port: number;
  /**
   * Stops accepting requests, closes WebSockets so that clients reconnect, and waits `stopSeconds` for running
   * requests.
   */
  close(): Promise<void>;
}

export interface AppDeps extends ServerDeps {
  /**
   * Answers requests for the pages, the authorization server and the explorer. Resolves to false for any other path.
   */
  routes(request: IncomingMessage, response: ServerResponse): Promise<boolean>;
  /** Overrides `socketTimeouts`; for tests. */
  timeouts?: SocketTimeouts;
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
  expectationFailed: new RequestError('EXPECTATION_FAILED', messages.expectationFailed, { status: 417 }),
  notFound: new RequestError('NOT_FOUND', messages.notFound, { status: 404 }),
};

export async function startApp(deps: AppDeps): Promise<App> {
  const { config, db, log, liveEvents } = deps;
  const timeouts = deps.timeouts ?? socketTimeouts;
  const deliveries = { executions: 0, serialisations: 0 };
  const readiness = new Readiness(db);
  const metrics = createMetrics(db, liveEvents, deliveries, config.workers);
  const contextOf = createContexts(deps, new AccountLimits(config));
  const mask = createMask(log);
  const cors = createCors(config.publicUrl, config.allowedOrigins);

  const documents = new Documents();
  const yoga = createYoga<RequestEnvelope, GraphContext>({
    schema,
    context: ({ requestInfo, admitted }) => admitted ?? contextOf(requestInfo),
    parserAndValidationCache: false,
    graphqlEndpoint: '/graphql',
    graphiql: false,
    landingPage: false,
    multipart: false,
    batching: false,
    logging: false,
    cors: false,
    maskedErrors: { maskError: (error) => mask(error) },
    plugins: [
      useDocuments(documents, contextOf),
      useCodes(),
      useLanguage(),
      useLimits(mayIntrospect),
      useLive(createSerializer(mask), deliveries, documents),
      useAsOf(),
      useMetrics(metrics),
      useAccessLog(),
      useSelection(),
      useAccountLimits(),
      useMask(mask),
      useStreamHeaders(),
    ],
  });

  const fastPath = createFastPath({ documents, contextOf, mask, metrics });

  const requestInfoOf = (request: IncomingMessage & { access?: Access; body?: Buffer }): RequestInfo => ({
    access: request.access,
    authorization: request.headers.authorization ?? null,
    acceptLanguage: request.headers['accept-language'] ?? null,
    requestId: requestIdOf(request),
    address: addressOf(request, config.trustProxy),
    bytes: () => request.body?.length ?? 0,
  });

  const graphql = async (request: IncomingMessage, response: ServerResponse, responseHeaders: string[]): Promise<void> => {
    const { headers, method } = request;
    if (!cors.isAllowed(request)) {
      log.debug({ requestId: headers['x-request-id'], origin: headers.origin }, 'an origin that ALLOWED_ORIGINS does not name was refused');
      throw errors.originForbidden;
    }
    if (method === 'OPTIONS') return void response.writeHead(204, [...responseHeaders, 'allow', 'GET, POST, OPTIONS']).end();
    const json = mediaTypeOf(headers['content-type']) === 'application/json';
    // Refuses requests that a page of another site can send without a preflight (GET, forms, plain text).
    if (headers.authorization === undefined && headers['x-requested-with'] === undefined && !json) throw errors.csrfHeaderRequired;
    if (method === 'GET') checkQuery(request.url!);
    else if (method !== 'POST') throw errors.methodNotAllowed;
    else if (!json) throw errors.mediaTypeUnsupported;
    const envelope: RequestEnvelope = { requestInfo: requestInfoOf(request) };
    if (method === 'POST') {
      const body = await readText(request, bounds.body, response);
      if (body === undefined) return;
      if (await fastPath(Object.assign(request, { body }), response, envelope, responseHeaders)) return;
    }
    await yoga.handle(request, withHeaders(response, responseHeaders), envelope);
  };

  const metricsAllowed = (request: IncomingMessage): boolean =>
    config.metricsToken === undefined
      ? /^(::1|127\.|::ffff:127\.)/.test(request.socket.remoteAddress ?? '') && request.headers['x-forwarded-for'] === undefined
      : request.headers.authorization === `Bearer ${config.metricsToken}`;

  const route = async (request: IncomingMessage, response: ServerResponse, responseHeaders: string[]): Promise<void> => {
    const path = request.url?.split('?')[0];
    if (!/^100-continue$/i.test(request.headers.expect ?? '100-continue')) throw errors.expectationFailed;
    if (isPreflight(request) && cors.isAllowed(request)) return cors.answerPreflight(request, withHeaders(response, responseHeaders));
    if (path === '/graphql') return graphql(request, response, responseHeaders);
    withHeaders(response, responseHeaders);
    if (path === '/health/live') return sendResponse(response, 200, { status: 'live' });
    if (path === '/health/ready') {
      const status = listener.isStopping ? 'stopping' : await readiness.status();
      return sendResponse(response, status === 'ready' ? 200 : 503, { status });
    }
    if (path === '/metrics') {
      if (!metricsAllowed(request)) throw errors.notFound;
      return sendResponse(response, 200, await metrics.text(), 'text/plain; version=0.0.4');
    }
    if (request.headers.expect !== undefined) response.writeContinue();
    if (!(await deps.routes(request, response))) throw errors.notFound;
  };

  const listener = new Listener({
    config,
    log,
    metrics,
    handle(request, response, responseHeaders) {
      responseHeaders.push(...cors.headersFor(request));
      route(request, response, responseHeaders).catch((error: unknown) => {
        const masked = mask(error, 'ru', requestIdOf(request));
        if (response.headersSent) response.destroy();
        else sendError(request, withHeaders(response, responseHeaders), masked);
      });
    },
  });
  const sockets = serveSockets({
    server: listener.server,
    yoga,
    documents,
    contextOf,
    requestInfoOf,
    originAllowed: cors.isAllowed,
    mask,
    log,
    initTimeoutMs: timeouts.init,
    recheckIntervalMs: timeouts.recheck ?? socketTimeouts.recheck,
    onCount: (count) => metrics.sockets.set(count),
    hasExpired: (token) => deps.tokens.hasExpired(token),
    actorsOf: (credentials) => loadActors(db, credentials),
  });
  const connections = function* (): Iterable<OpenConnection> {
    yield* sockets.open();
    for (const socket of listener.connections()) yield { socket, disconnect: () => socket.destroy() };
  };
  const stopWatching = watchStalled(connections, timeouts.stalled, log);
  const port = await listener.listen();

  return {
    port,
    async close() {
      await listener.stop(() => sockets.close(config.stopSeconds * 1000));
      stopWatching();
      await yoga.dispose();
      metrics.registry.clear();
    },
  };
}

/**
 * Checks the query string of a GET.
 * @throws RequestError if it cannot be decoded without loss, or holds invalid JSON.
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
