import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Config } from '../config.ts';
import type { Logger } from '../logger.ts';
import { ReceiptBudget, type Receipt } from './body.ts';
import { messages } from './messages.ts';
import type { Metrics } from './metrics.ts';
import { addressOf, patternOf, requestIdOf, type Access } from './request-info.ts';

/** The HTTP server: tracks connections, assigns request ids, and stops without losing a running request. */

export interface ListenerDeps {
  config: Pick<Config, 'host' | 'port' | 'keepAliveSeconds' | 'stopSeconds' | 'stopDelaySeconds' | 'trustProxy'>;
  log: Logger;
  metrics: Metrics;
  /** Answers a request. @param headers headers that the response must have: names and values alternate. */
  handle(request: IncomingMessage, response: ServerResponse, headers: string[]): void;
}

/** Milliseconds that the stopping server gives a new connection to send its first request. */
const newConnectionMs = 1000;

export class Listener {
  readonly server: Server;
  /** Whether the server is stopping; `/health/ready` then answers `stopping`. */
  isStopping = false;
  readonly #deps: ListenerDeps;
  readonly #receipts = new ReceiptBudget();
  readonly #responses = new Set<ServerResponse>();
  /** Open connections, each with the `performance.now` of its start. */
  readonly #connections = new Map<Socket, number>();

