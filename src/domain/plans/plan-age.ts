import { conflict } from '../../errors.ts';
import type { Plan } from '../entities.ts';

/** The rows of a plan hold names, so they are kept for 90 days (src/jobs/housekeeping.ts); the plan itself stays. */
export const planRowDays = 90;

/** @throws CONFLICT for a plan whose rows are kept no longer, or may go at any moment. */
export function refuseOld({ createdAt }: Plan): void {
  if (createdAt.getTime() > Date.now() - (planRowDays - 1) * 86_400_000) return;
  throw conflict(
    [
      `План составлен больше ${planRowDays - 1} дней назад, и его записи больше не хранятся. Составьте план заново.`,
      `The plan was made more than ${planRowDays - 1} days ago, and its rows are kept no longer. Make the plan again.`,
    ],
    { path: ['planId'] },
  );
}
