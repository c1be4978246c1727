import { clauseOf, everCan } from '../policy/can.ts';
import { newId } from '../db/ids.ts';
import { findRows } from '../db/select.ts';
import { query, sourceOf, execute, type Tx } from '../db/transaction.ts';
import { conflict, forbidden, type Refusal } from '../errors.ts';
import { record } from '../events/record.ts';
import { authorize, find, findClass, lock, allInOrder } from './access.ts';
import { lockOpenClass, nameOfClass } from './classes.ts';
import { mutate, type Context } from './context.ts';
import { idempotent, type Repeatable } from './idempotency.ts';
import { inForce, nowOrAfter } from './intervals.ts';
import { paginateChildren } from './connection.ts';
import { readable } from './resources.ts';
import { followRules } from './chat-membership-rules.ts';
import type { Class, Enrolment, Page, PageArgs, User } from './entities.ts';

/** Pupils' places in classes: one at a time over the whole platform (regulation 2.5 a), kept as intervals. */

interface Placing {
  studentId: string;
  classId: string;
}

/** Enrols a pupil in a class; in the pupil's own class it changes nothing. Regulation 2.1 f, 2.5 a. */
export async function enrolStudent(ctx: Context, input: Placing & Repeatable): Promise<Enrolment> {
  const [{ id: classId, schoolId }, student] = await allInOrder(
    findClass(ctx, input.classId, 'student.enrol'),
    find(ctx, 'User', input.studentId, 'studentId'),
  );
  return mutate(ctx, (tx) =>
    idempotent(ctx, tx, 'student.enrol', input, (id) => tx.enrolment.findUniqueOrThrow({ where: { id } }), () =>
      enrol(tx, { schoolId, classId, studentId: student.id }),
    ),
  );
}

/**
 * The step: a pupil takes a place in a class. It asks no right: that is the caller's.
 * @throws CONFLICT for a pupil of another class, which is named where it is of the same school. Regulation 2.5 a.
 */
export async function enrol(tx: Tx, { schoolId, classId, studentId }: Placing & { schoolId: string }): Promise<Enrolment> {
  const [, latest] = await allInOrder(lockOpenClass(tx, classId, 'hold'), lockStudent(tx, schoolId, studentId));
  if (latest?.endedAt === null) {
    if (latest.classId === classId) return latest;
    throw await elsewhere(tx, latest, schoolId);
  }
  const place = { id: newId(), schoolId, classId, studentId, startedAt: nowOrAfter(latest?.endedAt), endedAt: null };
  record(tx, 'student.enrolled', { schoolId, enrolmentId: place.id, studentId, classId });
  const [[made]] = await allInOrder(
    execute(tx, insert, [place.id, schoolId, classId, studentId, place.startedAt.toISOString()]),
    followRules(tx, schoolId, studentId),
  );
  // Where the database finds a rival place that the lock did not, nothing is inserted and the answer is the same refusal.
  if (made === undefined) throw await elsewhere(tx, await placeOf(tx, studentId), schoolId);
  return place;
}

const insert = `
  insert into enrolment (id, school_id, class_id, student_id, started_at) values ($1, $2, $3, $4, $5)
  on conflict do nothing returning id`;

/** Moves a pupil to another class of the school: one place ends and the next begins at one instant. Regulation 2.1 f. */
export async function transferStudent(ctx: Context, input: Placing): Promise<Enrolment> {
  const [{ id: classId, schoolId }, { id: studentId }] = await allInOrder(
    findClass(ctx, input.classId, 'student.transfer'),
    find(ctx, 'User', input.studentId, 'studentId'),
  );
  return mutate(ctx, async (tx) => {
    const present = await lockPlace(tx, studentId, classId);
    if (present === null) throw inNoClass();
    if (present.schoolId !== schoolId) throw await elsewhere(tx, present, schoolId);
    authorize(ctx, 'student.transfer', { schoolId, classId: present.classId });
    if (present.classId === classId) return present;
    await lockStudent(tx, schoolId, studentId);
    const at = nowOrAfter(present.startedAt);
    await tx.enrolment.update({ where: { id: present.id }, data: { endedAt: at } });
    const next = await tx.enrolment.create({ data: { schoolId, classId, studentId, startedAt: at } });
    const from = { fromEnrolmentId: present.id, fromClassId: present.classId };
    record(tx, 'student.transferred', { schoolId, enrolmentId: next.id, studentId, classId, ...from });
    await followRules(tx, schoolId, studentId);
    return next;
  });
}

/** Ends a pupil's place in the class; the role of a pupil stays. Regulation 2.1 f. */
export async function withdrawStudent(ctx: Context, input: { studentId: string }): Promise<Enrolment> {
  const { id: studentId } = await find(ctx, 'User', input.studentId, 'studentId');
  // Whoever may withdraw nobody is told so, wherever the pupil is.
  if (!everCan(ctx.actor, 'student.withdraw')) throw forbidden(clauseOf('student.withdraw'));
  return mutate(ctx, async (tx) => {
    const present = await lockPlace(tx, studentId);
    const seen = present && (await tx.enrolment.findFirst({ where: { AND: [{ id: present.id }, readable(ctx.actor, 'Enrolment')] } }));
    if (seen === null) throw inNoClass();
    authorize(ctx, 'student.withdraw', { schoolId: seen.schoolId, classId: seen.classId });
    const ended = await withdraw(tx, seen);
    await followRules(tx, ended.schoolId, studentId);
    return ended;
  });
}

