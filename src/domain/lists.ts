import { page, related, type Asked, type Order, type Rows } from '../db/page.ts';
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

/** A page as it is asked of every parent. */
interface Question<Row> extends Asked<Row> {
  relation: string;
  key: string;
}

/**
 * One page of `relation` under a parent. Every parent of the level that asks for the same page is answered by one
 * statement, whatever their number and the length of their lists.
 * @param filter a function where it does not depend on the parent: it is then asked once for all of them.
 */
export async function pageUnder<Row>(
  ctx: Context,
  { model, id, relation }: Parent,
  args: PageArgs,
  order: Order,
  filter: Filter | (() => Filter),
  along?: Along,
): Promise<Page<Row>> {
  const { loaders, actor, db } = ctx;
  let question = loaders.questions.get(args) as Question<Row> | undefined;
  if (question?.relation !== relation) {
    const asked = page<Row>(args, order);
    const where = { AND: [typeof filter === 'function' ? filter() : filter, asked.where] };
    question = { ...asked, relation, where, key: JSON.stringify([model, relation, where, asked.orderBy, asked.take]) };
    if (typeof filter === 'function') loaders.questions.set(args, question);
  }
  const { where, orderBy, take, key } = question;
  const brings = along !== undefined && loaders.asked?.get(along.of)?.has(along.field) === true;
  const rows = await loaders.of<Rows<Row>>(key, id, (ids) =>
    findUnder<Row>(db, model, relation, ids, {
      where, orderBy, take,
      asViews: loaders.asked !== undefined,
      columns: along && columnsOfPage(loaders.asked, along.of, order, brings ? along.field : undefined),
      related: asksCursor(loaders.asked) ? related(order) : [],
      along: brings
        ? { relation: along.field, where: readable(actor, along.thing), columns: columnsOf(loaders.asked, along.thing) }
        : undefined,
    }),
  );
  return question.finish(rows ?? []);
}
