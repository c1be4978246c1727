import DataLoader from 'dataloader';
import type { Actor } from '../policy/actor.ts';
import type { Filter } from '../policy/scopes.ts';
import type { Database } from '../db/client.ts';
import { findRows, type SelectOptions } from '../db/select.ts';
import { batchPerTick } from '../reader/batching.ts';
import { columnsOf, type SelectedFields } from './selected-columns.ts';
import type { ResourceType, Resources, User } from './entities.ts';
import { isReadable, readable, resources, resourceTypes } from './resources.ts';

/**
 * Loading by id: one statement per kind of thing and level, and only what the actor may see. Loaders live as long as
 * one request or one delivered batch, never as long as a subscription, which would serve stale rows to lost rights.
 */
export interface Loaders {
  byId<N extends ResourceType>(thing: N, id: string): Promise<Resources[N] | null>;
  /** Rows of a parent: `batch` answers for many parents with the same `key` in one statement. */
  of<T>(key: string, parentId: string, batch: (parentIds: readonly string[]) => Promise<Map<string, T>>): Promise<T | null>;
  /** What was made of the arguments of a field, which are the same for every parent. */
  childQueries: WeakMap<object, unknown>;
  /** What the operation asks of each type, once it is known: columns that nothing asks for are then left unread. */
  selection: SelectedFields | undefined;
  /** The row of the person who asks, where it was asked for ahead. */
  readonly ownRow: Promise<User | null> | undefined;
}

/** The rows with these ids that pass, in the order of the ids. */
async function rowsOf<T extends { id: string }>(
  db: Database, thing: ResourceType, ids: readonly string[], passing: Filter, how: Pick<SelectOptions, 'columns' | 'asViews'>,
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

/** The actor's own row, which is read without a right. */
export function ownRow(db: Database, userId: string, columns: ReadonlySet<string> = every): Promise<User | null> {
  const { people } = batchersOf(db);
  let read = people.get(columns);
  if (read === undefined) people.set(columns, (read = rowsById(db, 'User', columns === every ? undefined : columns)));
  return read(userId);
}

/** What an operation names before anything is read: things by their ids, and the person who asks. */
export interface PrefetchTargets {
  resources: readonly { thing: ResourceType; id: string }[];
  viewer: boolean;
  selection: SelectedFields;
}

/** What was asked for before it was known who asks. Loaders tell nobody of it but whom the policy lets. */
export interface Prefetched {
  resources: ReadonlyMap<string, Promise<{ id: string } | null>>;
  ownRow: Promise<User | null> | undefined;
}

const keyOf = (thing: ResourceType, id: string): string => `${thing} ${id}`;

/** Whoever is refused waits for nothing that was asked for ahead, and so is not told that it failed. */
function ignoreRejection<T>(read: Promise<T>): Promise<T> {
  read.catch(() => undefined);
  return read;
}

/**
 * Asks for what is named in the same turn in which it is asked who asks, so that neither waits for the other. Only for
 * what is read by its id alone, whoever asks.
 * @param userId of the person whom the credential names; null for a service.
 */
export function prefetch(db: Database, { resources, viewer, selection }: PrefetchTargets, userId: string | null): Prefetched {
  const open = batchersOf(db).things;
  const read = new Map<string, Promise<{ id: string } | null>>();
  for (const { thing, id } of resources) {
    const row = open.get(thing)?.(id);
    if (row !== undefined) read.set(keyOf(thing, id), ignoreRejection(row));
  }
  return { resources: read, ownRow: viewer && userId !== null ? ignoreRejection(ownRow(db, userId, columnsOf(selection, 'User'))) : undefined };
}

/** @param ahead what was asked for already, for this actor's credential. */
export function createLoaders(db: Database, actor: Actor, ahead?: Prefetched): Loaders {
  const opened = new Map<string, Promise<{ id: string } | null>>();
  const byThing = new Map<ResourceType, DataLoader<string, { id: string } | null>>();
  const byKey = new Map<string, DataLoader<string, unknown>>();
  const loaderOf = (thing: ResourceType) => {
    let loader = byThing.get(thing);
    if (loader === undefined) {
      loader = new DataLoader((ids) =>
        rowsOf(db, thing, ids, readable(actor, thing), { columns: columnsOf(loaders.selection, thing), asViews: loaders.selection !== undefined }),
      );
      byThing.set(thing, loader);
    }
    return loader;
  };
  const loaders: Loaders = {
    selection: undefined,
    ownRow: ahead?.ownRow,
    childQueries: new WeakMap(),
    byId: <N extends ResourceType>(thing: N, id: string) => {
      if (!resources[thing].isBatched) return loaderOf(thing).load(id) as never;
      const key = keyOf(thing, id);
      let row = opened.get(key);
      if (row === undefined) {
        const read = ahead?.resources.get(key) ?? batchersOf(db).things.get(thing)!(id);
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
