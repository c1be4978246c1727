import { encodeCursor } from '../events/cursor.ts';
import { catalog, eventTypes, type EventType } from '../events/catalog.ts';
import type { SubscriptionItem } from '../events/live/subscription.ts';
import { eventsOf, followChats, followEnrolments, followEvents } from '../domain/events.ts';
import { typeOfPayloadId } from '../domain/resources.ts';
import { builder, enumName, globalId, idOf, optionalIdOf } from './builder.ts';
import { ChatRef, ClassRef, EnrolmentRef, EventConnection, EventRef, SchoolRef, UserRef } from './refs.ts';

const EventTypeEnum = builder.enumType('EventType', {
  description: 'What happened in a school.',
  values: Object.fromEntries(eventTypes.map((type) => [enumName(type), { value: type, description: catalog[type].description }])),
});

const payloadOf = (event: { payload: unknown }) => event.payload as Record<string, string | undefined>;

EventRef.implement({
  description: 'An entry in the log of a school. It carries IDs and no names: query the objects themselves for details.',
  fields: (t) => ({
    cursor: t.string({
      description: 'The position in the log. Pass it as `after` to a subscription to continue from here.',
      resolve: (event) => encodeCursor(event),
    }),
    seq: t.string({
      description: 'The number of the entry in the log of its school: 1, 2, 3 … without gaps. A decimal string, since it may exceed 2^53.',
      resolve: (event) => event.seq.toString(),
    }),
    type: t.field({ type: EventTypeEnum, description: 'What happened in the school.', resolve: (event) => event.type as EventType }),
    at: t.expose('at', { type: 'DateTime', description: 'When the change was committed.' }),
    actorKind: t.string({
      description:
        'The kind of actor that made the change: `user`, `service`, `operator`, or `anonymous` for a person who signs up by an invitation link.',
      resolve: (event) => event.actor.split(':')[0]!,
    }),
    actor: t.field({
      type: UserRef,
      nullable: true,
      description: 'The person who made the change; null for other kinds of actor and if you may not see the person.',
      resolve: (event, _args, ctx) => {
        const [kind, id] = event.actor.split(':');
        return kind === 'user' && id !== undefined ? ctx.loaders.byId('User', id) : null;
      },
    }),
    causation: t.exposeString('causation', {
      nullable: true,
      description: 'The ID of the request that made the change, which all events of the change share; null if unknown.',
    }),
    ids: t.field({
      type: 'JSON',
      description: 'The global IDs of the objects concerned, by name: `{ "classId": "…", "studentId": "…" }`.',
      resolve: (event) =>
        Object.fromEntries(
          Object.entries(payloadOf(event)).flatMap(([key, id]) => {
            const type = typeOfPayloadId(key);
            return type === undefined || id === undefined ? [] : [[key, globalId(type, id)]];
          }),
        ),
    }),
  }),
});

const typesDescription = 'Only events of these types. Default: all types.';

builder.objectField(SchoolRef, 'events', (t) =>
  t.connection(
    {
      type: EventRef,
      description:
        'The log of the school, newest entries first. Empty for everyone except the administration of the school and services with the scope `events`. Entries are deleted after 366 days by default.',
      args: { types: t.arg({ type: [EventTypeEnum], description: typesDescription }) },
      resolve: (school, args, ctx) => eventsOf(ctx, school, args),
    },
    EventConnection,
  ),
);

type EventItem = Extract<SubscriptionItem, { kind: 'event' }>;

const cursorDescription = 'The position in the log. Pass the last one received as `after` to continue the stream from there.';

const Checkpoint = builder
  .objectRef<Extract<SubscriptionItem, { kind: 'checkpoint' }>>('Checkpoint')
  .implement({
    description:
      'Reports the position of the stream without an event: sent when a stream starts with no event to deliver, and after every 1000 log entries that are not for you.',
    fields: (t) => ({ cursor: t.exposeString('cursor', { description: cursorDescription }) }),
  });

const ResyncRequired = builder
  .objectRef<Extract<SubscriptionItem, { kind: 'resync' }>>('ResyncRequired')
  .implement({
    description:
      'The last item of a stream whose cursor is too old: entries after it have been deleted from the log. Query the data again, then subscribe with `after: School.asOf`.',
    fields: (t) => ({ oldest: t.exposeString('oldest', { description: 'The oldest cursor from which a stream can still start.' }) }),
  });

