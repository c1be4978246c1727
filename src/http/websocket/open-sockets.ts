import type { Socket } from 'node:net';
import type { GraphQLError } from 'graphql';
import { CloseCode } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { Loaded } from '../../auth/actors.ts';
import type { Credential } from '../../auth/tokens.ts';
import { unauthenticated } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { Account } from '../account-limits.ts';
import { refusalError } from '../errors.ts';
import type { RequestInfo, RequestContext } from '../request-context.ts';

/** The open WebSockets of a process: their accounts, whether their clients still answer, and when the server closes them. */

export const socketLimits = {
  /** Sockets of one address without `connection_init`. Past it the oldest are closed, so that new ones get in. */
  silentPerAddress: 100,
  /** Milliseconds before a new socket counts as silent: all clients of a school may reconnect at once. */
  silentAfter: 1000,
  /** Number of sockets without `connection_init` at which the address is refused another one. */
  refusedPerAddress: 2000,
} as const;

/** Milliseconds between two pings. A client that answers none is cut when the next one is due. */
const pingEvery = 12_000;
/** Milliseconds after a token expires in which streams say why they end, and operations under way are answered. */
const expiryGraceMs = 5000;

/** Close codes, and what clients of graphql-ws do: 4401 and 4429 end them, the others let them come back. */
const expired = [CloseCode.Forbidden, 'Token expired'] as const;
const unauthorized = [CloseCode.Unauthorized, 'Unauthorized'] as const;
const initTimeout = [CloseCode.ConnectionInitialisationTimeout, 'Connection initialisation timeout'] as const;
const tooManySockets = [CloseCode.TooManyInitialisationRequests, 'Too many sockets'] as const;
const tooSlow = [1013, 'Too slow: come back with your cursor'] as const;

export class OpenSocket {
  readonly ws: WebSocket;
  readonly socket: Socket;
  /** The credentials, language and address of the upgrade request. */
  readonly requestInfo: RequestInfo;
  readonly openedAt = performance.now();
  isAlive = true;
  pingAt = performance.now() + pingEvery;
  /** Whether `connection_init` has come. */
  isInitialised = false;
  credential: Credential | undefined;
  account: Account | undefined;
  /** Number of operations that wait for the socket to be closed, since its token has expired. */
  held = 0;
  /** Returns the number of operations under way, held ones included. */
  operations: () => number = () => 0;
  readonly closed: Promise<void>;

  constructor(ws: WebSocket, socket: Socket, requestInfo: RequestInfo) {
    this.ws = ws;
    this.socket = socket;
    this.requestInfo = requestInfo;
    this.closed = new Promise((resolve) => ws.once('close', () => resolve()));
  }

  get hasExpired(): boolean {
    return this.credential !== undefined && this.credential.expiresAt <= Date.now() / 1000;
  }

  get isBusy(): boolean {
    return this.operations() > this.held;
  }

  close([code, reason]: readonly [number, string]): void {
    this.ws.close(code, reason);
  }

  /** Closes the socket of a client that reads nothing. */
  cut(): void {
    this.close(tooSlow);
    this.ws.terminate();
  }
}

interface Options {
  /** Milliseconds that a client has to send `connection_init`. */
  initWithin: number;
  /** Milliseconds between two checks whether the accounts of idle sockets may still sign in; streams check their own rights. */
  recheckEvery: number;
  log: Logger;
  actorsOf(credentials: readonly Credential[]): Promise<readonly Loaded[]>;
  onCount(count: number): void;
}

export class OpenSockets {
  readonly #options: Options;
  readonly #all = new Set<OpenSocket>();
  /** Sockets without `connection_init` by address, the oldest first. */
  readonly #silent = new Map<string, Set<OpenSocket>>();
  readonly #timer: NodeJS.Timeout;
  #recheckedAt = performance.now();

  constructor(options: Options) {
    this.#options = options;
    this.#timer = setInterval(() => this.#check(), Math.min(1000, options.initWithin));
  }

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): Iterator<OpenSocket> {
    return this.#all.values();
  }

  /** Returns whether this address may open another socket: false while too many of its sockets lack `connection_init`. */
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

  /** Records that `connection_init` has come. */
  markInitialised(open: OpenSocket): void {
    open.isInitialised = true;
    this.#removeSilent(open);
  }

  /** Assigns the socket to its account. Closes it and returns false if the account has too many sockets. */
  admit(open: OpenSocket, { account, credential }: RequestContext): boolean {
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

  /** Closes the socket because of its token. A client with an expired token may come back with a newer one. */
  refuse(open: OpenSocket, reason: 'TOKEN_EXPIRED' | 'UNAUTHORIZED'): void {
    open.close(reason === 'TOKEN_EXPIRED' ? expired : unauthorized);
  }

  /**
   * Leaves an operation with an expired token unanswered until the socket is closed, as soon as nothing else is under way.
   * The client then sends the operation again with a new token. Resolves when the socket is closed, so that no client gets
   * the error.
   */
  async hold(open: OpenSocket): Promise<GraphQLError[]> {
    open.held += 1;
    if (!open.isBusy) open.close(expired);
    await open.closed;
    return [refusalError(unauthenticated(), 'en')];
  }

  stop(): void {
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
      if (!open.isInitialised && now - open.openedAt >= this.#options.initWithin) open.close(initTimeout);
      else if (open.hasExpired && (!open.isBusy || open.credential!.expiresAt + expiryGraceMs / 1000 <= Date.now() / 1000)) open.close(expired);
      if (now >= open.pingAt) this.#ping(open, now);
    }
    for (const silent of this.#silent.values()) {
      let excess = silent.size - socketLimits.silentPerAddress;
      for (const open of silent) {
        if (excess-- <= 0 || now - open.openedAt < socketLimits.silentAfter) break;
        open.close(initTimeout);
      }
    }
    if (now - this.#recheckedAt < this.#options.recheckEvery) return;
    this.#recheckedAt = now;
    void this.#recheck();
  }

  #ping(open: OpenSocket, now: number): void {
    open.pingAt = now + pingEvery;
    if (!open.isAlive) return open.ws.terminate();
    open.isAlive = false;
    open.ws.ping();
  }

  /** Closes idle sockets whose accounts may no longer sign in. */
  async #recheck(): Promise<void> {
    const { actorsOf, log } = this.#options;
    const idle = [...this.#all].filter((open) => open.credential !== undefined && !open.isBusy);
    try {
      for (let at = 0; at < idle.length; at += 1000) {
        const part = idle.slice(at, at + 1000);
        const actors = await actorsOf(part.map(({ credential }) => credential!));
        part.forEach((open, n) => {
          const actor = actors[n]!;
          if ('ended' in actor) this.refuse(open, actor.ended === 'TOKEN_EXPIRED' ? 'TOKEN_EXPIRED' : 'UNAUTHORIZED');
        });
      }
    } catch (error) {
      log.warn({ err: error }, 'reading the rights of idle sockets failed');
    }
  }
}
