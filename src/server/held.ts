import { unavailable, type Language } from '../errors.ts';
import { cacheBudget } from '../lru.ts';
import { refusalError, RequestError } from './masking.ts';

/** Bytes of heap that open subscriptions keep: all of them together, and those of one account. */
const maxHeld = { all: cacheBudget, account: cacheBudget / 8 };

/** Something that open subscriptions keep in memory, with its bytes of heap. */
export interface Weighed {
  weight: number;
}

interface Account {
  weight: number;
  holds: Map<Weighed, number>;
}

/** Counts what open subscriptions keep in memory: each thing once, and once for each account that holds it. */
export class Held {
  readonly #holds = new Map<Weighed, number>();
  readonly #accounts = new Map<string, Account>();
  #weight = 0;

  get weight(): number {
    return this.#weight;
  }

  /**
   * Holds all of these things for an account. Returns what releases them, which may be called more than once and returns
   * what no subscription holds any more.
   * @throws RequestError TOO_MANY_DOCUMENTS past the bound of an account, UNAVAILABLE past the bound of all.
   */
  hold(things: readonly Weighed[], name: string, language: Language): () => Weighed[] {
    const account = this.#accounts.get(name) ?? { weight: 0, holds: new Map<Weighed, number>() };
    if (account.weight + added(things, account.holds) > maxHeld.account) throw tooMany();
    if (this.#weight + added(things, this.#holds) > maxHeld.all) throw refusalError(unavailable(60), language);
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

const added = (things: readonly Weighed[], holds: ReadonlyMap<Weighed, number>): number =>
  things.reduce((sum, thing) => sum + (holds.has(thing) ? 0 : thing.weight), 0);

/** Returns whether it is the first hold. */
function increment(holds: Map<Weighed, number>, thing: Weighed): boolean {
  const before = holds.get(thing) ?? 0;
  holds.set(thing, before + 1);
  return before === 0;
}

/** Returns whether it was the last hold. */
function decrement(holds: Map<Weighed, number>, thing: Weighed): boolean {
  const left = holds.get(thing)! - 1;
  if (left > 0) holds.set(thing, left);
  else holds.delete(thing);
  return left === 0;
}
