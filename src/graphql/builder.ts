import SchemaBuilder, { type ObjectRef } from '@pothos/core';
import RelayPlugin from '@pothos/plugin-relay';
import { resourceTypes, type Resources, type ResourceType } from '../domain/resources.ts';
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
    hasNextPageFieldOptions: {
      description:
        'Whether there are items after this page. With `last`, the server does not check: the value is true if `before` was given.',
    },
    hasPreviousPageFieldOptions: {
      description:
        'Whether there are items before this page. Without `last`, the server does not check: the value is true if `after` was given.',
    },
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
  description:
    'The queries. An object that you may not see causes no error: a list leaves it out, and a field that would return it is null. The description of each type says who may see its objects. A wrong argument is an error whose `extensions` hold a `RefusalCode` as `code`, and the name of the argument in `path`.',
});
builder.mutationType({
  description:
    'The mutations. Each takes one `input` and returns the changed object or a `Refusal`. A text is a single line: spaces at its ends ' +
    'are removed and repeated spaces become one; characters that are invisible or change the direction of writing are INVALID. ' +
    'Lengths count characters as people see them (grapheme clusters).',
});
builder.subscriptionType({
  description:
    'Live streams of changes in a school. After a disconnection, subscribe again with the last `cursor` received as `after`: the stream continues without gaps or repeats. Streams of signals, such as `planProgress`, have no cursor. A refused subscription is an error whose `extensions` hold a `RefusalCode` as `code`: NOT_FOUND if you may not see the school, UNAUTHENTICATED without an access token.',
});

/** Descriptions of fields and arguments that several types have. */
export const descriptions = {
  idempotencyKey:
    'A key that makes the mutation safe to repeat: 1 to 100 characters of your choice, kept for 24 hours. The same key with the same input ' +
    'returns the object that the first request created. CONFLICT if the input differs, or if that object has been archived, ended, revoked or voided since. ' +
    'Default: no key, so that a repeated request may create another object.',
  asOf: 'Returns the list as it was at this time: the items that had started and had not ended. Default: now. This is a time, not a cursor like `School.asOf`.',
  includeArchived: 'Whether to return archived objects too. Default: false.',
} as const;

/** Returns the enum value of an action or an event type: CHAT_CREATE for `chat.create`. */
export const enumName = (dottedName: string): string =>
  dottedName
    .replace('.', '_')
    .replace(/[A-Z]/g, (letter) => `_${letter}`)
    .toUpperCase();

/** The types that Pothos needs in generic signatures. */
export type BuilderTypes = typeof builder extends PothosSchemaTypes.SchemaBuilder<infer Types> ? Types : never;

type Refs = { readonly [T in ResourceType]: ObjectRef<BuilderTypes, Resources[T]> };

/**
 * References to the types that have a global ID, by name. The file of each type in src/graphql implements the type with
 * `node(…)`.
 */
export const refs = Object.fromEntries(resourceTypes.map((type) => [type, builder.objectRef(type)])) as unknown as Refs;
