import { invalid } from '../errors.ts';
import { decodeCursor, pageQuery, related, type Order, type PageQuery } from '../reader/keyset.ts';
import type { ReadonlyRows } from '../reader/row-view.ts';
import { findByParents } from '../reader/select.ts';
import type { Filter } from '../policy/scopes.ts';
import type { Context } from './context.ts';
import { readable } from './resources.ts';
import { ListPage, type Parent } from './list-page.ts';
import type { Page, PageArgs, ResourceType, UncountedPage } from './entities.ts';

/**
 * Reads lists page by page: lists at the root of a query, and lists under a parent row, such as the pupils of a class. One
 * statement reads the lists under many parents.
 */

/**
 * A row to which each row of a list refers, such as the school of a class. If the operation selects `field`, the statement
 * that reads the list also reads this row. Each row of the list then has it in the property `joined`.
 */
interface JoinedResource {
  /** The type of the rows of the list, and its GraphQL field that returns the joined row. */
  childType: ResourceType;
  field: string;
  type: ResourceType;
}

interface ChildList {
  /** Two lists of one relation must have orders with different tags, since the tag tells their cached queries apart. */
  order: Order;
  /**
   * The filter, or a function that returns it. A function is called once for all parents with equal arguments. So it may
   * depend on the arguments, but not on the parent.
   */
  filter: Filter | (() => Filter);
  joined?: JoinedResource;
}

interface ChildQuery<Row> {
  key: string;
  read(parentIds: readonly string[]): Promise<Map<string, ReadonlyRows<Row>>>;
  toPage(rows: ReadonlyRows<Row> | null): UncountedPage<Row>;
  filter: Filter;
}

/** Returns a page of the children of a parent. One statement reads the pages of all parents with the same arguments. */
export function paginateChildren<Row>(ctx: Context, parent: Parent, args: PageArgs, list: ChildList): Promise<Page<Row>> {
  const query = findQuery<Row>(ctx, parent, args, list);
  return ctx.loaders.of(query.key, parent.id, query.read).then((rows) => new ListPage<Row>(query.toPage(rows), ctx, parent, query));
}

/**
 * Builds the query, or returns the query that was built for another parent with equal arguments. Compares arguments as JSON.
 */
function findQuery<Row>(ctx: Context, parent: Parent, args: PageArgs, list: ChildList): ChildQuery<Row> {
  const { filter } = list;
  if (typeof filter !== 'function') return createQuery(ctx, parent, args, { ...list, filter });
  const { childQueries } = ctx.loaders;
  const key = `${parent.model}.${parent.relation} ${list.order.tag} ${JSON.stringify(args)}`;
  let query = childQueries.get(key) as ChildQuery<Row> | undefined;
  if (query === undefined) childQueries.set(key, (query = createQuery(ctx, parent, args, { ...list, filter: filter() })));
  return query;
}

function createQuery<Row>(
  { loaders: { selection }, actor, db }: Context,
  { model, relation }: Parent,
  args: PageArgs,
  { order, filter, joined }: ChildList & { filter: Filter },
): ChildQuery<Row> {
  const { where: bounds, orderBy, limit, toConnection } = paginate<Row>(args, order);
  const where = { AND: [filter, bounds] };
  const isJoined = joined !== undefined && selection?.has(joined.childType, joined.field) === true;
  return {
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
          columns: joined && selection?.columnsOfPage(joined.childType, order, isJoined ? joined.field : undefined),
          related: selection === undefined || selection.selectsCursor ? related(order) : [],
          joined: isJoined
            ? { relation: joined.field, where: readable(actor, joined.type), columns: selection?.columnsOf(joined.type) }
            : undefined,
        },
      ),
    toPage: (rows) => toConnection(rows ?? []),
    filter,
  };
}

/** Returns the order by a column of text, and by id where texts are equal. @param field a column, or `relation.column`. */
export const orderByText = (tag: string, field: string): Order => ({
  tag,
  keys: [
    { field, direction: 'asc', type: 'string' },
    { field: 'id', direction: 'asc', type: 'string' },
  ],
});

const maxPageSize = 100;
const defaultPageSize = 20;

/**
 * Returns the query for one page of a list.
 * @throws INVALID for a wrong size, `first` together with `last`, or a cursor of another list.
 */
export function paginate<Row>(args: PageArgs, order: Order): PageQuery<Row> {
  const { size, backward } = sizeOf(args);
  // Not a spread: V8 kept the result of a spread until the next full collection. With a spread the measure `heap`
  // (docs/performance.md) fails.
  return pageQuery(order, { size, backward, after: cursorOf(args, 'after', order), before: cursorOf(args, 'before', order) });
}

function sizeOf({ first, last }: PageArgs): { size: number; backward: boolean } {
  if (typeof first === 'number' && typeof last === 'number')
    throw invalid('last', ['Укажите first или last, но не оба.', 'Give first or last, not both.']);
  const backward = typeof last === 'number';
  const size = last ?? first ?? defaultPageSize;
  if (!Number.isInteger(size) || size < 1 || size > maxPageSize)
    throw invalid(backward ? 'last' : 'first', [`Размер страницы — от 1 до ${maxPageSize}.`, `A page holds 1 to ${maxPageSize} items.`]);
  return { size, backward };
}

function cursorOf(args: PageArgs, name: 'after' | 'before', order: Order): unknown[] | undefined {
  const cursor = args[name];
  if (cursor === undefined || cursor === null) return undefined;
  const position = decodeCursor(cursor, order);
  if (position === undefined)
    throw invalid(name, [
      `Это курсор другого списка или другого порядка. Начните список сначала, без ${name}.`,
      `This is a cursor of another list or of another order. Start the list again without ${name}.`,
    ]);
  return position;
}
