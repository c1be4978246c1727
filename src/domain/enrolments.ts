import { clauseOf, everCan } from '../policy/can.ts';
import { newId } from '../db/ids.ts';
import type { Plain } from '../reader/row-view.ts';
import { findRows } from '../reader/select.ts';
import type { Tx } from '../db/transaction.ts';
import { conflict, forbidden, type Refusal } from '../errors.ts';
import { record } from '../events/record.ts';
import { allInOrder, authorize, find, findFor, lock, lockLate, lockUnread } from './access.ts';
import { lockOpenClass, nameOfClass } from './classes.ts';
import { mutate, type Context } from './context.ts';
import { idempotent, type Repeatable } from './idempotency.ts';
import { nowOrAfter } from './intervals.ts';
import { readable } from './resources.ts';
import { followRules } from './chat-membership-rules.ts';
import type { Enrolment } from './entities.ts';

/** Enrolments of pupils in classes: at most one at a time, on the whole platform. Regulation 2.5 a. */

interface EnrolmentInput {
  studentId: string;
  classId: string;
}

/** Enrols a pupil in a class. Does nothing if the pupil is in this class. Regulation 2.1 f, 2.5 a. */
export async function enrolStudent(ctx: Context, input: EnrolmentInput & Repeatable): Promise<Enrolment> {
  const [{ id: classId, schoolId }, student] = await allInOrder(
    findFor(ctx, 'Class', input.classId, 'student.enrol'),
    find(ctx, 'User', input.studentId, 'studentId'),
  );
  return mutate(ctx, (tx) =>
    idempotent(ctx, tx, {
      action: 'student.enrol',
      input,
      load: (id) => tx.prisma.enrolment.findUnique({ where: { id } }),
      create: () => enrol(tx, { schoolId, classId, studentId: student.id }),
    }),
  );
}

/**
 * Within the caller's transaction: enrols a pupil in a class. The caller checks the rights.
 * @throws CONFLICT for a pupil of another class. The message names that class if it belongs to the same school. Regulation
 *   2.5 a.
 */
export async function enrol(tx: Tx, { schoolId, classId, studentId }: EnrolmentInput & { schoolId: string }): Promise<Enrolment> {
  const [, latest] = await allInOrder(lockOpenClass(tx, classId, 'hold'), lockStudent(tx, schoolId, studentId));
  if (latest?.endedAt === null) {
    if (latest.classId === classId) return latest;
    throw await alreadyEnrolled(tx, latest, schoolId);
  }
  const made = { planId: null, orderNumber: null, admittedOn: null };
  const enrolment = { id: newId(), schoolId, classId, studentId, startedAt: nowOrAfter(latest?.endedAt), endedAt: null, ...made };
  const [updatedAt] = await allInOrder(enrolAll(tx, schoolId, [enrolment]), followRules(tx, schoolId, studentId));
  return { ...enrolment, updatedAt };
}

/**
 * An enrolment to insert. If a former enrolment of the pupil ended later than `startedAt`, the new enrolment starts when
 * the former one ended (`enrolAll`).
 */
export type NewEnrolment = Pick<Plain<Enrolment>, 'id' | 'classId' | 'studentId' | 'startedAt' | 'planId' | 'orderNumber' | 'admittedOn'>;

const insertEnrolments = `
  insert into enrolment (id, school_id, class_id, student_id, started_at, plan_id, order_number, admitted_on)
  select e.id, $1, e."classId", e."studentId",
         greatest(e."startedAt", (select max(ended_at) from enrolment former where former.student_id = e."studentId")),
         e."planId", e."orderNumber", e."admittedOn"
  from jsonb_to_recordset($2::jsonb) as
    e (id uuid, "classId" uuid, "studentId" uuid, "startedAt" timestamptz, "planId" uuid, "orderNumber" text, "admittedOn" date)
  on conflict do nothing returning student_id as "studentId", updated_at as "updatedAt"`;

/**
 * Within the caller's transaction: enrols pupils, each in one class. Returns the time of the insertion. The caller has locked
 * the pupils, and the classes with `hold`. Afterwards the caller calls `followRules`, which changes the members of chats.
 * @throws CONFLICT for a pupil who already has a current enrolment.
 */