/** The step: a pupil's place ends; who calls it makes the chats follow. */
export async function withdraw(tx: Tx, { id, startedAt }: Enrolment): Promise<Enrolment> {
  const ended = await tx.enrolment.update({ where: { id }, data: { endedAt: nowOrAfter(startedAt) } });
  const { schoolId, studentId, classId } = ended;
  record(tx, 'student.withdrawn', { schoolId, enrolmentId: id, studentId, classId });
  return ended;
}

async function placeOf(tx: Tx, studentId: string): Promise<Enrolment | null> {
  const [present] = await findRows<Enrolment>(sourceOf(tx), 'Enrolment', { where: { studentId, endedAt: null } });
  return present ?? null;
}

/** What has not ended comes first in this order. */
const standing = `
  select exists (select from role_grant where school_id = $1 and user_id = $2 and role = 'STUDENT' and ended_at is null) as "isStudent",
         latest.id, latest.school_id as "schoolId", latest.class_id as "classId", latest.student_id as "studentId",
         latest.started_at as "startedAt", latest.ended_at as "endedAt"
  from (select) always left join lateral (select * from enrolment where student_id = $2 order by ended_at desc limit 1) latest on true`;

/**
 * Locks a pupil of the school, and answers the present place, or else the one that ended last. Roles change under the
 * same lock, so the person stays a pupil of the school until the commit.
 */
async function lockStudent(tx: Tx, schoolId: string, studentId: string): Promise<Enrolment | null> {
  const [, [found]] = await allInOrder(
    findRows(sourceOf(tx), 'User', { where: { id: studentId }, columns: new Set(['id']), lock: 'no key update' }),
    query<{ isStudent: boolean } & (Enrolment | { id: null })>(tx, standing, [schoolId, studentId]),
  );
  const { isStudent, ...latest } = found!;
  if (!isStudent)
    throw conflict(
      ['У этого человека нет роли ученика в этой школе.', 'This person does not hold the role of pupil in this school.'],
      { path: ['studentId'] },
    );
  return latest.id === null ? null : latest;
}

/** Holds the class that the pupil is in and the one to come, then locks the pupil, and answers the present place. */
async function lockPlace(tx: Tx, studentId: string, nextClassId?: string): Promise<Enrolment | null> {
  const before = await placeOf(tx, studentId);
  const held = new Set([before?.classId, nextClassId].filter((id) => id !== undefined).sort());
  for (const id of held) {
    if (id === nextClassId) await lockOpenClass(tx, id, 'hold');
    else await lock(tx, 'Class', id, 'hold');
  }
  await lock(tx, 'User', studentId);
  const present = await placeOf(tx, studentId);
  // A rival moved the pupil in between: this class is held late, and a circle of waiting is a deadlock that is tried again.
  if (present !== null && !held.has(present.classId)) await lock(tx, 'Class', present.classId, 'hold');
  return present;
}

const inNoClass = (): Refusal =>
  conflict(['Ученик не состоит ни в одном классе.', 'The pupil is in no class.'], { path: ['studentId'] });

/** The refusal of a second class: it names the present one only to those who see that school. Regulation 2.5 a. */
export async function elsewhere(tx: Tx, present: Enrolment | null, schoolId: string): Promise<Refusal> {
  const here = present?.schoolId === schoolId ? await tx.class.findUnique({ where: { id: present.classId } }) : null;
  return conflict(
    here === null
      ? ['Ученик уже состоит в классе другой школы: сначала его должны отчислить там.', 'The pupil is in a class of another school, which must withdraw the pupil first.']
      : [`Ученик уже состоит в классе ${nameOfClass(here)}.`, `The pupil is in class ${nameOfClass(here)} already.`],
    { path: ['studentId'], clause: '2.5 a' },
  );
}

/** The pupils' places in a class at an instant, in the order of the alphabet. */
export function enrolmentsIn(ctx: Context, { id }: Class, args: PageArgs & { asOf?: Date | null }): Promise<Page<Enrolment>> {
  const order = { tag: 'pupils', keys: [{ field: 'student.sortKey', direction: 'asc', type: 'string' }, { field: 'id', direction: 'asc', type: 'string' }] } as const;
  const filter = () => ({ AND: [inForce(args.asOf), readable(ctx.actor, 'Enrolment')] });
  return paginateChildren<Enrolment>(ctx, { model: 'Class', id, relation: 'enrolments' }, args, order, filter, {
    of: 'Enrolment', field: 'student', thing: 'User',
  });
}

/** A pupil's places, the latest first. */
export function enrolmentsOf(ctx: Context, { id }: User, args: PageArgs): Promise<Page<Enrolment>> {
  const order = { tag: 'places', keys: [{ field: 'startedAt', direction: 'desc', type: 'date' }, { field: 'id', direction: 'desc', type: 'string' }] } as const;
  return paginateChildren<Enrolment>(ctx, { model: 'User', id, relation: 'enrolments' }, args, order, () => readable(ctx.actor, 'Enrolment'));
}

/** A pupil's present place, where the actor may see it; every pupil of a level in one statement. */
export function enrolmentOf(ctx: Context, { id }: User): Promise<Enrolment | null> {
  return ctx.loaders.of<Enrolment>('User.enrolment', id, async (studentIds) => {
    const rows = await findRows<Enrolment>(ctx.db, 'Enrolment', {
      where: { AND: [{ studentId: { in: studentIds }, endedAt: null }, readable(ctx.actor, 'Enrolment')] },
    });
    return new Map(rows.map((row) => [row.studentId, row]));
  });
}
