import type { Order } from '../db/pagination.ts';
import type { ResourceType } from './entities.ts';
import { resources } from './resources.ts';

/** The fields that an operation asks for anywhere, by their type in the schema. */
export type SelectedFields = ReadonlyMap<string, ReadonlySet<string>>;

const known = new WeakMap<SelectedFields, Map<ResourceType, ReadonlySet<string> | undefined>>();

/** The columns that an operation needs of a thing; undefined for all of them, as where it is not known what is asked. */
export function columnsOf(asked: SelectedFields | undefined, thing: ResourceType): ReadonlySet<string> | undefined {
  if (asked === undefined) return undefined;
  let sets = known.get(asked);
  if (sets === undefined) known.set(asked, (sets = new Map()));
  if (!sets.has(thing)) sets.set(thing, requiredColumns(asked, thing));
  return sets.get(thing);
}

function requiredColumns(asked: SelectedFields, thing: ResourceType): ReadonlySet<string> | undefined {
  // A right is decided by more of a row than is shown.
  if (resources[thing].fieldDependencies === undefined || asked.get('Query')?.has('viewerCan')) return undefined;
  return new Set(['id', ...selectedColumns(asked, thing)]);
}

/** What the fields that are asked for are made of, but for one. */
function selectedColumns(asked: SelectedFields, thing: ResourceType, brought?: string): string[] {
  const fields = [...(asked.get(thing) ?? [])].filter((field) => field !== '__typename' && field !== brought);
  return fields.flatMap((field) => resources[thing].fieldDependencies?.[field] ?? [field]);
}

/** Does it ask for the cursor of any row? */
export const selectsCursor = (asked: SelectedFields | undefined): boolean =>
  asked === undefined ||
  [...asked].some(([type, fields]) => fields.has('cursor') || (type === 'PageInfo' && (fields.has('startCursor') || fields.has('endCursor'))));

/**
 * Of the rows of a list: as `columnsOf`, with those that the cursors are made of; without the id where nothing asks for
 * it, and without what a field is made of that is brought along.
 */
export function columnsOfPage(asked: SelectedFields | undefined, thing: ResourceType, { keys }: Order, brought?: string): ReadonlySet<string> | undefined {
  if (asked === undefined || columnsOf(asked, thing) === undefined) return undefined;
  const own = selectsCursor(asked) ? keys.map(({ field }) => field).filter((field) => !field.includes('.')) : [];
  const columns = new Set([...selectedColumns(asked, thing, brought), ...own]);
  return columns.size > 0 || brought !== undefined ? columns : new Set(['id']);
}
