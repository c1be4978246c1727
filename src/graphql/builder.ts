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
    firstArgOptions: { description: 'How many rows from the start, 1 to 100; 20 when neither `first` nor `last` is given.' },
    lastArgOptions: { description: 'How many rows from the end, 1 to 100.' },
    afterArgOptions: { description: 'The cursor to go on after.' },
    beforeArgOptions: { description: 'The cursor to stop before.' },
    edgesFieldOptions: { description: 'The rows of the page, each with its cursor.', nullable: { list: false, items: false } },
    cursorFieldOptions: { description: 'Opaque; pass it as `after` or `before` to go on from here.' },
    nodeFieldOptions: { description: 'The row itself.', nullable: false },
    pageInfoFieldOptions: { description: 'Where the page stands in the list.' },
    pageInfoTypeOptions: { description: 'Where a page stands in its list.' },
    hasNextPageFieldOptions: { description: 'Whether there are rows after this page.' },
    hasPreviousPageFieldOptions: { description: 'Whether there are rows before this page.' },
    startCursorFieldOptions: { description: 'The cursor of the first row; null on an empty page.' },
    endCursorFieldOptions: { description: 'The cursor of the last row; null on an empty page.' },
    defaultEdgeTypeOptions: { description: 'A row of a page, with its cursor.' },
    idFieldOptions: { description: 'Global id.' },
    nodeTypeOptions: { description: 'A thing that can be asked for again by its global id.' },
    nodeQueryOptions: false,
    nodesQueryOptions: false,
  },
});

builder.queryType({ description: 'Everything that can be read.' });
builder.mutationType({
  description:
    'Everything that can be changed. Each takes one `input` and returns its object or a `Refusal`. Texts are one line: characters ' +
    'that are invisible or change the direction of writing are INVALID, and lengths count characters as people see them.',
});
builder.subscriptionType({
  description: 'What can be followed live. Each item has a `cursor`; pass the last one seen as `after` to go on without a hole or a repeat.',
});

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The row's id in a global id of this type; anything else is INVALID at `path`. */
export function idOf(thing: ResourceType, globalId: string, path: string): string {
  const found = parseId(globalId);
  if (found === null) throw invalid(path, ['Это не идентификатор этого сервера.', 'This is not an id of this server.']);
  if (found.thing !== thing)
    throw invalid(path, [`Здесь нужен идентификатор типа ${thing}.`, `An id of type ${thing} is needed here.`]);
  return found.id;
}

/** As `idOf`, for an id that may be left out. */
export const optionalIdOf = (thing: ResourceType, globalId: string | null | undefined, path: string): string | null =>
  globalId === null || globalId === undefined ? null : idOf(thing, globalId, path);

/** The type and the row's id of any global id; null for what is none. */
export function parseId(globalId: string): { thing: ResourceType; id: string } | null {
  try {
    const { typename, id } = decodeGlobalID(globalId);
    return uuid.test(id) && isResourceType(typename) && encode(typename, id) === globalId ? { thing: typename, id } : null;
  } catch {
    return null;
  }
}

/** As the relay plugin makes it. */
const encode = (typename: string, id: string): string => btoa(`${typename}:${id}`);

export const globalId = (thing: ResourceType, id: string): string => encode(thing, id);

/** What a global id leads to: what is no id of this server to nothing, as the id of a thing that is gone does. */
async function nodeOf({ loaders }: GraphContext, globalId: string): Promise<object | null> {
  const found = parseId(globalId);
  if (found === null) return null;
  const row = await loaders.byId(found.thing, found.id);
  brandWithType(row, found.thing as never);
  return row;
}

builder.queryField('node', (t) =>
  t.field({
    type: builder.nodeInterfaceRef(),
    nullable: true,
    description: 'The thing with this global id, or null when there is none or you may not see it.',
    args: { id: t.arg.id({ required: true, description: 'A global id.' }) },
    resolve: (_root, { id }, ctx) => nodeOf(ctx, id),
  }),
);

