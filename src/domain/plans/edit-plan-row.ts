import type { Tx } from '../../db/transaction.ts';
import { conflict, invalid } from '../../errors.ts';
import { record } from '../../events/record.ts';
import { find, findFor, lock } from '../access.ts';
import { mutate, type Context } from '../context.ts';
import type { Plan, PlanRow } from '../entities.ts';
import { changeOfRow, type RowChange, type RowEdit } from './row-edits.ts';
import { notes } from './notes.ts';

export type EditPlanRowInput = RowEdit & { planRowId: string; isApplied?: boolean | null };

/**
 * Stores one decision about one row of a plan that is READY. `isApplied: false` excludes the change of the row. `isApplied:
 * true` applies the change, even if a rule withheld it. The other decisions are only for the plan of a school year: a pupil
 * goes to another class or leaves the school, a new class gets another name, an assignment gets another teacher. Does nothing
 * if the row already is as decided. Regulation 2.1 b, f, g.
 * @throws INVALID unless there is exactly one decision. CONFLICT for a row in ERROR, for a row that changes nothing, for a
 *   decision that does not fit the row, and for a plan that is not READY.
 */
export async function editPlanRow(ctx: Context, { planRowId, isApplied, ...edit }: EditPlanRowInput): Promise<PlanRow> {
  refuseUnlessOne({ isApplied, ...edit });
  const { planId } = await find(ctx, 'PlanRow', planRowId, 'planRowId');
  const found = await findFor(ctx, 'Plan', planId, 'planRow.edit');
  return mutate(ctx, async (tx) => {
    const plan = await lock(tx, 'Plan', found.id);
    const row = await tx.prisma.planRow.findUniqueOrThrow({ where: { id: planRowId } });
    refuseFixed(plan, row);
    const change = typeof isApplied === 'boolean' ? inclusionOf(row, isApplied) : await changeOfRow(tx, { plan, row }, edit);
    if (change === null) return row;
    record(tx, 'planRow.edited', { schoolId: row.schoolId, planId, planRowId: row.id });
    return writeChange(tx, row, change);
  });
}

function refuseUnlessOne(decisions: Omit<EditPlanRowInput, 'planRowId'>): void {
  if (Object.values(decisions).filter((decision) => decision !== undefined && decision !== null).length === 1) return;
  throw invalid('isApplied', [
    'Укажите одно решение: isApplied, class, leaves или teacherId.',
    'Give one decision: isApplied, class, leaves or teacherId.',
  ]);
}

function refuseFixed(plan: Plan, row: PlanRow): void {
  if (plan.state !== 'READY')
    throw conflict(
      ['План уже применён или отменён: изменить его нельзя.', 'The plan was applied or undone already: it cannot be edited.'],
      { path: ['planRowId'] },
    );
  if (row.proposed === 'ERROR' || row.proposed === 'KEEP')
    throw conflict(['Эта запись ничего не меняет: решать о ней нечего.', 'This row changes nothing: there is nothing to decide.'], {
      path: ['planRowId'],
    });
}

/** Returns the change that applies a row or excludes it; null if the row is applied or excluded already. */
function inclusionOf({ operation, proposed }: PlanRow, isApplied: boolean): RowChange | null {
  const decided = isApplied ? proposed : 'KEEP';
  return operation === decided ? null : { operation: decided, code: isApplied ? null : 'EXCLUDED' };
}

function writeChange(tx: Tx, { id }: PlanRow, { code, after, ...change }: RowChange): Promise<PlanRow> {
  const [messageRu, messageEn] = code === null ? [null, null] : notes[code];
  return tx.prisma.planRow.update({
    where: { id },
    data: { ...change, ...(after !== undefined && { after: { ...after } }), code, messageRu, messageEn },
  });
}
