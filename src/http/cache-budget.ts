import { getHeapStatistics } from 'node:v8';

/**
 * Bytes of heap for one large cache: a sixteenth of what this process may use, and at most 64 MB. Shares of it are whole
 * numbers down to an eighth.
 */
export const cacheBudget = Math.min(64 * 1024 * 1024, 8 * Math.floor(getHeapStatistics().heap_size_limit / 16 / 8));
