import SchemaBuilder, { brandWithType, type InputRef, type ObjectRef } from '@pothos/core';
import RelayPlugin, { decodeGlobalID } from '@pothos/plugin-relay';
import { refusalOf } from '../domain/context.ts';
import { invalid, Refusal } from '../errors.ts';
import { isResourceType } from '../domain/resources.ts';
import type { ResourceType } from '../domain/entities.ts';
import type { GraphContext } from './context.ts';

export interface SchemaTypes {
  Context: GraphContext;
  DefaultFieldNullability: false;
  DefaultEdgesNullability: { list: false; items: false };
  DefaultNodeNullability: false;
  Scalars: {
    DateTime: { Input: Date; Output: Date };
    Date: { Input: string; Output: string };
    JSON: { Input: unknown; Output: unknown };
    ID: { Input: string; Output: string };
  };
}

export const builder = new SchemaBuilder<SchemaTypes>({
  plugins: [RelayPlugin],
  defaultFieldNullability: false,
  relay: {
    cursorType: 'String',
    clientMutationId: 'omit',
    nodesOnConnection: false,
    firstArgOptions: {
      description:
        'The number of items from the start of the list, or after `after`: 1 to 100. Default: 20, if `last` is not given. INVALID together with `last`.',
    },
    lastArgOptions: {
      description: 'The number of items from the end of the list, or before `before`: 1 to 100. INVALID together with `first`.',
    },
    afterArgOptions: { description: 'Return only items after this cursor of the same list.' },
    beforeArgOptions: { description: 'Return only items before this cursor of the same list.' },
    edgesFieldOptions: {
      description: 'The items of the page in list order, each with its cursor.',
      nullable: { list: false, items: false },
    },
    cursorFieldOptions: {
      description: 'The opaque position of the item. Pass it as `after` or `before` to continue the same list from here.',
    },
    nodeFieldOptions: { description: 'The item itself.', nullable: false },
    pageInfoFieldOptions: { description: 'The cursors of the page, and whether there are items before and after it.' },
    pageInfoTypeOptions: { description: 'The cursors of a page, and whether there are items before and after it.' },
    hasNextPageFieldOptions: { description: 'Whether there are items after this page. With `last`: whether `before` was given.' },
    hasPreviousPageFieldOptions: { description: 'Whether there are items before this page. Without `last`: whether `after` was given.' },
    startCursorFieldOptions: { description: 'The cursor of the first item; null on an empty page.' },
    endCursorFieldOptions: { description: 'The cursor of the last item; null on an empty page.' },
    defaultEdgeTypeOptions: { description: 'An item of a page, with its cursor.' },
    idFieldOptions: { description: 'The global ID of the object: opaque, and never changes.' },
    nodeTypeOptions: { description: 'An object that `node` and `nodes` return by its global ID.' },
    nodeQueryOptions: false,
    nodesQueryOptions: false,
  },
});

builder.queryType({
  description: 'The queries. They return only what you may see: lists leave out the rest, and single objects are null instead.',
});
builder.mutationType({
  description:
    'The mutations. Each takes one `input` and returns the changed object or a `Refusal`. A text is a single line: spaces at its ends ' +
    'are removed and repeated spaces become one; characters that are invisible or change the direction of writing are INVALID. ' +
    'Lengths count characters as people see them (grapheme clusters).',
});
builder.subscriptionType({
  description: 'Live streams of changes in a school. Pass the last `cursor` received as `after` to continue without gaps or repeats.',
});

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Descriptions of fields and arguments that several types have. */
export const descriptions = {
  idempotencyKey:
    'A key that makes the mutation safe to repeat: 1 to 100 characters of your choice, kept for 24 hours. The same key with the same input ' +
    'returns the same object as the first request. CONFLICT if the input differs, or if that object has been archived, ended or revoked since.',
  asOf: 'Only those in force at this time, including any that have ended since. Default: now.',
  includeArchived: 'Whether to include archived ones. Default: false.',
} as const;

/** Returns the enum value of an action or an event type: CHAT_CREATE for `chat.create`. */
export const enumName = (dottedName: string): string =>
  dottedName
    .replace('.', '_')
    .replace(/[A-Z]/g, (letter) => `_${letter}`)
    .toUpperCase();

/**
 * Returns the row's id in a global ID of this type.
 * @throws INVALID at `path` for any other text.
 */
export function idOf(type: ResourceType, globalId: string, path: string): string {
  const parsed = parseId(globalId);
  if (parsed === null) throw invalid(path, ['Это не идентификатор этого сервера.', 'This is not an id of this server.']);
  if (parsed.thing !== type) throw invalid(path, [`Здесь нужен идентификатор типа ${type}.`, `An id of type ${type} is needed here.`]);
  return parsed.id;
}

/** As `idOf`; returns null for an omitted id. */
export const optionalIdOf = (type: ResourceType, globalId: string | null | undefined, path: string): string | null =>
  globalId === null || globalId === undefined ? null : idOf(type, globalId, path);

/** Returns the type and the row's id in a global ID; null for any other text. */
export function parseId(globalId: string): { thing: ResourceType; id: string } | null {
  try {
    const { typename, id } = decodeGlobalID(globalId);
    return uuid.test(id) && isResourceType(typename) && encode(typename, id) === globalId ? { thing: typename, id } : null;
  } catch {
    return null;
  }
}

/** Encodes a global ID as the relay plugin does. */
const encode = (typename: string, id: string): string => btoa(`${typename}:${id}`);

