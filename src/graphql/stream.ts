import type { ArgBuilder, InputFieldMap, InputShapeFromFields, ObjectRef } from '@pothos/core';
import { openStream, type FollowArgs } from '../domain/events.ts';
import { typeOfPayloadId, type ResourceType } from '../domain/resources.ts';
import type { EventType } from '../events/catalog.ts';
import type { SignalItem, SignalStream } from '../events/live/signal-stream.ts';
import type { SignalName } from '../events/live/signals.ts';
import type { Stream, SubscriptionItem } from '../events/live/subscription.ts';
import { builder, refs, type BuilderTypes } from './builder.ts';
import type { GraphContext } from './context.ts';
import { globalId, id, parseIds, typedIdsOf, type TypedIds } from './typed-id.ts';

/** Subscriptions: live streams of the events of a school, and of its signals. */

export type EventItem = Extract<SubscriptionItem, { kind: 'event' }>;

export const cursorDescription =
  'The position in the log of the school. Keep the last cursor received: pass it as `after` to continue the stream from there.';

const Checkpoint = builder
  .objectRef<Extract<SubscriptionItem, { kind: 'checkpoint' }>>('Checkpoint')
  .implement({
    description:
      'A new position of the stream, without a change. The server sends it when a stream starts and has no change to deliver, and after every 1000 log entries that you do not receive. Keep its cursor, so that your last cursor does not become too old.',
    fields: (t) => ({ cursor: t.exposeString('cursor', { description: cursorDescription }) }),
  });

const ResyncRequired = builder
  .objectRef<Extract<SubscriptionItem, { kind: 'resync' }>>('ResyncRequired')
  .implement({
    description:
      'The last item of a stream that cannot continue, because its cursor is too old: the log no longer has all entries after this cursor. Query the data again together with `School.asOf`, then subscribe with `asOf` as `after`.',
    fields: (t) => ({
      oldest: t.exposeString('oldest', {
        description:
          'The oldest cursor from which a stream can still start. The stream cannot deliver the changes between your cursor and this cursor.',
      }),
    }),
  });

const EndReasonEnum = builder.enumType('EndReason', {
  description: 'Why the server ended a stream. After ROLE_ENDED and CLASS_LEFT, subscribe again if you still have a role in the school.',
  values: {
    SESSION_ENDED: { description: 'The session was ended or has expired: sign in again. For a service: the operator ended its client.' },
    USER_DEACTIVATED: { description: 'The account was deactivated, and can no longer sign in.' },
    TOKEN_EXPIRED: { description: 'The access token expired. Subscribe again with a new token and the last cursor.' },
    ROLE_ENDED: {
      description: 'You lost a role that you had in the school when the stream started, or you lost the right to this stream.',
    },
    CLASS_LEFT: { description: 'You are no longer a pupil or a teacher of a class that was yours when the stream started.' },
  } as const,
});

const Ended = builder
  .objectRef<Extract<SubscriptionItem, { kind: 'ended' }>>('Ended')
  .implement({
    description:
      'The last item of a stream that the server ended because you lost rights or your access token expired. `reason` says whether to subscribe again.',
    fields: (t) => ({
      reason: t.expose('reason', { type: EndReasonEnum, description: 'Why the stream ended.' }),
      cursor: t.exposeString('cursor', { description: cursorDescription }),
    }),
  });

const controlTypeOf = (item: SubscriptionItem) =>
  item.kind === 'checkpoint' ? Checkpoint : item.kind === 'resync' ? ResyncRequired : Ended;

interface ChangeOptions {
  description: string;
  /** The description of the field `kind`, and of its enum. */
  kind: string;
  /** The kinds of change: for each the type of its event, and a description. */
  kinds: Readonly<Record<string, readonly [event: EventType, description: string]>>;
  /**
   * The fields of the type that return an id of the payload, such as `chatId`, each with a description. Clients get the id even
   * if the viewer may not see the row.
   */
  ids?: Readonly<Record<string, string>>;
  /**
   * The fields of the type that return a row, each with a description. The field `chat` returns the row whose id is `chatId`
   * in the payload; null if the viewer may not see this row.
   */
  rows: Readonly<Record<string, string>>;
}

