import { conflict } from '../../errors.ts';
import { record } from '../../events/record.ts';
import { find, findFor, lock } from '../access.ts';
import { mutate, type Context } from '../context.ts';
import type { PlanRow } from '../entities.ts';
import { notes } from './notes.ts';

/**
 * Excludes one row of a plan, or includes the row, even if a rule had withheld its change. Does nothing if the row is in that
 * state already. Regulation 2.1 f.
 * @throws CONFLICT for a row in ERROR, for a row that changes nothing, and for a plan that is not READY.
 */
export async function editPlanRow(ctx: Context, input: { planRowId: string; isApplied: boolean }): Promise<PlanRow> {
  const { planId } = await find(ctx, 'PlanRow', input.planRowId, 'planRowId');
  const found = await findFor(ctx, 'Plan', planId, 'planRow.edit');
  return mutate(ctx, async (tx) => {
    const plan = await lock(tx, 'Plan', found.id);
    const row = await tx.prisma.planRow.findUniqueOrThrow({ where: { id: input.planRowId } });
    const operation = input.isApplied ? row.proposed : 'KEEP';
    if (plan.state !== 'READY')
      throw conflict(
        ['План уже применён или отменён: изменить его нельзя.', 'The plan was applied or undone already: it cannot be edited.'],
        { path: ['planRowId'] },
      );
    if (row.proposed === 'ERROR' || row.proposed === 'KEEP')
      throw conflict(['Эта запись ничего не меняет: решать о ней нечего.', 'This row changes nothing: there is nothing to decide.'], {
        path: ['planRowId'],
      });
    if (row.operation === operation) return row;
    const [messageRu, messageEn] = notes.EXCLUDED;
    const note = input.isApplied ? { code: null, messageRu: null, messageEn: null } : { code: 'EXCLUDED', messageRu, messageEn };
    record(tx, 'planRow.edited', { schoolId: row.schoolId, planId, planRowId: row.id });
    return tx.prisma.planRow.update({ where: { id: row.id }, data: { operation, ...note } });
  });
}
