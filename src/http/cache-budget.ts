import { getHeapStatistics } from 'node:v8';

/**
 * Bytes of heap for one large cache: a sixteenth of the heap limit of this process, and at most 64 MB. The number is
 * divisible by eight, so that an eighth of it is a whole number too.
 */
export const cacheBudget = Math.min(64 * 1024 * 1024, 8 * Math.floor(getHeapStatistics().heap_size_limit / 16 / 8));
