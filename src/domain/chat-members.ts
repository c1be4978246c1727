import type { Actor } from '../policy/actor.ts';
import { can, clauseOf } from '../policy/can.ts';
import type { Facts } from '../policy/permissions.ts';
import type { Tx } from '../db/transaction.ts';
import { conflict, forbidden, notFound } from '../errors.ts';
import { record } from '../events/record.ts';
import { authorize, find, findFor, lock } from './access.ts';
import { lockOpenChat } from './chats.ts';
import { actingUserId, mutate, type Context } from './context.ts';
import { orderByText, paginateChildren } from './connection.ts';
import { factsOf, readable } from './resources.ts';
import { roleByRule, appointSuccessor } from './chat-membership-rules.ts';
import type { Chat, ChatMember, Page, PageArgs } from './entities.ts';

/**
 * Adds, removes, promotes and demotes members of chats by hand. src/domain/chat-membership-rules.ts changes members
 * automatically. Regulation 2.2 e, 2.3 c, 2.4 c, 2.5 b.
 */

interface MemberInput {
  chatId: string;
  userId: string;
}

/**
 * Adds a person of the school to a chat. Does nothing for a member.
 * @throws CONFLICT for a person without a role in the school, and for a pupil unless the chat is extracurricular.
 */
export async function addChatMember(ctx: Context, input: MemberInput): Promise<ChatMember> {
  const found = await findFor(ctx, 'Chat', input.chatId, 'chatMember.add');
  const person = await find(ctx, 'User', input.userId, 'userId');
  return mutate(ctx, async (tx) => {
    // Roles change under the person's lock, so the new member has a role until the commit.
    await lock(tx, 'User', person.id);
    const chat = await lockOpenChat(tx, found.id);
    const present = await memberOf(tx, chat, person.id);
    if (present !== null) return present;
    await refuseStranger(tx, chat, person.id);
    const ids = { schoolId: chat.schoolId, chatId: chat.id, userId: person.id };
    record(tx, 'chatMember.added', ids);
    return tx.prisma.chatMember.create({ data: { ...ids, reason: 'PERSON', addedById: actingUserId(ctx) } });
  });
}

async function refuseStranger(tx: Tx, chat: Chat, userId: string): Promise<void> {
  const roles = await rolesIn(tx, chat, userId);
  if (roles.length === 0)
    throw conflict(['У этого человека нет роли в этой школе.', 'This person has no role in this school.'], { path: ['userId'] });
  if (roles.includes('STUDENT') && chat.kind !== 'EXTRACURRICULAR')
    throw conflict(
      [
        'В чаты школы, классов и предметов ученики попадают автоматически. Вручную их можно добавить только во внеурочный чат.',
        'Pupils join the chats of the school, a class and a subject automatically. You can add them only to an extracurricular chat.',
      ],
      { path: ['userId'], clause: '2.5 b' },
    );
}

const rolesIn = async (tx: Tx, { schoolId }: Chat, userId: string) =>
  (await tx.prisma.roleGrant.findMany({ where: { schoolId, userId, endedAt: null } })).map((grant) => grant.role);

/**
 * Removes a person from a chat, or lets the actor leave. Does nothing for a person who is not in the chat. When the owner
 * leaves, another member becomes the owner (`appointSuccessor`).
 * @throws NOT_FOUND for a person who is not in the chat and never had a role in the school. CONFLICT for a member whom a rule
 *   keeps in the chat (src/domain/chat-membership-rules.ts), and for the last moderator.
 */
export async function removeChatMember(ctx: Context, input: MemberInput): Promise<Chat> {
  const found = await find(ctx, 'Chat', input.chatId, 'chatId');
  if (input.userId !== actingUserId(ctx)) authorize(ctx, 'chatMember.remove', factsOf('Chat', 'chat', found));
  return mutate(ctx, async (tx) => {
    const chat = await lockOpenChat(tx, found.id);
    const member = await memberOf(tx, chat, input.userId);
    if (member === null) {
      await refuseUnknown(tx, chat, input.userId);
      return chat;
    }
    await demandRank(ctx, tx, 'chatMember.remove', { chat, member });
    if (member.reason === 'RULE')
      throw conflict(
        [
          'Этот участник состоит в чате благодаря своей роли или классу и выйдет автоматически, когда лишится их.',
          'This member is in the chat because of a role or a class, and leaves automatically when it ends.',
        ],
        { path: ['userId'] },
      );
    await tx.prisma.chatMember.delete({ where: { id: member.id } });
    await refuseUnmoderated(tx, chat);
    record(tx, 'chatMember.removed', { schoolId: chat.schoolId, chatId: chat.id, userId: member.userId });
    await appointSuccessor(tx, chat.id, member.role);
    return chat;
  });
}

