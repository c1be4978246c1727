import type { Tx } from '../../db/transaction.ts';
import { conflict, invalid } from '../../errors.ts';
import { record } from '../../events/record.ts';
import { findFor, lock, lockMany } from '../access.ts';
import { mutate, type Context } from '../context.ts';
import type { Plan } from '../entities.ts';
import { withExternalIdConflict } from '../external-ids.ts';
import { refuseImpossibleAssignments, refuseMoved, refuseNewNamesakes } from './check-plan.ts';
import { OverridableRefusal } from './overridable-refusal.ts';
import { refuseOld } from './plan-age.ts';
import { loadStoredRows, writeDone } from './plan-store.ts';
import { byNoun, existingIds, presentStates, type RowsByNoun, type StoredRow } from './plan-things.ts';
import { PlanWriter } from './plan-writer.ts';
import { loadPresentRoster } from './present-roster.ts';
import type { PersonState } from './plan-rows.ts';

export interface ApplyPlanInput {
  planId: string;
  /** The greatest share of the covered people who may leave, in per cent; 100 means any number. */
  threshold?: number | null;
  skipErrors?: boolean | null;
}

const defaultThreshold = 5;

/**
 * Applies a plan: all of its rows in one transaction, with the events of the ordinary operations, and `plan.applied`. Does
 * nothing for an applied plan. Regulation 2.1 f.
 * @throws CONFLICT for a plan that is not READY, for rows in ERROR unless `skipErrors`, if more people than the threshold
 *   would leave the school or their class, for things that changed since the plan was made, and for assignments that cannot
 *   start; nothing is written then.
 */
export async function applyPlan(ctx: Context, input: ApplyPlanInput): Promise<Plan> {
  const found = await findFor(ctx, 'Plan', input.planId, 'plan.apply');
  const threshold = thresholdOf(input.threshold);
  return withExternalIdConflict(
    mutate(ctx, async (tx) => {
      await lock(tx, 'School', found.schoolId);
      const plan = await lock(tx, 'Plan', found.id);
      if (plan.state === 'APPLIED') return tx.prisma.plan.findUniqueOrThrow({ where: { id: plan.id } });
      refuseUnlessReady(plan);
      refuseOld(plan);
      const rows = await loadStoredRows(tx, plan.id);
      if (input.skipErrors !== true) await refuseErrors(tx, plan.id);
      const things = byNoun(rows);
      refuseTooManyEnds(things.people, plan.coveredCount, threshold);
      await lockThings(tx, things);
      const present = await loadPresentRoster(tx, plan);
      refuseMoved(rows, presentStates(present), ({ before }) => before);
      refuseNewNamesakes(things, present);
      refuseImpossibleAssignments(things, present);
      const writer = new PlanWriter(ctx, tx, { plan, present });
      await writer.write(things);
      for (const row of rows) row.done ??= {};
      await writeDone(tx, rows);
      record(tx, 'plan.applied', { schoolId: plan.schoolId, planId: plan.id });
      return tx.prisma.plan.update({ where: { id: plan.id }, data: { state: 'APPLIED', appliedAt: new Date() } });
    }),
  );
}

function thresholdOf(threshold: number | null | undefined): number {
  if (threshold === undefined || threshold === null) return defaultThreshold;
  if (!Number.isInteger(threshold) || threshold < 0 || threshold > 100)
    throw invalid('threshold', ['Укажите целое число процентов от 0 до 100.', 'Give a whole number of per cent from 0 to 100.']);
  return threshold;
}

function refuseUnlessReady({ state }: Plan): void {
  if (state === 'READY') return;
  throw conflict(
    state === 'UNDONE'
      ? ['План уже применяли и отменили: составьте новый.', 'The plan was applied and undone: make a new one.']
      : ['Файл этого плана не удалось прочитать: применять нечего.', 'The file of this plan could not be read: there is nothing to apply.'],
    { path: ['planId'] },
  );
}

async function refuseErrors(tx: Tx, planId: string): Promise<void> {
  const count = await tx.prisma.planRow.count({ where: { planId, operation: 'ERROR' } });
  if (count > 0) throw new OverridableRefusal([`Строк с ошибками: ${count}.`, `Rows with errors: ${count}.`], ['skipErrors', true]);
}

/** A person is lost to the school by leaving it, and to its lessons by leaving a class for none. */
function refuseTooManyEnds(people: readonly StoredRow<PersonState>[], coveredCount: number, threshold: number): void {
  const lost = people.filter(
    ({ operation, before, after }) =>
      operation === 'END' ||
      (before !== null &&
        ((before.classId !== null && after?.classId === null) || before.roles.some((role) => !after?.roles.includes(role)))),
  ).length;
  if (threshold === 100 || lost * 100 <= threshold * coveredCount) return;
  throw new OverridableRefusal(
    [
      `Школу или класс покинут ${lost} из ${coveredCount} человек — больше, чем ${threshold} %.`,
      `${lost} of ${coveredCount} people would leave the school or their class, more than ${threshold} %.`,
    ],
    ['threshold', Math.min(100, Math.ceil((lost * 100) / coveredCount))],
  );
}

/**
 * Locks what the plan changes, in the order of locks. Chats come last: those whose moderator may leave, since each needs
 * another one.
 */
async function lockThings(tx: Tx, things: RowsByNoun): Promise<void> {
  const { classIds, userIds } = existingIds(things);
  await lockMany(tx, 'Class', classIds);
  await lockMany(tx, 'User', userIds);
  await lockModeratedChats(tx, [...userIds]);
}

/** A step: locks the chats that these people own or moderate. */
export async function lockModeratedChats(tx: Tx, userIds: readonly string[]): Promise<void> {
  const chats = await tx.query<{ id: string }>(
    `select distinct m.chat_id as id from chat_member m join chat c on c.id = m.chat_id and c.archived_at is null
     where m.user_id = any($1::uuid[]) and m.role <> 'MEMBER'`,
    [userIds],
  );
  await lockMany(
    tx,
    'Chat',
    chats.map(({ id }) => id),
  );
}
