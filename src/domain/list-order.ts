import type { Order } from '../reader/keyset.ts';

/** The orders in which clients can ask for lists. */

/** The order that a client asks for, by one of the fields that the list offers. */
export interface OrderBy<Field extends string> {
  field: Field;
  /** Default: ascending. */
  direction?: 'ASC' | 'DESC' | null;
}

/** A column by which a list can be ordered. Its values are never null. */
interface OrderColumn {
  field: string;
  type: Order['keys'][number]['type'];
}

/**
 * Returns the order by a column and then by an id. Both have the same direction, so that one index serves ascending and
 * descending lists. The tag of the order names the column and the direction: `paginate` refuses a cursor of an order with
 * another tag.
 * @param id the column that makes the order unique; undefined if the values of `column` are unique.
 */
export function orderBy(list: string, { field, type }: OrderColumn, direction: 'asc' | 'desc', id?: string): Order {
  const byId = id === undefined ? [] : [{ field: id, direction, type: 'string' } as const];
  return { tag: `${list} by ${field} ${direction}`, keys: [{ field, direction, type }, ...byId] };
}

/** Returns the direction as `orderBy` takes it; ascending by default. */
export const directionOf = (direction: 'ASC' | 'DESC' | null | undefined): 'asc' | 'desc' => (direction === 'DESC' ? 'desc' : 'asc');