/** Refuses a person who never had a role in the school. */
async function refuseUnknown(tx: Tx, { schoolId }: Chat, userId: string): Promise<void> {
  if ((await tx.prisma.roleGrant.count({ where: { schoolId, userId } })) === 0) throw notFound('userId');
}

/** Makes a member a moderator. Does nothing for a moderator or the owner. @throws CONFLICT for a pupil. */
export async function promoteChatMember(ctx: Context, input: MemberInput): Promise<ChatMember> {
  const found = await findFor(ctx, 'Chat', input.chatId, 'chatMember.promote');
  const person = await find(ctx, 'User', input.userId, 'userId');
  return mutate(ctx, async (tx) => {
    const { chat, member } = await lockMember(tx, found.id, person.id);
    if (member.role !== 'MEMBER') return member;
    if ((await rolesIn(tx, chat, member.userId)).includes('STUDENT'))
      throw conflict(['Ученик не может быть модератором чата.', 'A pupil cannot be a moderator of a chat.'], {
        path: ['userId'],
        clause: '2.5 b',
      });
    record(tx, 'chatMember.promoted', { schoolId: chat.schoolId, chatId: chat.id, userId: member.userId });
    return tx.prisma.chatMember.update({ where: { id: member.id }, data: { role: 'MODERATOR', addedById: actingUserId(ctx) } });
  });
}

/**
 * Makes a moderator or the owner an ordinary member. Does nothing for an ordinary member. Moderators may demote themselves.
 * When the owner is demoted, another member becomes the owner (`appointSuccessor`). The former owner stays a moderator if a
 * rule of src/domain/chat-membership-rules.ts makes this person a moderator.
 * @throws CONFLICT for a person who is a moderator only by such a rule, and for the last moderator.
 */
export async function demoteChatMember(ctx: Context, input: MemberInput): Promise<ChatMember> {
  const found = await findFor(ctx, 'Chat', input.chatId, 'chatMember.demote');
  const person = await find(ctx, 'User', input.userId, 'userId');
  return mutate(ctx, async (tx) => {
    const { chat, member } = await lockMember(tx, found.id, person.id);
    if (member.role === 'MEMBER') return member;
    await demandRank(ctx, tx, 'chatMember.demote', { chat, member });
    if (member.role === 'MODERATOR' && member.reason === 'RULE' && member.addedById === null)
      throw conflict(
        [
          'Этот участник — модератор благодаря своей роли или назначению и перестанет им быть, когда они закончатся.',
          'This member is a moderator because of a role or an assignment, and stays one until it ends.',
        ],
        { path: ['userId'] },
      );
    const byRule = member.role === 'OWNER' && member.reason === 'RULE' ? await roleByRule(tx, chat.id, member.userId) : null;
    await tx.prisma.chatMember.update({ where: { id: member.id }, data: { role: 'MEMBER' } });
    await refuseUnmoderated(tx, chat);
    record(tx, 'chatMember.demoted', { schoolId: chat.schoolId, chatId: chat.id, userId: member.userId });
    await appointSuccessor(tx, chat.id, member.role);
    return tx.prisma.chatMember.update({ where: { id: member.id }, data: { role: byRule ?? 'MEMBER' } });
  });
}

const memberOf = (tx: Tx, chat: Chat, userId: string): Promise<ChatMember | null> =>
  tx.prisma.chatMember.findUnique({ where: { chatId_userId: { chatId: chat.id, userId } } });

/**
 * Locks a person and an open chat, and returns the chat with the membership. Roles change under the lock of the person, so
 * the person cannot become a pupil until the commit.
 * @throws NOT_FOUND for a person who is not a member.
 */
