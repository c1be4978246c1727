import { createHash } from 'node:crypto';
import { actorName } from '../policy/actor.ts';
import type { Tx } from '../db/transaction.ts';
import { conflict } from '../errors.ts';
import { lockName } from './access.ts';
import type { Context } from './context.ts';
import { opaqueKey } from './text.ts';

/** The input of a mutation that a client may send again with the same key. */
export interface Repeatable {
  idempotencyKey?: string | null;
}

interface Ending {
  archivedAt?: Date | null;
  endedAt?: Date | null;
  revokedAt?: Date | null;
}

interface Creation<Row> {
  action: string;
  input: Repeatable;
  /** Returns the row that the first try created; null for an enrolment that was voided since (src/domain/void-enrolment.ts). */
  load(id: string): Promise<Row | null>;
  create(): Promise<Row>;
}

/**
 * Creates a row once for each key. The same actor with the same key and input gets the row that the first try created. Keys
 * are stored for a day.
 * @throws CONFLICT if the key was used with another input, or if the row has been archived, ended, revoked or voided since:
 *   the client must not get a row that is no longer in force.
 */
export async function idempotent<Row extends { id: string } & Ending>(
  ctx: Context,
  tx: Tx,
  { action, input, load, create }: Creation<Row>,
): Promise<Row> {
  const { idempotencyKey, ...rest } = input;
  if (idempotencyKey === undefined || idempotencyKey === null) return create();
  const key = opaqueKey('idempotencyKey', idempotencyKey, 100);
  const actorId = actorName(ctx.actor);
  const inputHash = createHash('sha256')
    .update(JSON.stringify([action, rest]))
    .digest();
  // The lock makes concurrent tries run one after the other. The later try finds the row of the first try.
  await lockName(tx, 'idempotency key', `${actorId} ${key}`);
  const previous = await tx.prisma.idempotencyKey.findUnique({ where: { actorId_key: { actorId, key } } });
  if (previous !== null) {
    if (inputHash.equals(previous.inputHash)) return refuseEnded(await load(previous.resultId));
    throw conflict(
      ['Этот ключ уже использован с другими данными. Возьмите новый ключ.', 'This key was already used with another input. Use a new key.'],
      { path: ['idempotencyKey'] },
    );
  }
  const row = await create();
  await tx.prisma.idempotencyKey.create({ data: { actorId, key, action, inputHash, resultId: row.id } });
  return row;
}

function refuseEnded<Row extends Ending>(row: Row | null): Row {
  if (row === null || (row.archivedAt ?? row.endedAt ?? row.revokedAt))
    throw conflict(
      [
        'Объект, созданный с этим ключом, уже закрыт. Чтобы создать новый, возьмите новый ключ.',
        'The object that was created with this key has been closed since. To create another, use a new key.',
      ],
      { path: ['idempotencyKey'] },
    );
  return row;
}
