import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { GraphQLError } from 'graphql';
import { CloseCode } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { Loaded } from '../../auth/actors.ts';
import type { Credential } from '../../auth/tokens.ts';
import { unauthenticated } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { Account } from '../account-limits.ts';
import { refusalError } from '../errors.ts';
import type { AuthenticatedRequest } from '../request-context.ts';
import type { RequestInfo } from '../request-info.ts';
import { Operation } from './operation.ts';

/** This file tracks the open WebSockets of a process: their accounts, pings, token expiry and closing. */

export const socketLimits = {
  /** Sockets without `connection_init` from one address. Beyond this number the server closes the oldest of them. */
  silentPerAddress: 100,
  /**
   * Milliseconds for which the limit `silentPerAddress` does not apply to a new socket. All clients of a school, behind
   * one address, may reconnect at once.
   */
  silentAfter: 1000,
  /** Sockets without `connection_init` from one address at which the server refuses another upgrade. */
  refusedPerAddress: 2000,
} as const;

/** Milliseconds between two pings. A client that has not answered when the next ping is due is disconnected. */
const pingIntervalMs = 12_000;
/** Milliseconds that a busy socket stays open after its token has expired, to end streams and answer operations. */
const expiryGraceMs = 5000;

/** Close code for temporary failures, after which clients reconnect. */
export const tryAgainLater = 1013;

/** Close codes and reasons. After 4401 and 4429 graphql-ws clients give up; after the other codes they reconnect. */
const expired = [CloseCode.Forbidden, 'Token expired'] as const;
const unauthorized = [CloseCode.Unauthorized, 'Unauthorized'] as const;
const initTimeout = [CloseCode.ConnectionInitialisationTimeout, 'Connection initialisation timeout'] as const;
const tooManySockets = [CloseCode.TooManyInitialisationRequests, 'Too many sockets'] as const;
const restart = [1012, 'Service restart'] as const;
const tooSlow = [tryAgainLater, 'Too slow: come back with your cursor'] as const;

export class OpenSocket {
  readonly ws: WebSocket;
  readonly socket: Socket;
  readonly requestInfo: RequestInfo;
  readonly openedAt = performance.now();
  isAlive = true;
  pingAt = performance.now() + pingIntervalMs;
  isInitialised = false;
  credential: Credential | undefined;
  account: Account | undefined;
  /** Operations that the server has not finished, even if the client has sent `complete`, or if `hold` keeps them unanswered. */
  readonly operations = new Set<Operation>();
  /** Request id for log lines that do not belong to an operation. */
  readonly requestId: string;
  readonly closed: Promise<void>;

  constructor(ws: WebSocket, socket: Socket, requestInfo: RequestInfo) {
    this.ws = ws;
    this.socket = socket;
    this.requestInfo = requestInfo;
    this.requestId = requestInfo.requestId ?? randomUUID();
    this.closed = new Promise((resolve) => ws.once('close', () => resolve()));
  }

  get hasExpired(): boolean {
    return this.credential !== undefined && this.credential.expiresAt <= Date.now() / 1000;
  }

  /** Whether any operation runs, apart from operations that `hold` keeps unanswered. */
  get isBusy(): boolean {
    for (const { isHeld } of this.operations) if (!isHeld) return true;
    return false;
  }

  get isAnswering(): boolean {
    for (const { isHeld, isStream } of this.operations) if (!isHeld && !isStream) return true;
    return false;
  }

  close([code, reason]: readonly [number, string]): void {
    this.ws.close(code, reason);
  }

  /** Closes the socket without waiting for the client. @param reason by default, that the client reads too slowly. */
  disconnect(reason: readonly [number, string] = tooSlow): void {
    this.close(reason);
    this.ws.terminate();
  }
}

export interface OpenSocketsOptions {
  /** Milliseconds in which a client must send `connection_init`. */
  initTimeoutMs: number;
  recheckIntervalMs: number;
  log: Logger;
  actorsOf(credentials: readonly Credential[]): Promise<readonly Loaded[]>;
  onCount(count: number): void;
}

export class OpenSockets {
  readonly #options: OpenSocketsOptions;
  readonly #all = new Set<OpenSocket>();
  /** Sockets without `connection_init` by address, the oldest first. */
  readonly #silent = new Map<string, Set<OpenSocket>>();
  readonly #timer: NodeJS.Timeout;
  #recheckedAt = performance.now();
  /** Whether the server is stopping. It then starts no operation. */
  isStopping = false;
  /** Number of running operations, including those of closed sockets. */
  #running = 0;
  /** The operation that the current message has started. */
  #started: Operation | undefined;

