import type { Tx } from '../db/transaction.ts';
import { conflict } from '../errors.ts';
import { record } from '../events/record.ts';
import { findFor, lock, lockMany } from './access.ts';
import { endAll } from './assignments.ts';
import { mutate, type Context } from './context.ts';
import type { Assignment, Class } from './entities.ts';

/**
 * Archives a class without pupils: its chats become read-only, its invitations are revoked, and its teachers'
 * assignments end. Does nothing for an archived class. src/domain/unarchive-class.ts reverses it. Regulation 2.1 b.
 * @throws CONFLICT for a class that has pupils.
 */
export async function archiveClass(ctx: Context, input: { classId: string }): Promise<Class> {
  const found = await findFor(ctx, 'Class', input.classId, 'class.archive');
  return mutate(ctx, async (tx) => {
    const { id, schoolId, archivedAt } = await lock(tx, 'Class', found.id);
    if (archivedAt !== null) return tx.prisma.class.findUniqueOrThrow({ where: { id } });
    await refusePupils(tx, id);
    await archiveAll(tx, schoolId, [id]);
    return tx.prisma.class.findUniqueOrThrow({ where: { id } });
  });
}

/**
 * Within the caller's transaction: archives classes whose pupils leave them in the same transaction. Returns the assignments
 * that ended. The caller has locked the school and the classes. This function locks the chats of the classes.
 */
export async function archiveAll(tx: Tx, schoolId: string, classIds: readonly string[]): Promise<Assignment[]> {
  await tx.prisma.class.updateMany({ where: { id: { in: [...classIds] } }, data: { archivedAt: new Date() } });
  for (const classId of classIds) record(tx, 'class.archived', { schoolId, classId });
  const work = await tx.prisma.assignment.findMany({ where: { classId: { in: [...classIds] }, endedAt: null }, orderBy: { id: 'asc' } });
  await endAll(tx, work);
  await revokeInvitations(tx, classIds);
  await archiveChats(tx, classIds);
  return work;
}

async function refusePupils(tx: Tx, classId: string): Promise<void> {
  const count = await tx.prisma.enrolment.count({ where: { classId, endedAt: null } });
  if (count > 0)
    throw conflict(
      [
        `В классе есть ученики (${count}): сначала переведите или отчислите их.`,
        `The class has pupils (${count}): transfer or withdraw them first.`,
      ],
      { path: ['classId'] },
    );
}

async function revokeInvitations(tx: Tx, classIds: readonly string[]): Promise<void> {
  const revoked = await tx.prisma.invitation.updateManyAndReturn({
    where: { classId: { in: [...classIds] }, revokedAt: null },
    data: { revokedAt: new Date() },
  });
  for (const { id, schoolId } of revoked) record(tx, 'invitation.revoked', { schoolId, invitationId: id });
}

/**
 * Archives the open chats of the classes. The members stay in the chats. No new chat can appear, because the caller has
 * locked the classes.
 */
async function archiveChats(tx: Tx, classIds: readonly string[]): Promise<void> {
  const open = { classId: { in: [...classIds] }, archivedAt: null };
  const found = await tx.prisma.chat.findMany({ where: open, select: { id: true }, orderBy: { id: 'asc' } });
  const ids = found.map(({ id }) => id);
  await lockMany(tx, 'Chat', ids);
  // Between the search and the lock, another transaction may have archived a chat. This statement skips that chat.
  const chats = await tx.prisma.chat.updateManyAndReturn({
    where: { id: { in: ids }, archivedAt: null },
    data: { archivedAt: new Date(), archivedWithClass: true },
  });
  for (const { id: chatId, schoolId } of chats) record(tx, 'chat.archived', { schoolId, chatId });
}
