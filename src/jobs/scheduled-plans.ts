import type { Context } from '../domain/context.ts';
import { applyDuePlan, duePlans } from '../domain/plans/schedule-plan.ts';
import { RepeatedJob } from './repeated-job.ts';

/** Applies each scheduled plan at its time, at most a minute late. */

const minuteMs = 60_000;

/** Returns the next whole minute, so that a plan for 00:00 is applied at 00:00. */
const nextMinuteAfter = (instant: Date): Date => new Date((Math.floor(instant.getTime() / minuteMs) + 1) * minuteMs);

/** Applies every scheduled plan whose time has come by an instant. A plan whose time was missed is applied late. */
export async function applyDuePlans(operator: Context, instant: Date): Promise<void> {
  for (const plan of await duePlans(operator, instant))
    await applyDuePlan(operator, plan, instant).catch((error: unknown) =>
      operator.log.warn({ err: error, planId: plan.id }, 'a scheduled plan could not be applied; the next check tries again'),
    );
}

/** Applies due plans now and at each whole minute, until it is closed. @param clock returns the present time. */
export class ScheduledPlans extends RepeatedJob {
  constructor(operator: Context, clock?: () => Date) {
    super({
      run: (instant) => applyDuePlans(operator, instant),
      nextAfter: nextMinuteAfter,
      log: operator.log,
      failure: 'scheduled plans could not be checked; the next check tries again',
      ...(clock && { clock }),
    });
  }
}