/** What `change` returns: the object type of the items, and the types of the events that become such items. */
interface Change {
  of: ObjectRef<BuilderTypes, EventItem>;
  events: readonly EventType[];
}

const payloadOf = ({ event }: EventItem) => event.payload as Readonly<Record<string, string | undefined>>;

/**
 * Returns the type of the row that an id in a payload names.
 * @throws Error for an id that src/domain/resources.ts does not list.
 */
function typeOf(payloadId: string): ResourceType {
  const type = typeOfPayloadId(payloadId);
  if (type === undefined)
    throw new Error(`${payloadId} is no id of a payload: add it to \`payloadIds\` of its type in src/domain/resources.ts`);
  return type;
}

/** Adds the object type `name` for events of the given kinds, and the enum `nameKind`. */
export function change(name: string, { description, kind, kinds, ids = {}, rows }: ChangeOptions): Change {
  const Kind = builder.enumType(`${name}Kind`, {
    description: kind,
    values: Object.fromEntries(
      Object.entries(kinds).map(([value, [event, valueDescription]]) => [value, { value: event, description: valueDescription }]),
    ),
  });
  const of = builder.objectRef<EventItem>(name).implement({
    description,
    fields: (t) => ({
      cursor: t.exposeString('cursor', { description: cursorDescription }),
      at: t.field({ type: 'DateTime', description: 'When the change was committed.', resolve: ({ event }) => event.at }),
      kind: t.field({ type: Kind, description: kind, resolve: ({ event }) => event.type }),
      ...Object.fromEntries(
        Object.entries(ids).map(([field, idDescription]) => {
          const type = typeOf(field);
          return [field, t.id({ description: idDescription, resolve: (item) => globalId(type, payloadOf(item)[field]!) })];
        }),
      ),
      ...Object.fromEntries(
        Object.entries(rows).map(([field, rowDescription]) => {
          const payloadId = `${field}Id`;
          const type = typeOf(payloadId);
          const resolve = (item: EventItem, _args: object, ctx: GraphContext) => {
            const rowId = payloadOf(item)[payloadId];
            return rowId === undefined ? null : ctx.loaders.byId(type, rowId);
          };
          return [field, t.field({ type: refs[type], nullable: true, description: rowDescription, resolve })];
        }),
      ),
    }),
  });
  return { of, events: Object.values(kinds).map(([event]) => event) };
}

interface StreamOptions<Args extends InputFieldMap> {
  of: ObjectRef<BuilderTypes, EventItem>;
  description: string;
  /** The types of events that the stream delivers. May be omitted if `open` chooses the types itself. */
  events?: readonly EventType[];
  /**
   * Arguments in addition to `schoolId` and `after`. An argument that is declared with `id` (src/graphql/typed-id.ts) is the ID
   * of a row: if the client gives it, the stream delivers only events whose payload contains this id.
   */
  args?: (t: ArgBuilder<BuilderTypes>) => Args;
  /**
   * Opens the stream. Needed if the stream requires a right other than reading the school. In `args`, row ids replace the
   * global IDs.
   */
  open?: (ctx: GraphContext, args: FollowArgs & NoInfer<InputShapeFromFields<Args>>, events: readonly EventType[]) => Promise<Stream>;
}