const EndReasonEnum = builder.enumType('EndReason', {
  description: 'Why a stream ended.',
  values: {
    SESSION_ENDED: { description: 'The session was ended or has expired. For a service: its client was ended.' },
    USER_DEACTIVATED: { description: 'The account was deactivated.' },
    TOKEN_EXPIRED: { description: 'The access token expired. Subscribe again with a new token and the last cursor.' },
    ROLE_ENDED: { description: 'A role ended that you had in the school when the stream started.' },
    CLASS_LEFT: { description: 'You are no longer a pupil or a teacher of a class that was yours when the stream started.' },
  } as const,
});

const Ended = builder
  .objectRef<Extract<SubscriptionItem, { kind: 'ended' }>>('Ended')
  .implement({
    description: 'The last item of a stream that ended because you lost rights or your token expired.',
    fields: (t) => ({
      reason: t.expose('reason', { type: EndReasonEnum, description: 'Why the stream ended.' }),
      cursor: t.exposeString('cursor', { description: cursorDescription }),
    }),
  });

const controlTypes = [Checkpoint, ResyncRequired, Ended] as const;

const EnrolmentChangeKind = builder.enumType('EnrolmentChangeKind', {
  description: 'What happened to the enrolment of a pupil.',
  values: {
    ENROLLED: { value: 'student.enrolled', description: 'The pupil was enrolled in a class.' },
    TRANSFERRED: { value: 'student.transferred', description: 'The pupil was transferred from one class to another.' },
    WITHDRAWN: { value: 'student.withdrawn', description: 'The pupil was withdrawn from a class.' },
  } as const,
});

const EnrolmentChange = builder.objectRef<EventItem>('EnrolmentChange').implement({
  description: 'An enrolment, a transfer or a withdrawal of a pupil.',
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: cursorDescription }),
    at: t.field({ type: 'DateTime', description: 'When the change was committed.', resolve: ({ event }) => event.at }),
    kind: t.field({
      type: EnrolmentChangeKind,
      description: 'What happened to the enrolment.',
      resolve: ({ event }) => event.type as 'student.enrolled' | 'student.transferred' | 'student.withdrawn',
    }),
    studentId: t.id({
      description: 'The global ID of the pupil, set even if `student` is null.',
      resolve: ({ event }) => globalId('User', payloadOf(event).studentId!),
    }),
    student: t.field({
      type: UserRef,
      nullable: true,
      description: 'The pupil; null if you may not see them.',
      resolve: ({ event }, _args, ctx) => ctx.loaders.byId('User', payloadOf(event).studentId!),
    }),
    class: t.field({
      type: ClassRef,
      nullable: true,
      description: 'The class that the pupil joined or, for WITHDRAWN, left; null if you may not see it.',
      resolve: ({ event }, _args, ctx) => ctx.loaders.byId('Class', payloadOf(event).classId!),
    }),
    fromClass: t.field({
      type: ClassRef,
      nullable: true,
      description: 'For TRANSFERRED: the class that the pupil left; otherwise null, and if you may not see it.',
      resolve: ({ event }, _args, ctx) => {
        const { fromClassId } = payloadOf(event);
        return fromClassId === undefined ? null : ctx.loaders.byId('Class', fromClassId);
      },
    }),
    enrolment: t.field({
      type: EnrolmentRef,
      nullable: true,
      description: 'The current state of the enrolment; null if you may not see it.',
      resolve: ({ event }, _args, ctx) => ctx.loaders.byId('Enrolment', payloadOf(event).enrolmentId!),
    }),
  }),
});

const ChatChangeKind = builder.enumType('ChatChangeKind', {
  description: 'What happened to a chat.',
  values: {
    CREATED: { value: 'chat.created', description: 'The chat was created.' },
    RENAMED: { value: 'chat.renamed', description: 'The chat got a new name.' },
    ARCHIVED: { value: 'chat.archived', description: 'The chat became read-only.' },
    MEMBER_ADDED: { value: 'chatMember.added', description: 'A person became a member.' },
    MEMBER_REMOVED: { value: 'chatMember.removed', description: 'A member left or was removed.' },
    MEMBER_PROMOTED: { value: 'chatMember.promoted', description: 'A member became a moderator, or a moderator became the owner.' },
    MEMBER_DEMOTED: { value: 'chatMember.demoted', description: 'A moderator became a member, or the owner lost ownership.' },
  } as const,
});

