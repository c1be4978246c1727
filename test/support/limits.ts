/**
 * Milliseconds after which a test fails. They only end what hangs: tests wait for facts, and a loaded machine may take ten
 * times as long as a fast one. No test has a limit of its own.
 */

/** One wait for a fact: `until`, `expect.poll`, the next item of a stream. */
export const factMs = 60_000;

/** A test or a hook. */
export const testMs = 600_000;
