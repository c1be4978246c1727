import { newId } from '../../db/ids.ts';
import type { Tx } from '../../db/transaction.ts';
import type { Context } from '../context.ts';
import type { Plan } from '../entities.ts';
import type { PlannedRow } from './plan-rows.ts';
import type { StoredRow } from './plan-things.ts';

/** Stores and loads the rows of plans. Each function runs one statement, however many rows there are. */

/** Returns the columns of a plan that say who made it; both null for the operator. */
export const authorOf = ({ actor }: Context): Pick<Plan, 'clientId' | 'createdById'> => ({
  clientId: actor.kind === 'service' ? actor.clientId : null,
  createdById: actor.kind === 'user' ? actor.userId : null,
});

const insertRows = `
  insert into plan_row (id, school_id, plan_id, position, noun, operation, proposed, thing_id, file, line, before, after, code, message_ru, message_en)
  select r.id, $1, $2, r.position, r.noun::plan_noun, r.operation::plan_operation, r.proposed::plan_operation, r."thingId",
         r.file, r.line, r.before, r.after, r.code, r."messageRu", r."messageEn"
  from jsonb_to_recordset($3::jsonb) as
    r (id uuid, position int, noun text, operation text, proposed text, "thingId" uuid, file text, line int, before jsonb, after jsonb,
       code text, "messageRu" text, "messageEn" text)`;

export async function insertPlanRows(tx: Tx, plan: { id: string; schoolId: string }, rows: readonly PlannedRow[]): Promise<void> {
  const values = rows.map(({ note, ...row }, n) => ({
    id: newId(),
    position: n + 1,
    ...row,
    code: note?.code ?? null,
    messageRu: note?.message[0] ?? null,
    messageEn: note?.message[1] ?? null,
  }));
  await tx.execute(insertRows, [plan.schoolId, plan.id, JSON.stringify(values)]);
}

const selectRows = `
  select id, position, noun, operation, thing_id as "thingId", file, line, before, after, done from plan_row
  where plan_id = $1 and operation in ('ADD', 'CHANGE', 'END') order by position`;

export const loadStoredRows = (tx: Tx, planId: string): Promise<StoredRow[]> => tx.query<StoredRow>(selectRows, [planId]);

/** Stores `done` of each row: the ids of what was created and ended when the row was applied. */
export async function writeDone(tx: Tx, rows: readonly StoredRow[]): Promise<void> {
  const values = rows.flatMap(({ id, done }) => (done === null ? [] : [{ id, done }]));
  await tx.execute(`update plan_row p set done = r.done from jsonb_to_recordset($1::jsonb) as r (id uuid, done jsonb) where p.id = r.id`, [
    JSON.stringify(values),
  ]);
}
