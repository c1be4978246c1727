import { conflict } from '../../errors.ts';
import type { Plan } from '../entities.ts';

/**
 * The rows of a plan hold names. Housekeeping (src/jobs/housekeeping.ts) deletes them 90 days after the plan was applied or,
 * if it was not, made. It keeps those of a scheduled plan, and the plan itself.
 */
export const planRowDays = 90;

/** @throws CONFLICT for a plan whose rows are kept no longer, or may go at any moment. */
export function refuseOld({ createdAt, appliedAt, appliesAt }: Plan): void {
  if (appliesAt !== null || (appliedAt ?? createdAt).getTime() > Date.now() - (planRowDays - 1) * 86_400_000) return;
  throw conflict(
    [
      `Плану больше ${planRowDays - 1} дней, и его записи больше не хранятся. Составьте план заново.`,
      `The plan is older than ${planRowDays - 1} days, and its rows are kept no longer. Make the plan again.`,
    ],
    { path: ['planId'] },
  );
}
