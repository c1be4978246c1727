import { rateLimited, unavailable } from '../errors.ts';
import { cacheBudget } from '../lru.ts';
import { SlidingWindow } from './sliding-window.ts';

/**
 * Limits of one account in this process: operations and cost per minute, operations under way, streams and sockets. An
 * account is a person or a service; requests without credentials count for their network address.
 */

export const concurrency = {
  /** Operations of one account that run at once. */
  perAccount: 20,
  /** Operations of one account that wait for a running one to end. */
  waiting: 400,
  /** Bytes of the requests that wait, of one account and of the process; their heap is a small multiple of that. */
  waitingBytes: { account: cacheBudget / 16, process: cacheBudget / 2 },
  /** Milliseconds that an operation waits. */
  maxWaitMs: 15_000,
  /** Estimated cost, in objects, from which an operation is heavy. */
  heavyCost: 5000,
  /** Heavy operations that run at once in the process; at most one per account. */
  heavy: 2,
} as const;

/** Bytes of an answer that cost as much as one object, measured on large answers. */
const bytesPerObject = 100;

export interface Limits {
  operationsPerMinute: number;
  costPerMinute: number;
  /** Sockets of one account, and streams of one account on all its sockets and over SSE. */
  streamsPerAccount: number;
}

/** Ends an admitted operation. @param bytes size of its answer, if it was counted. */
export type Finish = (bytes?: number) => void;

/** An operation that waits for a place. */
interface Waiting {
  account: Account;
  start: () => void;
}

export class Account {
  sockets = 0;
  streams = 0;
  readonly #limits: Limits;
  readonly #shared: SharedPlaces;
  readonly #operations = new SlidingWindow();
  readonly #cost = new SlidingWindow();
  /** Sum of the estimates of the operations under way. */
  #reserved = 0;
  #underWay = 0;
  /** Operations that wait for a place of the account; heavy ones wait in `SharedPlaces`. */
  readonly #waiting = new Set<Waiting>();
  /** All operations that wait, and the bytes of their requests. */
  #queued = 0;
  #queuedBytes = 0;

  constructor(limits: Limits, shared: SharedPlaces) {
    this.#limits = limits;
    this.#shared = shared;
  }

  /** Counts an operation. @throws RATE_LIMITED when the operations of this minute are used up. */
  countOperation(): void {
    const now = Date.now();
    const wait = this.#operations.waitFor(1, this.#limits.operationsPerMinute, now);
    if (wait > 0) throw rateLimited(wait / 1000);
    this.#operations.add(1, now);
  }

