import type { Order } from '../db/pagination.ts';
import type { ResourceType } from './entities.ts';

/** The fields that an operation asks for anywhere, by their type in the schema. */
export type SelectedFields = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * For the things that come by the hundred: what their fields are made of, where that is not the column of the same
 * name. test/domain/selected-columns.test.ts holds that no field is left out, and that each is the same alone as with all others.
 */
const fieldDependencies: Partial<Record<ResourceType, Readonly<Record<string, readonly string[]>>>> = {
  User: {
    fullName: ['surname', 'givenName', 'patronymic'],
    shortName: ['surname', 'givenName', 'patronymic'],
    // Read by the person's id alone.
    ...Object.fromEntries(['contact', 'assignments', 'enrolment', 'enrolments', 'heldInvitations', 'roles', 'sessions'].map((field) => [field, ['id']])),
  },
  Enrolment: { student: ['studentId'], class: ['classId'] },
  ChatMember: { chat: ['chatId'], user: ['userId'], addedBy: ['addedById'] },
};

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
  if (fieldDependencies[thing] === undefined || asked.get('Query')?.has('viewerCan')) return undefined;
  return new Set(['id', ...selectedColumns(asked, thing)]);
}

/** What the fields that are asked for are made of, but for one. */
function selectedColumns(asked: SelectedFields, thing: ResourceType, brought?: string): string[] {
  const fields = [...(asked.get(thing) ?? [])].filter((field) => field !== '__typename' && field !== brought);
  return fields.flatMap((field) => fieldDependencies[thing]?.[field] ?? [field]);
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
