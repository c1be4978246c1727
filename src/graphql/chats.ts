import { archiveChat, chatsOf, createChat, renameChat } from '../domain/chats.ts';
import { builder, idOf, mutation, optionalIdOf } from './builder.ts';
import { ChatConnection, ChatKindEnum, ChatRef, ClassRef, SchoolRef, SubjectRef, UserRef } from './refs.ts';

builder.node(ChatRef, {
  description: 'A conversation of a school.',
  id: { resolve: (chat) => chat.id, description: 'Global id.' },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Up to 100 characters.' }),
    kind: t.expose('kind', { type: ChatKindEnum, description: 'What the chat is for.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    archivedAt: t.expose('archivedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'Since when it is read-only; null while it is open.',
    }),
    school: t.field({
      type: SchoolRef,
      nullable: true,
      description: 'The school it belongs to.',
      resolve: (chat, _args, ctx) => ctx.loaders.byId('School', chat.schoolId),
    }),
    class: t.field({
      type: ClassRef,
      nullable: true,
      description: 'The class of a CLASS or SUBJECT chat.',
      resolve: (chat, _args, ctx) => (chat.classId === null ? null : ctx.loaders.byId('Class', chat.classId)),
    }),
    subject: t.field({
      type: SubjectRef,
      nullable: true,
      description: 'The subject of a SUBJECT chat.',
      resolve: (chat, _args, ctx) => (chat.subjectId === null ? null : ctx.loaders.byId('Subject', chat.subjectId)),
    }),
    createdBy: t.field({
      type: UserRef,
      nullable: true,
      description: 'Who made it, where you may see them.',
      resolve: (chat, _args, ctx) => (chat.createdById === null ? null : ctx.loaders.byId('User', chat.createdById)),
    }),
  }),
});

builder.objectField(SchoolRef, 'chats', (t) =>
  t.connection(
    {
      type: ChatRef,
      description: 'The chats that you may read, the newest first.',
      args: {
        kind: t.arg({ type: ChatKindEnum, description: 'Only of this kind.' }),
        classId: t.arg.id({ description: 'Only of this class.' }),
        includeArchived: t.arg.boolean({ description: 'The archived ones too. Default: false.' }),
      },
      resolve: (school, args, ctx) =>
        chatsOf(ctx, school, { ...args, classId: optionalIdOf('Class', args.classId, 'classId') }),
    },
    ChatConnection,
  ),
);

const CreateChatInput = builder.inputType('CreateChatInput', {
  description: 'The chat to make.',
  fields: (t) => ({
    schoolId: t.id({ required: true, description: 'The school.' }),
    kind: t.field({ type: ChatKindEnum, required: true, description: 'What the chat is for.' }),
    classId: t.id({ description: 'The class, for kinds CLASS and SUBJECT.' }),
    subjectId: t.id({ description: 'The subject, for kind SUBJECT.' }),
    name: t.string({ required: true, description: '1 to 100 characters.' }),
    idempotencyKey: t.string({ description: 'Any text of yours, up to 100 characters; the same key makes one chat, however often it is sent.' }),
  }),
});

mutation('createChat', {
  description: 'Makes a chat; everyone whom a rule puts into a chat of its kind is in it at once.',
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
  description: 'The chat and its new name.',
  fields: (t) => ({
    chatId: t.id({ required: true, description: 'The chat.' }),
    name: t.string({ required: true, description: '1 to 100 characters.' }),
  }),
});

mutation('renameChat', {
  description: 'Gives a chat another name.',
  returns: ChatRef,
  input: RenameChatInput,
  run: (ctx, input) => renameChat(ctx, { ...input, chatId: idOf('Chat', input.chatId, 'chatId') }),
});

const ArchiveChatInput = builder.inputType('ArchiveChatInput', {
  description: 'The chat to archive.',
  fields: (t) => ({ chatId: t.id({ required: true, description: 'The chat.' }) }),
});

mutation('archiveChat', {
  description: 'Makes a chat read-only, for good. Archiving it again changes nothing.',
  returns: ChatRef,
  input: ArchiveChatInput,
  run: (ctx, input) => archiveChat(ctx, { chatId: idOf('Chat', input.chatId, 'chatId') }),
});
