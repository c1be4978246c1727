import { archiveChat, chatsOf, createChat, renameChat } from '../domain/chats.ts';
import { builder, descriptions, idOf, mutation, optionalIdOf } from './builder.ts';
import { ChatConnection, ChatKindEnum, ChatRef, ClassRef, SchoolRef, SubjectRef, UserRef } from './refs.ts';

builder.node(ChatRef, {
  description: 'A chat of a school. Chats are archived, never deleted.',
  id: { resolve: (chat) => chat.id },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The name, 1 to 100 characters.' }),
    kind: t.expose('kind', { type: ChatKindEnum, description: 'What the chat is for. Never changes.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the chat was created.' }),
    archivedAt: t.expose('archivedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the chat was archived, after which it is read-only; null for an active chat.',
    }),
    school: t.field({
      type: SchoolRef,
      nullable: true,
      description: 'The school of the chat; null if you may not see it.',
      resolve: (chat, _args, ctx) => ctx.loaders.byId('School', chat.schoolId),
    }),
    class: t.field({
      type: ClassRef,
      nullable: true,
      description: 'The class of a CLASS or SUBJECT chat; null for other kinds and if you may not see it.',
      resolve: (chat, _args, ctx) => (chat.classId === null ? null : ctx.loaders.byId('Class', chat.classId)),
    }),
    subject: t.field({
      type: SubjectRef,
      nullable: true,
      description: 'The subject of a SUBJECT chat; null for other kinds and if you may not see it.',
      resolve: (chat, _args, ctx) => (chat.subjectId === null ? null : ctx.loaders.byId('Subject', chat.subjectId)),
    }),
    createdBy: t.field({
      type: UserRef,
      nullable: true,
      description: 'The person who created the chat; null if you may not see them.',
      resolve: (chat, _args, ctx) => (chat.createdById === null ? null : ctx.loaders.byId('User', chat.createdById)),
    }),
  }),
});

builder.objectField(SchoolRef, 'chats', (t) =>
  t.connection(
    {
      type: ChatRef,
      description: 'The chats that you may see, newest first.',
      args: {
        kind: t.arg({ type: ChatKindEnum, description: 'Only chats of this kind.' }),
        classId: t.arg.id({ description: 'Only chats of this class.' }),
        includeArchived: t.arg.boolean({ description: descriptions.includeArchived }),
      },
      resolve: (school, args, ctx) => chatsOf(ctx, school, { ...args, classId: optionalIdOf('Class', args.classId, 'classId') }),
    },
    ChatConnection,
  ),
);

const CreateChatInput = builder.inputType('CreateChatInput', {
  description: 'The chat to create.',
  fields: (t) => ({
    schoolId: t.id({ required: true, description: 'The school of the new chat.' }),
    kind: t.field({ type: ChatKindEnum, required: true, description: 'What the chat is for. Cannot be changed later.' }),
    classId: t.id({ description: 'The class of a CLASS or SUBJECT chat; INVALID for other kinds. CONFLICT if it is archived.' }),
    subjectId: t.id({ description: 'The subject of a SUBJECT chat; INVALID for other kinds.' }),
    name: t.string({ required: true, description: 'The name, 1 to 100 characters.' }),
    idempotencyKey: t.string({ description: descriptions.idempotencyKey }),
  }),
});

mutation('createChat', {
  description: 'Creates a chat and makes you its owner. Everyone who is in a chat of this kind by rule is a member at once.',
  returns: ChatRef,
  input: CreateChatInput,
  run: (ctx, input) =>
    createChat(ctx, {
      ...input,
      schoolId: idOf('School', input.schoolId, 'schoolId'),
      classId: optionalIdOf('Class', input.classId, 'classId'),
      subjectId: optionalIdOf('Subject', input.subjectId, 'subjectId'),
    }),
});

const RenameChatInput = builder.inputType('RenameChatInput', {
  description: 'The chat to rename, and its new name.',
  fields: (t) => ({
    chatId: t.id({ required: true, description: 'The chat to rename. CONFLICT if it is archived.' }),
    name: t.string({ required: true, description: 'The new name, 1 to 100 characters.' }),
  }),
});

mutation('renameChat', {
  description: 'Renames a chat.',
  returns: ChatRef,
  input: RenameChatInput,
  run: (ctx, input) => renameChat(ctx, { ...input, chatId: idOf('Chat', input.chatId, 'chatId') }),
});

const ArchiveChatInput = builder.inputType('ArchiveChatInput', {
  description: 'The chat to archive for good.',
  fields: (t) => ({ chatId: t.id({ required: true, description: 'The chat to archive.' }) }),
});

mutation('archiveChat', {
  description: 'Makes a chat read-only for good. Archiving it again changes nothing.',
  returns: ChatRef,
  input: ArchiveChatInput,
  run: (ctx, input) => archiveChat(ctx, { chatId: idOf('Chat', input.chatId, 'chatId') }),
});
