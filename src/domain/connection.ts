import { paginate, related, type Order } from '../db/pagination.ts';
import type { ReadonlyRows } from '../reader/row-view.ts';
import { findByParents } from '../reader/select.ts';
import type { Filter } from '../policy/scopes.ts';
import { selectsCursor, columnsOf, columnsOfPage } from './selected-columns.ts';
import type { Context } from './context.ts';
import { readable } from './resources.ts';
import type { Page, PageArgs, ResourceType } from './entities.ts';

/** Lists of the children of many parents: classes of schools, pupils of classes. */

interface Parent {
  model: ResourceType;
  id: string;
  relation: string;
}

/** A row that each child refers to. If the operation selects the field, it is read with the child, as its `joined`. */
interface JoinedResource {
  /** The type of the children, and the field that returns the joined row. */
  childType: ResourceType;
  field: string;
  type: ResourceType;
}

interface ChildQuery<Row> {
  relation: string;
  key: string;
  read(parentIds: readonly string[]): Promise<Map<string, ReadonlyRows<Row>>>;
  toPage(rows: ReadonlyRows<Row> | null): Page<Row>;
}

/**
 * Returns a page of the children of a parent. One statement reads the pages of all parents with the same arguments.
 * @param filter a function if it does not depend on the parent: the query is then built once for all parents.
 */
export function paginateChildren<Row>(
  ctx: Context,
  { model, id, relation }: Parent,
  args: PageArgs,
  order: Order,
  filter: Filter | (() => Filter),
  joined?: JoinedResource,
): Promise<Page<Row>> {
  const { loaders } = ctx;
  let query = loaders.childQueries.get(args) as ChildQuery<Row> | undefined;
  if (query?.relation !== relation) {
    query = createChildQuery(ctx, model, relation, args, order, typeof filter === 'function' ? filter() : filter, joined);
    if (typeof filter === 'function') loaders.childQueries.set(args, query);
  }
  return loaders.of(query.key, id, query.read).then(query.toPage);
}

function createChildQuery<Row>(
  { loaders, actor, db }: Context,
  model: Parent['model'],
  relation: string,
  args: PageArgs,
  order: Order,
  filter: Filter,
  joined?: JoinedResource,
): ChildQuery<Row> {
  const { where: bounds, orderBy, limit, toConnection } = paginate<Row>(args, order);
  const where = { AND: [filter, bounds] };
  const { selection } = loaders;
  const isJoined = joined !== undefined && selection?.get(joined.childType)?.has(joined.field) === true;
  return {
    relation,
    key: JSON.stringify([model, relation, where, orderBy, limit]),
    read: (ids) =>
      findByParents<Row>(
        db,
        { model, relation, parentIds: ids },
        {
          where,
          orderBy,
          limit,
          asViews: selection !== undefined,
          columns: joined && columnsOfPage(selection, joined.childType, order, isJoined ? joined.field : undefined),
          related: selectsCursor(selection) ? related(order) : [],
          joined: isJoined
            ? { relation: joined.field, where: readable(actor, joined.type), columns: columnsOf(selection, joined.type) }
            : undefined,
        },
      ),
    toPage: (rows) => toConnection(rows ?? []),
  };
}
