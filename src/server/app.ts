import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { createYoga } from 'graphql-yoga';
import type { GraphContext } from '../graphql/context.ts';
import { schema } from '../graphql/schema.ts';
import { addressOf } from './client-address.ts';
import { createDirect } from './direct.ts';
import { useExecution } from './execution.ts';
import { bounds, useLimits } from './limits.ts';
import { useAsOf, useLive } from './live.ts';
import { createMask, createSay, useCodes, useLanguage } from './masking.ts';
import { createMetrics, useMetrics } from './metrics.ts';
import { createContexts, mayIntrospect, type Asked, type Deps } from './requests.ts';
import { patience, serveSockets, watchStalled, type Sending } from './websocket.ts';

/** HTTP and WebSocket around one schema and one context. */

export interface App {
  /** Where it listens; with port 0 the one that the system chose. */
  port: number;
  /** Stops in ten seconds at most: no new requests, sockets told to come back, what is under way finished. */
  close(): Promise<void>;
}

export interface AppDeps extends Deps {
  /** Answers what is not GraphQL: pages, the authorization server, the explorer. False where nothing of it fits. */
  routes(request: IncomingMessage, response: ServerResponse): Promise<boolean>;
  /** Milliseconds that clients are given, where not the usual ones. */
  patience?: typeof patience;
}

/** Milliseconds that requests under way have to finish when the server stops. */
const grace = 5000;

const answer = (response: ServerResponse, status: number, body: unknown, type = 'application/json'): void => {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  response.writeHead(status, { 'content-type': `${type}; charset=utf-8`, 'cache-control': 'no-store' }).end(text);
};

/** The response with these heads, names and values in turn. */
function withHeads(response: ServerResponse, heads: readonly string[]): ServerResponse {
  for (let n = 0; n < heads.length; n += 2) response.setHeader(heads[n]!, heads[n + 1]!);
  return response;
}

const refuse = (response: ServerResponse, status: number, code: string, message: string): void =>
  answer(response, status, { errors: [{ message, extensions: { code } }] });

