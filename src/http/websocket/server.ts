import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { CloseCode, handleProtocols, type Server as Protocol } from 'graphql-ws';
import { WebSocketServer, type WebSocket } from 'ws';
import { refusalOf } from '../../db/availability.ts';
import type { Logger } from '../../logger.ts';
import type { RequestInfo } from '../request-info.ts';
import type { OpenConnection } from '../stalled-connections.ts';
import { OpenSocket, OpenSockets, tryAgainLater, type OpenSocketsOptions } from './open-sockets.ts';
import { createProtocol, type ProtocolOptions } from './protocol.ts';

/** Serves GraphQL over WebSocket (graphql-transport-ws). */

const maxPayload = 64 * 1024;
const maxFragments = 64;
/** The server stops reading from a client while more bytes than this wait to be sent to the client. */
const maxBufferedBytes = 1024 * 1024;
/** Milliseconds in which a client must answer a close frame. */
const closeTimeout = 2000;

/** Time limits of clients, in milliseconds. */
export interface SocketTimeouts {
  /** Time that a client has to send `connection_init` on a new socket. */
  init: number;
  /** Time in which a client with unsent bytes must read at least one byte. */
  stalled: number;
  /** Time between two checks of the sessions and accounts of idle sockets. A stream checks the rights of its own subscriber. */
  recheck?: number;
}

export const socketTimeouts = { init: 5000, stalled: 15_000, recheck: 30_000 } satisfies SocketTimeouts;

export interface Sockets {
  open(): Iterable<OpenConnection>;
  /**
   * Starts no further operation, and closes every socket with 1012 as soon as its queries and mutations are answered,
   * so that clients reconnect to another process. Disconnects the remaining sockets after `stopMs`.
   */
  close(stopMs: number): Promise<void>;
}

interface Options extends Omit<ProtocolOptions, 'sockets'>, OpenSocketsOptions {
  server: Server;
  requestInfoOf(request: IncomingMessage): RequestInfo;
  originAllowed(request: IncomingMessage): boolean;
}

export const serveSockets = (options: Options): Sockets => new SocketServer(options);

class SocketServer implements Sockets {
  readonly #options: Options;
  readonly #log: Logger;
  readonly #wss: WebSocketServer;
  readonly #sockets: OpenSockets;
  readonly #protocol: Protocol<OpenSocket>;
  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => this.#upgrade(request, socket, head);

  constructor(options: Options) {
    this.#options = options;
    this.#log = options.log;
    // A variable, because TypeScript would refuse `closeTimeout` in a literal argument: the types of ws lack this option.
    const wsOptions = { noServer: true, maxPayload, maxFragments, perMessageDeflate: false, handleProtocols, closeTimeout };
    this.#wss = new WebSocketServer(wsOptions);
    this.#sockets = new OpenSockets(options);
    this.#protocol = createProtocol({ ...options, sockets: this.#sockets });
    options.server.on('upgrade', this.#onUpgrade);
  }

  *open(): Iterable<OpenConnection> {
    for (const open of this.#sockets) yield { socket: open.socket, disconnect: () => open.disconnect() };
  }

  async close(stopMs: number): Promise<void> {
    this.#options.server.off('upgrade', this.#onUpgrade);
    await this.#sockets.close(stopMs);
    this.#wss.close();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { requestInfoOf, originAllowed, initTimeoutMs } = this.#options;
    socket.on('error', () => socket.destroy());
    const requestInfo = requestInfoOf(request);
    if (request.url?.split('?')[0] !== '/graphql') endUpgrade(socket, '404 Not Found');
    else if (!originAllowed(request)) endUpgrade(socket, '403 Forbidden');
    else if (!this.#sockets.mayOpen(requestInfo))
      endUpgrade(socket, '429 Too Many Requests', `Retry-After: ${Math.ceil(initTimeoutMs / 1000)}\r\n`);
    else this.#wss.handleUpgrade(request, socket, head, (ws) => this.#serve(new OpenSocket(ws, request.socket, requestInfo)));
  }

  #serve(open: OpenSocket): void {
    const { ws, requestId } = open;
    const openedAt = performance.now();
    this.#sockets.add(open);
    // ws emits an error for an invalid frame. Without a listener, the error would end the process.
    ws.on('error', () => undefined);
    ws.on('pong', () => (open.isAlive = true));
    ws.on('ping', () => applyBackpressure(open));
    const closed = this.#protocol.opened(
      {
        protocol: ws.protocol,
        send: (text) => new Promise((resolve) => (ws.readyState === ws.OPEN ? ws.send(text, () => resolve()) : resolve())),
        close: (code, reason) => ws.close(code, reason),
        onMessage: (handleMessage) =>
          ws.on('message', (data, isBinary) => this.#receive(open, isBinary ? null : (data as Buffer), handleMessage)),
      },
      open,
    );
    ws.once('close', (code, reason) => {
      const ms = Math.round(performance.now() - openedAt);
      this.#log.info({ requestId, method: 'GET', path: '/graphql', status: 101, ms, closeCode: code }, 'socket');
      closed(code, String(reason)).catch((error: unknown) => this.#log.error({ err: error, requestId }, 'closing a socket failed'));
    });
  }

  /** @param text is null for a binary message. */
  #receive(open: OpenSocket, text: Buffer | null, handleMessage: (text: string) => Promise<void>): void {
    const { ws } = open;
    open.isAlive = true;
    // Ignores messages that arrive after the server has closed the socket.
    if (ws.readyState !== ws.OPEN) return;
    // ws checks that text messages are UTF-8. It does not check binary messages.
    if (text === null) return ws.close(CloseCode.BadRequest, 'Invalid message received');
    void this.#sockets.track(open, () => handleMessage(text.toString()).catch((error: unknown) => this.#fail(open, error)));
    applyBackpressure(open);
  }

  /** Closes a socket because of an error that belongs to no operation. */
  #fail({ ws, requestId }: OpenSocket, error: unknown): void {
    // graphql-ws throws this when a client sends a message type that only servers may send.
    if (/^Unexpected message/.test((error as Error).message)) return ws.close(CloseCode.BadRequest, 'Invalid message received');
    if (refusalOf(error) !== undefined) {
      this.#log.warn({ err: error, requestId }, 'unavailable');
      return ws.close(tryAgainLater, 'UNAVAILABLE');
    }
    this.#log.error({ err: error, requestId }, 'a message on a socket failed');
    ws.close(CloseCode.InternalServerError, 'Internal server error');
  }
}

/** Answers an upgrade request with an error. Destroys the socket, since the client may keep its side open. */
function endUpgrade(socket: Duplex, status: string, headers = ''): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n${headers}\r\n`, () => socket.destroy());
}

/** Stops reading from a client that does not read its results. */
function applyBackpressure({ ws, socket }: { ws: WebSocket; socket: Duplex }): void {
  if (ws.bufferedAmount <= maxBufferedBytes || ws.isPaused) return;
  ws.pause();
  socket.once('drain', () => ws.resume());
}