async function lockMember(tx: Tx, chatId: string, userId: string): Promise<{ chat: Chat; member: ChatMember }> {
  await lock(tx, 'User', userId);
  const chat = await lockOpenChat(tx, chatId);
  const member = await memberOf(tx, chat, userId);
  if (member === null) throw notFound('userId');
  return { chat, member };
}

const ranks = ['MEMBER', 'MODERATOR', 'OWNER'] as const;

/**
 * Checks that the actor may remove or demote the member. That is so if the actor is this member, has a higher rank in the
 * chat than this member, or may do it by a role in the administration of the school.
 * @throws FORBIDDEN.
 */
async function demandRank(
  ctx: Context,
  tx: Tx,
  action: 'chatMember.remove' | 'chatMember.demote',
  { chat, member }: { chat: Chat; member: ChatMember },
): Promise<void> {
  const actorId = actingUserId(ctx);
  if (member.userId === actorId || byOffice(ctx.actor, action, factsOf('Chat', 'chat', chat))) return;
  const own = actorId === null ? null : await memberOf(tx, chat, actorId);
  // The caller has authorized the action. So an actor who is not in the chat, or is an ordinary member, counts as a
  // moderator.
  const rank = Math.max(ranks.indexOf(own?.role ?? 'MODERATOR'), ranks.indexOf('MODERATOR'));
  if (ranks.indexOf(member.role) >= rank) throw forbidden(clauseOf(action));
}

/** Returns whether the actor's roles in the administration alone allow the action. */
function byOffice(actor: Actor, action: 'chatMember.remove' | 'chatMember.demote', facts: Facts['chat']): boolean {
  if (actor.kind !== 'user') return can(actor, action, facts);
  const offices = ['PLATFORM_ADMINISTRATOR', 'SCHOOL_ADMINISTRATION'];
  return can({ ...actor, grants: actor.grants.filter((grant) => offices.includes(grant.role)), chats: new Map() }, action, facts);
}

async function refuseUnmoderated(tx: Tx, chat: Chat): Promise<void> {
  if ((await tx.prisma.chatMember.count({ where: { chatId: chat.id, role: { not: 'MEMBER' } } })) === 0)
    throw conflict(
      [
        'В чате должен остаться хотя бы один модератор: сначала назначьте другого.',
        'The chat must keep at least one moderator: appoint another first.',
      ],
      { path: ['userId'] },
    );
}

const memberOrder = orderByText('member', 'user.sortKey');

/** Returns the members of a chat that the actor may read, in the order of the Russian alphabet. */
export function membersOf(ctx: Context, chat: Chat, args: PageArgs): Promise<Page<ChatMember>> {
  return paginateChildren<ChatMember>(ctx, { model: 'Chat', id: chat.id, relation: 'members' }, args, {
    order: memberOrder,
    filter: () => readable(ctx.actor, 'ChatMember'),
    joined: { childType: 'ChatMember', field: 'user', type: 'User' },
  });
}

/** Returns the number of members, for everyone who may read the chat; batched. */
export async function memberCountOf(ctx: Context, chat: Chat): Promise<number> {
  const count = await ctx.loaders.of<number>('Chat.memberCount', chat.id, async (chatIds) => {
    const groups = await ctx.db.prisma.chatMember.groupBy({ by: ['chatId'], where: { chatId: { in: [...chatIds] } }, _count: true });
    return new Map(groups.map((group) => [group.chatId, group._count]));
  });
  return count ?? 0;
}

/** Returns the actor's current role in a chat; null if the actor is not a member. Batched. */
export async function viewerRoleIn(ctx: Context, chat: Chat): Promise<ChatMember['role'] | null> {
  const userId = actingUserId(ctx);
  if (userId === null) return null;
  return ctx.loaders.of<ChatMember['role']>('Chat.viewerRole', chat.id, async (chatIds) => {
    const own = await ctx.db.prisma.chatMember.findMany({ where: { chatId: { in: [...chatIds] }, userId } });
    return new Map(own.map((member) => [member.chatId, member.role]));
  });
}