  constructor(deps: ListenerDeps) {
    this.#deps = deps;
    const answer = (request: IncomingMessage, response: ServerResponse) => this.#answer(request, response);
    const timeouts = {
      requestTimeout: 30_000,
      headersTimeout: 10_000,
      connectionsCheckingInterval: 2000,
      keepAliveTimeout: deps.config.keepAliveSeconds * 1000,
    };
    this.server = createServer({ maxHeaderSize: 32 * 1024, ...timeouts }, answer)
      // `readText` sends 100-continue when it reads the body, so that a client does not send a body that is refused.
      .on('checkContinue', answer)
      .on('checkExpectation', answer)
      .on('connection', (socket) => {
        this.#connections.set(socket, performance.now());
        socket.once('close', () => this.#connections.delete(socket));
      })
      .on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => this.#refuse(error, socket));
    this.#keepSending();
  }

  /**
   * Changes `closeIdleConnections`, which `close` also calls: it must keep connections that still send a response, so that
   * the client gets the whole response. Node 20 to 24 takes such a connection for idle as soon as `end` has set `finished`
   * on the response. If a later version does not, test/http/stalled-connections.test.ts fails.
   */
  #keepSending(): void {
    const closeIdle = this.server.closeIdleConnections.bind(this.server);
    this.server.closeIdleConnections = () => {
      const sending = [...this.#responses].filter(({ writableEnded, writableFinished }) => writableEnded && !writableFinished);
      for (const response of sending) Object.assign(response, { finished: false });
      closeIdle();
      for (const response of sending) Object.assign(response, { finished: true });
    };
  }

  /** Listens on the configured address. Resolves with the port; the system chooses one if the configured port is 0. */
  listen(): Promise<number> {
    const { server } = this;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#deps.config.port, this.#deps.config.host, () => {
        server.off('error', reject);
        resolve((server.address() as AddressInfo).port);
      });
    });
  }

  connections(): Iterable<Socket> {
    return this.#connections.keys();
  }

  /**
   * Stops the server. `/health/ready` answers `stopping` for `stopDelaySeconds`; then the server accepts no new
   * connection, closes WebSockets, ends streams, and waits at most `stopSeconds` for running requests. Resolves when no
   * connection is open.
   * @param closeSockets closes the WebSockets, which node:http does not track, within `stopSeconds`.
   */
  async stop(closeSockets: () => Promise<void>): Promise<void> {
    const { stopSeconds, stopDelaySeconds } = this.#deps.config;
    this.isStopping = true;
    for (const response of this.#responses) if (!response.headersSent) response.setHeader('connection', 'close');
    if (stopDelaySeconds > 0) await pause(stopDelaySeconds * 1000);
    const closed = new Promise((resolve) => this.server.close(resolve));
    const sweep = (): void => {
      this.#closeIdle();
      this.#endStreams();
    };
    // Repeats `sweep`, because a request that is still being read may start a stream later.
    const timer = setInterval(sweep, 100);
    const force = setTimeout(() => this.server.closeAllConnections(), stopSeconds * 1000);
    sweep();
    await Promise.all([closeSockets(), closed]);
    clearInterval(timer);
    clearTimeout(force);
  }

  /**
   * Closes idle connections. Also closes connections on which nothing has arrived: browsers open them in advance, and
   * Node does not count them as idle. Waits `newConnectionMs` first, since a request may be on its way.
   */
  #closeIdle(): void {
    this.server.closeIdleConnections();
    const now = performance.now();
    for (const [socket, since] of this.#connections) if (socket.bytesRead === 0 && now - since > newConnectionMs) socket.destroy();
  }

  /** Ends streams of events without `complete`, so that clients reconnect to another process. */
  #endStreams(): void {
    for (const response of this.#responses) {
      if (response.writableEnded || !/^(text\/event-stream|multipart\/mixed)/.test(String(response.getHeader('content-type')))) continue;
      response.end();
      response.req.destroy(new Error('stopping'));
    }
  }

  #answer(request: IncomingMessage & { access?: Access; receipt?: Receipt }, response: ServerResponse): void {
    const { log, metrics, handle } = this.#deps;
    const startedAt = performance.now();
    const access: Access = (request.access = {});
    request.receipt = this.#receipts.begin(() => addressOf(request, this.#deps.config.trustProxy));
    // Keeps the URL for the log: src/http/routes.ts changes it in requests to the authorization server.
    const { method, url = '/' } = request;
    const requestId = requestIdOf(request) ?? randomUUID();
    request.headers['x-request-id'] = requestId;
    const headers = ['x-request-id', requestId, 'x-content-type-options', 'nosniff'];
    if (this.isStopping) headers.push('connection', 'close');
    this.#responses.add(response);
    // `#endStreams` ends a response to which its stream may still write. Such a write causes an error, and without this
    // listener the error would end the process.
    response.on('error', () => undefined);
    response.on('close', () => {
      this.#responses.delete(response);
      metrics.requests.inc({ method: method ?? '', status: response.statusCode });
      const ms = Math.round(performance.now() - startedAt);
      const { operation, name, account, accountId } = access;
      const aborted = response.writableFinished ? undefined : true;
      log.info(
        { requestId, method, path: patternOf(url), status: response.statusCode, ms, operation, name, account, accountId, aborted },
        'request',
      );
    });
    handle(request, response, headers);
  }

  /** Answers a request that the HTTP parser refused. Answers in Russian, because the parser gives no headers. */
  #refuse({ code }: NodeJS.ErrnoException, socket: Socket): void {
    const isAnswered = [...this.#responses].some((response) => response.socket === socket && response.headersSent);
    if (isAnswered || !socket.writable) return void socket.destroy();
    const [status, error, [message]] =
      code === 'HPE_HEADER_OVERFLOW'
        ? (['431 Request Header Fields Too Large', 'BAD_REQUEST', messages.headersTooLarge] as const)
        : code === 'ERR_HTTP_REQUEST_TIMEOUT'
          ? (['408 Request Timeout', 'REQUEST_TIMEOUT', messages.timedOut] as const)
          : (['400 Bad Request', 'BAD_REQUEST', messages.notHttp] as const);
    this.#deps.log.info({ status: Number.parseInt(status), code }, 'malformed HTTP request');
    const body = JSON.stringify({ errors: [{ message, extensions: { code: error } }] });
    const head = `Connection: close\r\nContent-Type: application/json; charset=utf-8\r\nContent-Language: ru\r\nContent-Length: ${Buffer.byteLength(body)}`;
    // Destroys the socket, since the client may keep its side open.
    socket.end(`HTTP/1.1 ${status}\r\n${head}\r\n\r\n${body}`, () => socket.destroy());
  }
}
