import { archiveChat, chatsOf, createChat, renameChat } from '../domain/chats.ts';
import { builder, descriptions } from './builder.ts';
import { connection } from './connection.ts';
import { mutation } from './mutation.ts';
import { node } from './node.ts';
import { change, stream } from './stream.ts';
import { id } from './typed-id.ts';

const ChatKindEnum = builder.enumType('ChatKind', {
  description: 'What a chat is for. It decides who may create the chat, who moderates it, and whom a rule of the school makes a member.',
  values: {
    SCHOOL: { description: 'The whole school: everyone with a role in it. Its platform administrators moderate.' },
    STAFF: { description: 'The staff: everyone with a role other than STUDENT. The school administration moderates.' },
    CLASS: { description: 'A class: its pupils and teachers. The class teacher moderates.' },
    SUBJECT: { description: 'A subject in a class: the pupils of the class and the teachers of the subject, who moderate.' },
    EXTRACURRICULAR: { description: 'A chat that is not about lessons. Moderators add its members.' },
  } as const,
});

node('Chat', {
  description: 'A chat of a school. Chats are archived, never deleted.',
  plural: 'chats',
  parents: {
    school: 'The school of the chat; null if you may not see it.',
    class: 'The class of a CLASS or SUBJECT chat; null for other kinds and if you may not see it.',
    subject: 'The subject of a SUBJECT chat; null for other kinds and if you may not see it.',
    createdBy: 'The person who created the chat; null if you may not see them.',
  },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The name, 1 to 100 characters.' }),
    kind: t.expose('kind', { type: ChatKindEnum, description: 'What the chat is for. Never changes.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the chat was created.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When the chat itself last changed; its members do not count.' }),
    archivedAt: t.expose('archivedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the chat was archived, after which it is read-only; null for an active chat.',
    }),
  }),
});

connection('School', 'chats', {
  of: 'Chat',
  description: 'The chats that you may see, newest first.',
  args: (t) => ({
    kind: t({ type: ChatKindEnum, description: 'Only chats of this kind.' }),
    classId: id(t, 'Class', { description: 'Only chats of this class.' }),
    includeArchived: t.boolean({ description: descriptions.includeArchived }),
  }),
  list: chatsOf,
});

mutation('createChat', {
  description:
    'Creates a chat and makes you its owner. Those whom its kind includes by a rule, such as the pupils and teachers of the class, are members at once.',
  returns: 'Chat',
  inputDescription: 'The chat to create.',
  input: (t) => ({
    schoolId: id(t, 'School', { required: true, description: 'The school of the new chat.' }),
    kind: t.field({ type: ChatKindEnum, required: true, description: 'What the chat is for. Cannot be changed later.' }),
    classId: id(t, 'Class', { description: 'The class of a CLASS or SUBJECT chat; INVALID for other kinds. CONFLICT if it is archived.' }),
    subjectId: id(t, 'Subject', { description: 'The subject of a SUBJECT chat; INVALID for other kinds.' }),
    name: t.string({ required: true, description: 'The name, 1 to 100 characters.' }),
    idempotencyKey: t.string({ description: descriptions.idempotencyKey }),
  }),
  run: createChat,
});

mutation('renameChat', {
  description: 'Renames a chat.',
  returns: 'Chat',
  inputDescription: 'The chat to rename, and its new name.',
  input: (t) => ({
    chatId: id(t, 'Chat', { required: true, description: 'The chat to rename. CONFLICT if it is archived.' }),
    name: t.string({ required: true, description: 'The new name, 1 to 100 characters.' }),
  }),
  run: renameChat,
});

mutation('archiveChat', {
  description: 'Makes a chat read-only for good, even if its class is archived and unarchived later. Archiving it again changes nothing.',
  returns: 'Chat',
  inputDescription: 'The chat to archive for good.',
  input: (t) => ({ chatId: id(t, 'Chat', { required: true, description: 'The chat to archive.' }) }),
  run: archiveChat,
});

const ChatChange = change('ChatChange', {
  description: 'A change of a chat or of its members.',
  kind: 'What happened to a chat.',
  kinds: {
    CREATED: ['chat.created', 'The chat was created.'],
    RENAMED: ['chat.renamed', 'The chat got a new name.'],
    ARCHIVED: ['chat.archived', 'The chat became read-only.'],
    UNARCHIVED: ['chat.unarchived', 'The chat can be written to again, because its class was unarchived.'],
    MEMBER_ADDED: ['chatMember.added', 'A person became a member.'],
    MEMBER_REMOVED: ['chatMember.removed', 'A member left or was removed.'],
    MEMBER_PROMOTED: ['chatMember.promoted', 'A member became a moderator, or a moderator became the owner.'],
    MEMBER_DEMOTED: ['chatMember.demoted', 'A moderator became a member, or the owner lost ownership.'],
  },
  ids: { chatId: 'The global ID of the chat, set even if `chat` is null.' },
  rows: {
    chat: 'The current state of the chat; null if you may not see it.',
    user: 'The member whom the change concerns; null for CREATED, RENAMED, ARCHIVED and UNARCHIVED, and if you may not see them.',
  },
});

stream('chats', {
  ...ChatChange,
  description:
    'The changes of the chats that you may see, and of their members, as soon as they are committed. Services need the scope `events`.',
});
