import type { Tx } from '../../db/transaction.ts';
import { conflict } from '../../errors.ts';
import { record } from '../../events/record.ts';
import { findFor, lock, lockMany } from '../access.ts';
import { mutate, type Context } from '../context.ts';
import type { Plan } from '../entities.ts';
import { lockChats } from './apply-plan.ts';
import { refuseOld } from './plan-age.ts';
import { PlanReversal } from './plan-reversal.ts';
import { loadStoredRows } from './plan-store.ts';
import { byNoun, endingClasses, linesOf, reopenedClasses, presentStates, type RowsByNoun, type StoredRow } from './plan-things.ts';
import { loadPresentRoster, type PresentRoster } from './present-roster.ts';
import { isSameState } from './plan-rows.ts';

/**
 * Undoes an applied plan in one transaction (`PlanReversal`). People who had left the school by the plan return, but not to
 * the chats to which somebody had added them by hand. The rows of the plan stay for the audit. Does nothing if the plan is
 * undone already. Regulation 2.1 f.
 * @throws CONFLICT, and undoes nothing, if the plan is not applied, if it is too old (`refuseOld`), or if something depends
 *   on a row. For example, a new person has joined, a class has other pupils, or somebody has changed what the row changed.
 *   The message names these rows.
 */
export async function undoPlan(ctx: Context, input: { planId: string }): Promise<Plan> {
  const found = await findFor(ctx, 'Plan', input.planId, 'plan.undo');
  return mutate(ctx, async (tx) => {
    await lock(tx, 'School', found.schoolId);
    const plan = await lock(tx, 'Plan', found.id);
    if (plan.state === 'UNDONE') return tx.prisma.plan.findUniqueOrThrow({ where: { id: plan.id } });
    if (plan.state !== 'APPLIED')
      throw conflict(['План не применён: отменять нечего.', 'The plan has not been applied: there is nothing to undo.'], {
        path: ['planId'],
      });
    refuseOld(plan);
    const rows = await loadStoredRows(tx, plan.id);
    const things = byNoun(rows);
    const userIds = await lockThings(tx, things);
    const present = await loadPresentRoster(tx, { ...scopeOf(plan), userIds });
    await refuseDependents(tx, plan, { rows, things, present });
    await new PlanReversal(ctx, tx, plan).write(things);
    record(tx, 'plan.undone', { schoolId: plan.schoolId, planId: plan.id });
    return tx.prisma.plan.update({ where: { id: plan.id }, data: { state: 'UNDONE', undoneAt: new Date() } });
  });
}

const scopeOf = ({ schoolId, schoolYearId, system, source }: Plan) => ({ schoolId, schoolYearId, system, source });

async function lockThings(tx: Tx, { classes, people, assignments }: RowsByNoun): Promise<string[]> {
  const states = [...people, ...assignments].flatMap(({ before, after }) => [before, after]);
  const ended = await tx.prisma.assignment.findMany({
    where: { id: { in: endedAssignments([...classes, ...people, ...assignments]) } },
    select: { classId: true },
  });
  const classIds = [...classes.map(({ thingId }) => thingId), ...[...states, ...ended].map((state) => state?.classId)];
  const workers = assignments.flatMap(({ before, after }) => [before?.userId, after?.userId]);
  const isId = (id: string | null | undefined): id is string => id != null;
  const userIds = [...new Set([...people.map(({ thingId }) => thingId), ...workers].filter(isId))];
  await lockMany(tx, 'Class', classIds.filter(isId));
  await lockMany(tx, 'User', userIds);
  await lockChats(tx, { userIds, classIds: [...endingClasses({ classes }), ...reopenedClasses({ classes })] });
  return userIds;
}

interface Undoing {
  rows: readonly StoredRow[];
  things: RowsByNoun;
  present: PresentRoster;
}

async function refuseDependents(tx: Tx, plan: Plan, undoing: Undoing): Promise<void> {
  const used = await usedIds(tx, plan, undoing.things);
  const reopened = new Set(endingClasses(undoing.things));
  const lost = await lostAssignments(tx, undoing.rows, reopened);
  const dependent = undoing.rows.filter(
    (row) => used.has(row.thingId) || row.done?.endedAssignments?.some((id) => lost.has(id)) || hasMoved(row, undoing.present, reopened),
  );
  const moved = new Set([...dependent, ...changedRows(undoing)]);
  if (moved.size === 0) return;
  const { ru, en } = linesOf([...moved].sort((a, b) => a.position - b.position));
  throw conflict(
    [
      `От этих записей уже что-то зависит (${ru}): человек вступил, в классе есть другие люди, есть новое назначение, или их изменили. План не отменён.`,
      `Something depends on these rows (${en}): a person joined, others are in the class, there is a new assignment, or they were changed. The plan was not undone.`,
    ],
    { path: ['planId'] },
  );
}

/**
 * Returns the rows whose class, subject, person or assignment is no longer in the state `after`. When a CHANGE of an
 * assignment was applied, it created another assignment. The state of that assignment counts: its id is in `done`.
 */
function changedRows({ rows, present }: Undoing): StoredRow[] {
  const states = presentStates(present);
  return rows.filter(({ noun, thingId, after, done }) => {
    const id = noun === 'ASSIGNMENT' ? (done?.assignment ?? thingId) : thingId;
    return !isSameState(states.get(id) ?? null, after);
  });
}

