import { conflict } from '../../errors.ts';
import type { Plan } from '../entities.ts';

/**
 * Days after which housekeeping (src/jobs/housekeeping.ts) deletes the rows of a plan, because the rows hold names. The plan
 * itself stays. The days count from the time when the plan was applied, or from the time when it was made if it was not
 * applied. The rows of a scheduled plan are not deleted.
 */
export const planRowDays = 90;

/** Refuses a plan whose rows housekeeping has deleted, or may delete within a day. @throws CONFLICT. */
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
