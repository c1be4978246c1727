import {
  addChatMember,
  demoteChatMember,
  memberCountOf,
  membersOf,
  promoteChatMember,
  removeChatMember,
  viewerRoleIn,
} from '../domain/chat-members.ts';
import { builder, idOf, mutation } from './builder.ts';
import { ChatMemberConnection, ChatMemberRef, ChatRef, ChatRoleEnum, UserRef } from './refs.ts';

const ReasonEnum = builder.enumType('MembershipReason', {
  description: 'Why a person is in a chat.',
  values: {
    RULE: { description: 'By the rule of the chat kind, as long as the role, enrolment or assignment lasts that puts them there.' },
    PERSON: { description: 'They created the chat, a person added them, or they took over a chat that had lost its last moderator.' },
  } as const,
});

builder.node(ChatMemberRef, {
  description: 'The membership of a person in a chat.',
  id: { resolve: (member) => member.id },
  fields: (t) => ({
    role: t.expose('role', { type: ChatRoleEnum, description: 'What the member may do in the chat.' }),
    reason: t.expose('reason', { type: ReasonEnum, description: 'Why the member is in the chat.' }),
    joinedAt: t.expose('joinedAt', { type: 'DateTime', description: 'When the member joined the chat.' }),
    chat: t.field({
      type: ChatRef,
      nullable: true,
      description: 'The chat; null if you may not see it.',
      resolve: (member, _args, ctx) => ctx.loaders.byId('Chat', member.chatId),
    }),
    user: t.field({
      type: UserRef,
      nullable: true,
      description: 'The person; null if you may not see them.',
      resolve: (member, _args, ctx) => {
        const { joined } = member;
        return joined === undefined ? ctx.loaders.byId('User', member.userId) : joined;
      },
    }),
    addedBy: t.field({
      type: UserRef,
      nullable: true,
      description: 'The person who added the member or last promoted them; null if no person did, or if you may not see that person.',
      resolve: (member, _args, ctx) => (member.addedById === null ? null : ctx.loaders.byId('User', member.addedById)),
    }),
  }),
});

builder.objectField(ChatRef, 'members', (t) =>
  t.connection(
    {
      type: ChatMemberRef,
      description: 'The members of the chat, in Russian alphabetical order.',
      resolve: (chat, args, ctx) => membersOf(ctx, chat, args),
    },
    ChatMemberConnection,
  ),
);

builder.objectField(ChatRef, 'memberCount', (t) =>
  t.int({ description: 'The number of members of the chat.', resolve: (chat, _args, ctx) => memberCountOf(ctx, chat) }),
);

builder.objectField(ChatRef, 'viewerRole', (t) =>
  t.field({
    type: ChatRoleEnum,
    nullable: true,
    extensions: { ofViewer: true },
    description: 'Your role in the chat; null if you are not a member. Depends on the viewer.',
    resolve: (chat, _args, ctx) => viewerRoleIn(ctx, chat),
  }),
);

/** Defines the input of a mutation of one chat member: the chat and the person. */
const memberInput = (name: string, description: string, userDescription: string) =>
  builder.inputType(name, {
    description,
    fields: (t) => ({
      chatId: t.id({ required: true, description: 'The chat. CONFLICT if it is archived.' }),
      userId: t.id({ required: true, description: userDescription }),
    }),
  });

const rowIds = (input: { chatId: string; userId: string }) => ({
  chatId: idOf('Chat', input.chatId, 'chatId'),
  userId: idOf('User', input.userId, 'userId'),
});

mutation('addChatMember', {
  description:
    'Adds a person of the school to a chat. Adding a member again changes nothing. CONFLICT for a pupil, unless the chat is EXTRACURRICULAR.',
  returns: ChatMemberRef,
  input: memberInput(
    'AddChatMemberInput',
    'The chat, and the person to add.',
    'The person to add. CONFLICT without a role in the school of the chat.',
  ),
  run: (ctx, input) => addChatMember(ctx, rowIds(input)),
});

mutation('removeChatMember', {
  description:
    'Removes a person from a chat, or lets you leave it. Removing a person of the school who is not a member changes nothing. CONFLICT for a member by rule and for the last moderator.',
  returns: ChatRef,
  input: memberInput('RemoveChatMemberInput', 'The chat, and the member to remove.', 'The member to remove, or yourself to leave.'),
  run: (ctx, input) => removeChatMember(ctx, rowIds(input)),
});

mutation('promoteChatMember', {
  description: 'Makes a member a moderator. Promoting a moderator changes nothing. CONFLICT for a pupil.',
  returns: ChatMemberRef,
  input: memberInput(
    'PromoteChatMemberInput',
    'The chat, and the member to promote.',
    'The member to promote. NOT_FOUND if the person is not a member.',
  ),
  run: (ctx, input) => promoteChatMember(ctx, rowIds(input)),
});

mutation('demoteChatMember', {
  description:
    'Makes a moderator a member. Demoting a member changes nothing. CONFLICT for the last moderator and for a moderator by rule.',
  returns: ChatMemberRef,
  input: memberInput(
    'DemoteChatMemberInput',
    'The chat, and the moderator to demote.',
    'The moderator to demote, or yourself to step down. NOT_FOUND if the person is not a member.',
  ),
  run: (ctx, input) => demoteChatMember(ctx, rowIds(input)),
});
