import type { Filter } from '../policy/scopes.ts';

/** Rows that are in force from `startedAt` until `endedAt`: enrolments and assignments. */

/**
 * Returns the filter of the rows in force at `asOf`, or now. The filter for now contains no time, so that it is equal
 * in every call, and lists with it share a statement.
 */
export const inForce = (asOf?: Date | null): Filter =>
  asOf ? { startedAt: { lte: asOf }, OR: [{ endedAt: null }, { endedAt: { gt: asOf } }] } : { endedAt: null };

/** Returns the current time, or a later stored time of another process, so that no interval ends before it starts. */
export const nowOrAfter = (storedTime: Date | null | undefined): Date => new Date(Math.max(Date.now(), storedTime?.getTime() ?? 0));
