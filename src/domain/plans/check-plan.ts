import { conflict } from '../../errors.ts';
import type { RowState } from './plan-rows.ts';
import { countNames, nameKey } from './match-people.ts';
import { linesOf, movedRows, type RowsByNoun, type StoredRow } from './plan-things.ts';
import type { PresentRoster } from './present-roster.ts';

/** Checks, under the locks, that the school is still what a plan compared. */

/** @throws CONFLICT that names the rows whose things are no longer as `expected`. */
export function refuseMoved(
  rows: readonly StoredRow[],
  states: ReadonlyMap<string, RowState>,
  expected: (row: StoredRow) => RowState | null,
): void {
  const moved = movedRows(rows, states, expected);
  if (moved.length > 0) throw changedSince(moved);
}

const changedSince = (rows: readonly StoredRow[]) => {
  const { ru, en } = linesOf(rows);
  return conflict(
    [
      `Школа изменилась с тех пор, как составлен план (${ru}). Ничего не применено, эти изменения сохранены. Составьте план заново.`,
      `The school has changed since the plan was made (${en}). Nothing was applied, and those changes are kept. Make the plan again.`,
    ],
    { path: ['planId'] },
  );
};

/** @throws CONFLICT if somebody made a person of the same name whom the plan would make again. */
export function refuseNewNamesakes({ people }: RowsByNoun, present: PresentRoster): void {
  const counts = countNames(present.people);
  const moved = people.filter(
    ({ operation, after }) => operation === 'ADD' && after !== null && (counts.get(nameKey(after)) ?? 0) !== (after.namesakes ?? 0),
  );
  if (moved.length > 0) throw changedSince(moved);
}
