import {
  addChatMember, demoteChatMember, memberCountOf, membersOf, promoteChatMember, removeChatMember, viewerRoleIn,
} from '../domain/chat-members.ts';
import { builder, idOf, mutation } from './builder.ts';
import { ChatMemberConnection, ChatMemberRef, ChatRef, ChatRoleEnum, UserRef } from './refs.ts';

const ReasonEnum = builder.enumType('MembershipReason', {
  description: 'Why somebody is in a chat.',
  values: {
    RULE: { description: "By their role, class or work; as long as that lasts." },
    PERSON: { description: 'Made it, or was added by a person.' },
  } as const,
});

builder.node(ChatMemberRef, {
  description: 'A person in a chat.',
  id: { resolve: (member) => member.id, description: 'Global id.' },
  fields: (t) => ({
    role: t.expose('role', { type: ChatRoleEnum, description: 'What they may do in it.' }),
    reason: t.expose('reason', { type: ReasonEnum, description: 'Why they are in it.' }),
    joinedAt: t.expose('joinedAt', { type: 'DateTime', description: 'Since when.' }),
    chat: t.field({
      type: ChatRef,
      nullable: true,
      description: 'The chat.',
      resolve: (member, _args, ctx) => ctx.loaders.byId('Chat', member.chatId),
    }),
    user: t.field({
      type: UserRef,
      nullable: true,
      description: 'The person, where you may see them.',
      resolve: (member, _args, ctx) => {
        const { joined } = member;
        return joined === undefined ? ctx.loaders.byId('User', member.userId) : joined;
      },
    }),
    addedBy: t.field({
      type: UserRef,
      nullable: true,
      description: 'Who added or promoted them, where you may see that person; null for members by rule.',
      resolve: (member, _args, ctx) => (member.addedById === null ? null : ctx.loaders.byId('User', member.addedById)),
    }),
  }),
});

builder.objectField(ChatRef, 'members', (t) =>
  t.connection(
    {
      type: ChatMemberRef,
      description: 'Who is in the chat, in the order of the Russian alphabet.',
      resolve: (chat, args, ctx) => membersOf(ctx, chat, args),
    },
    ChatMemberConnection,
  ),
);

builder.objectField(ChatRef, 'memberCount', (t) =>
  t.int({ description: 'How many are in the chat.', resolve: (chat, _args, ctx) => memberCountOf(ctx, chat) }),
);

builder.objectField(ChatRef, 'viewerRole', (t) =>
  t.field({
    type: ChatRoleEnum,
    nullable: true,
    extensions: { ofViewer: true },
    description: 'What you are in the chat; null where you are not in it. Depends on who asks.',
    resolve: (chat, _args, ctx) => viewerRoleIn(ctx, chat),
  }),
);

/** The input of every change of one member: the chat and the person. */
const memberInput = (name: string, description: string, whom: string) =>
  builder.inputType(name, {
    description,
    fields: (t) => ({
      chatId: t.id({ required: true, description: 'The chat.' }),
      userId: t.id({ required: true, description: whom }),
    }),
  });

const rowIds = (input: { chatId: string; userId: string }) => ({
  chatId: idOf('Chat', input.chatId, 'chatId'),
  userId: idOf('User', input.userId, 'userId'),
});

mutation('addChatMember', {
  description: 'Brings a person of the school into a chat; one who is in it changes nothing. Pupils can be added to EXTRACURRICULAR chats only.',
  returns: ChatMemberRef,
  input: memberInput('AddChatMemberInput', 'Whom to add, and where.', 'The person: one with a role in the school of the chat.'),
  run: (ctx, input) => addChatMember(ctx, rowIds(input)),
});

mutation('removeChatMember', {
  description: 'Takes a person out of a chat, or lets you leave it; whoever is not in it changes nothing. Members by rule stay as long as the rule lasts.',
  returns: ChatRef,
  input: memberInput('RemoveChatMemberInput', 'Whom to take out, and where.', 'The member; yourself to leave.'),
  run: (ctx, input) => removeChatMember(ctx, rowIds(input)),
});

mutation('promoteChatMember', {
  description: 'Makes a member a moderator. Pupils cannot be one.',
  returns: ChatMemberRef,
  input: memberInput('PromoteChatMemberInput', 'Whom to promote, and where.', 'The member.'),
  run: (ctx, input) => promoteChatMember(ctx, rowIds(input)),
});

mutation('demoteChatMember', {
  description: 'Makes a moderator a member. A chat keeps at least one moderator, and moderators by rule stay.',
  returns: ChatMemberRef,
  input: memberInput('DemoteChatMemberInput', 'Whom to demote, and where.', 'The moderator; yourself to lay it down.'),
  run: (ctx, input) => demoteChatMember(ctx, rowIds(input)),
});
