import { invalid } from '../errors.ts';
import { decodeCursor, pageQuery, type Order, type PageQuery } from '../reader/keyset.ts';

export { related, type Order } from '../reader/keyset.ts';

/** Checks the arguments of a connection. */

export interface PageArgs {
  first?: number | null;
  after?: string | null;
  last?: number | null;
  before?: string | null;
}

const maxPageSize = 100;
const defaultPageSize = 20;

/**
 * Returns the query for one page of a list.
 * @throws INVALID for a wrong size, `first` together with `last`, or a cursor of another list.
 */
export function paginate<Row>(args: PageArgs, order: Order): PageQuery<Row> {
  const { size, backward } = sizeOf(args);
  // Without a spread, whose result V8 kept until its next full collection (test/executor/memory.test.ts).
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
