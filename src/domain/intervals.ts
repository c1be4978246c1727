import type { Filter } from '../policy/scopes.ts';

/** Rows that are in force from `startedAt` until `endedAt`: enrolments and assignments. */

/**
 * Returns the filter of the rows in force at `asOf`, by default now. Without `asOf`, the filter contains no time and is the
 * same in every call. So one SQL statement can read the lists of several parents.
 */
export const inForce = (asOf?: Date | null): Filter =>
  asOf ? { startedAt: { lte: asOf }, OR: [{ endedAt: null }, { endedAt: { gt: asOf } }] } : { endedAt: null };

/**
 * Returns the current time, or `storedTime` if it is later. The clocks of processes differ, so an interval could otherwise
 * end before it starts.
 */
export const nowOrAfter = (storedTime: Date | null | undefined): Date => new Date(Math.max(Date.now(), storedTime?.getTime() ?? 0));
