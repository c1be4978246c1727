import { archiveChat, chatsOf, createChat, renameChat } from '../domain/chats.ts';
import { builder, descriptions } from './builder.ts';
import { connection } from './connection.ts';
import { mutation } from './mutation.ts';
import { node } from './node.ts';
import { change, stream } from './stream.ts';
import { id } from './typed-id.ts';

const ChatKindEnum = builder.enumType('ChatKind', {
  description:
    'What a chat is for. The kind decides who may create the chat, who moderates it, and which people are members automatically, as long as their role, enrolment or assignment lasts.',
  values: {
    SCHOOL: {
      description: 'A chat of the whole school. Everyone with a role in the school is a member; the platform administrators moderate.',
    },
    STAFF: {
      description:
        'A chat of the staff. Everyone with a role other than STUDENT is a member; the people with the role SCHOOL_ADMINISTRATION moderate.',
    },
    CLASS: { description: 'A chat of a class. The pupils and the teachers of the class are members; the class teacher moderates.' },
    SUBJECT: {
      description:
        'A chat of one subject in a class. The pupils of the class and the teachers of the subject in the class are members; these teachers moderate.',
    },
    EXTRACURRICULAR: {
      description: 'A chat that is not about lessons. It has no automatic members: its moderators add the members, who may be pupils.',
    },
  } as const,
});

node('Chat', {
  description:
    'A chat of a school. Chats are archived, never deleted. The platform administrators, the school administration and services with the scope `read` see every chat of the school. Others see the chats in which they are members.',
  plural: 'chats',
  parents: {
    school: 'The school of the chat; null if you may not see the school.',
    class: 'The class of a CLASS or SUBJECT chat; null for other kinds, or if you may not see the class.',
    subject: 'The subject of a SUBJECT chat; null for other kinds, or if you may not see the subject.',
    createdBy: 'The person who created the chat; null if you may not see this person.',
  },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The name of the chat, 1 to 100 characters.' }),
    kind: t.expose('kind', { type: ChatKindEnum, description: 'What the chat is for. Never changes.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the chat was created.' }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      description: 'When the chat was last created, renamed, archived or unarchived. Changes of its members do not count.',
    }),
    archivedAt: t.expose('archivedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the chat was archived and became read-only; null for an active chat.',
    }),
  }),
});

connection('School', 'chats', {
  of: 'Chat',
  description: 'The chats of the school that you may see, newest first. Archived chats are included only with `includeArchived`.',
  args: (t) => ({
    kind: t({ type: ChatKindEnum, description: 'Only chats of this kind. Default: all kinds.' }),
    classId: id(t, 'Class', { description: 'Only chats of this class, of kinds CLASS and SUBJECT. Default: all chats.' }),
    includeArchived: t.boolean({ description: descriptions.includeArchived }),
  }),
  list: chatsOf,
});

mutation('createChat', {
  description:
    'Creates a chat and makes you its owner. The people whom the kind of the chat includes, such as the pupils and teachers of the class, are members at once (see `ChatKind`). FORBIDDEN if your roles do not allow a chat of this kind in this place.',
  returns: 'Chat',
  inputDescription: 'The chat to create.',
  input: (t) => ({
    schoolId: id(t, 'School', { required: true, description: 'The school of the new chat.' }),
    kind: t.field({ type: ChatKindEnum, required: true, description: 'What the chat is for. Cannot be changed later.' }),
    classId: id(t, 'Class', {
      description: 'The class: required for kinds CLASS and SUBJECT, INVALID for other kinds. CONFLICT if it is archived.',
    }),
    subjectId: id(t, 'Subject', { description: 'The subject: required for kind SUBJECT, INVALID for other kinds.' }),
    name: t.string({ required: true, description: 'The name of the chat, 1 to 100 characters.' }),
    idempotencyKey: t.string({ description: descriptions.idempotencyKey }),
  }),
  run: createChat,
});

mutation('renameChat', {
  description: 'Renames a chat. Giving the present name again changes nothing.',
  returns: 'Chat',
  inputDescription: 'The chat to rename, and its new name.',
  input: (t) => ({
    chatId: id(t, 'Chat', { required: true, description: 'The chat to rename. CONFLICT if it is archived.' }),
    name: t.string({ required: true, description: 'The new name, 1 to 100 characters.' }),
  }),
  run: renameChat,
});

mutation('archiveChat', {
  description:
    'Makes a chat read-only for good: `unarchiveClass` does not make it active again. Archiving an archived chat changes nothing.',
  returns: 'Chat',
  inputDescription: 'The chat to archive for good.',
  input: (t) => ({ chatId: id(t, 'Chat', { required: true, description: 'The chat to archive.' }) }),
  run: archiveChat,
});

const ChatChange = change('ChatChange', {
  description: 'A change of a chat or of its members.',
  kind: 'What happened to a chat or to one of its members.',
  kinds: {
    CREATED: ['chat.created', 'The chat was created.'],
    RENAMED: ['chat.renamed', 'The chat got a new name.'],
    ARCHIVED: ['chat.archived', 'The chat became read-only, by itself or together with its class.'],
    UNARCHIVED: ['chat.unarchived', 'The chat can be written to again, because its class was unarchived.'],
    MEMBER_ADDED: ['chatMember.added', 'A person became a member.'],
    MEMBER_REMOVED: ['chatMember.removed', 'A member left or was removed.'],
    MEMBER_PROMOTED: ['chatMember.promoted', 'A member became a moderator, or a moderator became the owner.'],
    MEMBER_DEMOTED: ['chatMember.demoted', 'A moderator became a member, or the owner lost ownership.'],
  },
  ids: { chatId: 'The global ID of the chat, present even if you may not see the chat and `chat` is null.' },
  rows: {
    chat: 'The chat as it is now, not as it was at the change; null if you may not see the chat, for example because you have left it.',
    user: 'The person whose membership changed; null for CREATED, RENAMED, ARCHIVED and UNARCHIVED, or if you may not see this person.',
  },
});

stream('chats', {
  ...ChatChange,
  description:
    'The changes of the chats that you may see and of their members, each as soon as it is committed. FORBIDDEN for a service without the scope `events`.',
});
