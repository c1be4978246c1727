import { newId } from '../db/ids.ts';
import type { Tx } from '../db/transaction.ts';
import { conflict, notFound } from '../errors.ts';
import { record } from '../events/record.ts';
import type { Plain } from '../reader/row-view.ts';
import { find, findFor, lock } from './access.ts';
import { lockOpenClass } from './classes.ts';
import { mutate, type Context } from './context.ts';
import { inForce } from './intervals.ts';
import { paginateChildren } from './connection.ts';
import { readable } from './resources.ts';
import { followRules } from './chat-membership-rules.ts';
import type { Assignment, Class, Page, PageArgs, User } from './entities.ts';

/** Assignments of teachers to classes: at most one class teacher, any number of subject teachers. Regulation 2.1 g. */

/** Makes a teacher the class teacher. Does nothing for the present class teacher. Regulation 2.1 g. */
export async function assignClassTeacher(ctx: Context, input: { classId: string; userId: string }): Promise<Assignment> {
  const found = await findFor(ctx, 'Class', input.classId, 'classTeacher.assign');
  const teacher = await find(ctx, 'User', input.userId, 'userId');
  return mutate(ctx, async (tx) => {
    // Locks the class for a change, so that two people never become its class teacher at once.
    await lockOpenClass(tx, found.id, 'change');
    await lockTeacher(tx, found.schoolId, teacher.id);
    const present = await tx.prisma.assignment.findFirst({ where: { classId: found.id, kind: 'CLASS_TEACHER', endedAt: null } });
    if (present?.userId === teacher.id) return present;
    if (present !== null)
      throw conflict(
        [
          'У класса уже есть классный руководитель: сначала завершите его назначение.',
          'The class already has a class teacher: end that assignment first.',
        ],
        { path: ['classId'] },
      );
    return start(tx, { schoolId: found.schoolId, classId: found.id, userId: teacher.id, kind: 'CLASS_TEACHER', subjectId: null });
  });
}

/** Ends the assignment of the present class teacher. Regulation 2.1 g. */
export async function endClassTeacher(ctx: Context, input: { classId: string }): Promise<Assignment> {
  const found = await findFor(ctx, 'Class', input.classId, 'classTeacher.end');
  return mutate(ctx, async (tx) => {
    await lock(tx, 'Class', found.id);
    const present = await tx.prisma.assignment.findFirst({ where: { classId: found.id, kind: 'CLASS_TEACHER', endedAt: null } });
    if (present === null)
      throw conflict(['У класса нет классного руководителя.', 'The class has no class teacher.'], { path: ['classId'] });
    await lock(tx, 'User', present.userId);
    return endAndFollow(tx, present);
  });
}

/** Assigns a teacher to a subject in a class. Does nothing if the teacher has this assignment. Regulation 2.1 g. */
export async function assignSubjectTeacher(ctx: Context, input: SubjectTeacherInput): Promise<Assignment> {
  const found = await findFor(ctx, 'Class', input.classId, 'subjectTeacher.assign');
  const work = await findSubjectAndTeacher(ctx, found, input);
  return mutate(ctx, async (tx) => {
    await lockOpenClass(tx, found.id, 'hold');
    await lockTeacher(tx, found.schoolId, work.userId);
    const present = await tx.prisma.assignment.findFirst({ where: { ...work, endedAt: null } });
    return present ?? start(tx, { schoolId: found.schoolId, ...work });
  });
}

/** Ends the assignment of a teacher to a subject in a class. Regulation 2.1 g. */
export async function endSubjectTeacher(ctx: Context, input: SubjectTeacherInput): Promise<Assignment> {
  const found = await findFor(ctx, 'Class', input.classId, 'subjectTeacher.end');
  const work = await findSubjectAndTeacher(ctx, found, input);
  return mutate(ctx, async (tx) => {
    await lock(tx, 'Class', found.id, 'hold');
    await lock(tx, 'User', work.userId);
    const present = await tx.prisma.assignment.findFirst({ where: { ...work, endedAt: null } });
    if (present === null)
      throw conflict(['Этот человек не ведёт этот предмет в этом классе.', 'This person does not teach this subject in this class.'], {
        path: ['userId'],
      });
    return endAndFollow(tx, present);
  });
}

interface SubjectTeacherInput {
  classId: string;
  subjectId: string;
  userId: string;
}

async function findSubjectAndTeacher(ctx: Context, found: Class, input: SubjectTeacherInput) {
  const subject = await find(ctx, 'Subject', input.subjectId, 'subjectId');
  if (subject.schoolId !== found.schoolId) throw notFound('subjectId');
  const teacher = await find(ctx, 'User', input.userId, 'userId');
  return { classId: found.id, userId: teacher.id, kind: 'SUBJECT_TEACHER', subjectId: subject.id } as const;
}

