import DataLoader from 'dataloader';
import type { Actor } from '../policy/actor.ts';
import { where } from '../policy/can.ts';
import type { Filter } from '../policy/scopes.ts';
import type { Action } from '../policy/table.ts';
import type { Database } from '../db/client.ts';
import { findRows } from '../db/sql.ts';
import { columnsOf, type Asked } from './asked.ts';
import type { ThingName, Things } from './rows.ts';

/**
 * Loading by id: one statement per kind of thing and level, and only what the actor may see. Loaders live as long as
 * one request or one delivered batch, never as long as a subscription, which would serve stale rows to lost rights.
 */
export interface Loaders {
  byId<N extends ThingName>(thing: N, id: string): Promise<Things[N] | null>;
  byIds<N extends ThingName>(thing: N, ids: readonly string[]): Promise<(Things[N] | null)[]>;
  /** Rows of a parent: `batch` answers for many parents with the same `key` in one statement. */
  of<T>(key: string, parentId: string, batch: (parentIds: readonly string[]) => Promise<Map<string, T>>): Promise<T | null>;
  /** What was made of the arguments of a field, which are the same for every parent. */
  questions: WeakMap<object, unknown>;
  /** What the operation asks of each type, once it is known: columns that nothing asks for are then left unread. */
  asked: Asked | undefined;
}

/** The right that opens a thing to reading; a nested thing is opened by what it belongs to. */
const reads: Record<ThingName, { action: Action; via?: string }> = {
  School: { action: 'school.read' },
  SchoolYear: { action: 'school.read', via: 'school' },
  Class: { action: 'class.read' },
  Subject: { action: 'subject.read' },
  User: { action: 'user.read' },
  RoleGrant: { action: 'role.read' },
  Assignment: { action: 'class.read', via: 'class' },
  Enrolment: { action: 'enrolment.read' },
  Invitation: { action: 'invitation.read' },
  Chat: { action: 'chat.read' },
  ChatMember: { action: 'chat.read', via: 'chat' },
  Session: { action: 'session.read' },
};

export const isThing = (name: string): name is ThingName => Object.hasOwn(reads, name);

/** The action whose right opens this kind of thing to reading. */
export const readActionOf = (thing: ThingName): Action => reads[thing].action;

/** The filter of the rows of this kind that the actor may read. */
export function readable(actor: Actor, thing: ThingName): Filter {
  const { action, via } = reads[thing];
  const filter = where(actor, action);
  return via === undefined ? filter : { [via]: filter };
}

export function createLoaders(db: Database, actor: Actor): Loaders {
  const byThing = new Map<ThingName, DataLoader<string, { id: string } | null>>();
  const byKey = new Map<string, DataLoader<string, unknown>>();
  const loaderOf = (thing: ThingName) => {
    let loader = byThing.get(thing);
    if (loader === undefined) {
      loader = new DataLoader(async (ids) => {
        const rows = await findRows<{ id: string }>(db, thing, {
          where: { AND: [{ id: { in: ids } }, readable(actor, thing)] },
          columns: columnsOf(loaders.asked, thing),
          asViews: loaders.asked !== undefined,
        });
        const found = new Map(rows.map((row) => [row.id, row]));
        return ids.map((id) => found.get(id) ?? null);
      });
      byThing.set(thing, loader);
    }
    return loader;
  };
  const loaders: Loaders = {
    asked: undefined,
    questions: new WeakMap(),
    byId: (thing, id) => loaderOf(thing).load(id) as never,
    byIds: (thing, ids) => Promise.all(ids.map((id) => loaders.byId(thing, id))),
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