  /**
   * Reserves the estimated cost and a slot for an operation. Returns a promise if the operation has to wait; the promise
   * rejects with UNAVAILABLE if it waits too long.
   * @param bytesOf returns the bytes of the request; called if the operation has to wait.
   * @throws RATE_LIMITED when the cost of this minute is used up, or too many operations of the account wait already,
   *   UNAVAILABLE when those of all accounts are too large.
   */
  admit(estimate: number, bytesOf = (): number => 0): Finish | Promise<Finish> {
    const now = Date.now();
    const limit = this.#limits.costPerMinute;
    if (this.#cost.waitFor(estimate + this.#reserved, limit, now) > 0)
      // Leaves reservations out of the wait time: they end with the operations under way.
      throw rateLimited(this.#cost.waitFor(estimate, limit, now) / 1000);
    const isHeavy = estimate >= concurrency.heavyCost;
    if (this.hasPlace && (!isHeavy || this.#shared.tryEnter(this))) this.#underWay += 1;
    else return this.#wait(isHeavy, estimate, bytesOf());
    this.#reserved += estimate;
    return this.#finisher(isHeavy, estimate);
  }

  #finisher(isHeavy: boolean, estimate: number): Finish {
    return (bytes) => {
      this.#reserved -= estimate;
      // Asking costs something even where little is found.
      this.#cost.add(bytes === undefined ? estimate : Math.max(bytes / bytesPerObject, estimate / 20), Date.now());
      this.#underWay -= 1;
      this.#shared.leave(this, isHeavy);
      this.#startNext();
    };
  }

  #wait(isHeavy: boolean, estimate: number, bytes: number): Promise<Finish> {
    if (this.#queued >= concurrency.waiting || this.#queuedBytes + bytes > concurrency.waitingBytes.account) throw rateLimited(1);
    if (this.#shared.waitingBytes + bytes > concurrency.waitingBytes.process) throw unavailable();
    this.#reserved += estimate;
    this.#count(1, bytes);
    return new Promise((resolve, reject) => {
      const queue = isHeavy ? this.#shared.waiting : this.#waiting;
      const stop = (): void => {
        clearTimeout(timer);
        queue.delete(waiting);
        this.#count(-1, -bytes);
      };
      const timer = setTimeout(() => {
        stop();
        this.#reserved -= estimate;
        reject(unavailable());
      }, concurrency.maxWaitMs);
      const start = (): void => {
        stop();
        this.#underWay += 1;
        resolve(this.#finisher(isHeavy, estimate));
      };
      const waiting = { account: this, start };
      queue.add(waiting);
    });
  }

  #count(operations: number, bytes: number): void {
    this.#queued += operations;
    this.#queuedBytes += bytes;
    this.#shared.waitingBytes += bytes;
  }

  /** Starts an operation of the account. Heavy ones come first, in `SharedPlaces`, since few of them are under way. */
  #startNext(): void {
    if (!this.hasPlace) return;
    for (const next of this.#waiting) return next.start();
  }

  get hasPlace(): boolean {
    return this.#underWay < concurrency.perAccount;
  }

  /** Charges an item of a stream by the bytes written. */
  charge(bytes: number): void {
    this.chargeCost(bytes / bytesPerObject);
  }

  /** @param cost in objects. */
  chargeCost(cost: number): void {
    this.#cost.add(cost, Date.now());
  }

  /** Returns the seconds until the account may use more; 0 when it may now. */
  get exhaustedForSeconds(): number {
    return this.#cost.waitFor(0, this.#limits.costPerMinute, Date.now()) / 1000;
  }

  get mayOpenStream(): boolean {
    return this.streams < this.#limits.streamsPerAccount;
  }

  get mayOpenSocket(): boolean {
    return this.sockets < this.#limits.streamsPerAccount;
  }

  /** Returns whether nothing is under way and both windows are empty. */
  isIdle(now: number): boolean {
    if (this.sockets + this.streams + this.#underWay + this.#queued > 0) return false;
    return this.#operations.waitFor(0, 0, now) === 0 && this.#cost.waitFor(0, 0, now) === 0;
  }
}

/**
 * What all accounts share. A process executes few heavy operations at once, in the order of arrival, at most one per
 * account. One that waits occupies nothing: it starts once the process and its account both have a place.
 */
class SharedPlaces {
  readonly waiting = new Set<Waiting>();
  /** Bytes of the requests that wait, heavy or not. */
  waitingBytes = 0;
  readonly #heavy = new Set<Account>();

  /** Enters where no heavy operation has to wait; returns whether it did. */
  tryEnter(account: Account): boolean {
    if (this.#heavy.size >= concurrency.heavy || this.#heavy.has(account)) return false;
    this.#heavy.add(account);
    return true;
  }

  /** Called when an operation has ended and its account has a place. */
  leave(account: Account, isHeavy: boolean): void {
    if (isHeavy) this.#heavy.delete(account);
    for (const { account: next, start } of this.waiting) {
      if (this.#heavy.size >= concurrency.heavy) return;
      if (next.hasPlace && this.tryEnter(next)) start();
    }
  }
}

/** Milliseconds between two removals of idle accounts. */
const sweepMs = 60_000;

/** Addresses that have an account each; those past this number share one. */
const maxAddresses = 10_000;

export class AccountLimits {
  readonly #limits: Limits;
  readonly #shared = new SharedPlaces();
  readonly #accounts = new Map<string, Account>();
  readonly #addresses = new Map<string, Account>();
  #sweptAt = Date.now();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** @param id of a person or of a service. */
  of(id: string): Account {
    return this.#find(this.#accounts, id);
  }

  /** Returns the account of requests without credentials. Anybody may come from many addresses, so their number is bounded. */
  ofAddress(address: string | null): Account {
    const key = address ?? '';
    return this.#find(this.#addresses, this.#addresses.size < maxAddresses || this.#addresses.has(key) ? key : '');
  }

  #find(accounts: Map<string, Account>, key: string): Account {
    const now = Date.now();
    if (now - this.#sweptAt > sweepMs) {
      this.#sweptAt = now;
      for (const all of [this.#accounts, this.#addresses]) for (const [known, account] of all) if (account.isIdle(now)) all.delete(known);
    }
    let account = accounts.get(key);
    if (account === undefined) accounts.set(key, (account = new Account(this.#limits, this.#shared)));
    return account;
  }
}