const ChatChange = builder.objectRef<EventItem>('ChatChange').implement({
  description: 'A change of a chat or of its members.',
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: cursorDescription }),
    at: t.field({ type: 'DateTime', description: 'When the change was committed.', resolve: ({ event }) => event.at }),
    kind: t.field({
      type: ChatChangeKind,
      description: 'What happened to the chat.',
      resolve: ({ event }) => event.type as 'chat.created',
    }),
    chatId: t.id({
      description: 'The global ID of the chat, set even if `chat` is null.',
      resolve: ({ event }) => globalId('Chat', payloadOf(event).chatId!),
    }),
    chat: t.field({
      type: ChatRef,
      nullable: true,
      description: 'The current state of the chat; null if you may not see it.',
      resolve: ({ event }, _args, ctx) => ctx.loaders.byId('Chat', payloadOf(event).chatId!),
    }),
    user: t.field({
      type: UserRef,
      nullable: true,
      description: 'The member whom the change concerns; null for CREATED, RENAMED and ARCHIVED, and if you may not see them.',
      resolve: ({ event }, _args, ctx) => {
        const { userId } = payloadOf(event);
        return userId === undefined ? null : ctx.loaders.byId('User', userId);
      },
    }),
  }),
});

const EventNotice = builder
  .objectRef<EventItem>('EventNotice')
  .implement({
    description: 'A new entry in the log.',
    fields: (t) => ({
      cursor: t.exposeString('cursor', { description: cursorDescription }),
      event: t.field({
        type: EventRef,
        description: 'The log entry itself.',
        resolve: ({ event }) => ({ ...event, topics: [...event.topics], payload: event.payload }),
      }),
    }),
  });

const controlTypeOf = (item: SubscriptionItem) =>
  item.kind === 'checkpoint' ? Checkpoint : item.kind === 'resync' ? ResyncRequired : Ended;

const itemUnion = <Ref extends typeof EnrolmentChange>(name: string, changeRef: Ref, description: string) =>
  builder.unionType(name, {
    description,
    types: [changeRef, ...controlTypes],
    resolveType: (item) => ((item as SubscriptionItem).kind === 'event' ? changeRef : controlTypeOf(item as SubscriptionItem)),
  });

const EnrolmentsItem = itemUnion('EnrolmentsItem', EnrolmentChange, 'An item of the `enrolments` subscription.');
const ChatsItem = itemUnion('ChatsItem', ChatChange, 'An item of the `chats` subscription.');
const EventsItem = itemUnion('EventsItem', EventNotice, 'An item of the `events` subscription.');

const schoolDescription = 'The school whose changes are delivered.';
const afterDescription =
  'The last cursor received: everything after it is delivered first, then live changes. Default: only live changes. INVALID for a cursor of another school.';

builder.subscriptionField('enrolments', (t) =>
  t.field({
    type: EnrolmentsItem,
    description:
      'The enrolments, transfers and withdrawals that you may see, as soon as they are committed. Services need the scope `events`.',
    args: {
      schoolId: t.arg.id({ required: true, description: schoolDescription }),
      classId: t.arg.id({ description: 'Only changes into or out of this class.' }),
      after: t.arg.string({ description: afterDescription }),
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
    description:
      'The changes of the chats that you may see, and of their members, as soon as they are committed. Services need the scope `events`.',
    args: {
      schoolId: t.arg.id({ required: true, description: schoolDescription }),
      after: t.arg.string({ description: afterDescription }),
    },
    subscribe: (_root, args, ctx) => followChats(ctx, { schoolId: idOf('School', args.schoolId, 'schoolId'), after: args.after ?? null }),
    resolve: (item) => item as EventItem,
  }),
);

builder.subscriptionField('events', (t) =>
  t.field({
    type: EventsItem,
    description:
      'The new log entries of the school, as soon as they are committed, except the sign-ins of other people. FORBIDDEN for everyone except the administration of the school and services with the scope `events`.',
    args: {
      schoolId: t.arg.id({ required: true, description: schoolDescription }),
      types: t.arg({ type: [EventTypeEnum], description: typesDescription }),
      after: t.arg.string({ description: afterDescription }),
    },
    subscribe: (_root, args, ctx) =>
      followEvents(ctx, { schoolId: idOf('School', args.schoolId, 'schoolId'), types: args.types ?? null, after: args.after ?? null }),
    resolve: (item) => item as EventItem,
  }),
);
