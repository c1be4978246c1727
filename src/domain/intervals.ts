import type { Filter } from '../policy/scopes.ts';

/** What lasts from `startedAt` until `endedAt`: enrolments and assignments. */

/** The rows in force at an instant; without one, those in force now, which is one and the same filter for every parent. */
export const inForce = (asOf?: Date | null): Filter =>
  asOf ? { startedAt: { lte: asOf }, OR: [{ endedAt: null }, { endedAt: { gt: asOf } }] } : { endedAt: null };

/** Now, or a moment that the clock of another process has already written, so that no interval ends before it starts. */
export const nowOrAfter = (written: Date | null | undefined): Date =>
  new Date(Math.max(Date.now(), written?.getTime() ?? 0));