/** Locks a teacher. Roles change under the same lock, so the person stays a teacher until the commit. */
async function lockTeacher(tx: Tx, schoolId: string, userId: string): Promise<void> {
  await lock(tx, 'User', userId);
  const grant = await tx.prisma.roleGrant.findFirst({ where: { schoolId, userId, role: 'TEACHER', endedAt: null } });
  if (grant === null)
    throw conflict(
      [
        'У этого человека нет роли учителя в этой школе: сначала назначьте её.',
        'This person is not a teacher at this school: grant the role first.',
      ],
      { path: ['userId'] },
    );
}

type Work = Pick<Plain<Assignment>, 'id' | 'schoolId' | 'classId' | 'userId' | 'kind' | 'subjectId'>;

async function start(tx: Tx, work: Omit<Work, 'id'>): Promise<Assignment> {
  const assignment = { ...work, id: newId(), planId: null };
  await assignAll(tx, [assignment]);
  await followRules(tx, work.schoolId, work.userId);
  return tx.prisma.assignment.findUniqueOrThrow({ where: { id: assignment.id } });
}

/**
 * Within the caller's transaction: starts assignments. The caller has locked the classes and the teachers. Afterwards the
 * caller calls `followRules`, which changes the members of chats.
 */
export async function assignAll(tx: Tx, assignments: readonly (Work & Pick<Assignment, 'planId'>)[]): Promise<void> {
  const startedAt = new Date();
  await tx.prisma.assignment.createMany({ data: assignments.map((work) => ({ ...work, startedAt })) });
  for (const assignment of assignments) recordChange(tx, assignment, 'assigned');
}

/**
 * Within the caller's transaction: ends assignments. Afterwards the caller calls `followRules`, which changes the members of
 * chats, once for all assignments.
 */
export async function endAll(tx: Tx, assignments: readonly Work[]): Promise<void> {
  if (assignments.length === 0) return;
  await tx.execute('update assignment set ended_at = greatest(started_at, $2) where id = any($1::uuid[])', [
    assignments.map(({ id }) => id),
    new Date().toISOString(),
  ]);
  for (const assignment of assignments) recordChange(tx, assignment, 'ended');
}

async function endAndFollow(tx: Tx, assignment: Assignment): Promise<Assignment> {
  await endAll(tx, [assignment]);
  await followRules(tx, assignment.schoolId, assignment.userId);
  return tx.prisma.assignment.findUniqueOrThrow({ where: { id: assignment.id } });
}

/** Within the caller's transaction: records an event for each assignment that the caller has started or ended. */
export async function recordAssignments(tx: Tx, ids: readonly string[], change: 'assigned' | 'ended'): Promise<void> {
  for (const assignment of await tx.prisma.assignment.findMany({ where: { id: { in: [...ids] } }, orderBy: { id: 'asc' } }))
    recordChange(tx, assignment, change);
}

function recordChange(tx: Tx, { id, schoolId, classId, userId, subjectId }: Work, change: 'assigned' | 'ended'): void {
  const ids = { schoolId, assignmentId: id, classId, userId };
  if (subjectId === null) record(tx, `classTeacher.${change}`, ids);
  else record(tx, `subjectTeacher.${change}`, { ...ids, subjectId });
}

/** Returns the assignments of a teacher or a class at `asOf`, earliest first, in classes that the actor may read. */
export function assignmentsUnder(
  ctx: Context,
  parent: { model: 'Class' | 'User'; id: string },
  args: PageArgs & { asOf?: Date | null },
): Promise<Page<Assignment>> {
  const order = { tag: 'assignment', keys: [{ field: 'id', direction: 'asc', type: 'string' }] } as const;
  return paginateChildren<Assignment>(ctx, { ...parent, relation: 'assignments' }, args, {
    order,
    filter: () => ({ AND: [inForce(args.asOf), readable(ctx.actor, 'Assignment')] }),
  });
}

/** Returns the present class teacher, if the actor may see them; batched. */
export function classTeacherOf(ctx: Context, { id }: Class): Promise<User | null> {
  return ctx.loaders.of<User>('Class.classTeacher', id, async (classIds) => {
    const rows = await ctx.db.prisma.assignment.findMany({
      relationLoadStrategy: 'join',
      where: { AND: [{ classId: { in: [...classIds] }, kind: 'CLASS_TEACHER', endedAt: null }, { user: readable(ctx.actor, 'User') }] },
      include: { user: true },
    });
    return new Map(rows.map((row) => [row.classId, row.user]));
  });
}
