/** A budget for each key and minute. All budgets are reset together, at each minute of the clock. */
export class Budgets {
  readonly #perMinute: number;
  readonly #maxKeys: number;
  readonly #spent = new Map<string, number>();
  #minute = 0;

  /** @param maxKeys limits the memory. Further keys share one budget until the next minute. */
  constructor(perMinute: number, maxKeys = 10_000) {
    this.#perMinute = perMinute;
    this.#maxKeys = maxKeys;
  }

  /** Spends the amount and returns 0. If the budget is too small, returns the seconds until the next minute. */
  take(key: string, amount: number): number {
    if (this.#spentBy(key) + amount > this.#perMinute) return 60 - (Math.floor(Date.now() / 1000) % 60);
    this.add(key, amount);
    return 0;
  }

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
