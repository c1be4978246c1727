import { conflict } from '../../errors.ts';
import type { Plan } from '../entities.ts';

/** The rows of a plan hold names, so src/jobs/housekeeping.ts deletes them after 90 days. The plan itself stays. */
export const planRowDays = 90;

/** @throws CONFLICT for a plan that is 89 days old or older: its rows are deleted, or will be within a day. */
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
