import { getHeapStatistics } from 'node:v8';

/** Bytes of heap for one large cache: a sixteenth of what this process may use, and at most 64 MB. */
export const cacheBudget = Math.min(64 * 1024 * 1024, getHeapStatistics().heap_size_limit / 16);

interface Entry<K, V> {
  key: K;
  value: V;
  weight: number;
  /** The value of `#insertions` when this entry was last used. */
  usedAt: number;
}

export interface LruOptions<K, V> {
  /** The largest sum of weights. */
  maxWeight: number;
  maxEntries?: number;
  /** Called for every evicted entry. */
  onEvict?(value: V, key: K): void;
}

/** Keeps values up to a total weight, in a unit that the caller chooses. Evicts the least recently used ones first. */
export class LruCache<K, V> {
  readonly #entries = new Map<K, Entry<K, V>>();
  readonly #options: LruOptions<K, V>;
  #weight = 0;
  #insertions = 0;

  constructor(options: LruOptions<K, V>) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  get weight(): number {
    return this.#weight;
  }

  /** Returns the value and marks it as used. */
  get(key: K): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    // Hot path: the order only matters at an insertion, so an entry moves at most once between two of them.
    if (entry.usedAt !== this.#insertions) {
      entry.usedAt = this.#insertions;
      this.#entries.delete(entry.key);
      this.#entries.set(entry.key, entry);
    }
    return entry.value;
  }

  /** Stores the value. Returns false for a value that weighs more than the whole cache. */
  set(key: K, value: V, weight: number): boolean {
    const { maxWeight, maxEntries = Infinity, onEvict } = this.#options;
    this.delete(key);
    if (weight > maxWeight) return false;
    this.#insertions += 1;
    this.#entries.set(key, { key, value, weight, usedAt: this.#insertions });
    this.#weight += weight;
    for (const oldest of this.#entries.values()) {
      if (this.#weight <= maxWeight && this.#entries.size <= maxEntries) break;
      this.delete(oldest.key);
      onEvict?.(oldest.value, oldest.key);
    }
    return true;
  }

  delete(key: K): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    this.#entries.delete(key);
    this.#weight -= entry.weight;
    return true;
  }
}
