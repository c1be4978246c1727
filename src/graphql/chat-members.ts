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
        'Does what a MODERATOR does, and may also remove and demote moderators. The creator of a chat is its first owner. When the owner leaves or is demoted, the moderator who has been in the chat longest becomes the owner.',
    },
    MODERATOR: { description: 'Renames and archives the chat, adds people to it, and removes or promotes people with the role MEMBER.' },
    MEMBER: { description: 'Takes part in the chat, and may not change the chat or its members.' },
  } as const,
});

const ReasonEnum = builder.enumType('MembershipReason', {
  description: 'Why a person is in a chat.',
  values: {
    RULE: {
      description:
        'The kind of the chat includes the person because of a role, an enrolment or an assignment (see `ChatKind`). The person leaves the chat automatically when this role, enrolment or assignment ends. The person cannot be removed before.',
    },
    PERSON: {
      description:
        'The kind of the chat does not include the person. The person created the chat, somebody added the person, or the server made the person a moderator because the chat had lost its last moderator. The person stays until they leave, are removed, or lose their last role in the school.',
    },
  } as const,
});

node('ChatMember', {
  description: 'The membership of a person in a chat. Everyone who may see the chat may see its members.',
  plural: 'chat members',
  parents: {
    chat: 'The chat; null if you may not see the chat.',
    user: 'The member; null if you may not see this person.',
    addedBy:
      'The person who added the member, or who last promoted the member to moderator; null if the server did, or if you may not see this person.',
  },
  fields: (t) => ({
    role: t.expose('role', { type: ChatRoleEnum, description: 'What the member may do in the chat.' }),
    reason: t.expose('reason', { type: ReasonEnum, description: 'Why the member is in the chat.' }),
    joinedAt: t.expose('joinedAt', { type: 'DateTime', description: 'When the member joined the chat.' }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      description: 'When the membership last changed: when the member joined, or when `role` last changed.',
    }),
  }),
});

connection('Chat', 'members', {
  of: 'ChatMember',
  description: 'The members of the chat, in Russian alphabetical order of their names.',
  list: membersOf,
});

builder.objectField(refs.Chat, 'memberCount', (t) =>
  t.int({
    description: 'The number of members of the chat, the same for everyone who may see it.',
    resolve: (chat, _args, ctx) => memberCountOf(ctx, chat),
  }),
);

builder.objectField(refs.Chat, 'viewerRole', (t) =>
  t.field({
    type: ChatRoleEnum,
    nullable: true,
    extensions: { ofViewer: true },
    description: 'Your own role in the chat; null if you are not a member.',
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
  input: memberInput('The person to add. CONFLICT if the person has no role in the school of the chat.'),
  run: addChatMember,
});

mutation('removeChatMember', {
  description:
    'Removes a person from a chat, or lets you leave it. Removing a person of the school who is not a member changes nothing. CONFLICT for a member with the reason RULE, and for the last moderator. FORBIDDEN if you act as a moderator and the member is another moderator or the owner.',
  returns: 'Chat',
  inputDescription: 'The chat, and the member to remove.',
  input: memberInput('The member to remove, or yourself to leave. NOT_FOUND for a person who never had a role in the school of the chat.'),
  run: removeChatMember,
});

mutation('promoteChatMember', {
  description: 'Makes a member a moderator. Promoting a moderator or the owner changes nothing. CONFLICT for a pupil.',
  returns: 'ChatMember',
  inputDescription: 'The chat, and the member to promote.',
  input: memberInput('The member to promote. NOT_FOUND if the person is not a member.'),
  run: promoteChatMember,
});

mutation('demoteChatMember', {
  description:
    'Gives a moderator or the owner the role MEMBER. Demoting a MEMBER changes nothing. CONFLICT for the last moderator, and for a person who moderates because of a role or an assignment. FORBIDDEN if you act as a moderator and the person is another moderator or the owner.',
  returns: 'ChatMember',
  inputDescription: 'The chat, and the moderator to demote.',
  input: memberInput('The moderator to demote, or yourself to step down. NOT_FOUND if the person is not a member.'),
  run: demoteChatMember,
});
