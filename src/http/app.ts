import type { IncomingMessage, ServerResponse } from 'node:http';
import { loadActors } from '../auth/actors.ts';
import { isSameSecret } from '../auth/seal.ts';
import { AccountLimits } from './account-limits.ts';
import { Documents } from './graphql/documents.ts';
import { FastPath } from './graphql/fast-path.ts';
import { Pipeline, type RequestEnvelope } from './graphql/pipeline.ts';
import { createYogaHandler, type YogaHandler } from './graphql/yoga.ts';
import { Listener } from './listener.ts';
import { Subscriptions } from './live/subscription-execution.ts';
import { createMask, createSerializer, RequestError, type Mask } from './errors.ts';
import { messages } from './messages.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { Readiness } from './readiness.ts';
import { RequestContexts, type ServerDeps } from './request-context.ts';
import { requestIdOf, requestInfoOf } from './request-info.ts';
import { sendResponse, sendError, withHeaders } from './responses.ts';
import { socketTimeouts, serveSockets, type Sockets, type SocketTimeouts } from './websocket/server.ts';
import { DownloadRoute, downloadCodeOf } from './download-route.ts';
import { UploadRoute, uploadIdOf } from './upload-route.ts';
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
  expectationFailed: new RequestError('EXPECTATION_FAILED', messages.expectationFailed, { status: 417 }),
  notFound: new RequestError('NOT_FOUND', messages.notFound, { status: 404 }),
};

/** Creates the server and listens. */
export async function startApp(deps: AppDeps): Promise<App> {
  const server = new HttpServer(deps);
  const port = await server.listen();
  return { port, close: () => server.close() };
}

/**
 * Routes requests by their path. Every GraphQL request takes the steps of src/http/graphql/pipeline.ts. fast-path.ts in the
 * same folder handles the common requests, and yoga.ts all others.
 */
class HttpServer {
  readonly #deps: AppDeps;
  readonly #mask: Mask;
  readonly #cors: Cors;
  readonly #readiness: Readiness;
  readonly #metrics: Metrics;
  readonly #pipeline: Pipeline;
  readonly #fastPath: FastPath;
  readonly #uploads: UploadRoute;
  readonly #downloads: DownloadRoute;
  readonly #yoga: YogaHandler;
  readonly #listener: Listener;
  readonly #sockets: Sockets;
  readonly #stopWatching: () => void;

