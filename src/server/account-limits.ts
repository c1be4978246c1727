import { rateLimited } from '../errors.ts';
import { SlidingWindow } from './sliding-window.ts';

/**
 * What one account may use of this process: operations and cost in a minute, operations under way, streams and sockets. An
 * account is a person or a service; requests without credentials count by their network address.
 */

export const concurrency = {
  /** Operations of one account under way. */
  perAccount: 20,
  /** Operations of one account that wait for one under way to end. */
  waiting: 100,
  /** Objects that an operation may hold from which it counts as heavy. */
  heavyCost: 5000,
  /** Heavy operations under way, of all accounts; one account has one of them at most. */
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

/** Ends an operation that was admitted. @param bytes of its answer, where they were counted. */
export type Finish = (bytes?: number) => void;

export class Account {
  sockets = 0;
  streams = 0;
  readonly #limits: Limits;
  readonly #heavy: HeavyOperations;
  readonly #operations = new SlidingWindow();
  readonly #cost = new SlidingWindow();
  /** Estimates of the operations under way. */
  #reserved = 0;
  #underWay = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(limits: Limits, heavy: HeavyOperations) {
    this.#limits = limits;
    this.#heavy = heavy;
  }

  /** @throws RATE_LIMITED past the operations of a minute. */
  countOperation(): void {
    const now = Date.now();
    const wait = this.#operations.waitFor(1, this.#limits.operationsPerMinute, now);
    if (wait > 0) throw rateLimited(wait / 1000);
    this.#operations.add(1, now);
  }

  /**
   * Reserves the estimated cost and a place among the operations under way; a promise where the operation has to wait.
   * @throws RATE_LIMITED past the cost of a minute, or when too many wait already.
   */
  admit(estimate: number): Finish | Promise<Finish> {
    const now = Date.now();
    const limit = this.#limits.costPerMinute;
    if (this.#cost.waitFor(estimate + this.#reserved, limit, now) > 0)
      // What is only reserved is free as soon as those operations have ended.
      throw rateLimited(this.#cost.waitFor(estimate, limit, now) / 1000);
    if (this.#underWay >= concurrency.perAccount && this.#waiting.length >= concurrency.waiting) throw rateLimited(1);
    this.#reserved += estimate;
    const finish: Finish = (bytes) => {
      this.#reserved -= estimate;
      // Asking costs something even where little is found.
      this.#cost.add(bytes === undefined ? estimate : Math.max(bytes / bytesPerObject, estimate / 20), Date.now());
      this.#leave();
    };
    if (estimate < concurrency.heavyCost && this.#underWay < concurrency.perAccount) {
      this.#underWay += 1;
      return finish;
    }
    return this.#wait(estimate, finish);
  }

  async #wait(estimate: number, finish: Finish): Promise<Finish> {
    if (this.#underWay < concurrency.perAccount) this.#underWay += 1;
    // Whoever leaves hands its place over.
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (estimate < concurrency.heavyCost) return finish;
    await this.#heavy.enter(this);
    return (bytes) => {
      this.#heavy.leave(this);
      finish(bytes);
    };
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#underWay -= 1;
    else next();
  }

  /** Charges what was written for an item of a stream. */
  charge(bytes: number): void {
    this.#cost.add(bytes / bytesPerObject, Date.now());
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

  /** Whether nothing of it is under way and nothing counts any more. */
  isIdle(now: number): boolean {
    if (this.sockets + this.streams + this.#underWay > 0) return false;
    return this.#operations.waitFor(0, 0, now) === 0 && this.#cost.waitFor(0, 0, now) === 0;
  }
}

/** The few heavy operations that a process executes at once, first come, first served, but one of an account at a time. */
class HeavyOperations {
  readonly #underWay = new Set<Account>();
  readonly #waiting: { account: Account; enter: () => void }[] = [];

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

/** How often accounts that nothing counts for are forgotten. */
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
