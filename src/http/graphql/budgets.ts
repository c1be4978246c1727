/** Budgets per key and minute. The minutes of all keys start together, by the clock. */
export class Budgets {
  readonly #perMinute: number;
  readonly #maxKeys: number;
  readonly #spent = new Map<string, number>();
  #minute = 0;

  /** @param maxKeys bounds the memory: keys past this number share one budget until the next minute. */
  constructor(perMinute: number, maxKeys = 10_000) {
    this.#perMinute = perMinute;
    this.#maxKeys = maxKeys;
  }

  /** Spends the amount and returns 0, or returns the seconds to wait where the budget does not hold it. */
  take(key: string, amount: number): number {
    if (this.#spentBy(key) + amount > this.#perMinute) return 60 - (Math.floor(Date.now() / 1000) % 60);
    this.add(key, amount);
    return 0;
  }

  /** Spends the amount, even past the budget. */
  add(key: string, amount: number): void {
    const spent = this.#spentBy(key);
    this.#spent.set(this.#keyOf(key), spent + amount);
  }

  #spentBy(key: string): number {
    const minute = Math.floor(Date.now() / 60_000);
    if (minute !== this.#minute) this.#spent.clear();
    this.#minute = minute;
    return this.#spent.get(this.#keyOf(key)) ?? 0;
  }

  #keyOf(key: string): string {
    return this.#spent.size < this.#maxKeys || this.#spent.has(key) ? key : '';
  }
}
