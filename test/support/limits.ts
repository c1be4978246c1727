/**
 * The time limits after which a test fails. They are long, because they only have to end tests that hang: a loaded
 * machine may take ten times as long as a fast one.
 */

/** Milliseconds of one wait for a condition: `until`, `expect.poll`, the next item of a stream. */
export const factMs = 60_000;

/** Milliseconds of a test or a hook. */
export const testMs = 600_000;
