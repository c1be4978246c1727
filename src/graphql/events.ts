import { encodeCursor } from '../events/cursor.ts';
import { catalog, eventTypes, type EventType } from '../events/catalog.ts';
import type { Event } from '../domain/entities.ts';
import { eventsOf, followEvents } from '../domain/events.ts';
import { typeOfPayloadId } from '../domain/resources.ts';
import { builder, enumName, refs } from './builder.ts';
import { cursorDescription, stream, type EventItem } from './stream.ts';
import { globalId } from './typed-id.ts';

const EventTypeEnum = builder.enumType('EventType', {
  description: 'What happened in a school.',
  values: Object.fromEntries(eventTypes.map((type) => [enumName(type), { value: type, description: catalog[type].description }])),
});

const payloadOf = (event: { payload: unknown }) => event.payload as Record<string, string | undefined>;

const EventRef = builder.objectRef<Event>('Event').implement({
  description:
    'An entry in the log of a school, which records one change. It holds only the IDs of the objects that changed. Query the objects for details.',
  fields: (t) => ({
    cursor: t.string({
      description:
        'The position of the entry in the log. Pass it as `after` to a subscription to receive everything that happened after this entry.',
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
        'Who made the change: `user` for a signed-in person, `service` for an integration, `operator` for the command line of the server and for what the server does by itself, or `anonymous` for a person who signs up or sets a password by a link.',
      resolve: (event) => event.actor.split(':')[0]!,
    }),
    actor: t.field({
      type: refs.User,
      nullable: true,
      description: 'The person who made the change; null if `actorKind` is not `user`, or if you may not see this person.',
      resolve: (event, _args, ctx) => {
        const [kind, id] = event.actor.split(':');
        return kind === 'user' && id !== undefined ? ctx.loaders.byId('User', id) : null;
      },
    }),
    causation: t.exposeString('causation', {
      nullable: true,
      description: 'The ID of the request that made the change, equal for all events of this change. Null if unknown.',
    }),
    ids: t.field({
      type: 'JSON',
      description:
        'The global IDs of the objects concerned, as a JSON object: `{ "classId": "…", "studentId": "…" }`. The type of the event decides which names the JSON object has.',
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

builder.objectField(refs.School, 'events', (t) =>
  t.connection(
    {
      type: EventRef,
      description:
        'The log of the school, newest entries first. Empty for everyone except people with the role PLATFORM_ADMINISTRATOR or SCHOOL_ADMINISTRATION in the school, and services with the scope `events`. The types SESSION_STARTED, SESSION_ENDED, PASSWORD_CHANGED and PASSWORD_LINK_MAILED are left out, since they are private to a person. Entries are deleted after 366 days, unless the server is configured otherwise.',
      args: { types: t.arg({ type: [EventTypeEnum], description: typesDescription }) },
      resolve: (school, args, ctx) => eventsOf(ctx, school, args),
    },
    { name: 'EventConnection', description: 'A page of log entries.' },
    { name: 'EventEdge' },
  ),
);

const EventNotice = builder
  .objectRef<EventItem>('EventNotice')
  .implement({
    description: 'A new entry in the log of the school.',
    fields: (t) => ({
      cursor: t.exposeString('cursor', { description: cursorDescription }),
      event: t.field({
        type: EventRef,
        description: 'The log entry itself.',
        resolve: ({ event }) => ({ ...event, topics: [...event.topics], payload: event.payload }),
      }),
    }),
  });

stream('events', {
  of: EventNotice,
  description:
    'The new log entries of the school, each as soon as it is committed. FORBIDDEN for everyone except people with the role PLATFORM_ADMINISTRATOR or SCHOOL_ADMINISTRATION in the school, and services with the scope `events`. Of the types SESSION_STARTED, SESSION_ENDED, PASSWORD_CHANGED and PASSWORD_LINK_MAILED you receive only your own.',
  args: (t) => ({ types: t({ type: [EventTypeEnum], description: typesDescription }) }),
  open: followEvents,
});
