import { invalid } from '../errors.ts';
import type { ReadonlyRows } from '../reader/row-view.ts';

/** Pages of a list by keyset: what a page costs does not depend on how far down the list it is. */

export interface PageArgs {
  first?: number | null;
  after?: string | null;
  last?: number | null;
  before?: string | null;
}

type KeyType = 'string' | 'date' | 'number' | 'bigint';

interface Key {
  /** A column, or one of a row that it belongs to: `student.sortKey`. */
  field: string;
  direction: 'asc' | 'desc';
  type: KeyType;
}

/** How a list is ordered: by columns that are never null and together unique. `tag` names the list in its cursors. */
export interface Order {
  tag: string;
  keys: readonly Key[];
}

export interface PageQuery<Row> {
  /** A filter for Prisma; `{}` on the first page. */
  where: Record<string, unknown>;
  orderBy: object[];
  /** One more than the page holds, to see whether anything follows. */
  limit: number;
  /** Makes the page of the rows that were found. */
  toConnection(rows: ReadonlyRows<Row>): { edges: Edges<Row>; pageInfo: PageInfo };
}

const maxPageSize = 100;
const defaultPageSize = 20;

/**
 * What to ask the database for one page of a list. Rows that come or go between two pages shift nothing. Paging forward,
 * `hasPreviousPage` says whether `after` was given, as the Relay specification allows; paging backward likewise.
 * @throws INVALID for a wrong size, `first` with `last`, and a cursor that is not one of this list.
 */
