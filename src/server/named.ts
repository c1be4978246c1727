import { Kind, OperationTypeNode, type DocumentNode, type OperationDefinitionNode, type ValueNode } from 'graphql';
import type { Named } from '../domain/loaders.ts';
import { parseId } from '../graphql/builder.ts';
import { schema } from '../graphql/schema.ts';
import { askedOf } from './execution.ts';
import { asksAsOf } from './live.ts';

/** Things of one operation that are asked for ahead; those after them are read in their turn. */
const most = 10;

/**
 * What a query names at its root, by `node` and `viewer`: it may be asked for before it is known who asks. Undefined where there
 * is nothing, and where the operation asks `asOf`: the logs' cursors have to be read before any row.
 */
export function namedIn(
  document: DocumentNode, { operation, selectionSet: { selections } }: OperationDefinitionNode, variables: Record<string, unknown> | null | undefined,
): Named | undefined {
  if (operation !== OperationTypeNode.QUERY || asksAsOf(document)) return undefined;
  const things: Named['things'][number][] = [];
  let viewer = false;
  for (const selection of selections) {
    // What a directive leaves out is not asked for.
    if (selection.kind !== Kind.FIELD || (selection.directives ?? []).length > 0) continue;
    if (selection.name.value === 'viewer') viewer = true;
    if (selection.name.value !== 'node' || things.length === most) continue;
    const id = textOf(selection.arguments?.[0]?.value, variables);
    const thing = id === undefined ? null : parseId(id);
    if (thing !== null) things.push(thing);
  }
  return viewer || things.length > 0 ? { things, viewer, asked: askedOf(schema, document) } : undefined;
}

/** A text that is written there, or that a variable is. */
function textOf(value: ValueNode | undefined, variables: Record<string, unknown> | null | undefined): string | undefined {
  if (value?.kind === Kind.STRING) return value.value;
  const given = value?.kind === Kind.VARIABLE ? variables?.[value.name.value] : undefined;
  return typeof given === 'string' ? given : undefined;
}
