import DataLoader from 'dataloader';
import type { Actor } from '../policy/actor.ts';
import type { Filter } from '../policy/scopes.ts';
import type { Database } from '../db/client.ts';
import { findRows, type SelectOptions } from '../reader/select.ts';
import { batchPerTick } from '../reader/batching.ts';
import type { SelectedFields } from './selected-columns.ts';
import type { ResourceType, Resources, User } from './entities.ts';
import { isReadable, readable, resources, resourceTypes } from './resources.ts';

/** Loads rows by id, in one statement per type and turn of the event loop. */

type Row = { id: string };
type LoadById<T> = (id: string) => Promise<T | null>;

/** Returns the rows with these ids that match the filter, in the order of the ids; null for the others. */
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

  /** Loads a row of a type with `isBatched`. */
  load(type: ResourceType, id: string): Promise<Row | null> {
    return this.#byType.get(type)!(id);
  }

  /** @param columns all if undefined; the same set for the same document, since each set has its own statement. */
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

/**
 * Loads rows by id for one actor, and only those that the actor may read. Loaders live as long as one request or one
 * delivered event. Kept for a whole subscription, they would return outdated rows, and rows that the actor may no longer
 * read.
 */
export interface Loaders {
  byId<T extends ResourceType>(type: T, id: string): Promise<Resources[T] | null>;
  /** Loads the actor's own row, which needs no right. */
  ownRow(userId: string): Promise<User | null>;
  /** Loads a value for a parent. `batch` loads those of many parents with the same `key` in one statement. */
  of<T>(key: string, parentId: string, batch: (parentIds: readonly string[]) => Promise<Map<string, T>>): Promise<T | null>;
  /** The queries of child lists, by the list and the values of its arguments (src/domain/connection.ts). */
  readonly childQueries: Map<string, unknown>;
  /** The selected fields of a query, whose columns alone are read; undefined reads whole rows. */
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
