import type { Tx } from '../../db/transaction.ts';
import { record } from '../../events/record.ts';
import { nameFields as classFields, refuseNamesake as refuseClassNamesake } from '../classes.ts';
import type { Plan } from '../entities.ts';
import { refuseNamesake as refuseSubjectNamesake, subjectFields } from '../subjects.ts';
import { nameFields } from '../users.ts';
import type { ClassState, PersonState, SubjectState } from './plan-rows.ts';
import type { StoredRow } from './plan-things.ts';

/** Writes the classes, subjects and people of a plan, and their external ids. */

type Target = Pick<Plan, 'id' | 'schoolId' | 'schoolYearId' | 'system'>;

/** Which state of a row is written: `after` to apply it, `before` to undo it. */
type Side = 'before' | 'after';

export async function writeClasses(tx: Tx, plan: Target, rows: readonly StoredRow<ClassState>[], side: Side = 'after'): Promise<void> {
  const { schoolId, schoolYearId } = plan;
  for (const { operation, thingId: id, ...row } of rows) {
    const state = row[side];
    // Skips classes that the plan ends. Their school year stays. `PlanWriter` archives them, and `PlanReversal` unarchives them.
    if (state === null || operation === 'END') continue;
    const fields = { schoolYearId, ...classFields(state.grade, state.letter) };
    await refuseClassNamesake(tx, { id, ...fields });
    if (operation === 'ADD') {
      await tx.prisma.class.create({ data: { id, schoolId, ...fields } });
      record(tx, 'class.created', { schoolId, classId: id });
    } else if (isRenamed(row)) {
      await tx.prisma.class.update({ where: { id }, data: fields });
      record(tx, 'class.updated', { schoolId, classId: id });
    }
  }
  await writeExternalIds(tx, plan, { table: 'class_external_id', column: 'class_id' }, idsOf(rows, side));
}

const isRenamed = ({ before, after }: Pick<StoredRow<ClassState>, 'before' | 'after'>): boolean =>
  (['grade', 'letter', 'externalId'] as const).some((column) => before?.[column] !== after?.[column]);

export async function writeSubjects(tx: Tx, plan: Target, rows: readonly StoredRow<SubjectState>[], side: Side = 'after'): Promise<void> {
  const { schoolId } = plan;
  for (const { thingId: id, after } of side === 'after' ? rows.filter(({ operation }) => operation === 'ADD') : []) {
    const subject = { id, schoolId, ...subjectFields(after!.name) };
    await refuseSubjectNamesake(tx, subject);
    await tx.prisma.subject.create({ data: subject });
    record(tx, 'subject.created', { schoolId, subjectId: id });
  }
  await writeExternalIds(tx, plan, { table: 'subject_external_id', column: 'subject_id' }, idsOf(rows, side));
}

export async function writePeople(tx: Tx, plan: Target, rows: readonly StoredRow<PersonState>[], side: Side = 'after'): Promise<void> {
  const { schoolId } = plan;
  if (side === 'after') {
    const added = rows.filter(({ operation }) => operation === 'ADD');
    await tx.prisma.user.createMany({ data: added.map(({ thingId: id, after }) => ({ id, ...columnsOf(after!) })) });
    for (const { thingId: userId } of added) record(tx, 'user.created', { schoolId, userId });
  }
  const changed = rows.filter(({ before, after }) => before !== null && after !== null && isChanged(before, after));
  await tx.execute(updatePeople, [JSON.stringify(changed.map(({ thingId: id, ...row }) => ({ id, ...columnsOf(row[side]!) }))), schoolId]);
  await recordUpdates(
    tx,
    schoolId,
    changed.map(({ thingId }) => thingId),
  );
  await writeExternalIds(tx, plan, { table: 'user_external_id', column: 'user_id' }, idsOf(rows, side));
}

/** Records `user.updated` in the school of the plan and in each other school where the person has a current role. */
async function recordUpdates(tx: Tx, schoolId: string, userIds: readonly string[]): Promise<void> {
  if (userIds.length === 0) return;
  const others = await tx.prisma.roleGrant.findMany({
    where: { userId: { in: [...userIds] }, schoolId: { not: schoolId }, endedAt: null },
    distinct: ['userId', 'schoolId'],
    select: { userId: true, schoolId: true },
    orderBy: [{ userId: 'asc' }, { schoolId: 'asc' }],
  });
  for (const userId of userIds) record(tx, 'user.updated', { schoolId, userId });
  for (const other of others) record(tx, 'user.updated', { schoolId: other.schoolId, userId: other.userId });
}

/**
 * Whether a person keeps birth date and e-mail address: the person has joined or has a role in another school, perhaps since
 * the plan was made.
 */
const isKept = `(u.joined_at is not null or exists (
  select from role_grant g where g.user_id = u.id and g.school_id <> $2 and g.ended_at is null))`;

const updatePeople = `
  update app_user u set surname = p.surname, given_name = p."givenName", patronymic = p.patronymic,
                        birth_date = case when ${isKept} then u.birth_date else p."birthDate" end,
                        email = case when ${isKept} then u.email else p.email end,
                        search_text = p."searchText", sort_key = p."sortKey", updated_at = now()
  from jsonb_to_recordset($1::jsonb) as
    p (id uuid, surname text, "givenName" text, patronymic text, "birthDate" date, email text, "searchText" text, "sortKey" text)
  where u.id = p.id`;

const columnsOf = (person: PersonState) => ({
  ...nameFields(person),
  birthDate: person.birthDate === null ? null : new Date(person.birthDate),
  email: person.email,
});

const isChanged = (before: PersonState, after: PersonState): boolean =>
  (['surname', 'givenName', 'patronymic', 'birthDate', 'email', 'externalId'] as const).some((column) => before[column] !== after[column]);

interface IdOfThing {
  id: string;
  value: string | null;
}

/**
 * Returns the external ids that change. A person who leaves keeps the external id, so that a later import finds the person.
 */
const idsOf = (rows: readonly StoredRow<ClassState | SubjectState | PersonState>[], side: Side): IdOfThing[] =>
  rows
    .filter(({ before, after }) => (before?.externalId ?? null) !== (after?.externalId ?? null))
    .map(({ thingId: id, ...row }) => ({ id, value: row[side]?.externalId ?? null }));

/** Replaces external ids in the system of the plan. Deletes an id whose new value is null. */
async function writeExternalIds(
  tx: Tx,
  { schoolId, system }: Target,
  { table, column }: { table: string; column: string },
  ids: readonly IdOfThing[],
): Promise<void> {
  if (ids.length === 0) return;
  await tx.execute(`delete from ${table} where school_id = $1 and system = $2 and ${column} = any($3::uuid[])`, [
    schoolId,
    system,
    ids.map(({ id }) => id),
  ]);
  await tx.execute(
    `insert into ${table} (school_id, ${column}, system, value)
     select $1, x.id, $2, x.value from jsonb_to_recordset($3::jsonb) as x (id uuid, value text) where x.value is not null`,
    [schoolId, system, JSON.stringify(ids)],
  );
}
