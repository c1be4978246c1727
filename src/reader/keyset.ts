import type { ReadonlyRows } from './row-view.ts';

/** Keyset pagination: the cost of a page does not depend on its position in the list. */

type KeyType = 'string' | 'date' | 'number' | 'bigint';

interface Key {
  /** A column, or a column of a to-one relation: `student.sortKey`. */
  field: string;
  direction: 'asc' | 'desc';
  type: KeyType;
}

/** The order of a list, by columns that are never null and together unique. `tag` names the list in its cursors. */
export interface Order {
  tag: string;
  keys: readonly Key[];
}

export interface PageQuery<Row> {
  /** A filter for Prisma; `{}` on the first page. */
  where: Record<string, unknown>;
  orderBy: object[];
  /** One more than the page size, to see whether more rows follow. */
  limit: number;
  /** Builds the page from the rows that the query found. */
  toConnection(rows: ReadonlyRows<Row>): { edges: Edges<Row>; pageInfo: PageInfo };
}

/**
 * A page: at most `size` rows between the positions `after` and `before`, which `decodeCursor` returns. Takes the first
 * of these rows, or the last ones if `backward`.
 */
export interface PageBounds {
  size: number;
  backward: boolean;
  after?: readonly unknown[] | undefined;
  before?: readonly unknown[] | undefined;
}

/**
 * Returns the query for one page of a list. A row that is added or removed between two requests does not move other
 * rows to another page. On a forward page, `hasPreviousPage` is true if `after` was given, as the Relay
 * specification allows. On a backward page, `hasNextPage` is true if `before` was given.
 */
export function pageQuery<Row>(order: Order, { size, backward, after, before }: PageBounds): PageQuery<Row> {
  const bounds = [
    ...(after === undefined ? [] : [beyondCursor(order, after, false)]),
    ...(before === undefined ? [] : [beyondCursor(order, before, true)]),
  ];
  return {
    where: bounds.length > 1 ? { AND: bounds } : { ...bounds[0] },
    orderBy: order.keys.map(({ field, direction }) => nest(field, (direction === 'asc') === backward ? 'desc' : 'asc')),
    limit: size + 1,
    toConnection(rows) {
      const hasMore = rows.length > size;
      const edges = new Edges(order, rows, hasMore ? size : rows.length, backward);
      return { edges, pageInfo: new PageInfo(edges, backward ? before !== undefined : hasMore, backward ? hasMore : after !== undefined) };
    },
  };
}

/** Returns a filter for the rows after a position; with `before`, for the rows before the position. */
function beyondCursor({ keys }: Order, position: readonly unknown[], before: boolean): object {
  const operatorOf = ({ direction }: Key): 'gt' | 'lt' => ((direction === 'asc') === before ? 'lt' : 'gt');
  const alternatives = keys.map((key, depth) => ({
    AND: [...keys.slice(0, depth).map(({ field }, n) => nest(field, position[n])), nest(key.field, { [operatorOf(key)]: position[depth] })],
  }));
  const [firstKey] = keys;
  if (firstKey === undefined || keys.length === 1) return alternatives[0] ?? {};
  // The alternatives imply this bound, but PostgreSQL starts an index scan only from a bound outside OR.
  return { ...nest(firstKey.field, { [`${operatorOf(firstKey)}e`]: position[0] }), OR: alternatives };
}

/** Returns the value nested as Prisma expects: `{ student: { sortKey: value } }` for `student.sortKey`. */
function nest(field: string, value: unknown): object {
  return field.split('.').reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as object;
}

/** Returns the columns of to-one relations that the cursor needs, such as `student.sortKey`. */
export const related = ({ keys }: Order): string[] => keys.map(({ field }) => field).filter((field) => field.includes('.'));

/** The edges of a page. Creates an edge and encodes its cursor only on access, because most clients read few cursors. */
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

  /** Returns the edge at an index, which counts from the end if it is negative. */
  at(n: number): Edge<Row> | undefined {
    const index = n < 0 ? this.length + n : n;
    if (index < 0 || index >= this.length) return undefined;
    return new Edge(this.#order, this.#rows.at(this.#backward ? this.length - 1 - index : index)!);
  }

  *[Symbol.iterator](): Iterator<Edge<Row>> {
    for (let n = 0; n < this.length; n += 1) yield this.at(n)!;
  }
}

/**
 * `PageInfo` is a class, because V8 keeps the getters of an object literal, with their closures, until a full GC
 * (docs/profile.md).
 */
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
    const value = field.split('.').reduce<unknown>((object, name) => (object as Record<string, unknown>)[name], row);
    return typeof value === 'bigint' ? String(value) : value;
  });
  return Buffer.from(JSON.stringify([tag, ...values])).toString('base64url');
}

/** Returns the position that a cursor stands for; undefined for a text that is no cursor of this order. */
export function decodeCursor(cursor: string, { tag, keys }: Order): unknown[] | undefined {
  const bytes = Buffer.from(cursor, 'base64url');
  if (bytes.toString('base64url') !== cursor) return undefined;
  let parts: unknown;
  try {
    parts = JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
  if (!Array.isArray(parts) || parts.length !== keys.length + 1 || parts[0] !== tag) return undefined;
  const values = keys.map((key, index) => parse(key, parts[index + 1]));
  return values.includes(undefined) ? undefined : values;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Parses an instant written by `encode`. Returns undefined for other texts, such as 30 February or the year 0000. */
function parseInstant(value: unknown): Date | undefined {
  if (typeof value !== 'string' || !instant.test(value) || value < '0001') return undefined;
  const date = new Date(value);
  return !Number.isNaN(date.getTime()) && date.toISOString() === value ? date : undefined;
}

/** Returns the value of a key. Returns undefined if the database would reject the value, since a client may forge a cursor. */
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
      // The database would reject an id that is not a UUID.
      return !/(^|\.)id$|Id$/.test(field) || uuid.test(value) ? value : undefined;
  }
}
