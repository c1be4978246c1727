import type { Lock } from '../db/transaction.ts';

/** Checked where the sources run, as in tests and by `npm run dev`. A built server runs a transaction again after a deadlock. */
const isChecked = import.meta.url.endsWith('.ts');

/**
 * Adds a lock to those that a transaction took: in ascending rank and, within a rank, by ascending id. A lock that the
 * transaction holds already may be taken again at any time.
 * @throws Error for a lock out of order, in tests and in development.
 */
export function checkLockOrder(locks: Lock[], next: Lock): void {
  if (!isChecked) return;
  const last = locks.at(-1);
  if (last !== undefined) {
    if (locks.some(({ of, id }) => of === next.of && id === next.id)) return;
    if (next.rank < last.rank || (next.rank === last.rank && next.id < last.id))
      throw new Error(
        `${next.of} (rank ${next.rank}) is locked after ${last.of} (rank ${last.rank}): lock rows in ascending \`lockRank\` of ` +
          'src/domain/resources.ts and rows of one type by ascending id, or call `lockLate` and say why.',
      );
  }
  locks.push(next);
}
