/** Reproducible random numbers. A failing test prints its seed; set `SEED` to this seed to repeat the run. */

export interface SeededRandom {
  seed: number;
  /** Returns a number in [0, 1). */
  next(): number;
  /** Returns an integer from `min` to `max`, inclusive. */
  integer(min: number, max: number): number;
  pick<T>(list: readonly T[]): T;
  sample<T>(list: readonly T[], count: number): T[];
}

export function createRandom(seed = Number(process.env.SEED) || Math.floor(Math.random() * 2 ** 31)): SeededRandom {
  let state = seed;
  // The generator mulberry32.
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const integer = (min: number, max: number) => min + Math.floor(next() * (max - min + 1));
  return {
    seed,
    next,
    integer,
    pick: (list) => list[integer(0, list.length - 1)]!,
    sample(list, count) {
      const rest = [...list];
      return Array.from({ length: Math.min(count, rest.length) }, () => rest.splice(integer(0, rest.length - 1), 1)[0]!);
    },
  };
}