export async function enrolAll(tx: Tx, schoolId: string, enrolments: readonly NewEnrolment[]): Promise<Date> {
  for (const { id: enrolmentId, studentId, classId } of enrolments)
    record(tx, 'student.enrolled', { schoolId, enrolmentId, studentId, classId });
  const inserted = await tx.execute<{ studentId: string; updatedAt: Date }>(insertEnrolments, [schoolId, JSON.stringify(enrolments)]);
  if (inserted.length === enrolments.length) return inserted[0]?.updatedAt ?? new Date();
  const done = new Set(inserted.map(({ studentId }) => studentId));
  const { studentId } = enrolments.find((enrolment) => !done.has(enrolment.studentId))!;
  throw await alreadyEnrolled(tx, await currentEnrolmentOf(tx, studentId), schoolId);
}

/** Transfers a pupil to another class of the school, without a gap between the enrolments. Regulation 2.1 f. */
export async function transferStudent(ctx: Context, input: EnrolmentInput): Promise<Enrolment> {
  const [{ id: classId, schoolId }, { id: studentId }] = await allInOrder(
    findFor(ctx, 'Class', input.classId, 'student.transfer'),
    find(ctx, 'User', input.studentId, 'studentId'),
  );
  return mutate(ctx, async (tx) => {
    const present = await lockCurrentEnrolment(tx, studentId, classId);
    if (present === null) throw notEnrolled();
    if (present.schoolId !== schoolId) throw await alreadyEnrolled(tx, present, schoolId);
    authorize(ctx, 'student.transfer', { schoolId, classId: present.classId });
    if (present.classId === classId) return present;
    await lockStudent(tx, schoolId, studentId);
    const id = newId();
    await transferAll(tx, schoolId, [{ id, classId, present, planId: null }]);
    await followRules(tx, schoolId, studentId);
    return tx.prisma.enrolment.findUniqueOrThrow({ where: { id } });
  });
}

export interface Transfer {
  /** The id of the new enrolment. */
  id: string;
  /** The class that the pupil enters. */
  classId: string;
  present: Pick<Enrolment, 'id' | 'classId' | 'studentId'>;
  planId: string | null;
}

/**
 * Copies the order number and the day of admission from the old enrolment to the new enrolment, because a transfer does not
 * state them.
 */
const moveEnrolments = `
  with move as (
    select * from jsonb_to_recordset($3::jsonb) as m (id uuid, "classId" uuid, "presentId" uuid, "planId" uuid)
  ), ended as (
    update enrolment e set ended_at = greatest(e.started_at, $2) from move where e.id = move."presentId" and e.ended_at is null
    returning e.id, e.student_id, e.ended_at, e.order_number, e.admitted_on
  )
  insert into enrolment (id, school_id, class_id, student_id, started_at, plan_id, order_number, admitted_on)
  select move.id, $1, move."classId", ended.student_id, ended.ended_at, move."planId", ended.order_number, ended.admitted_on
  from move join ended on ended.id = move."presentId"
  returning id`;

/**
 * Within the caller's transaction: ends enrolments and starts the next ones without a gap. The caller has locked the pupils,
 * and the classes with `hold`. Afterwards the caller calls `followRules`, which changes the members of chats.
 */
export async function transferAll(tx: Tx, schoolId: string, transfers: readonly Transfer[]): Promise<void> {
  if (transfers.length === 0) return;
  const moves = transfers.map(({ present, ...move }) => ({ ...move, presentId: present.id }));
  await tx.execute(moveEnrolments, [schoolId, new Date().toISOString(), JSON.stringify(moves)]);
  for (const { id, classId, present } of transfers) {
    const from = { fromEnrolmentId: present.id, fromClassId: present.classId };
    record(tx, 'student.transferred', { schoolId, enrolmentId: id, studentId: present.studentId, classId, ...from });
  }
}

/** Ends a pupil's enrolment. The pupil keeps the role. Regulation 2.1 f. */
export async function withdrawStudent(ctx: Context, input: { studentId: string }): Promise<Enrolment> {
  const { id: studentId } = await find(ctx, 'User', input.studentId, 'studentId');
  // An actor without the right to withdraw any pupil gets FORBIDDEN, whether or not the enrolment is visible.
  if (!everCan(ctx.actor, 'student.withdraw')) throw forbidden(clauseOf('student.withdraw'));
  return mutate(ctx, async (tx) => {
    const present = await lockCurrentEnrolment(tx, studentId);
    const visible =
      present && (await tx.prisma.enrolment.findFirst({ where: { AND: [{ id: present.id }, readable(ctx.actor, 'Enrolment')] } }));
    if (visible === null) throw notEnrolled();
    authorize(ctx, 'student.withdraw', { schoolId: visible.schoolId, classId: visible.classId });
    await withdrawAll(tx, [visible]);
    await followRules(tx, visible.schoolId, studentId);
    return tx.prisma.enrolment.findUniqueOrThrow({ where: { id: visible.id } });
  });
}

