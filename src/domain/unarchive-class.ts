import type { Tx } from '../db/transaction.ts';
import { conflict } from '../errors.ts';
import { record } from '../events/record.ts';
import { findFor, lock } from './access.ts';
import { removeMembersWithoutRule } from './chat-membership-rules.ts';
import { mutate, type Context } from './context.ts';
import type { Class, School } from './entities.ts';
import { hasEnded, nameOfYear } from './school-years.ts';

/**
 * Unarchives a class, and the chats that were archived with it. Its invitations stay revoked. Former teachers stay without an
 * assignment in the class, and former pupils stay in their present classes. Archived classes keep their names, so no other
 * class has this name. Does nothing for a class that is not archived. Regulation 2.1 b.
 * @throws CONFLICT once the school year of the class has ended.
 */
export async function unarchiveClass(ctx: Context, input: { classId: string }): Promise<Class> {
  const found = await findFor(ctx, 'Class', input.classId, 'class.unarchive');
  return mutate(ctx, async (tx) => {
    // Locks the school with `hold`, so that no role ends meanwhile. Otherwise a person without a role would stay in an
    // unarchived chat.
    const school = await lock(tx, 'School', found.schoolId, 'hold');
    const current = await lock(tx, 'Class', found.id);
    if (current.archivedAt === null) return current;
    await refuseEndedYear(tx, school, current);
    await unarchiveAll(tx, school.id, [current.id]);
    return tx.prisma.class.findUniqueOrThrow({ where: { id: current.id } });
  });
}

/**
 * Within the caller's transaction: unarchives classes, and the chats that were archived with them. The caller has locked the
 * school and the classes.
 */
export async function unarchiveAll(tx: Tx, schoolId: string, classIds: readonly string[]): Promise<void> {
  await tx.prisma.class.updateMany({ where: { id: { in: [...classIds] } }, data: { archivedAt: null } });
  for (const classId of classIds) record(tx, 'class.unarchived', { schoolId, classId });
  await unarchiveChats(tx, classIds);
}

async function refuseEndedYear(tx: Tx, { timeZone }: School, { schoolYearId }: Class): Promise<void> {
  const year = await tx.prisma.schoolYear.findUniqueOrThrow({ where: { id: schoolYearId } });
  if (!hasEnded(year, timeZone, new Date())) return;
  const name = nameOfYear(year);
  throw conflict(
    [
      `Учебный год ${name} закончился: класс можно вернуть из архива только до конца его учебного года.`,
      `The school year ${name} has ended: a class can be unarchived only until its school year ends.`,
    ],
    { path: ['classId'] },
  );
}

async function unarchiveChats(tx: Tx, classIds: readonly string[]): Promise<void> {
  const chats = await tx.prisma.chat.findMany({
    where: { classId: { in: [...classIds] }, archivedWithClass: true },
    orderBy: { id: 'asc' },
  });
  for (const { id, schoolId } of chats) {
    await lock(tx, 'Chat', id);
    await tx.prisma.chat.update({ where: { id }, data: { archivedAt: null, archivedWithClass: false } });
    record(tx, 'chat.unarchived', { schoolId, chatId: id });
    await removeMembersWithoutRule(tx, id);
  }
}
