import { brandWithType, type FieldMap, type ObjectRef } from '@pothos/core';
import type { Parent } from '../domain/resource.ts';
import { isResourceType, resources, type ParentField, type Resources, type ResourceType } from '../domain/resources.ts';
import { builder, refs, type BuilderTypes } from './builder.ts';
import { implementConnection } from './connection.ts';
import type { GraphContext } from './context.ts';
import { parseId } from './typed-id.ts';

interface NodeOptions<T extends ResourceType> {
  description: string;
  /**
   * The plural of the type, such as `classes`. If set, `node` adds the page type that `connection` returns, with this word in
   * its description.
   */
  plural?: string;
  fields: (t: PothosSchemaTypes.ObjectFieldBuilder<BuilderTypes, Resources[T]>) => FieldMap;
}

/**
 * `node` adds a field for each parent of a row, such as `school`; src/domain/resources.ts lists the parents. This type holds
 * the descriptions of these fields. Such a field is null if the viewer may not see the parent.
 */
type ParentDescriptions<T extends ResourceType> = [ParentField<T>] extends [never]
  ? { parents?: undefined }
  : { parents: Readonly<Record<ParentField<T>, string>> };

/**
 * Adds the object type of a resource, with its global ID and a field for each of its parents.
 * @throws Error if src/domain/resources.ts lacks the type. Without this check a later error would not name the type.
 */
export function node<T extends ResourceType>(type: T, options: NodeOptions<T> & ParentDescriptions<T>): void {
  if (!isResourceType(type)) throw new Error(`The type ${String(type)} is not in src/domain/resources.ts: add it to the table there.`);
  const { description, plural, fields, parents = {} } = options;
  const ref: ObjectRef<BuilderTypes, { id: string }> = refs[type];
  builder.node(ref, {
    description,
    id: { resolve: (row) => row.id },
    fields: (t) => ({
      ...fields(t as never),
      ...Object.fromEntries(
        Object.entries<string>(parents).map(([field, parentDescription]) => {
          const parent = resources[type].parents[field]!;
          return [
            field,
            t.field({
              type: refs[parent.type as ResourceType],
              nullable: true,
              description: parentDescription,
              resolve: resolveParent(parent) as never,
            }),
          ];
        }),
      ),
    }),
  });
  if (plural !== undefined) implementConnection(type, plural);
}

type Row = Readonly<Record<string, string | null>> & { joined?: object | null };
type ResolveParent = (row: Row, args: object, ctx: GraphContext) => Promise<object | null> | object | null;

function resolveParent({ type, column, isJoined }: Parent): ResolveParent {
  const load = loadBy(type as ResourceType, column) as ResolveParent;
  return isJoined ? (row, args, ctx) => (row.joined === undefined ? load(row, args, ctx) : row.joined) : load;
}

/** Returns a resolver that loads the resource whose id is in a column of the row; null for an empty column. */
export const loadBy =
  <T extends ResourceType, Column extends string>(type: T, column: Column) =>
  (row: Readonly<Record<Column, string | null | undefined>>, _args: object, ctx: GraphContext): Promise<Resources[T] | null> | null => {
    const id = row[column];
    return id === null || id === undefined ? null : ctx.loaders.byId(type, id);
  };

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
    description: 'The object with this global ID; null for an unknown or malformed ID, and for an object that you may not see.',
    args: { id: t.arg.id({ required: true, description: 'The global ID, as an `id` field returned it.' }) },
    resolve: (_root, { id }, ctx) => nodeOf(ctx, id),
  }),
);

builder.queryField('nodes', (t) =>
  t.field({
    type: [builder.nodeInterfaceRef()],
    nullable: { list: false, items: true },
    description:
      'The objects with these global IDs, in the same order; null in place of an unknown or malformed ID, and of an object that you may not see.',
    args: {
      ids: t.arg.idList({
        required: true,
        description: 'The global IDs, at most 100; the whole request fails with LIST_TOO_LONG for more.',
      }),
    },
    resolve: (_root, { ids }, ctx) => Promise.all(ids.map((id) => nodeOf(ctx, id))),
  }),
);