/**
 * Returns whether a person’s row cannot be undone. Reasons: the plan created the person, and the person has joined; the
 * person is deactivated, has changed class, or has lost a role that the plan granted; the class to which the person would
 * return is archived, and undoing the plan does not reopen it.
 */
function hasMoved({ noun, operation, thingId, before, done }: StoredRow, present: PresentRoster, reopened: ReadonlySet<string>): boolean {
  if (noun !== 'PERSON') return false;
  const person = present.people.find(({ id }) => id === thingId)!;
  if (person.isDeactivated || (operation === 'ADD' && person.hasJoined)) return true;
  if ((done?.enrolment ?? done?.endedEnrolment) !== undefined && person.enrolment?.id !== done?.enrolment) return true;
  if (done?.grants?.some((id) => person.grants.every((grant) => grant.id !== id))) return true;
  const restored = done?.endedEnrolment !== undefined && before !== null && 'classId' in before ? before.classId : null;
  return present.classes.some(({ id, isArchived }) => id === restored && isArchived && !reopened.has(id));
}

const endedAssignments = (rows: readonly StoredRow[]): string[] => rows.flatMap(({ done }) => done?.endedAssignments ?? []);

/**
 * Selects those of the ended assignments $1 that cannot be reopened: the class stays archived, the person is deactivated or
 * will not be a teacher, or another open assignment is for the same work. Undoing the plan deletes the assignments $2,
 * restores the grants $3, and unarchives the classes $4.
 */
const selectLost = `
  select a.id from assignment a join class c on c.id = a.class_id join app_user u on u.id = a.user_id
  where a.id = any($1::uuid[])
    and ((c.archived_at is not null and c.id <> all($4::uuid[])) or u.deactivated_at is not null
         or not exists (select from role_grant g where g.school_id = a.school_id and g.user_id = a.user_id and g.role = 'TEACHER'
                        and (g.ended_at is null or g.id = any($3::uuid[])))
         or exists (select from assignment s
                    where s.class_id = a.class_id and s.kind = a.kind and s.ended_at is null and s.id <> all($2::uuid[])
                      and (a.kind = 'CLASS_TEACHER' or (s.user_id = a.user_id and s.subject_id = a.subject_id))))`;

async function lostAssignments(tx: Tx, rows: readonly StoredRow[], reopened: ReadonlySet<string>): Promise<ReadonlySet<string>> {
  const made = rows.flatMap(({ done }) => done?.assignment ?? []);
  const restored = rows.flatMap(({ done }) => done?.endedGrants ?? []);
  const lost = await tx.query<{ id: string }>(selectLost, [endedAssignments(rows), made, restored, [...reopened]]);
  return new Set(lost.map(({ id }) => id));
}

/**
 * Selects the ids of classes, subjects and people that the plan $1 created and that are in use by now. For example, a class
 * has a pupil who did not come by the plan. The created classes are $2, the subjects $3, the people $4. Also checks the
 * classes $5, which the plan unarchived. Invitations to the classes $5 do not count: they may be older than the plan.
 */
const selectUsed = `
  select class_id as id from enrolment where class_id = any($2::uuid[] || $5::uuid[]) and ended_at is null and plan_id is distinct from $1
  union select class_id from assignment where class_id = any($2::uuid[] || $5::uuid[]) and ended_at is null and plan_id is distinct from $1
  union select class_id from chat where class_id = any($2::uuid[] || $5::uuid[]) and archived_at is null
  union select class_id from invitation where class_id = any($2::uuid[]) and revoked_at is null
  union select subject_id from assignment where subject_id = any($3::uuid[]) and ended_at is null and plan_id is distinct from $1
  union select subject_id from chat where subject_id = any($3::uuid[]) and archived_at is null
  union select user_id from assignment where user_id = any($4::uuid[]) and ended_at is null and plan_id is distinct from $1
  union select user_id from chat_member where user_id = any($4::uuid[]) and reason = 'PERSON'
  union select e.student_id from enrolment e join enrolment ended on ended.student_id = e.student_id
        where ended.id = any($6::uuid[]) and e.id <> ended.id and e.started_at >= ended.ended_at and e.plan_id is distinct from $1
  union select g.user_id from role_grant g join role_grant ended on ended.user_id = g.user_id
        where ended.id = any($7::uuid[]) and g.id <> ended.id and g.school_id = ended.school_id and g.role = ended.role
          and g.started_at >= ended.ended_at and g.plan_id is distinct from $1`;

async function usedIds(tx: Tx, plan: Plan, { classes, subjects, people }: RowsByNoun): Promise<ReadonlySet<string>> {
  const added = (rows: readonly StoredRow[]) => rows.filter(({ operation }) => operation === 'ADD').map(({ thingId }) => thingId);
  const done = people.flatMap((row) => row.done ?? []);
  const used = await tx.query<{ id: string }>(selectUsed, [
    plan.id,
    added(classes),
    added(subjects),
    added(people),
    reopenedClasses({ classes }),
    done.flatMap(({ endedEnrolment }) => endedEnrolment ?? []),
    done.flatMap(({ endedGrants }) => endedGrants ?? []),
  ]);
  return new Set(used.map(({ id }) => id));
}
