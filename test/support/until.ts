import { vi } from 'vitest';
import { factMs } from './limits.ts';

/** Waits until `fact` no longer throws, and returns its result. Fails with the last error of `fact`. */
export const until = <T>(fact: () => T | Promise<T>): Promise<T> => vi.waitFor(fact, { timeout: factMs, interval: 10 });
