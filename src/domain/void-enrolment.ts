import { can, where } from '../policy/can.ts';
import type { Tx } from '../db/transaction.ts';
import { conflict } from '../errors.ts';
import { record } from '../events/record.ts';
import { findFor, lock, lockLate } from './access.ts';
import { followRules } from './chat-membership-rules.ts';
import { nameOfClass } from './classes.ts';
import { paginateChildren } from './connection.ts';
import { actingUserId, mutate, type Context } from './context.ts';
import type { Enrolment, Page, PageArgs, User, VoidedEnrolment } from './entities.ts';
import { orderBy } from './list-order.ts';
import { normalizeLine } from './text.ts';

/**
 * Voids enrolments that were mistakes. The row moves to the table of voided enrolments, which only the platform
 * administrators read. Lists, counts and rules of enrolments then no longer contain the enrolment.
 */

export interface VoidEnrolmentInput {
  enrolmentId: string;
  reason: string;
  restorePrevious?: boolean | null;
}

/**
 * Voids a present or ended enrolment, and returns the pupil. With `restorePrevious`, the enrolment before the transfer
 * continues: it gets the value of `endedAt` of the voided enrolment. Changes nothing if the enrolment is voided already.
 * Regulation 2.1 f.
 * @throws CONFLICT with `restorePrevious` if no transfer started the enrolment, or if the previous class was archived before
 *   the voided enrolment ended.
 */
export async function voidEnrolment(ctx: Context, input: VoidEnrolmentInput): Promise<User> {
  let found: Enrolment;
  try {
    found = await findFor(ctx, 'Enrolment', input.enrolmentId, 'enrolment.void');
  } catch (refusal) {
    // The enrolment may be voided already. Looks for it among the voided enrolments only after the search for a valid one has
    // failed: in the other order, it would miss an enrolment that another transaction voids between the two searches.
    const student = await studentOfVoided(ctx, input.enrolmentId);
    if (student === null) throw refusal;
    return student;
  }
  const { id, schoolId, studentId } = found;
  const reason = normalizeLine('reason', input.reason, 300);
  return mutate(ctx, async (tx) => {
    const { student, enrolment, previous } = await lockEnrolments(tx, { id, studentId });
    // Another transaction voided the enrolment meanwhile.
    if (enrolment === null) return student;
    if (input.restorePrevious) await refuseRestoring(tx, enrolment, previous);
    await moveToVoided(tx, enrolment, { reason, voidedById: actingUserId(ctx) });
    if (input.restorePrevious) await restore(tx, previous!, enrolment.endedAt);
    await followRules(tx, schoolId, studentId);
    return student;
  });
}

/** Returns the pupil of a voided enrolment; null unless the actor may void the enrolment. */
async function studentOfVoided(ctx: Context, id: string): Promise<User | null> {
  const voided = await ctx.db.prisma.voidedEnrolment.findUnique({ where: { id }, include: { student: true } });
  return voided !== null && can(ctx.actor, 'enrolment.void', { schoolId: voided.schoolId, classId: voided.classId })
    ? voided.student
    : null;
}

interface LockedEnrolments {
  student: User;
  enrolment: Enrolment | null;
  previous: Enrolment | null;
}

/**
 * Locks the classes of the enrolment and of the previous enrolment, so that other transactions cannot change these classes.
 * Then locks the pupil. Returns the current rows.
 */
async function lockEnrolments(tx: Tx, { id, studentId }: { id: string; studentId: string }): Promise<LockedEnrolments> {
  const initial = await findEnrolments(tx, id);
  const heldClassIds = new Set(classIdsOf(initial));
  for (const classId of heldClassIds) await lock(tx, 'Class', classId, 'hold');
  const student = await lock(tx, 'User', studentId);
  const current = await findEnrolments(tx, id);
  // If another transaction voided the previous enrolment before the lock, an earlier enrolment is now the previous one. Its
  // class becomes known only now.
  for (const classId of classIdsOf(current)) if (!heldClassIds.has(classId)) await lockLate(tx, 'Class', classId, 'hold');
  return { student, ...current };
}

const classIdsOf = ({ enrolment, previous }: Omit<LockedEnrolments, 'student'>): string[] =>
  [enrolment?.classId, previous?.classId].filter((classId) => classId !== undefined).sort();

/**
 * Returns the enrolment and its predecessor. A transfer leaves no gap, so the predecessor ended at the instant when the
 * enrolment started.
 */
async function findEnrolments(tx: Tx, id: string): Promise<Omit<LockedEnrolments, 'student'>> {
  const enrolment = await tx.prisma.enrolment.findUnique({ where: { id } });
  const previous =
    enrolment &&
    (await tx.prisma.enrolment.findFirst({
      where: { id: { not: id }, schoolId: enrolment.schoolId, studentId: enrolment.studentId, endedAt: enrolment.startedAt },
      orderBy: [{ startedAt: 'desc' }, { id: 'desc' }],
    }));
  return { enrolment, previous };
}

async function refuseRestoring(tx: Tx, { endedAt }: Enrolment, previous: Enrolment | null): Promise<void> {
  const path = ['restorePrevious'];
  if (previous === null)
    throw conflict(
      [
        'Это зачисление началось не с перевода: восстанавливать нечего. Отмените его без restorePrevious.',
        'No transfer started this enrolment, so there is none to restore. Void it without restorePrevious.',
      ],
      { path },
    );
  const { archivedAt, ...previousClass } = await tx.prisma.class.findUniqueOrThrow({
    where: { id: previous.classId },
    select: { grade: true, letter: true, archivedAt: true },
  });
  if (archivedAt === null || (endedAt !== null && endedAt <= archivedAt)) return;
  const name = nameOfClass(previousClass);
  throw conflict(
    [
      `Прежний класс ${name} в архиве: сначала верните его из архива или отмените зачисление без restorePrevious.`,
      `The previous class ${name} is archived: unarchive it first, or void the enrolment without restorePrevious.`,
    ],
    { path },
  );
}

async function moveToVoided(tx: Tx, enrolment: Enrolment, audit: Pick<VoidedEnrolment, 'reason' | 'voidedById'>): Promise<void> {
  const { updatedAt: _, ...voided } = await tx.prisma.enrolment.delete({ where: { id: enrolment.id } });
  const { id, schoolId, classId, studentId } = voided;
  await tx.prisma.voidedEnrolment.create({ data: { ...voided, ...audit } });
  record(tx, 'enrolment.voided', { schoolId, enrolmentId: id, studentId, classId });
}

async function restore(tx: Tx, { id }: Enrolment, endedAt: Date | null): Promise<void> {
  const { schoolId, studentId, classId } = await tx.prisma.enrolment.update({ where: { id }, data: { endedAt } });
  record(tx, 'enrolment.restored', { schoolId, enrolmentId: id, studentId, classId });
}

/** Returns a pupil's voided enrolments, last voided first, but only those of schools where the actor may void enrolments. */
export function voidedEnrolmentsOf(ctx: Context, { id }: User, args: PageArgs): Promise<Page<VoidedEnrolment>> {
  const order = orderBy('voided', { field: 'voidedAt', type: 'date' }, 'desc', 'id');
  return paginateChildren<VoidedEnrolment>(ctx, { model: 'User', id, relation: 'voidedEnrolments' }, args, {
    order,
    filter: () => ({ class: where(ctx.actor, 'enrolment.void') }),
  });
}
