import { unavailable, type Language } from '../../errors.ts';
import { cacheBudget } from '../../lru.ts';
import { refusalError, RequestError } from '../errors.ts';

/**
 * Limits, in bytes of heap, of what open subscriptions keep in memory: of all of them, and of one account while half of that
 * is free, and later. So a few accounts cannot use up what all the others need.
 */
const maxHeld = { all: cacheBudget, account: cacheBudget / 8, accountWhenScarce: cacheBudget / 64 };

/** An object that open subscriptions keep in memory, with its bytes of heap. */
export interface Weighted {
  weight: number;
}

interface Account {
  weight: number;
  holds: Map<Weighted, number>;
}

/** Counts what open subscriptions keep in memory: each object once in all, and once for each account that holds it. */
export class HeldMemory {
  readonly #holds = new Map<Weighted, number>();
  readonly #accounts = new Map<string, Account>();
  #weight = 0;

  get weight(): number {
    return this.#weight;
  }

  /**
   * Holds these objects for an account. Returns a function that releases them; it may be called more than once, and
   * returns the objects that no subscription holds any more.
   * @throws RequestError TOO_MANY_DOCUMENTS past the limit of the account, UNAVAILABLE past the limit of all accounts.
   */
  hold(things: readonly Weighted[], name: string, language: Language): () => Weighted[] {
    const account = this.#accounts.get(name) ?? { weight: 0, holds: new Map<Weighted, number>() };
    const [ownAdded, allAdded] = [added(things, account.holds), added(things, this.#holds)];
    const share = this.#weight + allAdded <= maxHeld.all / 2 ? maxHeld.account : maxHeld.accountWhenScarce;
    if (ownAdded > 0 && account.weight + ownAdded > share) throw tooMany();
    if (this.#weight + allAdded > maxHeld.all) throw refusalError(unavailable(60), language);
    this.#accounts.set(name, account);
    for (const thing of things) {
      if (increment(account.holds, thing)) account.weight += thing.weight;
      if (increment(this.#holds, thing)) this.#weight += thing.weight;
    }
    let released = false;
    return () => {
      if (released) return [];
      released = true;
      for (const thing of things) if (decrement(account.holds, thing)) account.weight -= thing.weight;
      if (account.holds.size === 0) this.#accounts.delete(name);
      const free = things.filter((thing) => decrement(this.#holds, thing));
      for (const { weight } of free) this.#weight -= weight;
      return free;
    };
  }
}

const tooMany = (): RequestError =>
  new RequestError('TOO_MANY_DOCUMENTS', [
    'Открытые подписки этой учётной записи слишком различаются. Передавайте различия переменными или закройте ненужные подписки.',
    'The open subscriptions of this account differ too much. Pass the differences as variables, or close subscriptions that are not needed.',
  ]);

const added = (things: readonly Weighted[], holds: ReadonlyMap<Weighted, number>): number =>
  things.reduce((sum, thing) => sum + (holds.has(thing) ? 0 : thing.weight), 0);

/** Returns whether it is the first hold. */
function increment(holds: Map<Weighted, number>, thing: Weighted): boolean {
  const before = holds.get(thing) ?? 0;
  holds.set(thing, before + 1);
  return before === 0;
}

/** Returns whether it was the last hold. */
function decrement(holds: Map<Weighted, number>, thing: Weighted): boolean {
  const left = holds.get(thing)! - 1;
  if (left > 0) holds.set(thing, left);
  else holds.delete(thing);
  return left === 0;
}
