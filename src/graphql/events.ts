import { encodeCursor } from '../events/cursor.ts';
import { eventTypes, type EventType } from '../events/catalog.ts';
import type { SubscriptionItem } from '../events/live/subscription.ts';
import { eventsOf, followChats, followEnrolments, followEvents } from '../domain/events.ts';
import { typeOfPayloadId } from '../domain/resources.ts';
import { builder, globalId, idOf, optionalIdOf } from './builder.ts';
import { ChatRef, ClassRef, EnrolmentRef, EventConnection, EventRef, SchoolRef, UserRef } from './refs.ts';

/** `chat.created` is CHAT_CREATED. */
const enumName = (type: EventType): string =>
  type.replace('.', '_').replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();

const EventTypeEnum = builder.enumType('EventType', {
  description: 'What happened.',
  values: Object.fromEntries(
    eventTypes.map((type) => [enumName(type), { value: type, description: `The event \`${type}\`.` }]),
  ),
});

const ids = (event: { payload: unknown }) => event.payload as Record<string, string | undefined>;

EventRef.implement({
  description: 'An entry of a school’s log. It carries ids; names are asked of the things themselves.',
  fields: (t) => ({
    cursor: t.string({
      description: 'The place in the log; pass it as `after` to follow from here.',
      resolve: (event) => encodeCursor(event),
    }),
    seq: t.string({
      description: 'The number in the school’s log: 1, 2, 3 … without a gap. A decimal text, since it may pass 2^53.',
      resolve: (event) => event.seq.toString(),
    }),
    type: t.field({ type: EventTypeEnum, description: 'What happened.', resolve: (event) => event.type as EventType }),
    at: t.expose('at', { type: 'DateTime', description: 'When it was committed.' }),
    actorKind: t.string({
      description: 'Who did it: `user`, `service`, `operator` or `anonymous` (somebody joining by link).',
      resolve: (event) => event.actor.split(':')[0]!,
    }),
    actor: t.field({
      type: UserRef,
      nullable: true,
      description: 'The person who did it, where it was a person whom you may see.',
      resolve: (event, _args, ctx) => {
        const [kind, id] = event.actor.split(':');
        return kind === 'user' && id !== undefined ? ctx.loaders.byId('User', id) : null;
      },
    }),
    causation: t.exposeString('causation', {
      nullable: true,
      description: 'The request that caused it; events of one change share it.',
    }),
    ids: t.field({
      type: 'JSON',
      description: 'The global ids of what it is about, by name: `{ "classId": "…", "studentId": "…" }`.',
      resolve: (event) =>
        Object.fromEntries(
          Object.entries(ids(event)).flatMap(([key, id]) => {
            const type = typeOfPayloadId(key);
            return type === undefined || id === undefined ? [] : [[key, globalId(type, id)]];
          }),
        ),
    }),
  }),
});

builder.objectField(SchoolRef, 'events', (t) =>
  t.connection(
    {
      type: EventRef,
      description: 'The school’s log, the newest first: for its administration and for services with the scope `events`.',
      args: { types: t.arg({ type: [EventTypeEnum], description: 'Only these.' }) },
      resolve: (school, args, ctx) => eventsOf(ctx, school, args),
    },
    EventConnection,
  ),
);

type EventItem = Extract<SubscriptionItem, { kind: 'event' }>;

const cursorField = 'The place in the log; pass the last one seen as `after` to go on from there.';

const Checkpoint = builder.objectRef<Extract<SubscriptionItem, { kind: 'checkpoint' }>>('Checkpoint').implement({
  description: 'How far the stream is where nothing was to be told: sent when it starts, and after long stretches.',
  fields: (t) => ({ cursor: t.exposeString('cursor', { description: cursorField }) }),
});

const ResyncRequired = builder.objectRef<Extract<SubscriptionItem, { kind: 'resync' }>>('ResyncRequired').implement({
  description: 'The cursor is older than what the log keeps: read the lists again and follow from `asOf`. The stream ends.',
  fields: (t) => ({
    oldest: t.exposeString('oldest', { description: 'The oldest cursor that can still be followed.' }),
  }),
});