export function paginate<Row>(args: PageArgs, order: Order): PageQuery<Row> {
  const { size, backward } = sizeOf(args);
  const after = cursorOf(args, 'after', order);
  const before = cursorOf(args, 'before', order);
  const bounds = [
    ...(after === undefined ? [] : [beyondCursor(order, after, false)]),
    ...(before === undefined ? [] : [beyondCursor(order, before, true)]),
  ];
  return {
    where: bounds.length > 1 ? { AND: bounds } : { ...bounds[0] },
    orderBy: order.keys.map(({ field, direction }) => valueAt(field, (direction === 'asc') === backward ? 'desc' : 'asc')),
    limit: size + 1,
    toConnection(rows) {
      const more = rows.length > size;
      const edges = new Edges(order, rows, more ? size : rows.length, backward);
      return { edges, pageInfo: new PageInfo(edges, backward ? before !== undefined : more, backward ? more : after !== undefined) };
    },
  };
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

/** The rows after the position, or before it. */
function beyondCursor({ keys }: Order, position: readonly unknown[], before: boolean): object {
  const strict = ({ direction }: Key): 'gt' | 'lt' => ((direction === 'asc') === before ? 'lt' : 'gt');
  const alternatives = keys.map((key, depth) => ({
    AND: [
      ...keys.slice(0, depth).map(({ field }, n) => valueAt(field, position[n])),
      valueAt(key.field, { [strict(key)]: position[depth] }),
    ],
  }));
  const [lead] = keys;
  if (lead === undefined || keys.length === 1) return alternatives[0] ?? {};
  // The alternatives imply it, but an index is entered only by a bound that stands outside of OR.
  return { ...valueAt(lead.field, { [`${strict(lead)}e`]: position[0] }), OR: alternatives };
}

/** `student.sortKey` as Prisma nests it. */
function valueAt(field: string, value: unknown): object {
  return field.split('.').reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as object;
}

/** The columns of rows that a row belongs to, which have to be read with it so that its cursor can be made: `student.sortKey`. */
export const related = ({ keys }: Order): string[] => keys.map(({ field }) => field).filter((field) => field.includes('.'));

/** The rows of a page. Each is made when it is come to, and its cursor when that is asked for, which most clients do of few. */
export class Edges<Row> implements Iterable<Edge<Row>> {
  readonly length: number;
  readonly #order: Order;
  readonly #rows: ReadonlyRows<Row>;
  readonly #backward: boolean;

  constructor(order: Order, rows: ReadonlyRows<Row>, length: number, backward: boolean) {
    this.length = length;
    this.#order = order;
    this.#rows = rows;
    this.#backward = backward;
  }

  /** From the end where `n` is negative. */
  at(n: number): Edge<Row> | undefined {
    const place = n < 0 ? this.length + n : n;
    if (place < 0 || place >= this.length) return undefined;
    return new Edge(this.#order, this.#rows.at(this.#backward ? this.length - 1 - place : place)!);
  }

  *[Symbol.iterator](): Iterator<Edge<Row>> {
    for (let n = 0; n < this.length; n += 1) yield this.at(n)!;
  }
}

/** A class, since getters of an object literal are kept, with all that they see, until V8's next full collection. */
class PageInfo {
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
  readonly #edges: Edges<unknown>;

  constructor(edges: Edges<unknown>, hasNextPage: boolean, hasPreviousPage: boolean) {
    this.#edges = edges;
    this.hasNextPage = hasNextPage;
    this.hasPreviousPage = hasPreviousPage;
  }

  get startCursor(): string | null {
    return this.#edges.at(0)?.cursor ?? null;
  }

  get endCursor(): string | null {
    return this.#edges.at(-1)?.cursor ?? null;
  }
}

class Edge<Row> {
  declare readonly node: Row;
  declare private readonly order: Order;

  constructor(order: Order, node: Row) {
    this.node = node;
    this.order = order;
  }

  get cursor(): string {
    return encode(this.order, this.node);
  }
}

function encode({ tag, keys }: Order, row: unknown): string {
  const values = keys.map(({ field }) => {
    const value = field.split('.').reduce<unknown>((inner, name) => (inner as Record<string, unknown>)[name], row);
    return typeof value === 'bigint' ? String(value) : value;
  });
  return Buffer.from(JSON.stringify([tag, ...values])).toString('base64url');
}

function cursorOf(args: PageArgs, name: 'after' | 'before', order: Order): unknown[] | undefined {
  const cursor = args[name];
  if (cursor === undefined || cursor === null) return undefined;
  const position = decode(cursor, order);
  if (position === undefined) throw invalid(name, ['Это не курсор этого списка.', 'This is not a cursor of this list.']);
  return position;
}

function decode(cursor: string, { tag, keys }: Order): unknown[] | undefined {
  const bytes = Buffer.from(cursor, 'base64url');
  if (bytes.toString('base64url') !== cursor) return undefined;
  let parts: unknown;
  try {
    parts = JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
  if (!Array.isArray(parts) || parts.length !== keys.length + 1 || parts[0] !== tag) return undefined;
  const values = keys.map((key, at) => parse(key, parts[at + 1]));
  return values.includes(undefined) ? undefined : values;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Parses an instant that `encode` wrote. Returns undefined for any other text, such as 30 February or the year 0000. */
function parseInstant(value: unknown): Date | undefined {
  if (typeof value !== 'string' || !instant.test(value) || value < '0001') return undefined;
  const date = new Date(value);
  return !Number.isNaN(date.getTime()) && date.toISOString() === value ? date : undefined;
}

/** The value of a key; undefined where the database would refuse it, since a cursor may be made up. */
function parse({ field, type }: Key, value: unknown): unknown {
  switch (type) {
    case 'number':
      return typeof value === 'number' && value === (value | 0) ? value : undefined;
    case 'bigint':
      return typeof value === 'string' && /^-?\d{1,18}$/.test(value) ? BigInt(value) : undefined;
    case 'date':
      return parseInstant(value);
    case 'string':
      if (typeof value !== 'string' || /[\0\p{Surrogate}]/u.test(value)) return undefined;
      // Ids are UUIDs.
      return !/(^|\.)id$|Id$/.test(field) || uuid.test(value) ? value : undefined;
  }
}
