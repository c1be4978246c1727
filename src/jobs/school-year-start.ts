import type { Context } from '../domain/context.ts';
import { schoolsWithDueYear, startSchoolYear } from '../domain/school-years.ts';
import { RepeatedJob } from './repeated-job.ts';

/** Records the start of each school's year, at 1 September 00:00 in the school's time zone. */

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/**
 * Returns when to check again. On 31 August and 1 September (UTC), a school year starts in some time zone, so the
 * next check is at the next whole minute. On other days it is at the next whole hour.
 */
export function nextCheckAfter(instant: Date): Date {
  const day = instant.toISOString().slice(5, 10);
  const step = day === '08-31' || day === '09-01' ? minuteMs : hourMs;
  return new Date((Math.floor(instant.getTime() / step) + 1) * step);
}

/**
 * Records the start of every school year that has started by an instant, even long after the start. A step may run
 * twice, and in several processes at once, without harm.
 */
export async function startDueSchoolYears(operator: Context, instant: Date): Promise<void> {
  for (const schoolId of await schoolsWithDueYear(operator, instant))
    await startSchoolYear(operator, schoolId, instant).catch((error: unknown) =>
      operator.log.warn({ err: error, schoolId }, 'the start of a school year could not be recorded; the next check tries again'),
    );
}

/** Records started school years now and at each `nextCheckAfter`, until it is closed. @param clock returns the present time. */
export class SchoolYearStart extends RepeatedJob {
  constructor(operator: Context, clock?: () => Date) {
    super({
      run: (instant) => startDueSchoolYears(operator, instant),
      nextAfter: nextCheckAfter,
      log: operator.log,
      failure: 'school years could not be checked; the next check tries again',
      ...(clock && { clock }),
    });
  }
}