export const globalId = (type: ResourceType, id: string): string => encode(type, id);

/** Returns the object with a global ID; null for an unknown or malformed ID. */
async function nodeOf({ loaders }: GraphContext, globalId: string): Promise<object | null> {
  const parsed = parseId(globalId);
  if (parsed === null) return null;
  const row = await loaders.byId(parsed.thing, parsed.id);
  brandWithType(row, parsed.thing as never);
  return row;
}

builder.queryField('node', (t) =>
  t.field({
    type: builder.nodeInterfaceRef(),
    nullable: true,
    description: 'The object with this global ID; null if there is none or you may not see it.',
    args: { id: t.arg.id({ required: true, description: 'The global ID, as an `id` field returned it.' }) },
    resolve: (_root, { id }, ctx) => nodeOf(ctx, id),
  }),
);

builder.queryField('nodes', (t) =>
  t.field({
    type: [builder.nodeInterfaceRef()],
    nullable: { list: false, items: true },
    description: 'The objects with these global IDs, in the same order; null in place of each that does not exist or that you may not see.',
    args: { ids: t.arg.idList({ required: true, description: 'Global IDs, at most 100.' }) },
    resolve: (_root, { ids }, ctx) => Promise.all(ids.map((id) => nodeOf(ctx, id))),
  }),
);

export const RefusalCode = builder.enumType('RefusalCode', {
  description: 'Why a change was refused. The codes are stable, so clients may branch on them.',
  values: {
    INVALID: { description: 'A value of the input is wrong; `path` names it.' },
    NOT_FOUND: { description: 'The object does not exist, or you may not see it.' },
    FORBIDDEN: { description: 'You may see the object, but your roles do not allow this; `clause` cites the rule.' },
    CONFLICT: { description: 'The current state does not allow it: for example, the class is archived, or the link has expired.' },
    RATE_LIMITED: { description: 'Too many attempts. Retry after `retryAfter` seconds.' },
    UNAUTHENTICATED: { description: 'You are not signed in.' },
    UNAVAILABLE: {
      description:
        'The database or another dependency of the server does not respond. Retry after `retryAfter` seconds, with the same `idempotencyKey` if you sent one: the change may have been saved.',
    },
  } as const,
});

/** Wraps a refusal that a resolver returns: graphql-js throws a returned Error. */
interface Refused {
  refusal: Refusal;
}

const RefusalRef = builder
  .objectRef<Refused>('Refusal')
  .implement({
    description:
      'A refused change and its reason. Nothing was saved, unless `code` is UNAVAILABLE and `message` says that the outcome is unknown.',
    fields: (t) => ({
      code: t.field({ type: RefusalCode, description: 'The reason, for programs.', resolve: ({ refusal }) => refusal.code }),
      message: t.string({
        description: 'The reason, for people: in Russian, or in English if Accept-Language prefers it.',
        resolve: ({ refusal }, _args, ctx) => refusal.say(ctx.language),
      }),
      path: t.stringList({
        nullable: true,
        description: 'The path of the input field at fault, outermost name first; null if the refusal is not about one field.',
        resolve: ({ refusal }) => (refusal.at === undefined ? null : [...refusal.at]),
      }),
      clause: t.string({
        nullable: true,
        description: "The clause of the school's regulation that decided, such as 2.5 a; null if the reason is not a clause.",
        resolve: ({ refusal }) => refusal.clause ?? null,
      }),
      retryAfter: t.int({
        nullable: true,
        description: 'Whole seconds to wait before a retry, at least 1; null unless `code` is RATE_LIMITED or UNAVAILABLE.',
        resolve: ({ refusal }) => refusal.retryAfterSeconds ?? null,
      }),
    }),
  });

/**
 * Adds the mutation `name(input: NameInput!): NameResult!`, with `union NameResult = Row | Refusal`.
 * @param options `run` parses the input, calls one operation and returns its row. A Refusal that it throws becomes the
 *   result, and a transient error becomes UNAVAILABLE.
 */
export function mutation<Row extends object, Input>(
  name: string,
  options: {
    description: string;
    returns: ObjectRef<SchemaTypesOf, Row>;
    input: InputRef<Input>;
    run: (ctx: GraphContext, input: Input) => Promise<Row>;
  },
): void {
  const Name = name[0]!.toUpperCase() + name.slice(1);
  const Result = builder.unionType(`${Name}Result`, {
    description: `The result of \`${name}\`: the object after the change, or a \`Refusal\`.`,
    types: [options.returns, RefusalRef],
    resolveType: (value: unknown) => ((value as Partial<Refused>).refusal instanceof Refusal ? RefusalRef : options.returns),
  });
  builder.mutationField(name, (t) =>
    t.field({
      type: Result,
      description: options.description,
      args: { input: t.arg({ type: options.input, required: true, description: "The mutation's input." }) },
      resolve: (async (_root: unknown, args: { input: Input }, ctx: GraphContext) => {
        try {
          return await options.run(ctx, args.input);
        } catch (error) {
          const refusal = refusalOf(error);
          if (refusal === undefined) throw error;
          if (refusal.code === 'UNAVAILABLE') ctx.log.warn({ err: error, requestId: ctx.requestId }, 'unavailable');
          return { refusal } satisfies Refused;
        }
        // Pothos cannot infer the generic input; the types of `input` and `run` in `options` are checked instead.
      }) as never,
    }),
  );
}

type SchemaTypesOf = typeof builder extends PothosSchemaTypes.SchemaBuilder<infer Types> ? Types : never;
