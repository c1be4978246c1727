import type { Order } from '../db/pagination.ts';
import type { ResourceType } from './entities.ts';
import { resources } from './resources.ts';

/** The fields that an operation selects anywhere, by their type in the schema, and the columns that these fields need. */
export class SelectedFields {
  /** Whether the operation selects the cursor of any row. */
  readonly selectsCursor: boolean;
  readonly #fields: ReadonlyMap<string, ReadonlySet<string>>;
  /** Caches `columnsOf` for all requests with the document. */
  readonly #columns = new Map<ResourceType, ReadonlySet<string> | undefined>();

  constructor(fields: ReadonlyMap<string, ReadonlySet<string>>) {
    this.#fields = fields;
    this.selectsCursor =
      [...fields.values()].some((names) => names.has('cursor')) || this.has('PageInfo', 'startCursor') || this.has('PageInfo', 'endCursor');
  }

  has(type: string, field: string): boolean {
    return this.#fields.get(type)?.has(field) === true;
  }

  /** Returns the columns of a type that the operation needs; undefined for all columns. */
  columnsOf(type: ResourceType): ReadonlySet<string> | undefined {
    if (!this.#columns.has(type)) this.#columns.set(type, this.#requiredColumns(type));
    return this.#columns.get(type);
  }

  /**
   * Returns `columnsOf` for the rows of a list: with the columns of the cursors, without an id that is not selected, and
   * without the columns of the joined field.
   */
  columnsOfPage(type: ResourceType, { keys }: Order, joinedField?: string): ReadonlySet<string> | undefined {
    if (this.columnsOf(type) === undefined) return undefined;
    const ofCursor = this.selectsCursor ? keys.map(({ field }) => field).filter((field) => !field.includes('.')) : [];
    const columns = new Set([...this.#selectedColumns(type, joinedField), ...ofCursor]);
    return columns.size > 0 || joinedField !== undefined ? columns : new Set(['id']);
  }

  #requiredColumns(type: ResourceType): ReadonlySet<string> | undefined {
    // `viewerCan` decides by columns that no field selects.
    if (resources[type].fieldDependencies === undefined || this.has('Query', 'viewerCan')) return undefined;
    return new Set(['id', ...this.#selectedColumns(type)]);
  }

  /** Returns the columns of the selected fields, except those of the joined field. */
  #selectedColumns(type: ResourceType, joinedField?: string): string[] {
    const fields = [...(this.#fields.get(type) ?? [])].filter((field) => field !== '__typename' && field !== joinedField);
    return fields.flatMap((field) => resources[type].fieldDependencies?.[field] ?? [field]);
  }
}