  constructor(deps: AppDeps) {
    const { config, db, log, liveEvents } = deps;
    this.#deps = deps;
    this.#mask = createMask(log);
    this.#cors = createCors(config.publicUrl, config.allowedOrigins);
    this.#readiness = new Readiness(db);
    const counts = { executions: 0, serialisations: 0 };
    this.#metrics = createMetrics(db, liveEvents, counts, config.workers);
    const documents = new Documents();
    const subscriptions = new Subscriptions(createSerializer(this.#mask), counts, documents);
    const contexts = new RequestContexts(deps, new AccountLimits(config));
    this.#uploads = new UploadRoute(deps, contexts);
    this.#downloads = new DownloadRoute(deps, contexts);
    this.#pipeline = new Pipeline({
      log,
      documents,
      isOriginAllowed: this.#cors.isAllowed,
      contexts,
      mask: this.#mask,
      metrics: this.#metrics,
      subscribe: (args) => subscriptions.subscribe(args),
    });
    this.#fastPath = new FastPath(this.#pipeline);
    this.#yoga = createYogaHandler(this.#pipeline, this.#mask);
    this.#listener = new Listener({
      config,
      log,
      metrics: this.#metrics,
      handle: (request, response, headers) => this.#handle(request, response, headers),
    });
    const timeouts = deps.timeouts ?? socketTimeouts;
    this.#sockets = this.#serveSockets(timeouts);
    this.#stopWatching = watchStalled(() => this.#connections(), timeouts.stalled, log);
  }

  listen(): Promise<number> {
    return this.#listener.listen();
  }

  async close(): Promise<void> {
    await this.#listener.stop(() => this.#sockets.close(this.#deps.config.stopSeconds * 1000));
    this.#stopWatching();
    await this.#yoga.dispose();
    this.#metrics.registry.clear();
  }

  #serveSockets(timeouts: SocketTimeouts): Sockets {
    const { db, log, tokens } = this.#deps;
    return serveSockets({
      server: this.#listener.server,
      pipeline: this.#pipeline,
      requestInfoOf: (request) => requestInfoOf(request, this.#deps.config.trustProxy),
      originAllowed: this.#cors.isAllowed,
      mask: this.#mask,
      log,
      initTimeoutMs: timeouts.init,
      recheckIntervalMs: timeouts.recheck ?? socketTimeouts.recheck,
      onCount: (count) => this.#metrics.sockets.set(count),
      hasExpired: (token) => tokens.hasExpired(token),
      actorsOf: (credentials) => loadActors(db, credentials),
    });
  }

  *#connections(): Iterable<OpenConnection> {
    yield* this.#sockets.open();
    for (const socket of this.#listener.connections()) yield { socket, disconnect: () => socket.destroy() };
  }

  /** Answers a request, or sends the error. @param headers of the response: names and values alternate. */
  #handle(request: IncomingMessage, response: ServerResponse, headers: string[]): void {
    headers.push(...this.#cors.headersFor(request));
    this.#route(request, response, headers).catch((error: unknown) => {
      const masked = this.#mask(error, 'ru', requestIdOf(request));
      if (response.headersSent) response.destroy();
      else sendError(request, withHeaders(response, headers), masked);
    });
  }

  async #route(request: IncomingMessage, response: ServerResponse, headers: readonly string[]): Promise<void> {
    const path = request.url?.split('?')[0];
    if (!/^100-continue$/i.test(request.headers.expect ?? '100-continue')) throw errors.expectationFailed;
    if (isPreflight(request) && this.#cors.isAllowed(request)) return this.#cors.answerPreflight(request, withHeaders(response, headers));
    if (path === '/graphql') return this.#answerGraphQL(request, response, headers);
    withHeaders(response, headers);
    if (path === '/health/live') return sendResponse(response, 200, { status: 'live' });
    if (path === '/health/ready') return this.#answerReadiness(response);
    if (path === '/metrics') return this.#answerMetrics(request, response);
    if (request.headers.expect !== undefined) response.writeContinue();
    const info = requestInfoOf(request, this.#deps.config.trustProxy);
    const id = uploadIdOf(request.url);
    if (id !== undefined) return this.#uploads.answer(request, response, { id, info });
    const code = downloadCodeOf(request.url);
    if (code !== undefined) return this.#downloads.answer(request, response, { code, info });
    if (!(await this.#deps.routes(request, response))) throw errors.notFound;
  }

  async #answerGraphQL(request: IncomingMessage, response: ServerResponse, headers: readonly string[]): Promise<void> {
    const { method } = request;
    this.#pipeline.accept(request);
    if (method === 'OPTIONS') return void response.writeHead(204, [...headers, 'allow', 'GET, POST, OPTIONS']).end();
    const envelope: RequestEnvelope = { requestInfo: requestInfoOf(request, this.#deps.config.trustProxy) };
    if (method === 'POST') {
      const body = await this.#pipeline.readBody(request, response);
      if (body === undefined) return;
      if (await this.#fastPath.answer(Object.assign(request, { body }), response, envelope, headers)) return;
    }
    await this.#yoga.handle(request, withHeaders(response, headers), envelope);
  }

  async #answerReadiness(response: ServerResponse): Promise<void> {
    const status = this.#listener.isStopping ? 'stopping' : await this.#readiness.status();
    sendResponse(response, status === 'ready' ? 200 : 503, { status });
  }

  /**
   * Answers requests that have METRICS_TOKEN as their bearer token. If METRICS_TOKEN is not set, answers only clients
   * on this machine.
   * @throws NOT_FOUND for any other request.
   */
  async #answerMetrics({ socket, headers }: IncomingMessage, response: ServerResponse): Promise<void> {
    const { metricsToken } = this.#deps.config;
    const isAllowed =
      metricsToken === undefined
        ? /^(::1|127\.|::ffff:127\.)/.test(socket.remoteAddress ?? '') && headers['x-forwarded-for'] === undefined
        : isSameSecret(headers.authorization ?? '', `Bearer ${metricsToken}`);
    if (!isAllowed) throw errors.notFound;
    sendResponse(response, 200, await this.#metrics.text(), 'text/plain; version=0.0.4');
  }
}

/**
 * Handles cross-origin requests from the origins in ALLOWED_ORIGINS. Every response to such a request, even a
 * refusal, has CORS headers. A browser hides a response without these headers, and reports a network error instead.
 */
interface Cors {
  /** Returns whether the request has the server's own origin, an allowed origin, or, like a program's request, no origin. */
  isAllowed(request: IncomingMessage): boolean;
  /** Returns the CORS headers of a response: names and values alternate. */
  headersFor(request: IncomingMessage): string[];
  answerPreflight(request: IncomingMessage, response: ServerResponse): void;
}

const exposed = 'x-request-id, retry-after, www-authenticate, location, allow, accept-encoding, content-disposition';

function createCors(publicUrl: string, allowedOrigins: readonly string[]): Cors {
  const origins = new Set([new URL(publicUrl).origin, ...allowedOrigins]);
  return {
    isAllowed: ({ headers: { origin } }) => origin === undefined || origins.has(origin),
    headersFor({ headers: { origin } }) {
      const headers = ['vary', 'Origin, Accept-Language'];
      if (origin !== undefined && origins.has(origin))
        headers.push('access-control-allow-origin', origin, 'access-control-expose-headers', exposed);
      return headers;
    },
    /**
     * Allows the method and the headers that the page requests. This is safe: the operator trusts the origin,
     * browsers send no cookies because no response allows credentials, and a program could send any header anyway.
     * The server refuses an unsupported method later, in the response to the request itself, which the page can
     * read.
     */
    answerPreflight({ headers }, response) {
      const names = headers['access-control-request-headers'] ?? '';
      const method = headers['access-control-request-method'] ?? '';
      if (isToken(method)) response.setHeader('access-control-allow-methods', method);
      if (names.split(',').every((name) => isToken(name.trim()))) response.setHeader('access-control-allow-headers', names);
      response.setHeader('access-control-max-age', '7200');
      response.setHeader('vary', 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers');
      response.writeHead(204).end();
    },
  };
}

/** Returns whether the text is a token (RFC 9110, 5.6.2). */
const isToken = (text: string): boolean => /^[\w!#$%&'*+.^`|~-]+$/.test(text);

const isPreflight = ({ method, headers }: IncomingMessage): boolean =>
  method === 'OPTIONS' && headers.origin !== undefined && headers['access-control-request-method'] !== undefined;
