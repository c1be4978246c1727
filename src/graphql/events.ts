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
        'The kind of actor that made the change: `user`, `service`, `operator` for the command line and for what the server does by itself, or `anonymous` for a person who signs up or sets a password by a link.',
      resolve: (event) => event.actor.split(':')[0]!,
    }),
    actor: t.field({
      type: refs.User,
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

builder.objectField(refs.School, 'events', (t) =>
  t.connection(
    {
      type: EventRef,
      description:
        'The log of the school, newest entries first. Empty for everyone except the administration of the school and services with the scope `events`. Sign-ins and sign-outs are left out, since only the person receives them. Entries are deleted after 366 days by default.',
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

stream('events', {
  of: EventNotice,
  description:
    'The new log entries of the school, as soon as they are committed, except the sign-ins of other people. FORBIDDEN for everyone except the administration of the school and services with the scope `events`.',
  args: (t) => ({ types: t({ type: [EventTypeEnum], description: typesDescription }) }),
  open: followEvents,
});
