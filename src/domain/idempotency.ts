import { createHash } from 'node:crypto';
import { actorName } from '../policy/actor.ts';
import type { Tx } from '../db/transaction.ts';
import { conflict } from '../errors.ts';
import { lockName } from './access.ts';
import type { Context } from './context.ts';
import { opaqueKey } from './text.ts';

/** A mutation that a client may have to repeat says so with a key of its own making. */
export interface Repeatable {
  idempotencyKey?: string | null;
}

/** When a row was archived, ended or revoked. */
interface Ending {
  archivedAt?: Date | null;
  endedAt?: Date | null;
  revokedAt?: Date | null;
}

/**
 * Runs the creation of a thing once for a key: the same actor with the same key and input gets the thing that the first
 * try made. Keys are kept for a day.
 * @throws CONFLICT when the key was used with another input, and when its thing has been archived, ended or revoked since:
 *   the answer would show a thing that no longer exists.
 */
export async function idempotent<Row extends { id: string } & Ending>(
  ctx: Context,
  tx: Tx,
  action: string,
  input: Repeatable,
  again: (id: string) => Promise<Row>,
  make: () => Promise<Row>,
): Promise<Row> {
  const { idempotencyKey, ...rest } = input;
  if (idempotencyKey === undefined || idempotencyKey === null) return make();
  const key = opaqueKey('idempotencyKey', idempotencyKey, 100);
  const actorId = actorName(ctx.actor);
  const inputHash = createHash('sha256').update(JSON.stringify([action, rest])).digest();
  // Two tries at the same moment wait for each other here; the second then finds what the first made.
  await lockName(tx, `${actorId} ${key}`);
  const before = await tx.idempotencyKey.findUnique({ where: { actorId_key: { actorId, key } } });
  if (before !== null) {
    if (inputHash.equals(before.inputHash)) return refuseEnded(await again(before.resultId));
    throw conflict(
      ['Этот ключ уже использован с другими данными.', 'This key was used with another input.'],
      { path: ['idempotencyKey'] },
    );
  }
  const row = await make();
  await tx.idempotencyKey.create({ data: { actorId, key, action, inputHash, resultId: row.id } });
  return row;
}

function refuseEnded<Row extends Ending>(row: Row): Row {
  if (row.archivedAt ?? row.endedAt ?? row.revokedAt)
    throw conflict(
      ['Объект, созданный с этим ключом, уже закрыт. Чтобы создать новый, возьмите новый ключ.', 'What was made with this key has been closed since. To make another, use a new key.'],
      { path: ['idempotencyKey'] },
    );
  return row;
}
