import type { InputFieldBuilder } from '@pothos/core';
import {
  addChatMember,
  demoteChatMember,
  memberCountOf,
  membersOf,
  promoteChatMember,
  removeChatMember,
  viewerRoleIn,
} from '../domain/chat-members.ts';
import { builder, refs, type BuilderTypes } from './builder.ts';
import { connection } from './connection.ts';
import { mutation } from './mutation.ts';
import { node } from './node.ts';
import { id } from './typed-id.ts';

const ChatRoleEnum = builder.enumType('ChatRole', {
  description: 'What a member may do in a chat.',
  values: {
    OWNER: {
      description:
        'Moderates, and ranks above the other moderators. At first the creator; when the owner leaves, the moderator who has been in the chat longest.',
    },
    MODERATOR: { description: 'Renames and archives the chat; adds, removes and promotes members.' },
    MEMBER: { description: 'Takes part without moderating.' },
  } as const,
});

const ReasonEnum = builder.enumType('MembershipReason', {
  description: 'Why a person is in a chat.',
  values: {
    RULE: { description: 'By the rule of the chat kind, as long as the role, enrolment or assignment lasts that puts them there.' },
    PERSON: { description: 'They created the chat, a person added them, or they took over a chat that had lost its last moderator.' },
  } as const,
});

node('ChatMember', {
  description: 'The membership of a person in a chat.',
  plural: 'chat members',
  parents: {
    chat: 'The chat; null if you may not see it.',
    user: 'The person; null if you may not see them.',
    addedBy: 'The person who added the member or last promoted them; null if no person did, or if you may not see that person.',
  },
  fields: (t) => ({
    role: t.expose('role', { type: ChatRoleEnum, description: 'What the member may do in the chat.' }),
    reason: t.expose('reason', { type: ReasonEnum, description: 'Why the member is in the chat.' }),
    joinedAt: t.expose('joinedAt', { type: 'DateTime', description: 'When the member joined the chat.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When the member joined or their role in the chat last changed.' }),
  }),
});

connection('Chat', 'members', {
  of: 'ChatMember',
  description: 'The members of the chat, in Russian alphabetical order.',
  list: membersOf,
});

builder.objectField(refs.Chat, 'memberCount', (t) =>
  t.int({ description: 'The number of members of the chat.', resolve: (chat, _args, ctx) => memberCountOf(ctx, chat) }),
);

builder.objectField(refs.Chat, 'viewerRole', (t) =>
  t.field({
    type: ChatRoleEnum,
    nullable: true,
    extensions: { ofViewer: true },
    description: 'Your role in the chat; null if you are not a member. Depends on the viewer.',
    resolve: (chat, _args, ctx) => viewerRoleIn(ctx, chat),
  }),
);

/** Declares the input of a mutation of one chat member: the chat and the person. */
const memberInput = (userDescription: string) => (t: InputFieldBuilder<BuilderTypes, 'InputObject'>) => ({
  chatId: id(t, 'Chat', { required: true, description: 'The chat. CONFLICT if it is archived.' }),
  userId: id(t, 'User', { required: true, description: userDescription }),
});

mutation('addChatMember', {
  description:
    'Adds a person of the school to a chat. Adding a member again changes nothing. CONFLICT for a pupil, unless the chat is EXTRACURRICULAR.',
  returns: 'ChatMember',
  inputDescription: 'The chat, and the person to add.',
  input: memberInput('The person to add. CONFLICT without a role in the school of the chat.'),
  run: addChatMember,
});

mutation('removeChatMember', {
  description:
    'Removes a person from a chat, or lets you leave it. Removing a person of the school who is not a member changes nothing. CONFLICT for a person who is a member because of a role or a class, and for the last moderator.',
  returns: 'Chat',
  inputDescription: 'The chat, and the member to remove.',
  input: memberInput('The member to remove, or yourself to leave.'),
  run: removeChatMember,
});

mutation('promoteChatMember', {
  description: 'Makes a member a moderator. Promoting a moderator changes nothing. CONFLICT for a pupil.',
  returns: 'ChatMember',
  inputDescription: 'The chat, and the member to promote.',
  input: memberInput('The member to promote. NOT_FOUND if the person is not a member.'),
  run: promoteChatMember,
});

mutation('demoteChatMember', {
  description:
    'Makes a moderator a member. Demoting a member changes nothing. CONFLICT for the last moderator, and for a person who moderates because of a role or an assignment.',
  returns: 'ChatMember',
  inputDescription: 'The chat, and the moderator to demote.',
  input: memberInput('The moderator to demote, or yourself to step down. NOT_FOUND if the person is not a member.'),
  run: demoteChatMember,
});
