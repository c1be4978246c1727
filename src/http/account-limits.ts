import { rateLimited, unavailable } from '../errors.ts';
import { cacheBudget } from './cache-budget.ts';

/**
 * Limits each account in this process: operations and cost per minute, concurrent operations, streams and WebSockets.
 * An account is a user or a service; requests without credentials share the account of their network address.
 */

export const concurrency = {
  perAccount: 20,
  /** Maximum number of operations of one account that wait for a running operation to end. */
  waiting: 400,
  /** Limits of the bytes of all waiting requests. In heap, the requests take a small multiple of these bytes. */
  waitingBytes: { account: cacheBudget / 16, process: cacheBudget / 2 },
  /** Maximum number of milliseconds that an operation waits. */
  maxWaitMs: 15_000,
  /** Estimated cost, in objects, from which an operation is heavy. */
  heavyCost: 5000,
  /** Maximum number of heavy operations that run at once in the process. Each account may run one of them. */
  heavy: 2,
} as const;

/** Bytes of a result that count as one object, measured on large results. */
const bytesPerObject = 100;

export interface Limits {
  operationsPerMinute: number;
  costPerMinute: number;
  /**
   * Maximum number of open WebSockets of an account. Also the maximum number of its open streams, which counts the streams on
   * all its WebSockets and over SSE.
   */
  streamsPerAccount: number;
}

/** Ends an admitted operation, and charges its account. @param bytes size of the result; undefined charges the estimate. */
export type Finish = (bytes?: number) => void;

interface WaitingOperation {
  account: Account;
  start: () => void;
}

export class Account {
  sockets = 0;
  streams = 0;
  readonly #limits: Limits;
  readonly #shared: SharedSlots;
  readonly #operations = new SlidingWindow();
  readonly #cost = new SlidingWindow();
  /** Sum of the estimates of running and waiting operations. */
  #reserved = 0;
  #running = 0;
  /** Operations that wait for a slot of the account; heavy operations wait in `SharedSlots`. */
  readonly #waiting = new Set<WaitingOperation>();
  /** Number of all waiting operations, and the bytes of their requests. */
  #queued = 0;
  #queuedBytes = 0;

  constructor(limits: Limits, shared: SharedSlots) {
    this.#limits = limits;
    this.#shared = shared;
  }

  /** Counts an operation. @throws RATE_LIMITED when the account has used up its operations of this minute. */
  countOperation(): void {
    const now = Date.now();
    const wait = this.#operations.waitFor(1, this.#limits.operationsPerMinute, now);
    if (wait > 0) throw rateLimited(wait / 1000);
    this.#operations.add(1, now);
  }

