import { Kind, OperationTypeNode, type DocumentNode, type OperationDefinitionNode, type ValueNode } from 'graphql';
import type { PrefetchTargets } from '../../domain/loaders.ts';
import { parseId } from '../../graphql/builder.ts';
import { schema } from '../../graphql/schema.ts';
import { selectedFields } from './selection.ts';
import { selectsAsOf } from '../live/subscription-execution.ts';

/** Number of `node` fields that are prefetched for one operation; further ones are loaded during execution. */
const maxPrefetched = 10;

/**
 * Returns the resources that a query selects at its root with `node` and `viewer`, which can be loaded before the actor
 * is known. Returns undefined if there are none, or if the operation selects `asOf`: then the cursors of the event logs
 * must be read before any row.
 */
export function prefetchTargets(
  document: DocumentNode,
  { operation, selectionSet: { selections } }: OperationDefinitionNode,
  variables: Record<string, unknown> | null | undefined,
): PrefetchTargets | undefined {
  if (operation !== OperationTypeNode.QUERY || selectsAsOf(document)) return undefined;
  const resources: PrefetchTargets['resources'][number][] = [];
  let viewer = false;
  for (const selection of selections) {
    // Skips fields with directives, which may leave them out.
    if (selection.kind !== Kind.FIELD || (selection.directives ?? []).length > 0) continue;
    if (selection.name.value === 'viewer') viewer = true;
    if (selection.name.value !== 'node' || resources.length === maxPrefetched) continue;
    const id = stringValue(selection.arguments?.[0]?.value, variables);
    const resource = id === undefined ? null : parseId(id);
    if (resource !== null) resources.push(resource);
  }
  return viewer || resources.length > 0 ? { resources, viewer, selection: selectedFields(schema, document) } : undefined;
}

/** Returns the string of a literal or of a variable; undefined for any other value. */
function stringValue(value: ValueNode | undefined, variables: Record<string, unknown> | null | undefined): string | undefined {
  if (value?.kind === Kind.STRING) return value.value;
  const variable = value?.kind === Kind.VARIABLE ? variables?.[value.name.value] : undefined;
  return typeof variable === 'string' ? variable : undefined;
}
