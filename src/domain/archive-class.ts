import type { Tx } from '../db/transaction.ts';
import { conflict } from '../errors.ts';
import { record } from '../events/record.ts';
import { findFor, lock } from './access.ts';
import { endAll } from './assignments.ts';
import { archive } from './chats.ts';
import { mutate, type Context } from './context.ts';
import type { Class } from './entities.ts';

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
    const archived = await tx.prisma.class.update({ where: { id }, data: { archivedAt: new Date() } });
    record(tx, 'class.archived', { schoolId, classId: id });
    const work = await tx.prisma.assignment.findMany({ where: { classId: id, endedAt: null }, orderBy: { id: 'asc' } });
    await endAll(tx, work);
    await revokeInvitations(tx, id);
    await archiveChats(tx, id);
    return archived;
  });
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

async function revokeInvitations(tx: Tx, classId: string): Promise<void> {
  const revoked = await tx.prisma.invitation.updateManyAndReturn({ where: { classId, revokedAt: null }, data: { revokedAt: new Date() } });
  for (const { id, schoolId } of revoked) record(tx, 'invitation.revoked', { schoolId, invitationId: id });
}

/** Archives the chats of a class. Their members stay. The caller has locked the class, so no chat is added meanwhile. */
async function archiveChats(tx: Tx, classId: string): Promise<void> {
  const chats = await tx.prisma.chat.findMany({ where: { classId, archivedAt: null }, orderBy: { id: 'asc' } });
  for (const { id } of chats) {
    const chat = await lock(tx, 'Chat', id);
    if (chat.archivedAt === null) await archive(tx, chat, { withClass: true });
  }
}
