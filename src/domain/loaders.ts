import DataLoader from 'dataloader';
import type { Actor } from '../policy/actor.ts';
import type { Filter } from '../policy/scopes.ts';
import type { Database } from '../db/client.ts';
import { findRows, type SelectOptions } from '../reader/select.ts';
import { batchPerTick } from '../reader/batching.ts';
import { columnsOf, type SelectedFields } from './selected-columns.ts';
import type { ResourceType, Resources, User } from './entities.ts';
import { isReadable, readable, resources, resourceTypes } from './resources.ts';

/**
 * Loads rows by id, in one statement per type and tick, and only those that the actor may read. Loaders live as long as
 * one request or one delivered event, never as long as a subscription, which would return stale rows by lost rights.
 */
export interface Loaders {
  byId<N extends ResourceType>(thing: N, id: string): Promise<Resources[N] | null>;
  /** Loads a value for a parent. `batch` loads those of many parents with the same `key` in one statement. */
  of<T>(key: string, parentId: string, batch: (parentIds: readonly string[]) => Promise<Map<string, T>>): Promise<T | null>;
  /** The queries of child lists, by the arguments of their field, which are the same object for every parent. */
  childQueries: WeakMap<object, unknown>;
  /** The selected fields of each type. Once set, other columns are not read. */
  selection: SelectedFields | undefined;
}

/** Returns the rows with these ids that match the filter, in the order of the ids; null for the others. */
async function rowsOf<T extends { id: string }>(
  db: Database,
  thing: ResourceType,
  ids: readonly string[],
  passing: Filter,
  how: Pick<SelectOptions, 'columns' | 'asViews'>,
): Promise<(T | null)[]> {
  const rows = await findRows<T>(db, thing, { where: { AND: [{ id: { in: ids } }, passing] }, ...how });
  const found = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => found.get(id) ?? null);
}

type ById<T> = (id: string) => Promise<T | null>;

const rowsById = <T extends { id: string }>(db: Database, thing: ResourceType, columns?: ReadonlySet<string>): ById<T> =>
  batchPerTick((ids) => rowsOf<T>(db, thing, ids, {}, { columns, asViews: true }));

interface Batchers {
  things: Map<ResourceType, ById<{ id: string }>>;
  people: WeakMap<ReadonlySet<string>, ById<User>>;
}

const batchers = new WeakMap<Database, Batchers>();

function batchersOf(db: Database): Batchers {
  let known = batchers.get(db);
  if (known === undefined) {
    const things = resourceTypes.filter((type) => resources[type].isBatched).map((thing) => [thing, rowsById(db, thing)] as const);
    batchers.set(db, (known = { things: new Map(things), people: new WeakMap() }));
  }
  return known;
}

const every: ReadonlySet<string> = new Set();

/** Returns the actor's own row, which needs no right. */
export function ownRow(db: Database, userId: string, columns: ReadonlySet<string> = every): Promise<User | null> {
  const { people } = batchersOf(db);
  let read = people.get(columns);
  if (read === undefined) people.set(columns, (read = rowsById(db, 'User', columns === every ? undefined : columns)));
  return read(userId);
}

const keyOf = (thing: ResourceType, id: string): string => `${thing} ${id}`;

export function createLoaders(db: Database, actor: Actor): Loaders {
  const opened = new Map<string, Promise<{ id: string } | null>>();
  const byThing = new Map<ResourceType, DataLoader<string, { id: string } | null>>();
  const byKey = new Map<string, DataLoader<string, unknown>>();
  const loaderOf = (thing: ResourceType) => {
    let loader = byThing.get(thing);
    if (loader === undefined) {
      loader = new DataLoader((ids) =>
        rowsOf(db, thing, ids, readable(actor, thing), {
          columns: columnsOf(loaders.selection, thing),
          asViews: loaders.selection !== undefined,
        }),
      );
      byThing.set(thing, loader);
    }
    return loader;
  };
  const loaders: Loaders = {
    selection: undefined,
    childQueries: new WeakMap(),
    byId: <N extends ResourceType>(thing: N, id: string) => {
      if (!resources[thing].isBatched) return loaderOf(thing).load(id) as never;
      const key = keyOf(thing, id);
      let row = opened.get(key);
      if (row === undefined) {
        const read = batchersOf(db).things.get(thing)!(id);
        opened.set(key, (row = read.then((found) => (found !== null && isReadable(actor, thing, found as Resources[N]) ? found : null))));
      }
      return row as never;
    },
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
  return loaders;
}