const EndReasonEnum = builder.enumType('EndReason', {
  description: 'Why a stream ended.',
  values: {
    SESSION_ENDED: { description: 'The session was ended.' },
    USER_DEACTIVATED: { description: 'The account was deactivated.' },
    TOKEN_EXPIRED: { description: 'The access token expired; come back with a new one and the cursor.' },
    ROLE_ENDED: { description: 'A role that the stream stood on ended.' },
    CLASS_LEFT: { description: 'A class that the stream stood on is no longer yours.' },
  } as const,
});

const Ended = builder.objectRef<Extract<SubscriptionItem, { kind: 'ended' }>>('Ended').implement({
  description: 'The last item of a stream whose rights ended.',
  fields: (t) => ({
    reason: t.expose('reason', { type: EndReasonEnum, description: 'Why.' }),
    cursor: t.exposeString('cursor', { description: cursorField }),
  }),
});

const control = [Checkpoint, ResyncRequired, Ended] as const;

const EnrolmentChangeKind = builder.enumType('EnrolmentChangeKind', {
  description: 'What happened to a pupil’s place.',
  values: {
    ENROLLED: { value: 'student.enrolled', description: 'Came into a class.' },
    TRANSFERRED: { value: 'student.transferred', description: 'Moved from one class to another.' },
    WITHDRAWN: { value: 'student.withdrawn', description: 'Left a class.' },
  } as const,
});

const EnrolmentChange = builder.objectRef<EventItem>('EnrolmentChange').implement({
  description: 'A pupil came into a class, moved or left.',
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: cursorField }),
    at: t.field({ type: 'DateTime', description: 'When it was committed.', resolve: ({ event }) => event.at }),
    kind: t.field({
      type: EnrolmentChangeKind,
      description: 'What happened.',
      resolve: ({ event }) => event.type as 'student.enrolled' | 'student.transferred' | 'student.withdrawn',
    }),
    studentId: t.id({ description: 'Global id of the pupil.', resolve: ({ event }) => globalId('User', ids(event).studentId!) }),
    student: t.field({
      type: UserRef,
      nullable: true,
      description: 'The pupil, where you may see them.',
      resolve: ({ event }, _args, ctx) => ctx.loaders.byId('User', ids(event).studentId!),
    }),
    class: t.field({
      type: ClassRef,
      nullable: true,
      description: 'The class come into, or left by a withdrawal; null where you may not see it.',
      resolve: ({ event }, _args, ctx) => ctx.loaders.byId('Class', ids(event).classId!),
    }),
    fromClass: t.field({
      type: ClassRef,
      nullable: true,
      description: 'Of a transfer: the class left; null where you may not see it.',
      resolve: ({ event }, _args, ctx) => {
        const { fromClassId } = ids(event);
        return fromClassId === undefined ? null : ctx.loaders.byId('Class', fromClassId);
      },
    }),
    enrolment: t.field({
      type: EnrolmentRef,
      nullable: true,
      description: 'The enrolment as it is now, where you may see it.',
      resolve: ({ event }, _args, ctx) => ctx.loaders.byId('Enrolment', ids(event).enrolmentId!),
    }),
  }),
});

const ChatChangeKind = builder.enumType('ChatChangeKind', {
  description: 'What happened to a chat.',
  values: {
    CREATED: { value: 'chat.created', description: 'It was made.' },
    RENAMED: { value: 'chat.renamed', description: 'It has another name.' },
    ARCHIVED: { value: 'chat.archived', description: 'It became read-only.' },
    MEMBER_ADDED: { value: 'chatMember.added', description: 'Somebody came in.' },
    MEMBER_REMOVED: { value: 'chatMember.removed', description: 'Somebody left or was removed.' },
    MEMBER_PROMOTED: { value: 'chatMember.promoted', description: 'A member became a moderator, or a moderator the owner.' },
    MEMBER_DEMOTED: { value: 'chatMember.demoted', description: 'A moderator became a member, or the owner lost the ownership.' },
  } as const,
});