/** Adds the subscription `name`, with `union NameItem = of | Checkpoint | ResyncRequired | Ended`. */
export function stream<const Args extends InputFieldMap = Record<never, never>>(name: string, options: StreamOptions<Args>): void {
  const { of, description, events = [], args, open } = options;
  const Item = builder.unionType(`${name[0]!.toUpperCase()}${name.slice(1)}Item`, {
    description: `An item of the \`${name}\` subscription.`,
    types: [of, Checkpoint, ResyncRequired, Ended],
    resolveType: (item) => ((item as SubscriptionItem).kind === 'event' ? of : controlTypeOf(item as SubscriptionItem)),
  });
  builder.subscriptionField(name, (t) => {
    const own = args?.(t.arg) ?? {};
    const fields = {
      ...own,
      schoolId: id(t.arg, 'School', { required: true, description: 'The school whose changes are delivered.' }),
      after: t.arg.string({
        description:
          'The last cursor received, or `School.asOf`. The stream first delivers every change after this cursor, then new changes. Default: only new changes. INVALID for a cursor of another school.',
      }),
    };
    const ids = typedIdsOf(fields);
    const ownIds = typedIdsOf(own);
    return t.field({
      type: Item,
      description,
      args: fields,
      // Cast, since Pothos cannot infer generic arguments. TypeScript checks the types of `open` instead.
      subscribe: ((_root: unknown, given: FollowArgs & InputShapeFromFields<Args>, ctx: GraphContext) => {
        const parsed = parseIds(given, ids);
        return open?.(ctx, parsed, events) ?? openStream(ctx, parsed, { name, events, rows: rowsOf(parsed, ownIds) });
      }) as never,
      resolve: (item) => item as EventItem,
    });
  });
}

type EndOfSignals = Extract<SignalItem, { kind: 'signalsEnded' }>;

const SignalsStarted = builder
  .objectRef<Extract<SignalItem, { kind: 'signalsStarted' }>>('SignalsStarted')
  .implement({
    description: 'The first item of a stream of signals: you receive every signal from here on that is not lost on the way.',
    fields: (t) => ({ at: t.expose('at', { type: 'DateTime', description: 'When the stream started.' }) }),
  });

const SignalsEnded = builder
  .objectRef<EndOfSignals>('SignalsEnded')
  .implement({
    description:
      'The last item of a stream of signals that the server ended because you lost the right to it or your access token expired.',
    fields: (t) => ({ reason: t.expose('reason', { type: EndReasonEnum, description: 'Why the stream ended.' }) }),
  });

/** A signal, as the item of a stream. */
export type SignalOf<N extends SignalName> = Extract<SignalItem<N>, { kind: 'signal' }>;

interface SignalOptions<N extends SignalName> {
  of: ObjectRef<BuilderTypes, SignalOf<N>>;
  description: string;
  open: (ctx: GraphContext, args: { schoolId: string }) => Promise<SignalStream<N>>;
}

/** Adds the subscription `name` to signals, with `union NameItem = of | SignalsStarted | SignalsEnded`. */
export function signals<N extends SignalName>(name: N, { of, description, open }: SignalOptions<N>): void {
  const Item = builder.unionType(`${name[0]!.toUpperCase()}${name.slice(1)}Item`, {
    description: `An item of the \`${name}\` subscription.`,
    types: [of, SignalsStarted, SignalsEnded],
    resolveType: (item) => {
      const { kind } = item as SignalItem;
      return kind === 'signal' ? of : kind === 'signalsStarted' ? SignalsStarted : SignalsEnded;
    },
  });
  builder.subscriptionField(name, (t) => {
    const args = { schoolId: id(t.arg, 'School', { required: true, description: 'The school whose signals are delivered.' }) };
    return t.field({
      type: Item,
      description,
      args,
      subscribe: (_root, given, ctx) => open(ctx, parseIds(given, typedIdsOf(args))),
      resolve: (item) => item as EndOfSignals,
    });
  });
}

/** Returns the rows that the arguments name. */
const rowsOf = (args: object, ids: TypedIds) =>
  ids.flatMap(([path, type]) => {
    const rowId = (args as Record<string, unknown>)[path];
    return typeof rowId === 'string' ? [{ type, id: rowId, path }] : [];
  });
