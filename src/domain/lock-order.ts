import type { Lock } from '../db/transaction.ts';

/**
 * Whether the TypeScript sources run, as in tests and by `npm run dev`. A built server does not check the order: it
 * runs a transaction again after a deadlock.
 */
const isChecked = import.meta.url.endsWith('.ts');

/**
 * In tests and in development: adds a lock to the locks of a transaction, and checks their order. Ranks must ascend and,
 * within a rank, ids must ascend. A lock that the transaction already holds may be taken again at any time.
 * @throws Error for a lock out of order.
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
