import type { Order } from '../db/pagination.ts';
import type { ResourceType } from './entities.ts';
import { resources } from './resources.ts';

/** The fields that an operation selects anywhere, by their type in the schema. */
export type SelectedFields = ReadonlyMap<string, ReadonlySet<string>>;

const known = new WeakMap<SelectedFields, Map<ResourceType, ReadonlySet<string> | undefined>>();

/** Returns the columns of a type that an operation needs; undefined for all columns. */
export function columnsOf(asked: SelectedFields | undefined, thing: ResourceType): ReadonlySet<string> | undefined {
  if (asked === undefined) return undefined;
  let sets = known.get(asked);
  if (sets === undefined) known.set(asked, (sets = new Map()));
  if (!sets.has(thing)) sets.set(thing, requiredColumns(asked, thing));
  return sets.get(thing);
}

function requiredColumns(asked: SelectedFields, thing: ResourceType): ReadonlySet<string> | undefined {
  // `viewerCan` decides by columns that no field selects.
  if (resources[thing].fieldDependencies === undefined || asked.get('Query')?.has('viewerCan')) return undefined;
  return new Set(['id', ...selectedColumns(asked, thing)]);
}

/** Returns the columns of the selected fields, except those of the joined field. */
function selectedColumns(asked: SelectedFields, thing: ResourceType, brought?: string): string[] {
  const fields = [...(asked.get(thing) ?? [])].filter((field) => field !== '__typename' && field !== brought);
  return fields.flatMap((field) => resources[thing].fieldDependencies?.[field] ?? [field]);
}

/** Returns whether an operation selects the cursor of any row. */
export const selectsCursor = (asked: SelectedFields | undefined): boolean =>
  asked === undefined ||
  [...asked].some(
    ([type, fields]) => fields.has('cursor') || (type === 'PageInfo' && (fields.has('startCursor') || fields.has('endCursor'))),
  );

/**
 * Returns `columnsOf` for the rows of a list: with the columns of the cursors, without an id that is not selected, and
 * without the columns of the joined field.
 */
export function columnsOfPage(
  asked: SelectedFields | undefined,
  thing: ResourceType,
  { keys }: Order,
  brought?: string,
): ReadonlySet<string> | undefined {
  if (asked === undefined || columnsOf(asked, thing) === undefined) return undefined;
  const own = selectsCursor(asked) ? keys.map(({ field }) => field).filter((field) => !field.includes('.')) : [];
  const columns = new Set([...selectedColumns(asked, thing, brought), ...own]);
  return columns.size > 0 || brought !== undefined ? columns : new Set(['id']);
}