builder.queryField('nodes', (t) =>
  t.field({
    type: [builder.nodeInterfaceRef()],
    nullable: { list: false, items: true },
    description: 'The things with these global ids, each null when there is none or you may not see it.',
    args: { ids: t.arg.idList({ required: true, description: 'Global ids, at most 100.' }) },
    resolve: (_root, { ids }, ctx) => Promise.all(ids.map((id) => nodeOf(ctx, id))),
  }),
);

export const RefusalCode = builder.enumType('RefusalCode', {
  description: 'Why a change was refused. Stable: clients may decide by it.',
  values: {
    INVALID: { description: 'A value is wrong; `path` says which.' },
    NOT_FOUND: { description: 'There is no such thing, or you may not see it.' },
    FORBIDDEN: { description: 'You may see it, but your role does not allow this; `clause` says which rule decided.' },
    CONFLICT: { description: 'The state of things does not allow it now.' },
    RATE_LIMITED: { description: 'Too many attempts. Try again after `retryAfter` seconds.' },
    UNAUTHENTICATED: { description: 'Sign in first.' },
    UNAVAILABLE: { description: 'Something that the server needs, such as its database, does not answer now. Try again after `retryAfter` seconds, with the same `idempotencyKey` if you sent one: the change may have been made.' },
  } as const,
});

/** A refusal as a value: graphql throws whatever a resolver returns that is an Error. */
interface Refused {
  refusal: Refusal;
}

const RefusalRef = builder.objectRef<Refused>('Refusal').implement({
  description: 'A change that was not made, and why. Nothing was written, unless `code` is UNAVAILABLE and `message` says that this is unknown.',
  fields: (t) => ({
    code: t.field({ type: RefusalCode, description: 'The reason, for programs.', resolve: ({ refusal }) => refusal.code }),
    message: t.string({
      description: 'The reason, for people: in Russian, or in English where Accept-Language prefers it.',
      resolve: ({ refusal }, _args, ctx) => refusal.say(ctx.language),
    }),
    path: t.stringList({
      nullable: true,
      description: 'The field of the input at fault, from the outside in.',
      resolve: ({ refusal }) => (refusal.at === undefined ? null : [...refusal.at]),
    }),
    clause: t.string({
      nullable: true,
      description: "The clause of the school's regulation that decided.",
      resolve: ({ refusal }) => refusal.clause ?? null,
    }),
    retryAfter: t.int({
      nullable: true,
      description: 'Whole seconds to wait before trying again; set with RATE_LIMITED and UNAVAILABLE.',
      resolve: ({ refusal }) => refusal.retryAfterSeconds ?? null,
    }),
  }),
});

/**
 * A mutation by the one rule: `name(input: NameInput!): NameResult!` with `union NameResult = Thing | Refusal`.
 * @param run parses the input, calls one operation and returns its row; a Refusal it throws becomes the answer, and a
 *   transient failure becomes UNAVAILABLE.
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
    description: `What \`${name}\` answers: the object as it is now, or why not.`,
    types: [options.returns, RefusalRef],
    resolveType: (value: unknown) => ((value as Partial<Refused>).refusal instanceof Refusal ? RefusalRef : options.returns),
  });
  builder.mutationField(name, (t) =>
    t.field({
      type: Result,
      description: options.description,
      args: { input: t.arg({ type: options.input, required: true, description: 'What to do it with.' }) },
      resolve: (async (_root: unknown, args: { input: Input }, ctx: GraphContext) => {
        try {
          return await options.run(ctx, args.input);
        } catch (error) {
          const refusal = refusalOf(error);
          if (refusal === undefined) throw error;
          if (refusal.code === 'UNAVAILABLE') ctx.log.warn({ err: error, requestId: ctx.requestId }, 'unavailable');
          return { refusal } satisfies Refused;
        }
        // Pothos cannot see through the generic input; the pair of `input` and `run` above is checked instead.
      }) as never,
    }),
  );
}

type SchemaTypesOf = typeof builder extends PothosSchemaTypes.SchemaBuilder<infer Types> ? Types : never;
