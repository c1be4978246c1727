import { paginate, related, type Order } from '../db/pagination.ts';
import type { ReadonlyRows } from '../reader/row-view.ts';
import { findByParents } from '../db/select.ts';
import type { Filter } from '../policy/scopes.ts';
import { selectsCursor, columnsOf, columnsOfPage } from './selected-columns.ts';
import type { Context } from './context.ts';
import { readable } from './resources.ts';
import type { Page, PageArgs, ResourceType } from './entities.ts';

/** A list that stands under many parents of one level: classes under schools, pupils under classes. */

interface Parent {
  model: 'School' | 'Class' | 'Chat' | 'User' | 'Invitation';
  id: string;
  relation: string;
}

/** A thing that each row belongs to: read with the row, as its `joined`, where the operation asks for the field. */
interface JoinedResource {
  /** The rows' own type in the schema, and its field. */
  of: ResourceType;
  field: string;
  thing: ResourceType;
}

/** A page as it is asked of every parent: the same rows, in the same order, by the same statement. */
interface ChildQuery<Row> {
  relation: string;
  key: string;
  read(parentIds: readonly string[]): Promise<Map<string, ReadonlyRows<Row>>>;
  finish(rows: ReadonlyRows<Row> | null): Page<Row>;
}

/**
 * One page of `relation` under a parent. Every parent of the level that asks for the same page is answered by one
 * statement, whatever their number and the length of their lists.
 * @param filter a function where it does not depend on the parent: the question is then made once for all of them.
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
  let question = loaders.childQueries.get(args) as ChildQuery<Row> | undefined;
  if (question?.relation !== relation) {
    question = childQueryOf(ctx, model, relation, args, order, typeof filter === 'function' ? filter() : filter, joined);
    if (typeof filter === 'function') loaders.childQueries.set(args, question);
  }
  return loaders.of(question.key, id, question.read).then(question.finish);
}

function childQueryOf<Row>(
  { loaders, actor, db }: Context, model: Parent['model'], relation: string, args: PageArgs, order: Order, filter: Filter, joined?: JoinedResource,
): ChildQuery<Row> {
  const { where: bounds, orderBy, limit, toConnection } = paginate<Row>(args, order);
  const where = { AND: [filter, bounds] };
  const { selection } = loaders;
  const joins = joined !== undefined && selection?.get(joined.of)?.has(joined.field) === true;
  return {
    relation,
    key: JSON.stringify([model, relation, where, orderBy, limit]),
    read: (ids) =>
      findByParents<Row>(db, model, relation, ids, {
        where, orderBy, limit,
        asViews: selection !== undefined,
        columns: joined && columnsOfPage(selection, joined.of, order, joins ? joined.field : undefined),
        related: selectsCursor(selection) ? related(order) : [],
        joined: joins ? { relation: joined.field, where: readable(actor, joined.thing), columns: columnsOf(selection, joined.thing) } : undefined,
      }),
    finish: (rows) => toConnection(rows ?? []),
  };
}
