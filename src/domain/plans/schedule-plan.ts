import { newId } from '../../db/ids.ts';
import type { Tx } from '../../db/transaction.ts';
import { conflict, invalid, Refusal } from '../../errors.ts';
import { record } from '../../events/record.ts';
import { findFor, lock, lockMany } from '../access.ts';
import { mutate, type Context } from '../context.ts';
import type { Plan } from '../entities.ts';
import { dayOf, startOfDay } from '../school-years.ts';
import { applyFound, refuseUnlessReady, thresholdOf, type ApplyOptions } from './apply-plan.ts';
import { refuseOld } from './plan-age.ts';

/**
 * Schedules plans, and applies each scheduled plan when its time has come. src/jobs/scheduled-plans.ts looks for such plans
 * each minute.
 */

export interface SchedulePlanInput extends ApplyOptions {
  planId: string;
  /** Undefined: the start of the plan's school year. Null: the plan is not scheduled any more. */
  appliesAt?: Date | null;
}

/** How many days ahead a plan can be scheduled: no school plans further ahead. */
const maxDays = 400;

/**
 * Schedules a plan: sets the time at which the server applies it. If the time is null, the plan is not scheduled any more.
 * Does nothing if the schedule stays the same. Regulation 2.1 b, f.
 * @throws INVALID for a time that is past or more than 400 days ahead, and for an unusable threshold. CONFLICT for a plan
 *   that is not READY or too old (`refuseOld`). CONFLICT if no time is given, but the school year of the plan has started.
 */
export async function schedulePlan(ctx: Context, input: SchedulePlanInput): Promise<Plan> {
  const found = await findFor(ctx, 'Plan', input.planId, 'plan.schedule');
  const threshold = thresholdOf(input.threshold);
  const skipErrors = input.skipErrors === true;
  return mutate(ctx, async (tx) => {
    const school = await tx.prisma.school.findUniqueOrThrow({ where: { id: found.schoolId } });
    const plan = await lock(tx, 'Plan', found.id);
    refuseUnlessReady(plan);
    refuseOld(plan);
    const year = await tx.prisma.schoolYear.findUniqueOrThrow({ where: { id: plan.schoolYearId } });
    const appliesAt = input.appliesAt === undefined ? startOfDay(school.timeZone, dayOf(year.startsOn)) : input.appliesAt;
    if (appliesAt !== null) refuseUnusable(appliesAt, { isStated: input.appliesAt !== undefined });
    const schedule = appliesAt === null ? { threshold: null, skipErrors: false } : { threshold, skipErrors };
    const isSame = plan.appliesAt?.getTime() === appliesAt?.getTime();
    if (isSame && plan.threshold === schedule.threshold && plan.skipErrors === schedule.skipErrors)
      return tx.prisma.plan.findUniqueOrThrow({ where: { id: plan.id } });
    record(tx, 'plan.scheduled', { schoolId: plan.schoolId, planId: plan.id });
    return tx.prisma.plan.update({ where: { id: plan.id }, data: { appliesAt, ...schedule, refusalRu: null, refusalEn: null } });
  });
}

/**
 * Within the caller's transaction, after the time zone of a school has changed: moves the plans that are scheduled for the
 * start of their year to that start in the new time zone.
 */
export async function followTimeZone(tx: Tx, schoolId: string, change: { from: string; to: string }): Promise<void> {
  if (change.from === change.to) return;
  const plans = await tx.prisma.plan.findMany({
    where: { schoolId, appliesAt: { not: null } },
    include: { year: true },
    orderBy: { id: 'asc' },
  });
  const startIn = (timeZone: string, { year }: (typeof plans)[number]): Date => startOfDay(timeZone, dayOf(year.startsOn));
  const moved = plans.filter((plan) => plan.appliesAt!.getTime() === startIn(change.from, plan).getTime());
  await lockMany(
    tx,
    'Plan',
    moved.map(({ id }) => id),
  );
  for (const plan of moved) {
    await tx.prisma.plan.updateMany({ where: { id: plan.id, appliesAt: plan.appliesAt }, data: { appliesAt: startIn(change.to, plan) } });
    record(tx, 'plan.scheduled', { schoolId, planId: plan.id });
  }
}

function refuseUnusable(appliesAt: Date, { isStated }: { isStated: boolean }): void {
  const ahead = appliesAt.getTime() - Date.now();
  if (ahead > maxDays * 86_400_000)
    throw invalid('appliesAt', [`Укажите время не позже чем через ${maxDays} дней.`, `Give a time within the next ${maxDays} days.`]);
  if (ahead > 0) return;
  if (isStated) throw invalid('appliesAt', ['Это время уже прошло: примените план сразу.', 'This time is past: apply the plan now.']);
  throw conflict(['Учебный год плана уже начался: примените план сразу.', 'The school year of the plan has started: apply the plan now.'], {
    path: ['planId'],
  });
}

export type DuePlan = Pick<Plan, 'id' | 'schoolId' | 'clientId'>;

/** Returns the plans whose time has come, the earliest first. */
export async function duePlans({ db }: Context, instant: Date): Promise<DuePlan[]> {
  return db.prisma.plan.findMany({
    where: { appliesAt: { not: null, lte: instant } },
    select: { id: true, schoolId: true, clientId: true },
    orderBy: [{ appliesAt: 'asc' }, { id: 'asc' }],
  });
}

/**
 * Applies a plan if it is still due at an instant. A refused plan is not scheduled any more: it stays READY, keeps the
 * reason, and `plan.refused` is recorded. After UNAVAILABLE and other errors the plan stays scheduled, so that the next check
 * tries again.
 */
export async function applyDuePlan(operator: Context, due: DuePlan, instant: Date): Promise<void> {
  const isDue = ({ appliesAt }: Plan): boolean => appliesAt !== null && appliesAt <= instant;
  // The event log stores the request id as the cause of the events. So each applied plan gets a request id of its own.
  const ctx = { ...operator, requestId: newId() };
  try {
    await applyFound(ctx, due, (plan) => (isDue(plan) ? plan : null));
  } catch (error) {
    if (!(error instanceof Refusal) || error.code === 'UNAVAILABLE') throw error;
    const [refusalRu, refusalEn] = error.text;
    await mutate(ctx, async (tx) => {
      const plan = await lock(tx, 'Plan', due.id);
      if (!isDue(plan)) return;
      record(tx, 'plan.refused', { schoolId: plan.schoolId, planId: plan.id });
      await tx.prisma.plan.update({ where: { id: plan.id }, data: { appliesAt: null, refusalRu, refusalEn } });
    });
  }
}