export async function startApp(deps: AppDeps): Promise<App> {
  const { config, db, log, feed } = deps;
  const given = deps.patience ?? patience;
  const deliveries = { executions: 0, serialisations: 0 };
  const metrics = createMetrics(db, feed, deliveries, config.workers);
  const contextOf = createContexts(deps);
  const mask = createMask(log);
  const own = new URL(config.publicUrl).origin;
  const origins = new Set([own, ...config.allowedOrigins]);
  let stopping = false;

  const yoga = createYoga<{ asked?: Asked }, GraphContext>({
    schema,
    context: ({ asked, request }) => contextOf(asked ?? askedOfHeaders(request.headers)),
    graphqlEndpoint: '/graphql',
    graphiql: false,
    landingPage: false,
    multipart: false,
    batching: false,
    logging: false,
    cors: (request) => {
      const origin = request.headers.get('origin');
      return origin !== null && origins.has(origin)
        ? { origin, credentials: false, methods: ['GET', 'POST'], allowedHeaders: ['authorization', 'content-type', 'accept-language', 'x-request-id'], maxAge: 600 }
        : false;
    },
    maskedErrors: { maskError: (error) => mask(error) },
    plugins: [useCodes(), useLanguage(), useLimits(mayIntrospect), useLive(createSay(mask), deliveries), useAsOf(), useMetrics(metrics), useExecution()],
  });

  const direct = createDirect({ yoga, contextOf, mask, metrics });

  const askedOf = (request: IncomingMessage): Asked => ({
    authorization: request.headers.authorization ?? null,
    acceptLanguage: request.headers['accept-language'] ?? null,
    requestId: requestIdOf(request),
    address: addressOf(request, config.trustProxy),
  });

  const originAllowed = ({ headers: { origin } }: IncomingMessage): boolean => origin === undefined || origins.has(origin);

  const graphql = async (request: IncomingMessage, response: ServerResponse, heads: string[]): Promise<void> => {
    const { headers, method } = request;
    const refused = (status: number, code: string, message: string): void => refuse(withHeads(response, heads), status, code, message);
    if (!originAllowed(request)) return refused(403, 'ORIGIN_FORBIDDEN', 'This origin is not among the allowed ones.');
    const simple = headers.authorization === undefined && headers['x-requested-with'] === undefined;
    const json = /^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '');
    // What a foreign page could send without asking first (GET, forms, plain text) is not answered.
    if (method !== 'OPTIONS' && simple && !json)
      return refused(400, 'CSRF_HEADER_REQUIRED', 'Send Authorization, X-Requested-With or Content-Type: application/json.');
    if (method === 'POST') {
      if (!json) return refused(415, 'UNSUPPORTED_MEDIA_TYPE', 'Send Content-Type: application/json.');
      const length = Number(headers['content-length'] ?? NaN);
      if (Number.isNaN(length)) return refused(411, 'LENGTH_REQUIRED', 'Send Content-Length.');
      if (length > bounds.body) {
        response.setHeader('connection', 'close');
        return refused(413, 'BODY_TOO_LARGE', `A request has at most ${bounds.body} bytes.`);
      }
    }
    const asked = askedOf(request);
    // It is an allowed one; the browser gives its page the answer only with this.
    if (headers.origin !== undefined) heads.push('access-control-allow-origin', headers.origin);
    if (method === 'POST' && (await direct(request, response, asked, heads))) return;
    await yoga.handle(request, withHeads(response, heads), { asked } as never);
  };

  const ready = async (): Promise<boolean> => {
    if (stopping) return false;
    try {
      await Promise.race([
        db.pool.query('select 1'),
        new Promise((_resolve, reject) => setTimeout(reject, 2000, new Error('timeout')).unref()),
      ]);
      return true;
    } catch {
      return false;
    }
  };

  const metricsAllowed = (request: IncomingMessage): boolean =>
    config.metricsToken === undefined
      ? /^(::1|127\.|::ffff:127\.)/.test(request.socket.remoteAddress ?? '') && request.headers['x-forwarded-for'] === undefined
      : request.headers.authorization === `Bearer ${config.metricsToken}`;

  const route = async (request: IncomingMessage, response: ServerResponse, heads: string[]): Promise<void> => {
    const path = request.url?.split('?')[0];
    if (path === '/graphql') return graphql(request, response, heads);
    withHeads(response, heads);
    if (path === '/health/live') return answer(response, 200, { status: 'live' });
    if (path === '/health/ready') {
      const ok = await ready();
      return answer(response, ok ? 200 : 503, { status: ok ? 'ready' : stopping ? 'stopping' : 'no database' });
    }
    if (path === '/metrics') {
      if (!metricsAllowed(request)) return refuse(response, 404, 'NOT_FOUND', 'There is nothing here.');
      return answer(response, 200, await metrics.text(), 'text/plain; version=0.0.4');
    }
    if (!(await deps.routes(request, response))) refuse(response, 404, 'NOT_FOUND', 'There is nothing here.');
  };

  const responses = new Set<ServerResponse>();
  const streams = function* (): Iterable<ServerResponse> {
    for (const response of responses) if (/^(text\/event-stream|multipart\/mixed)/.test(String(response.getHeader('content-type')))) yield response;
  };

  const server = createServer({ maxHeaderSize: 32 * 1024, requestTimeout: 30_000 }, (request, response) => {
    const begun = performance.now();
    const requestId = requestIdOf(request) ?? randomUUID();
    request.headers['x-request-id'] = requestId;
    const heads = ['x-request-id', requestId, 'x-content-type-options', 'nosniff'];
    responses.add(response);
    // What is written after the end of a stream that was cut concerns nobody.
    response.on('error', () => undefined);
    response.on('close', () => {
      responses.delete(response);
      metrics.requests.inc({ method: request.method ?? '', status: response.statusCode });
      log.debug({ requestId, method: request.method, status: response.statusCode, ms: Math.round(performance.now() - begun) }, 'request');
    });
    route(request, response, heads).catch((error: unknown) => {
      log.error({ err: error, requestId }, 'request failed');
      if (response.headersSent) response.destroy();
      else refuse(withHeads(response, heads), 500, 'INTERNAL', 'Something went wrong on our side; it has been noted.');
    });
  });
  server.on('clientError', ({ code }: NodeJS.ErrnoException, socket: Socket) => {
    const status = code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request';
    const body = JSON.stringify({ errors: [{ message: 'This is no HTTP request.', extensions: { code: 'BAD_REQUEST' } }] });
    const head = `Connection: close\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}`;
    if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\n${head}\r\n\r\n${body}`);
    else socket.destroy();
  });

  const sockets = serveSockets({
    server, yoga: yoga, askedOf, originAllowed, mask, log,
    initWithin: given.init,
    opened: (count) => metrics.sockets.set(count),
  });
  const sending = function* (): Iterable<Sending> {
    yield* sockets.open();
    for (const { socket } of streams()) if (socket) yield { socket, cut: () => socket.destroy() };
  };
  const stopWatching = watchStalled(sending, given.stalled, log);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.port, config.host, () => {
      server.off('error', reject);
      resolve();
    });
  });

  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      stopping = true;
      const closed = new Promise((resolve) => server.close(resolve));
      await sockets.close();
      // Streams end without the word that they are complete, so that clients come back to another process.
      for (const response of streams()) {
        response.end();
        response.req.destroy(new Error('stopping'));
      }
      server.closeIdleConnections();
      const force = setTimeout(() => server.closeAllConnections(), grace);
      await closed;
      clearTimeout(force);
      stopWatching();
      await yoga.dispose();
      metrics.registry.clear();
    },
  };
}

/** The caller's own id for the request, if it is fit for a log line. */
function requestIdOf(request: IncomingMessage): string | null {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && /^[\w-]{8,64}$/.test(given) ? given : null;
}

const askedOfHeaders = (headers: Headers): Asked => ({
  authorization: headers.get('authorization'),
  acceptLanguage: headers.get('accept-language'),
  requestId: null,
  address: null,
});

