import { unavailable, type Language } from '../../errors.ts';
import { cacheBudget } from '../cache-budget.ts';
import { refusalError, RequestError } from '../errors.ts';

/**
 * Limits of the documents and plans that open subscriptions keep in memory, in bytes of heap. Once more than half of
 * `all` is in use, each account may add less (`accountWhenScarce`), so that a few accounts cannot use up the memory for
 * all.
 */
const maxHeld = { all: cacheBudget, account: cacheBudget / 8, accountWhenScarce: cacheBudget / 64 };

/** An object that open subscriptions keep in memory, with its heap bytes as `weight`. */
export interface Weighted {
  weight: number;
}

interface Account {
  weight: number;
  holds: Map<Weighted, number>;
}

/**
 * Counts the objects that open subscriptions keep in memory: once in total, and once for each account that holds them.
 */
export class HeldMemory {
  readonly #holds = new Map<Weighted, number>();
  readonly #accounts = new Map<string, Account>();
  #weight = 0;

  get weight(): number {
    return this.#weight;
  }

  /**
   * Holds objects for an account. Returns a function that releases them, and that returns the objects that no
   * subscription holds any more. Calling that function again has no effect.
   * @throws RequestError TOO_MANY_DOCUMENTS beyond the limit of the account, UNAVAILABLE beyond the limit of all
   *   accounts.
   */
  hold(objects: readonly Weighted[], accountId: string, language: Language): () => Weighted[] {
    const account = this.#accounts.get(accountId) ?? { weight: 0, holds: new Map<Weighted, number>() };
    const [ownAdded, allAdded] = [added(objects, account.holds), added(objects, this.#holds)];
    const share = this.#weight + allAdded <= maxHeld.all / 2 ? maxHeld.account : maxHeld.accountWhenScarce;
    if (ownAdded > 0 && account.weight + ownAdded > share) throw tooMany();
    if (this.#weight + allAdded > maxHeld.all) throw refusalError(unavailable(60), language);
    this.#accounts.set(accountId, account);
    for (const object of objects) {
      if (increment(account.holds, object)) account.weight += object.weight;
      if (increment(this.#holds, object)) this.#weight += object.weight;
    }
    let released = false;
    return () => {
      if (released) return [];
      released = true;
      for (const object of objects) if (decrement(account.holds, object)) account.weight -= object.weight;
      if (account.holds.size === 0) this.#accounts.delete(accountId);
      const free = objects.filter((object) => decrement(this.#holds, object));
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

const added = (objects: readonly Weighted[], holds: ReadonlyMap<Weighted, number>): number =>
  objects.reduce((sum, object) => sum + (holds.has(object) ? 0 : object.weight), 0);

function increment(holds: Map<Weighted, number>, object: Weighted): boolean {
  const count = holds.get(object) ?? 0;
  holds.set(object, count + 1);
  return count === 0;
}

/** Removes one hold of the object. Returns whether it was the last hold. */
function decrement(holds: Map<Weighted, number>, object: Weighted): boolean {
  const left = holds.get(object)! - 1;
  if (left > 0) holds.set(object, left);
  else holds.delete(object);
  return left === 0;
}
