import type { Tx } from '../db/transaction.ts';
import { conflict, invalid, notFound } from '../errors.ts';
import { record } from '../events/record.ts';
import { authorize, find, findFor, lock } from './access.ts';
import { paginateChildren } from './connection.ts';
import { actingUserId, mutate, type Context } from './context.ts';
import { idempotent, type Repeatable } from './idempotency.ts';
import { readable } from './resources.ts';
import { fillByRule } from './chat-membership-rules.ts';
import type { Chat, Page, PageArgs, School } from './entities.ts';
import { normalizeLine } from './text.ts';

/** Creates, renames and archives chats. src/domain/chat-members.ts and chat-membership-rules.ts change their members. */

export interface CreateChatInput extends Repeatable {
  schoolId: string;
  kind: Chat['kind'];
  classId?: string | null;
  subjectId?: string | null;
  name: string;
}

/**
 * Creates a chat with the members that its kind includes automatically, and makes the actor its owner.
 * Regulation 2.1 h, 2.2 e, 2.3 c, 2.4 c.
 */
export async function createChat(ctx: Context, input: CreateChatInput): Promise<Chat> {
  const place = await placeOf(ctx, input);
  authorize(ctx, 'chat.create', place);
  const name = normalizeLine('name', input.name, 100);
  return mutate(ctx, (tx) =>
    idempotent(ctx, tx, {
      action: 'chat.create',
      input,
      load: (id) => tx.prisma.chat.findUniqueOrThrow({ where: { id } }),
      create: async () => {
        await lockPlace(tx, place);
        const createdById = actingUserId(ctx);
        const chat = await tx.prisma.chat.create({ data: { ...place, name, createdById } });
        await fillByRule(tx, chat);
        if (createdById !== null) await makeOwner(tx, chat, createdById);
        record(tx, 'chat.created', { schoolId: chat.schoolId, chatId: chat.id });
        return chat;
      },
    }),
  );
}

/**
 * Returns the school, class and subject of a new chat. @throws INVALID if class and subject do not fit the kind of the chat.
 */
async function placeOf(ctx: Context, { schoolId, kind, classId = null, subjectId = null }: CreateChatInput) {
  const school = await find(ctx, 'School', schoolId, 'schoolId');
  const needs = { class: kind === 'CLASS' || kind === 'SUBJECT', subject: kind === 'SUBJECT' };
  if (needs.class !== (classId !== null))
    throw invalid('classId', [
      'Для чата класса или предмета укажите класс, для других чатов не указывайте его.',
      'Give a class for a chat of kind CLASS or SUBJECT, and omit it for other kinds.',
    ]);
  if (needs.subject !== (subjectId !== null))
    throw invalid('subjectId', [
      'Для чата предмета укажите предмет, для других чатов не указывайте его.',
      'Give a subject for a chat of kind SUBJECT, and omit it for other kinds.',
    ]);
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
    throw conflict(['Класс в архиве: создать для него чат нельзя.', 'The class is archived: you cannot create a chat for it.'], {
      path: ['classId'],
    });
}

async function makeOwner(tx: Tx, chat: Chat, userId: string): Promise<void> {
  await tx.prisma.chatMember.upsert({
    where: { chatId_userId: { chatId: chat.id, userId } },
    update: { role: 'OWNER' },
    create: { schoolId: chat.schoolId, chatId: chat.id, userId, role: 'OWNER', reason: 'PERSON', addedById: userId },
  });
}

/** Renames a chat. Does nothing if it has this name already. */
export async function renameChat(ctx: Context, input: { chatId: string; name: string }): Promise<Chat> {
  const found = await findFor(ctx, 'Chat', input.chatId, 'chat.rename');
  const name = normalizeLine('name', input.name, 100);
  return mutate(ctx, async (tx) => {
    const now = await lockOpenChat(tx, found.id);
    if (now.name === name) return now;
    const chat = await tx.prisma.chat.update({ where: { id: found.id }, data: { name } });
    record(tx, 'chat.renamed', { schoolId: chat.schoolId, chatId: chat.id });
    return chat;
  });
}

/** Makes a chat read-only permanently; unarchiving its class does not change that. Does nothing for an archived chat. */
export async function archiveChat(ctx: Context, input: { chatId: string }): Promise<Chat> {
  const found = await findFor(ctx, 'Chat', input.chatId, 'chat.archive');
  return mutate(ctx, async (tx) => {
    const { archivedAt } = await lock(tx, 'Chat', found.id);
    if (archivedAt !== null) return tx.prisma.chat.findUniqueOrThrow({ where: { id: found.id } });
    const chat = await tx.prisma.chat.update({ where: { id: found.id }, data: { archivedAt: new Date() } });
    record(tx, 'chat.archived', { schoolId: chat.schoolId, chatId: chat.id });
    return chat;
  });
}

/** Locks a chat. @throws CONFLICT for an archived chat. */
export async function lockOpenChat(tx: Tx, chatId: string): Promise<Chat> {
  const chat = await lock(tx, 'Chat', chatId);
  if (chat.archivedAt !== null)
    throw conflict(['Чат в архиве: его можно только читать.', 'The chat is archived: it is read-only.'], { path: ['chatId'] });
  return chat;
}

export interface ChatFilter {
  kind?: Chat['kind'] | null;
  classId?: string | null;
  includeArchived?: boolean | null;
}

/** Returns the chats of a school that the actor may read, newest first. */
export function chatsOf(ctx: Context, { id }: School, args: PageArgs & ChatFilter): Promise<Page<Chat>> {
  const order = { tag: 'chat', keys: [{ field: 'id', direction: 'desc', type: 'string' }] } as const;
  return paginateChildren<Chat>(ctx, { model: 'School', id, relation: 'chats' }, args, {
    order,
    filter: () => ({
      AND: [
        args.kind ? { kind: args.kind } : {},
        args.classId ? { classId: args.classId } : {},
        args.includeArchived ? {} : { archivedAt: null },
        readable(ctx.actor, 'Chat'),
      ],
    }),
  });
}