/** Within the caller's transaction: ends enrolments. The caller then calls `followRules`, which changes the members of chats. */
export async function withdrawAll(
  tx: Tx,
  enrolments: readonly Pick<Enrolment, 'id' | 'schoolId' | 'studentId' | 'classId'>[],
): Promise<void> {
  await tx.execute('update enrolment set ended_at = greatest(started_at, $2) where id = any($1::uuid[])', [
    enrolments.map(({ id }) => id),
    new Date().toISOString(),
  ]);
  for (const { id: enrolmentId, schoolId, studentId, classId } of enrolments)
    record(tx, 'student.withdrawn', { schoolId, enrolmentId, studentId, classId });
}

async function currentEnrolmentOf(tx: Tx, studentId: string): Promise<Enrolment | null> {
  const [present] = await findRows<Enrolment>(tx, 'Enrolment', { where: { studentId, endedAt: null } });
  return present ?? null;
}

/** `order by ended_at desc` sorts null first, so an enrolment that has not ended precedes the ended ones. */
const selectPupil = `
  select exists (select from role_grant where school_id = $1 and user_id = $2 and role = 'STUDENT' and ended_at is null) as "isStudent",
         latest.id, latest.school_id as "schoolId", latest.class_id as "classId", latest.student_id as "studentId",
         latest.started_at as "startedAt", latest.ended_at as "endedAt", latest.updated_at as "updatedAt"
  from (select) always left join lateral (select * from enrolment where student_id = $2 order by ended_at desc limit 1) latest on true`;

/**
 * Locks a pupil of the school. Returns the present enrolment; without one, the enrolment that ended last. Roles change under
 * the same lock, so the person stays a pupil of the school until the commit.
 * @throws CONFLICT for a person who is not a pupil of the school.
 */
async function lockStudent(tx: Tx, schoolId: string, studentId: string): Promise<Enrolment | null> {
  const [, [found]] = await allInOrder(
    lockUnread(tx, 'User', studentId),
    tx.query<{ isStudent: boolean } & (Plain<Enrolment> | { id: null })>(selectPupil, [schoolId, studentId]),
  );
  const { isStudent, ...latest } = found!;
  if (!isStudent)
    throw conflict(['У этого человека нет роли ученика в этой школе.', 'This person is not a pupil at this school.'], {
      path: ['studentId'],
    });
  return latest.id === null ? null : latest;
}

/**
 * Locks the pupil's present class and the next class with `hold`, so that nobody archives them. Then locks the pupil. Returns
 * the present enrolment.
 */
async function lockCurrentEnrolment(tx: Tx, studentId: string, nextClassId?: string): Promise<Enrolment | null> {
  const initial = await currentEnrolmentOf(tx, studentId);
  const heldClassIds = new Set([initial?.classId, nextClassId].filter((id) => id !== undefined).sort());
  for (const id of heldClassIds) {
    if (id === nextClassId) await lockOpenClass(tx, id, 'hold');
    else await lock(tx, 'Class', id, 'hold');
  }
  await lock(tx, 'User', studentId);
  const present = await currentEnrolmentOf(tx, studentId);
  // Another transaction may have moved the pupil before this one locked the pupil. The order of locks has classes before
  // pupils, but the class to which the pupil was moved is known only now.
  if (present !== null && !heldClassIds.has(present.classId)) await lockLate(tx, 'Class', present.classId, 'hold');
  return present;
}

const notEnrolled = (): Refusal =>
  conflict(['Ученик не состоит ни в одном классе.', 'The pupil is not enrolled in a class.'], { path: ['studentId'] });

/**
 * Returns the refusal of a second enrolment. It names the present class only if that class belongs to the same school.
 * Regulation 2.5 a.
 */
export async function alreadyEnrolled(tx: Tx, present: Enrolment | null, schoolId: string): Promise<Refusal> {
  const ofSchool = present?.schoolId === schoolId ? await tx.prisma.class.findUnique({ where: { id: present.classId } }) : null;
  return conflict(
    ofSchool === null
      ? [
          'Ученик уже состоит в классе другой школы: сначала его должны отчислить там.',
          'The pupil is enrolled at another school, which must withdraw the pupil first.',
        ]
      : [`Ученик уже состоит в классе ${nameOfClass(ofSchool)}.`, `The pupil is already in class ${nameOfClass(ofSchool)}.`],
    { path: ['studentId'], clause: '2.5 a' },
  );
}
