import type { Socket } from 'node:net';
import type { GraphQLError } from 'graphql';
import { CloseCode } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { Loaded } from '../auth/actors.ts';
import type { Credential } from '../auth/tokens.ts';
import { unauthenticated } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Account } from './account-limits.ts';
import { refusalError } from './masking.ts';
import type { Asked, RequestContext } from './requests.ts';

/** The WebSockets of a process: who is on them, whether their clients are still there, and when the server closes them. */

export const socketLimits = {
  /** Sockets of one address that have not said who they are. Past it the oldest are closed, so that newcomers are let in. */
  silentPerAddress: 100,
  /** Milliseconds in which a client is not yet counted as silent: all of a school may come back in one moment. */
  silentAfter: 1000,
  /** Sockets of one address that have not said who they are, from which on it is refused any more. */
  refusedPerAddress: 2000,
} as const;

/** Milliseconds between two pings. A client that answers none is cut when the next one is due. */
const pingEvery = 12_000;
/** Milliseconds after the end of a token in which streams say why they end, and operations under way are answered. */
const lastWords = 5000;

/** Close codes, and what clients of graphql-ws do: 4401 and 4429 end them, the others let them come back. */
const expired = [CloseCode.Forbidden, 'Token expired'] as const;
const unauthorized = [CloseCode.Unauthorized, 'Unauthorized'] as const;
const initTimeout = [CloseCode.ConnectionInitialisationTimeout, 'Connection initialisation timeout'] as const;
const tooManySockets = [CloseCode.TooManyInitialisationRequests, 'Too many sockets'] as const;
const tooSlow = [1013, 'Too slow: come back with your cursor'] as const;

export class OpenSocket {
  readonly ws: WebSocket;
  readonly socket: Socket;
  /** What the upgrade brought. */
  readonly asked: Asked;
  readonly openedAt = performance.now();
  isAlive = true;
  pingAt = performance.now() + pingEvery;
  /** Whether `connection_init` has come. */
  hasSpoken = false;
  credential: Credential | undefined;
  account: Account | undefined;
  /** Operations that wait for the socket to be closed, since its token has expired. */
  held = 0;
  /** Operations under way, those that are held among them. */
  operations: () => number = () => 0;
  readonly closed: Promise<void>;

  constructor(ws: WebSocket, socket: Socket, asked: Asked) {
    this.ws = ws;
    this.socket = socket;
    this.asked = asked;
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

  /** Cuts it, where its client takes nothing. */
  cut(): void {
    this.close(tooSlow);
    this.ws.terminate();
  }
}

interface Options {
  /** Milliseconds that a client has to say who it is. */
  initWithin: number;
  /** Milliseconds between two looks at whether those on idle sockets may still sign in; streams have their rights watched. */
  recheckEvery: number;
  log: Logger;
  actorsOf(credentials: readonly Credential[]): Promise<readonly Loaded[]>;
  onCount(count: number): void;
}

export class OpenSockets {
  readonly #options: Options;
  readonly #all = new Set<OpenSocket>();
  /** Those that have not said who they are, by address, the oldest first. */
  readonly #silent = new Map<string, Set<OpenSocket>>();
  readonly #timer: NodeJS.Timeout;
  #recheckedAt = performance.now();

  constructor(options: Options) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), Math.min(1000, options.initWithin));
  }

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): Iterator<OpenSocket> {
    return this.#all.values();
  }

  /** Whether this address may open another socket before those that it has opened say who they are. */
  mayOpen({ address }: Asked): boolean {
    return (this.#silent.get(address ?? '')?.size ?? 0) < socketLimits.refusedPerAddress;
  }

  add(open: OpenSocket): void {
    const address = open.asked.address ?? '';
    const silent = this.#silent.get(address);
    if (silent === undefined) this.#silent.set(address, new Set([open]));
    else silent.add(open);
    this.#all.add(open);
    this.#options.onCount(this.#all.size);
    open.ws.once('close', () => {
      this.#hasSpoken(open);
      this.#all.delete(open);
      if (open.account !== undefined) open.account.sockets -= 1;
      this.#options.onCount(this.#all.size);
    });
  }

  /** Notes that the client says who it is. */
  speaks(open: OpenSocket): void {
    open.hasSpoken = true;
    this.#hasSpoken(open);
  }

  /** Lets the client in, unless its account has too many sockets. */
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

  /** Refuses the client for its token. @param reason what was found: an expired token may be followed by a newer one. */
  refuse(open: OpenSocket, reason: 'TOKEN_EXPIRED' | 'UNAUTHORIZED'): void {
    open.close(reason === 'TOKEN_EXPIRED' ? expired : unauthorized);
  }

  /**
   * Leaves an operation unanswered whose token has expired: once the socket is closed, which it is as soon as nothing else is
   * under way, the client sends it again with the token that it has then. Resolves when the answer reaches nobody any more.
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

  #hasSpoken(open: OpenSocket): void {
    const address = open.asked.address ?? '';
    const silent = this.#silent.get(address);
    silent?.delete(open);
    if (silent?.size === 0) this.#silent.delete(address);
  }

  #look(): void {
    const now = performance.now();
    for (const open of this.#all) {
      if (!open.hasSpoken && now - open.openedAt >= this.#options.initWithin) open.close(initTimeout);
      else if (open.hasExpired && (!open.isBusy || open.credential!.expiresAt + lastWords / 1000 <= Date.now() / 1000)) open.close(expired);
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

  /** Closes idle sockets of those who may not sign in any more. */
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
