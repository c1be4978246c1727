import { rateLimited } from '../errors.ts';
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

export class Account {
  sockets = 0;
  streams = 0;
  readonly #limits: Limits;
  readonly #heavy: HeavyOperations;
  readonly #operations = new SlidingWindow();
  readonly #cost = new SlidingWindow();
  /** Sum of the estimates of the operations under way. */
  #reserved = 0;
  #underWay = 0;
  /** Operations that wait, for the process or for a place of the account. */
  #queued = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(limits: Limits, heavy: HeavyOperations) {
    this.#limits = limits;
    this.#heavy = heavy;
  }

  /** Counts an operation. @throws RATE_LIMITED when the operations of this minute are used up. */
  countOperation(): void {
    const now = Date.now();
    const wait = this.#operations.waitFor(1, this.#limits.operationsPerMinute, now);
    if (wait > 0) throw rateLimited(wait / 1000);
    this.#operations.add(1, now);
  }

  /**
   * Reserves the estimated cost and a slot for an operation. Returns a promise if the operation has to wait.
   * @throws RATE_LIMITED when the cost of this minute is used up, or too many operations wait already.
   */
  admit(estimate: number): Finish | Promise<Finish> {
    const now = Date.now();
    const limit = this.#limits.costPerMinute;
    if (this.#cost.waitFor(estimate + this.#reserved, limit, now) > 0)
      // Leaves reservations out of the wait time: they end with the operations under way.
      throw rateLimited(this.#cost.waitFor(estimate, limit, now) / 1000);
    const isHeavy = estimate >= concurrency.heavyCost;
    const mayStart = this.#underWay < concurrency.perAccount && (!isHeavy || this.#heavy.tryEnter(this));
    if (!mayStart && this.#queued >= concurrency.waiting) throw rateLimited(1);
    this.#reserved += estimate;
    const finish: Finish = (bytes) => {
      this.#reserved -= estimate;
      // Asking costs something even where little is found.
      this.#cost.add(bytes === undefined ? estimate : Math.max(bytes / bytesPerObject, estimate / 20), Date.now());
      if (isHeavy) this.#heavy.leave(this);
      this.#leave();
    };
    if (!mayStart) return this.#wait(isHeavy, finish);
    this.#underWay += 1;
    return finish;
  }

  async #wait(isHeavy: boolean, finish: Finish): Promise<Finish> {
    this.#queued += 1;
    // A heavy operation takes no place of the account while it waits for the others of the process.
    if (isHeavy) await this.#heavy.enter(this);
    if (this.#underWay < concurrency.perAccount) this.#underWay += 1;
    // An operation that ends hands its place over.
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#queued -= 1;
    return finish;
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#underWay -= 1;
    else next();
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

/** Queue of heavy operations: a process executes few at once, in the order of arrival, at most one per account. */
class HeavyOperations {
  readonly #underWay = new Set<Account>();
  readonly #waiting: { account: Account; enter: () => void }[] = [];

  /** Enters where no operation has to wait; returns whether it did. */
  tryEnter(account: Account): boolean {
    if (this.#underWay.size >= concurrency.heavy || this.#underWay.has(account)) return false;
    this.#underWay.add(account);
    return true;
  }

  enter(account: Account): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ account, enter: resolve });
      this.#next();
    });
  }

  leave(account: Account): void {
    this.#underWay.delete(account);
    this.#next();
  }

  #next(): void {
    while (this.#underWay.size < concurrency.heavy) {
      const at = this.#waiting.findIndex(({ account }) => !this.#underWay.has(account));
      if (at < 0) return;
      const [next] = this.#waiting.splice(at, 1);
      this.#underWay.add(next!.account);
      next!.enter();
    }
  }
}

/** Milliseconds between two removals of idle accounts. */
const sweepMs = 60_000;

export class AccountLimits {
  readonly #limits: Limits;
  readonly #heavy = new HeavyOperations();
  readonly #accounts = new Map<string, Account>();
  #sweptAt = Date.now();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** @param key the id of a person or of a service, or an address after `address `. */
  of(key: string): Account {
    const now = Date.now();
    if (now - this.#sweptAt > sweepMs) {
      this.#sweptAt = now;
      for (const [known, account] of this.#accounts) if (account.isIdle(now)) this.#accounts.delete(known);
    }
    let account = this.#accounts.get(key);
    if (account === undefined) this.#accounts.set(key, (account = new Account(this.#limits, this.#heavy)));
    return account;
  }
}
