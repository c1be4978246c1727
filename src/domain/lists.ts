import { page, related, type Order, type Rows } from '../db/page.ts';
import { findUnder } from '../db/sql.ts';
import type { Filter } from '../policy/scopes.ts';
import { asksCursor, columnsOf, columnsOfPage } from './asked.ts';
import type { Context } from './context.ts';
import { readable } from './loaders.ts';
import type { Page, PageArgs, ThingName } from './rows.ts';

/** A list that stands under many parents of one level: classes under schools, pupils under classes. */

interface Parent {
  model: 'School' | 'Class' | 'Chat' | 'User' | 'Invitation';
  id: string;
  relation: string;
}

/** A thing that each row belongs to: read with the row, as its `along`, where the operation asks for the field. */
interface Along {
  /** The rows' own type in the schema, and its field. */
  of: ThingName;
  field: string;
  thing: ThingName;
}

/** A page as it is asked of every parent: the same rows, in the same order, by the same statement. */
interface Question<Row> {
  relation: string;
  key: string;
  read(parentIds: readonly string[]): Promise<Map<string, Rows<Row>>>;
  finish(rows: Rows<Row> | null): Page<Row>;
}

/**
 * One page of `relation` under a parent. Every parent of the level that asks for the same page is answered by one
 * statement, whatever their number and the length of their lists.
 * @param filter a function where it does not depend on the parent: the question is then made once for all of them.
 */
export function pageUnder<Row>(
  ctx: Context,
  { model, id, relation }: Parent,
  args: PageArgs,
  order: Order,
  filter: Filter | (() => Filter),
  along?: Along,
): Promise<Page<Row>> {
  const { loaders } = ctx;
  let question = loaders.questions.get(args) as Question<Row> | undefined;
  if (question?.relation !== relation) {
    question = questionOf(ctx, model, relation, args, order, typeof filter === 'function' ? filter() : filter, along);
    if (typeof filter === 'function') loaders.questions.set(args, question);
  }
  return loaders.of(question.key, id, question.read).then(question.finish);
}

function questionOf<Row>(
  { loaders, actor, db }: Context, model: Parent['model'], relation: string, args: PageArgs, order: Order, filter: Filter, along?: Along,
): Question<Row> {
  const { where: bounds, orderBy, take, finish } = page<Row>(args, order);
  const where = { AND: [filter, bounds] };
  const { asked } = loaders;
  const brings = along !== undefined && asked?.get(along.of)?.has(along.field) === true;
  return {
    relation,
    key: JSON.stringify([model, relation, where, orderBy, take]),
    read: (ids) =>
      findUnder<Row>(db, model, relation, ids, {
        where, orderBy, take,
        asViews: asked !== undefined,
        columns: along && columnsOfPage(asked, along.of, order, brings ? along.field : undefined),
        related: asksCursor(asked) ? related(order) : [],
        along: brings ? { relation: along.field, where: readable(actor, along.thing), columns: columnsOf(asked, along.thing) } : undefined,
      }),
    finish: (rows) => finish(rows ?? []),
  };
}
