import type { Tx } from '../db/transaction.ts';
import { paginate } from '../db/pagination.ts';
import { conflict, invalid, notFound } from '../errors.ts';
import { record } from '../events/record.ts';
import { authorize, find, findChat, lock } from './access.ts';
import { actingUserId, mutate, type Context } from './context.ts';
import { idempotent, type Repeatable } from './idempotency.ts';
import { readable } from './resources.ts';
import { fillByRule } from './chat-membership-rules.ts';
import type { Chat, Page, PageArgs, School } from './entities.ts';
import { normalizeLine } from './text.ts';

/** Chats of a school: made, renamed, archived. Who is in them: src/domain/chat-members.ts and membership.ts. */

export interface CreateChatInput extends Repeatable {
  schoolId: string;
  kind: Chat['kind'];
  classId?: string | null;
  subjectId?: string | null;
  name: string;
}

/** Makes a chat and puts into it, in the same transaction, everyone whom a rule puts there. Regulation 2.1 h, 2.2 e, 2.3 c, 2.4 c. */
export async function createChat(ctx: Context, input: CreateChatInput): Promise<Chat> {
  const place = await placeOf(ctx, input);
  authorize(ctx, 'chat.create', place);
  const name = normalizeLine('name', input.name, 100);
  return mutate(ctx, (tx) =>
    idempotent(ctx, tx, 'chat.create', input, (id) => tx.chat.findUniqueOrThrow({ where: { id } }), async () => {
      await lockPlace(tx, place);
      const createdById = actingUserId(ctx);
      const chat = await tx.chat.create({ data: { ...place, name, createdById } });
      await fillByRule(tx, chat);
      if (createdById !== null) await own(tx, chat, createdById);
      record(tx, 'chat.created', { schoolId: chat.schoolId, chatId: chat.id });
      return chat;
    }),
  );
}

/** Which school, class and subject a chat of this kind is of; a kind and a place that do not go together are INVALID. */
async function placeOf(ctx: Context, { schoolId, kind, classId = null, subjectId = null }: CreateChatInput) {
  const school = await find(ctx, 'School', schoolId, 'schoolId');
  const wants = { class: kind === 'CLASS' || kind === 'SUBJECT', subject: kind === 'SUBJECT' };
  if (wants.class !== (classId !== null))
    throw invalid('classId', ['Класс указывают для чатов класса и предмета, и только для них.', 'Chats of kind CLASS and SUBJECT, and no others, name a class.']);
  if (wants.subject !== (subjectId !== null))
    throw invalid('subjectId', ['Предмет указывают для чатов предмета, и только для них.', 'Chats of kind SUBJECT, and no others, name a subject.']);
  if (classId !== null && (await find(ctx, 'Class', classId, 'classId')).schoolId !== school.id) throw notFound('classId');
  if (subjectId !== null && (await find(ctx, 'Subject', subjectId, 'subjectId')).schoolId !== school.id) throw notFound('subjectId');
  return { schoolId: school.id, kind, classId, subjectId };
}

async function lockPlace(tx: Tx, place: { schoolId: string; classId: string | null }): Promise<void> {
  if (place.classId === null) {
    await lock(tx, 'School', place.schoolId);
    return;
  }
  const { archivedAt } = await lock(tx, 'Class', place.classId);
  if (archivedAt !== null)
    throw conflict(['Класс в архиве: новых чатов у него не бывает.', 'The class is archived: it takes no new chats.'], { path: ['classId'] });
}

async function own(tx: Tx, chat: Chat, userId: string): Promise<void> {
  await tx.chatMember.upsert({
    where: { chatId_userId: { chatId: chat.id, userId } },
    update: { role: 'OWNER' },
    create: { schoolId: chat.schoolId, chatId: chat.id, userId, role: 'OWNER', reason: 'PERSON', addedById: userId },
  });
}

/** Renames a chat. Does nothing if it has this name already. */
export async function renameChat(ctx: Context, input: { chatId: string; name: string }): Promise<Chat> {
  const found = await findChat(ctx, input.chatId, 'chat.rename');
  const name = normalizeLine('name', input.name, 100);
  return mutate(ctx, async (tx) => {
    const now = await lockOpenChat(tx, found.id);
    if (now.name === name) return now;
    const chat = await tx.chat.update({ where: { id: found.id }, data: { name } });
    record(tx, 'chat.renamed', { schoolId: chat.schoolId, chatId: chat.id });
    return chat;
  });
}

/** Makes a chat read-only, for good. Archiving it again changes nothing. */
export async function archiveChat(ctx: Context, input: { chatId: string }): Promise<Chat> {
  const found = await findChat(ctx, input.chatId, 'chat.archive');
  return mutate(ctx, async (tx) => {
    const chat = await lock(tx, 'Chat', found.id);
    return chat.archivedAt === null ? archive(tx, chat) : chat;
  });
}

/** The step: a chat becomes read-only. */
export async function archive(tx: Tx, { id }: { id: string }): Promise<Chat> {
  const chat = await tx.chat.update({ where: { id }, data: { archivedAt: new Date() } });
  record(tx, 'chat.archived', { schoolId: chat.schoolId, chatId: chat.id });
  return chat;
}

/** The step: locks a chat that can still be changed. */
export async function lockOpenChat(tx: Tx, chatId: string): Promise<Chat> {
  const chat = await lock(tx, 'Chat', chatId);
  if (chat.archivedAt !== null) throw conflict(['Чат в архиве: его можно только читать.', 'The chat is archived: it is read-only.'], { path: ['chatId'] });
  return chat;
}

export interface ChatFilter {
  kind?: Chat['kind'] | null;
  classId?: string | null;
  includeArchived?: boolean | null;
}

/** The chats of a school that the actor may read, the newest first. */
export async function chatsOf(ctx: Context, school: School, args: PageArgs & ChatFilter): Promise<Page<Chat>> {
  const order = paginate<Chat>(args, { tag: 'chat', keys: [{ field: 'id', direction: 'desc', type: 'string' }] });
  const rows = await ctx.db.prisma.chat.findMany({
    where: {
      AND: [
        { schoolId: school.id },
        args.kind ? { kind: args.kind } : {},
        args.classId ? { classId: args.classId } : {},
        args.includeArchived ? {} : { archivedAt: null },
        readable(ctx.actor, 'Chat'),
        order.where,
      ],
    },
    orderBy: order.orderBy,
    take: order.limit,
  });
  return order.toConnection(rows);
}