  /**
   * Reserves the estimated cost and a slot for an operation. Returns a promise if the operation has to wait; the
   * promise rejects with UNAVAILABLE if the operation waits too long.
   * @param bytesOf returns the bytes of the request; called if the operation has to wait.
   * @throws RATE_LIMITED when the account has used up its cost of this minute, or too many of its operations wait,
   *   UNAVAILABLE when the waiting requests of all accounts are too large.
   */
  admit(estimate: number, bytesOf = (): number => 0): Finish | Promise<Finish> {
    const now = Date.now();
    const limit = this.#limits.costPerMinute;
    if (this.#cost.waitFor(estimate + this.#reserved, limit, now) > 0)
      // Computes the time to wait from past charges only. The reserved costs become free when the running operations end, and
      // nobody knows when that will be.
      throw rateLimited(this.#cost.waitFor(estimate, limit, now) / 1000);
    const isHeavy = estimate >= concurrency.heavyCost;
    if (this.hasSlot && (!isHeavy || this.#shared.tryEnter(this))) this.#running += 1;
    else return this.#wait(isHeavy, estimate, bytesOf());
    this.#reserved += estimate;
    return this.#finisher(isHeavy, estimate);
  }

  #finisher(isHeavy: boolean, estimate: number): Finish {
    return (bytes) => {
      this.#reserved -= estimate;
      // Charges by the size of the result, but at least a twentieth of the estimate.
      this.#cost.add(bytes === undefined ? estimate : Math.max(bytes / bytesPerObject, estimate / 20), Date.now());
      this.#running -= 1;
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
        this.#running += 1;
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

  /**
   * Starts the next waiting operation of the account that is not heavy. Waiting heavy operations have priority:
   * `SharedSlots.leave`, which starts them, is called before this method. They are few, so the others still get slots.
   */
  #startNext(): void {
    if (!this.hasSlot) return;
    for (const next of this.#waiting) return next.start();
  }

  get hasSlot(): boolean {
    return this.#running < concurrency.perAccount;
  }

  charge(bytes: number): void {
    this.chargeCost(bytes / bytesPerObject);
  }

  /** Charges a cost in objects. */
  chargeCost(cost: number): void {
    this.#cost.add(cost, Date.now());
  }

  /** Seconds until the account has budget for cost again; 0 if it has budget now. */
  get exhaustedForSeconds(): number {
    return this.#cost.waitFor(0, this.#limits.costPerMinute, Date.now()) / 1000;
  }

  get mayOpenStream(): boolean {
    return this.streams < this.#limits.streamsPerAccount;
  }

  get mayOpenSocket(): boolean {
    return this.sockets < this.#limits.streamsPerAccount;
  }

  /** Returns whether the account has nothing open, running or waiting, and was charged nothing in the last minute. */
  isIdle(now: number): boolean {
    if (this.sockets + this.streams + this.#running + this.#queued > 0) return false;
    return this.#operations.waitFor(0, 0, now) === 0 && this.#cost.waitFor(0, 0, now) === 0;
  }
}

/**
 * Limits the heavy operations of the process. A waiting heavy operation takes no slot. Heavy operations start in the
 * order of arrival, as soon as the process has a free slot for them, and their account has a free slot and runs no
 * heavy operation.
 */
class SharedSlots {
  readonly waiting = new Set<WaitingOperation>();
  /** Bytes of all waiting requests, heavy or not. */
  waitingBytes = 0;
  readonly #heavy = new Set<Account>();

  /** Takes a slot for a heavy operation if one is free for this account. Returns whether it took a slot. */
  tryEnter(account: Account): boolean {
    if (this.#heavy.size >= concurrency.heavy || this.#heavy.has(account)) return false;
    this.#heavy.add(account);
    return true;
  }

  /** Frees the slot of an operation that has ended, and starts the heavy operations that have a slot now. */
  leave(account: Account, isHeavy: boolean): void {
    if (isHeavy) this.#heavy.delete(account);
    for (const { account: next, start } of this.waiting) {
      if (this.#heavy.size >= concurrency.heavy) return;
      if (next.hasSlot && this.tryEnter(next)) start();
    }
  }
}

/** Milliseconds between two removals of idle accounts. */
const sweepMs = 60_000;

/** Number of addresses with an account of their own. Further addresses share one account. */
const maxAddresses = 10_000;

export class AccountLimits {
  readonly #limits: Limits;
  readonly #shared = new SharedSlots();
  readonly #accounts = new Map<string, Account>();
  readonly #addresses = new Map<string, Account>();
  #sweptAt = Date.now();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  of(id: string): Account {
    return this.#find(this.#accounts, id);
  }

  /**
   * Returns the account of an address, for requests without credentials. A client may use very many addresses, so to limit
   * the memory only `maxAddresses` addresses have accounts of their own. All further addresses share one account.
   */
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

const slotMs = 5000;
/** Number of slots in the sum: the current slot, which is incomplete, and the twelve slots before it, which cover 60 seconds. */
const slotCount = 13;

/**
 * Sums amounts over at least the last 60 seconds, in slots of 5 seconds. So the amounts of any 60 seconds stay within
 * the limit.
 */
export class SlidingWindow {
  #sum = 0;
  readonly #slots = new Float64Array(slotCount);
  /** The number of the newest slot, counted from 1970. */
  #newest = 0;

  /**
   * Adds an amount. Rounds it up to a whole number: sums of whole numbers have no rounding errors, so the sum is exactly 0
   * again when all amounts have expired.
   */
  add(amount: number, now: number): void {
    this.#advance(now);
    const whole = Math.ceil(amount);
    this.#slots[this.#newest % slotCount]! += whole;
    this.#sum += whole;
  }

  /** Returns the milliseconds until `amount` more fits below the limit; 0 if it fits now. */
  waitFor(amount: number, limit: number, now: number): number {
    this.#advance(now);
    let excess = this.#sum + amount - limit;
    if (excess <= 0) return 0;
    for (let slot = this.#newest - slotCount + 1; slot < this.#newest; slot += 1) {
      excess -= this.#slots[slot % slotCount]!;
      if (excess <= 0) return (slot + slotCount) * slotMs - now;
    }
    return slotCount * slotMs;
  }

  #advance(now: number): void {
    const slot = Math.floor(now / slotMs);
    if (slot <= this.#newest) return;
    for (let cleared = Math.max(this.#newest + 1, slot - slotCount + 1); cleared <= slot; cleared += 1) {
      this.#sum -= this.#slots[cleared % slotCount]!;
      this.#slots[cleared % slotCount] = 0;
    }
    this.#newest = slot;
  }
}
