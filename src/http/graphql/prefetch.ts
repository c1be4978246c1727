import { Kind, OperationTypeNode, type DocumentNode, type OperationDefinitionNode, type ValueNode } from 'graphql';
import type { PrefetchTargets } from '../../domain/loaders.ts';
import { parseId } from '../../graphql/builder.ts';
import { schema } from '../../graphql/schema.ts';
import { selectedFields } from './selection.ts';
import { asksAsOf } from '../live/subscription-execution.ts';

/** Things of one operation that are asked for ahead; those after them are read in their turn. */
const maxPrefetched = 10;

/**
 * What a query names at its root, by `node` and `viewer`: it may be asked for before it is known who asks. Undefined where there
 * is nothing, and where the operation asks `asOf`: the logs' cursors have to be read before any row.
 */
export function prefetchTargets(
  document: DocumentNode, { operation, selectionSet: { selections } }: OperationDefinitionNode, variables: Record<string, unknown> | null | undefined,
): PrefetchTargets | undefined {
  if (operation !== OperationTypeNode.QUERY || asksAsOf(document)) return undefined;
  const resources: PrefetchTargets['resources'][number][] = [];
  let viewer = false;
  for (const selection of selections) {
    // What a directive leaves out is not asked for.
    if (selection.kind !== Kind.FIELD || (selection.directives ?? []).length > 0) continue;
    if (selection.name.value === 'viewer') viewer = true;
    if (selection.name.value !== 'node' || resources.length === maxPrefetched) continue;
    const id = textOf(selection.arguments?.[0]?.value, variables);
    const thing = id === undefined ? null : parseId(id);
    if (thing !== null) resources.push(thing);
  }
  return viewer || resources.length > 0 ? { resources, viewer, selection: selectedFields(schema, document) } : undefined;
}

/** A text that is written there, or that a variable is. */
function textOf(value: ValueNode | undefined, variables: Record<string, unknown> | null | undefined): string | undefined {
  if (value?.kind === Kind.STRING) return value.value;
  const given = value?.kind === Kind.VARIABLE ? variables?.[value.name.value] : undefined;
  return typeof given === 'string' ? given : undefined;
}
