/** Reproducible random numbers: a failing test prints its seed; set `SEED` to it to repeat the run. */

export interface Chance {
  seed: number;
  /** Returns a number in [0, 1). */
  next(): number;
  /** Returns an integer from `min` to `max`, inclusive. */
  from(least: number, most: number): number;
  one<T>(list: readonly T[]): T;
  some<T>(list: readonly T[], count: number): T[];
}

export function createChance(seed = Number(process.env.SEED) || Math.floor(Math.random() * 2 ** 31)): Chance {
  let state = seed;
  // mulberry32
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const from = (least: number, most: number) => least + Math.floor(next() * (most - least + 1));
  return {
    seed,
    next,
    from,
    one: (list) => list[from(0, list.length - 1)]!,
    some(list, count) {
      const rest = [...list];
      return Array.from({ length: Math.min(count, rest.length) }, () => rest.splice(from(0, rest.length - 1), 1)[0]!);
    },
  };
}
