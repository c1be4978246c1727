import type { Tx } from '../../db/transaction.ts';
import { conflict, invalid } from '../../errors.ts';
import { record } from '../../events/record.ts';
import { findFor, lock, lockMany } from '../access.ts';
import { mutate, type Context } from '../context.ts';
import type { Plan } from '../entities.ts';
import { withExternalIdConflict } from '../external-ids.ts';
import { refuseDeactivated, refuseImpossibleAssignments, refuseMoved, refuseNewNamesakes, refuseStaying } from './check-plan.ts';
import { OverridableRefusal } from './overridable-refusal.ts';
import { refuseOld } from './plan-age.ts';
import { PlanProgressReporter } from './plan-progress.ts';
import { loadStoredRows, writeDone } from './plan-store.ts';
import { byNoun, endingClasses, existingIds, reopenedClasses, presentStates, type RowsByNoun, type StoredRow } from './plan-things.ts';
import { PlanWriter } from './plan-writer.ts';
import { loadPresentRoster } from './present-roster.ts';
import type { PersonState } from './plan-rows.ts';

export interface ApplyOptions {
  /**
   * How many people may leave their class or the school by an import, in per cent of the people whom the file should list;
   * 100 means any number.
   */
  threshold?: number | null;
  skipErrors?: boolean | null;
}

const defaultThreshold = 5;

/**
 * Applies the rows of a plan in one transaction. Records the events of the ordinary operations, then `plan.applied`. Does
 * nothing if the plan is applied already. Regulation 2.1 f.
 * @throws INVALID for an unusable threshold. CONFLICT, and writes nothing, if the plan is not READY or too old (`refuseOld`),
 *   if a row is in ERROR (unless `skipErrors`), if more people than the threshold would leave the school or their class, if
 *   something changed since the plan was made, or if an assignment cannot start.
 */
export async function applyPlan(ctx: Context, input: ApplyOptions & { planId: string }): Promise<Plan> {
  const found = await findFor(ctx, 'Plan', input.planId, 'plan.apply');
  thresholdOf(input.threshold);
  return applyFound(ctx, found, () => input);
}

/** Applies a plan. `optionsOf` gets the locked plan, and returns the options. If it returns null, the plan stays as it is. */
export async function applyFound(
  ctx: Context,
  found: Pick<Plan, 'id' | 'schoolId' | 'clientId'>,
  optionsOf: (plan: Plan) => ApplyOptions | null,
): Promise<Plan> {
  const { schoolId, clientId } = found;
  const progress = new PlanProgressReporter(ctx, { schoolId, planId: found.id, uploadId: null, clientId });
  progress.report('CHECKING');
  return withExternalIdConflict(
    mutate(ctx, async (tx) => {
      await lock(tx, 'School', found.schoolId);
      const plan = await lock(tx, 'Plan', found.id);
      const options = optionsOf(plan);
      if (plan.state === 'APPLIED' || options === null) return tx.prisma.plan.findUniqueOrThrow({ where: { id: plan.id } });
      refuseUnlessReady(plan);
      refuseOld(plan);
      const rows = await loadStoredRows(tx, plan.id);
      if (options.skipErrors !== true) await refuseErrors(tx, plan.id);
      const things = byNoun(rows);
      // Only an import has a limit for the number of people who leave. For the turn of a year, the input of `planYear` states
      // which grades leave the school.
      const isImport = plan.source === 'IMPORT';
      if (isImport) refuseTooManyEnds(things.people, plan.coveredCount, thresholdOf(options.threshold));
      await lockThings(tx, things);
      const present = await loadPresentRoster(tx, plan);
      refuseMoved(rows, presentStates(present), ({ before }) => before);
      refuseNewNamesakes(things, present);
      // Only an import may not change deactivated people. The turn of a year moves a deactivated pupil with the class.
      if (isImport) refuseDeactivated(things, present);
      refuseStaying(things, present);
      refuseImpossibleAssignments(things, present);
      const writer = new PlanWriter(ctx, tx, { plan, present });
      await writer.write(things, (done) => progress.report('WRITING', done, rows.length));
      for (const row of rows) row.done ??= {};
      await writeDone(tx, rows);
      record(tx, 'plan.applied', { schoolId: plan.schoolId, planId: plan.id });
      return tx.prisma.plan.update({
        where: { id: plan.id },
        data: { state: 'APPLIED', appliedAt: new Date(), appliesAt: null, refusalRu: null, refusalEn: null },
      });
    }),
  ).finally(() => progress.report('FINISHED'));
}

/** Returns the stated threshold, or the default. @throws INVALID for a number that is not in 0 to 100. */
export function thresholdOf(threshold: number | null | undefined): number {
  if (threshold === undefined || threshold === null) return defaultThreshold;
  if (!Number.isInteger(threshold) || threshold < 0 || threshold > 100)
    throw invalid('threshold', ['Укажите целое число процентов от 0 до 100.', 'Give a whole number of per cent from 0 to 100.']);
  return threshold;
}

/** @throws CONFLICT for a plan that failed, was applied or was undone. */
export function refuseUnlessReady({ state }: Plan): void {
  if (state === 'READY') return;
  throw conflict(
    state === 'APPLIED'
      ? ['План уже применён.', 'The plan has been applied already.']
      : state === 'UNDONE'
        ? ['План уже применяли и отменили: составьте новый.', 'The plan was applied and undone: make a new one.']
        : [
            'Файл этого плана не удалось прочитать: применять нечего.',
            'The file of this plan could not be read: there is nothing to apply.',
          ],
    { path: ['planId'] },
  );
}

async function refuseErrors(tx: Tx, planId: string): Promise<void> {
  const count = await tx.prisma.planRow.count({ where: { planId, operation: 'ERROR' } });
  if (count > 0) throw new OverridableRefusal([`Строк с ошибками: ${count}.`, `Rows with errors: ${count}.`], ['skipErrors', true]);
}

/**
 * Refuses a plan by which too many people leave. Counts the people who leave the school, who leave their class without
 * entering another class, or who lose a role.
 * @throws CONFLICT if they are more than `threshold` per cent of the people whom the file should list (`coveredCount`).
 */
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
 * Locks the classes and people that the plan changes or refers to, in the order of `lockRank`. Then locks the chats that
 * these people own or moderate, since a chat whose moderator leaves gets another moderator. Also locks the chats of the
 * classes that end.
 */
async function lockThings(tx: Tx, things: RowsByNoun): Promise<void> {
  const { classIds, userIds } = existingIds(things);
  await lockMany(tx, 'Class', classIds);
  await lockMany(tx, 'User', userIds);
  await lockChats(tx, { userIds: [...userIds], classIds: [...endingClasses(things), ...reopenedClasses(things)] });
}

/** Within the caller's transaction: locks the open chats that these people own or moderate, and all chats of these classes. */
export async function lockChats(tx: Tx, { userIds, classIds }: { userIds: readonly string[]; classIds: readonly string[] }): Promise<void> {
  const chats = await tx.query<{ id: string }>(
    `select m.chat_id as id from chat_member m join chat c on c.id = m.chat_id and c.archived_at is null
     where m.user_id = any($1::uuid[]) and m.role <> 'MEMBER'
     union select id from chat where class_id = any($2::uuid[])`,
    [userIds, classIds],
  );
  await lockMany(
    tx,
    'Chat',
    chats.map(({ id }) => id),
  );
}
