import DataLoader from 'dataloader';
import type { Actor } from '../policy/actor.ts';
import { can } from '../policy/can.ts';
import type { Filter } from '../policy/scopes.ts';
import type { Database } from '../db/client.ts';
import { batchPerTick } from '../reader/batching.ts';
import type { Order } from '../reader/keyset.ts';
import { findRows, type SelectOptions } from '../reader/select.ts';
import type { ResourceType, Resources, User } from './entities.ts';
import { isReadable, loadFacts, readable, resources, resourceTypes, type FactsContext } from './resources.ts';

/** Loads rows by id, in one statement per type and turn of the event loop, with the columns of the selected fields. */

type Row = { id: string };
type LoadById<T> = (id: string) => Promise<T | null>;

/** Returns the rows with these ids that match the filter, in the order of the ids; null for an id without such a row. */
async function findByIds<T extends Row>(
  db: Database,
  type: ResourceType,
  ids: readonly string[],
  { filter = {}, ...options }: Pick<SelectOptions, 'columns' | 'asViews'> & { filter?: Filter },
): Promise<(T | null)[]> {
  const rows = await findRows<T>(db, type, { where: { AND: [{ id: { in: ids } }, filter] }, ...options });
  const found = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => found.get(id) ?? null);
}

/**
 * Loads rows by id for all requests of a process, for any actor: one statement per type and turn of the event loop. Caches
 * nothing beyond the turn. The caller decides whether its actor may read a row.
 */
export class BatchedRows {
  readonly db: Database;
  readonly #byType: ReadonlyMap<ResourceType, LoadById<Row>>;
  /** Loaders of users, by the columns that they read. */
  readonly #users = new WeakMap<ReadonlySet<string>, LoadById<User>>();
  readonly #wholeUsers: LoadById<User>;

  constructor(db: Database) {
    this.db = db;
    const types = resourceTypes.filter((type) => resources[type].isBatched);
    this.#byType = new Map(types.map((type) => [type, this.#loaderOf(type)]));
    this.#wholeUsers = this.#loaderOf('User');
  }

  /** Loads a row. The type must have `isBatched: true` in src/domain/resources.ts. */
  load(type: ResourceType, id: string): Promise<Row | null> {
    return this.#byType.get(type)!(id);
  }

  /**
   * @param columns the columns to read; undefined reads all. All requests with the same GraphQL document pass the same Set
   *   object, so that one statement reads their users: each Set object has its own statement.
   */
  loadUser(id: string, columns?: ReadonlySet<string>): Promise<User | null> {
    if (columns === undefined) return this.#wholeUsers(id);
    let load = this.#users.get(columns);
    if (load === undefined) this.#users.set(columns, (load = this.#loaderOf('User', columns)));
    return load(id);
  }

  #loaderOf<T extends Row>(type: ResourceType, columns?: ReadonlySet<string>): LoadById<T> {
    return batchPerTick((ids) => findByIds<T>(this.db, type, ids, { columns, asViews: true }));
  }
}

/** The fields that an operation selects at any depth, by their GraphQL type, and the columns that these fields need. */
export class SelectedFields {
  /** Whether the operation selects the cursor of any row. */
  readonly selectsCursor: boolean;
  readonly #fields: ReadonlyMap<string, ReadonlySet<string>>;
  /** The results of `columnsOf`. All requests with the same GraphQL document use this cache. */
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
   * Returns the columns for the rows of a list: those that the selected fields need, and the columns of the cursor if the
   * operation selects a cursor. Unlike `columnsOf`, adds `id` only if there would be no column at all.
   * @param joinedField a field whose row the same statement reads: it needs no column.
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

  /** Returns the columns that the selected fields need, except `joinedField`. */
  #selectedColumns(type: ResourceType, joinedField?: string): string[] {
    const fields = [...(this.#fields.get(type) ?? [])].filter((field) => field !== '__typename' && field !== joinedField);
    return fields.flatMap((field) => resources[type].fieldDependencies?.[field] ?? [field]);
  }
}

/**
 * Loads rows by id for one actor: only rows that the actor may read. Loaders live as long as one request or one delivered
 * event. If they lived as long as a subscription, they would return outdated rows, and rows that the actor may no longer
 * read.
 */
export interface Loaders {
  byId<T extends ResourceType>(type: T, id: string): Promise<Resources[T] | null>;
  /** Loads the actor's own row, which needs no right. */
  ownRow(userId: string): Promise<User | null>;
  /** Loads a value for a parent. `batch` loads the values of many parents with the same `key` in one statement. */
  of<T>(key: string, parentId: string, batch: (parentIds: readonly string[]) => Promise<Map<string, T>>): Promise<T | null>;
  /** The queries of child lists (src/domain/connection.ts), by the list and its arguments. */
  readonly childQueries: Map<string, unknown>;
  /** The fields that the query selects: loaders read only the columns of these fields. Undefined: loaders read whole rows. */
  readonly selection: SelectedFields | undefined;
}

export function createLoaders(rows: BatchedRows, actor: Actor, selection?: SelectedFields): Loaders {
  const batchedRows = new Map<string, Promise<Row | null>>();
  const byType = new Map<ResourceType, DataLoader<string, Row | null>>();
  const byKey = new Map<string, DataLoader<string, unknown>>();

  const loadBatched = <T extends ResourceType>(type: T, id: string): Promise<Row | null> => {
    const key = `${type} ${id}`;
    let row = batchedRows.get(key);
    if (row === undefined) {
      row = rows.load(type, id).then((found) => (found !== null && isReadable(actor, type, found as Resources[T]) ? found : null));
      batchedRows.set(key, row);
    }
    return row;
  };

  const loaderOf = (type: ResourceType): DataLoader<string, Row | null> => {
    let loader = byType.get(type);
    if (loader === undefined) {
      const options = { columns: selection?.columnsOf(type), asViews: selection !== undefined };
      loader = new DataLoader((ids) => findByIds(rows.db, type, ids, { ...options, filter: readable(actor, type) }));
      byType.set(type, loader);
    }
    return loader;
  };

  return {
    selection,
    childQueries: new Map(),
    byId: (type, id) => (resources[type].isBatched ? loadBatched(type, id) : loaderOf(type).load(id)) as never,
    ownRow: (userId) => rows.loadUser(userId, selection?.columnsOf('User')),
    of: <T>(key: string, parentId: string, batch: (ids: readonly string[]) => Promise<Map<string, T>>) => {
      let loader = byKey.get(key);
      if (loader === undefined) {
        loader = new DataLoader(async (ids: readonly string[]) => {
          const found = await batch(ids);
          return ids.map((id) => found.get(id) ?? null);
        });
        byKey.set(key, loader);
      }
      return loader.load(parentId) as Promise<T | null>;
    },
  };
}

/** A row, and which actors may read it. */
export interface Visibility {
  resourceType: ResourceType;
  row: Resources[ResourceType] | null;
  isVisibleTo(actor: Actor): boolean;
}

/**
 * Reads a row and its facts once, so that `isVisibleTo` can decide for many actors without a statement.
 * @param ctx a context whose own actor may read every row.
 */
export async function visibilityOf(ctx: FactsContext, thing: ResourceType, id: string): Promise<Visibility> {
  const action = resources[thing].read;
  const row = await ctx.loaders.byId(thing, id);
  const facts = row && (await loadFacts(ctx, action, thing, row));
  return { resourceType: thing, row, isVisibleTo: (actor) => facts !== null && can(actor, action, facts as never) };
}
