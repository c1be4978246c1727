import type { Filter } from '../policy/scopes.ts';

/** Rows that are in force from `startedAt` until `endedAt`: enrolments and assignments. */

/**
 * Returns the filter of the rows in force at `asOf`. Without it, of those in force now: a filter without an instant,
 * equal for all calls.
 */
export const inForce = (asOf?: Date | null): Filter =>
  asOf ? { startedAt: { lte: asOf }, OR: [{ endedAt: null }, { endedAt: { gt: asOf } }] } : { endedAt: null };

/**
 * Returns the current time, or a later time that another process has stored, so that no interval ends before it starts.
 */
export const nowOrAfter = (storedTime: Date | null | undefined): Date =>
  new Date(Math.max(Date.now(), storedTime?.getTime() ?? 0));
