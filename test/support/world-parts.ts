import fc from 'fast-check';

/** Parts of the fast-check arbitraries that generate worlds: random contents of a database. */

/** An index into a list. The function `at` below takes it modulo the length of the list. */
export const index = fc.nat({ max: 11 });

/** True one time in four. */
export const oneTimeInFour = fc.nat({ max: 3 }).map((n) => n === 0);

/**
 * For the field `specs` of a `WorldPart`, if its type makes all its rows from rows of other types. Then no specs need to
 * be generated.
 */
export const noSpecs = fc.constant<readonly never[]>([]);

export const nonEmptyArray = <T>(of: fc.Arbitrary<T>, maxLength: number) => fc.array(of, { minLength: 1, maxLength });

export const at = <T>(list: readonly T[], n: number): T => list[n % list.length]!;

export const day = (n: number) => new Date(Date.UTC(2026, 0, 1 + n));

/** Returns the end of a row: the day `n`, or null if the row has not ended. */
export const endIf = (isEnded: boolean, n: number) => (isEnded ? day(n) : null);

/** Drops rows that a unique constraint would refuse. Of two rows with the same key, drops the second. */
export function withoutConflicts<T>(rows: readonly T[], keyOf: (row: T) => string | null): T[] {
  const seen = new Set<string>();
  return rows.filter((row) => {
    const key = keyOf(row);
    if (key === null) return true;
    return seen.has(key) ? false : Boolean(seen.add(key));
  });
}