  constructor(options: OpenSocketsOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#check(), Math.min(1000, options.initTimeoutMs));
  }

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): Iterator<OpenSocket> {
    return this.#all.values();
  }

  /** Returns whether the address may open another socket: not if it has too many sockets without `connection_init`. */
  mayOpen({ address }: RequestInfo): boolean {
    return (this.#silent.get(address ?? '')?.size ?? 0) < socketLimits.refusedPerAddress;
  }

  add(open: OpenSocket): void {
    const address = open.requestInfo.address ?? '';
    const silent = this.#silent.get(address);
    if (silent === undefined) this.#silent.set(address, new Set([open]));
    else silent.add(open);
    this.#all.add(open);
    this.#options.onCount(this.#all.size);
    open.ws.once('close', () => {
      this.#removeSilent(open);
      this.#all.delete(open);
      if (open.account !== undefined) open.account.sockets -= 1;
      this.#options.onCount(this.#all.size);
    });
  }

  markInitialised(open: OpenSocket): void {
    open.isInitialised = true;
    this.#removeSilent(open);
  }

  /** Assigns the socket to its account. Closes it and returns false if the account has too many sockets. */
  admit(open: OpenSocket, { account, credential }: AuthenticatedRequest): boolean {
    if (open.ws.readyState !== WebSocket.OPEN) return false;
    if (!account.mayOpenSocket) {
      open.close(tooManySockets);
      return false;
    }
    account.sockets += 1;
    open.account = account;
    open.credential = credential ?? undefined;
    return true;
  }

  /** Closes the socket because of its token. A client whose token has expired may reconnect with a newer one. */
  refuse(open: OpenSocket, reason: 'TOKEN_EXPIRED' | 'UNAUTHORIZED'): void {
    open.close(reason === 'TOKEN_EXPIRED' ? expired : unauthorized);
  }

  /** Starts the operation of the `subscribe` message that `track` is handling. */
  startOperation(open: OpenSocket): Operation {
    const operation = (this.#started = new Operation());
    open.operations.add(operation);
    this.#running += 1;
    return operation;
  }

  /**
   * Handles a message, and ends its operation once the response has been sent. graphql-ws 6 calls `onSubscribe` before
   * the first `await` of its handler, and settles the handler's promise when everything is sent;
   * test/http/app/stopping.test.ts fails when this changes.
   */
  async track(open: OpenSocket, handleMessage: () => Promise<void>): Promise<void> {
    this.#started = undefined;
    const handled = handleMessage();
    const operation = this.#started as Operation | undefined;
    await handled;
    if (operation === undefined) return;
    open.operations.delete(operation);
    this.#running -= 1;
    operation.log(this.#options.log);
    if (this.isStopping && !open.isAnswering) open.close(restart);
  }

  /**
   * Keeps an operation unanswered, because the token of the socket has expired or the server stops. Closes the socket
   * as soon as no other operation runs; the client then sends the operation again, with a new token or to another
   * process. Resolves with an error for graphql-ws. By then the socket is closed, so the client does not get the error.
   */
  async hold(open: OpenSocket, operation: Operation): Promise<GraphQLError[]> {
    operation.isHeld = true;
    if (this.isStopping && !open.isAnswering) open.close(restart);
    else if (!open.isBusy) open.close(expired);
    await open.closed;
    return [refusalError(unauthenticated(), 'en')];
  }

  /**
   * Closes every socket as soon as its queries and mutations are answered. Resolves when all sockets are closed and no
   * operation runs. Disconnects the remaining sockets after `stopMs`.
   */
  async close(stopMs: number): Promise<void> {
    this.isStopping = true;
    for (const open of this.#all) if (!open.isAnswering) open.close(restart);
    const deadline = performance.now() + stopMs;
    while (this.#all.size + this.#running > 0 && performance.now() < deadline) await pause(20);
    for (const open of this.#all) open.disconnect(restart);
    clearInterval(this.#timer);
  }

  #removeSilent(open: OpenSocket): void {
    const address = open.requestInfo.address ?? '';
    const silent = this.#silent.get(address);
    silent?.delete(open);
    if (silent?.size === 0) this.#silent.delete(address);
  }

  #check(): void {
    const now = performance.now();
    for (const open of this.#all) {
      if (!open.isInitialised && now - open.openedAt >= this.#options.initTimeoutMs) open.close(initTimeout);
      else if (open.hasExpired && (!open.isBusy || open.credential!.expiresAt + expiryGraceMs / 1000 <= Date.now() / 1000))
        open.close(expired);
      if (now >= open.pingAt) this.#ping(open, now);
    }
    for (const silent of this.#silent.values()) {
      let excess = silent.size - socketLimits.silentPerAddress;
      for (const open of silent) {
        if (excess-- <= 0 || now - open.openedAt < socketLimits.silentAfter) break;
        open.close(initTimeout);
      }
    }
    if (now - this.#recheckedAt < this.#options.recheckIntervalMs) return;
    this.#recheckedAt = now;
    void this.#recheck();
  }

  #ping(open: OpenSocket, now: number): void {
    open.pingAt = now + pingIntervalMs;
    if (!open.isAlive) return open.ws.terminate();
    open.isAlive = false;
    open.ws.ping();
  }

  /** Closes idle sockets whose sessions or accounts have ended. */
  async #recheck(): Promise<void> {
    const { actorsOf, log } = this.#options;
    const idle = [...this.#all].filter((open) => open.credential !== undefined && !open.isBusy);
    try {
      for (let offset = 0; offset < idle.length; offset += 1000) {
        const batch = idle.slice(offset, offset + 1000);
        const actors = await actorsOf(batch.map(({ credential }) => credential!));
        batch.forEach((open, n) => {
          const actor = actors[n]!;
          if ('ended' in actor) this.refuse(open, actor.ended === 'TOKEN_EXPIRED' ? 'TOKEN_EXPIRED' : 'UNAUTHORIZED');
        });
      }
    } catch (error) {
      log.warn({ err: error }, 'reading the rights of idle sockets failed');
    }
  }
}