const ChatChange = builder.objectRef<EventItem>('ChatChange').implement({
  description: 'A chat was made or changed, or somebody came or went.',
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: cursorField }),
    at: t.field({ type: 'DateTime', description: 'When it was committed.', resolve: ({ event }) => event.at }),
    kind: t.field({
      type: ChatChangeKind,
      description: 'What happened.',
      resolve: ({ event }) => event.type as 'chat.created',
    }),
    chatId: t.id({ description: 'Global id of the chat.', resolve: ({ event }) => globalId('Chat', ids(event).chatId!) }),
    chat: t.field({
      type: ChatRef,
      nullable: true,
      description: 'The chat as it is now, where you may see it.',
      resolve: ({ event }, _args, ctx) => ctx.loaders.byId('Chat', ids(event).chatId!),
    }),
    user: t.field({
      type: UserRef,
      nullable: true,
      description: 'Of a change of members: the person, where you may see them.',
      resolve: ({ event }, _args, ctx) => {
        const { userId } = ids(event);
        return userId === undefined ? null : ctx.loaders.byId('User', userId);
      },
    }),
  }),
});

const EventNotice = builder.objectRef<EventItem>('EventNotice').implement({
  description: 'Something that happened.',
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: cursorField }),
    event: t.field({
      type: EventRef,
      description: 'The entry of the log.',
      resolve: ({ event }) => ({ ...event, topics: [...event.topics], payload: event.payload }),
    }),
  }),
});

const controlOf = (item: SubscriptionItem) =>
  item.kind === 'checkpoint' ? Checkpoint : item.kind === 'resync' ? ResyncRequired : Ended;

const stream = <Ref extends typeof EnrolmentChange>(name: string, of: Ref, description: string) =>
  builder.unionType(name, {
    description,
    types: [of, ...control],
    resolveType: (item) => ((item as SubscriptionItem).kind === 'event' ? of : controlOf(item as SubscriptionItem)),
  });

const EnrolmentsItem = stream('EnrolmentsItem', EnrolmentChange, 'An item of the stream `enrolments`.');
const ChatsItem = stream('ChatsItem', ChatChange, 'An item of the stream `chats`.');
const EventsItem = stream('EventsItem', EventNotice, 'An item of the stream `events`.');

const schoolArg = 'The school.';
const afterArg = 'The last cursor seen: everything later is told first, then what is live. Without it, only what is live.';

builder.subscriptionField('enrolments', (t) =>
  t.field({
    type: EnrolmentsItem,
    description: 'Every enrolment, transfer and withdrawal that you may see, the moment it is committed.',
    args: {
      schoolId: t.arg.id({ required: true, description: schoolArg }),
      classId: t.arg.id({ description: 'Only of this class.' }),
      after: t.arg.string({ description: afterArg }),
    },
    subscribe: (_root, args, ctx) =>
      followEnrolments(ctx, {
        schoolId: idOf('School', args.schoolId, 'schoolId'),
        classId: optionalIdOf('Class', args.classId, 'classId'),
        after: args.after ?? null,
      }),
    resolve: (item) => item as EventItem,
  }),
);

builder.subscriptionField('chats', (t) =>
  t.field({
    type: ChatsItem,
    description: 'Every change of the chats that you may see, the moment it is committed.',
    args: {
      schoolId: t.arg.id({ required: true, description: schoolArg }),
      after: t.arg.string({ description: afterArg }),
    },
    subscribe: (_root, args, ctx) =>
      followChats(ctx, { schoolId: idOf('School', args.schoolId, 'schoolId'), after: args.after ?? null }),
    resolve: (item) => item as EventItem,
  }),
);

builder.subscriptionField('events', (t) =>
  t.field({
    type: EventsItem,
    description: 'The school’s log as it grows: for its administration and for services with the scope `events`.',
    args: {
      schoolId: t.arg.id({ required: true, description: schoolArg }),
      types: t.arg({ type: [EventTypeEnum], description: 'Only these.' }),
      after: t.arg.string({ description: afterArg }),
    },
    subscribe: (_root, args, ctx) =>
      followEvents(ctx, {
        schoolId: idOf('School', args.schoolId, 'schoolId'),
        types: args.types ?? null,
        after: args.after ?? null,
      }),
    resolve: (item) => item as EventItem,
  }),
);
