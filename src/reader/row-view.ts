/**
 * Rows as bytes of the PostgreSQL protocol, decoded column by column on access. node-postgres decodes every column to a
 * string, and most of these strings would only be encoded as bytes again.
 */

/** A buffer, also as a DataView. The buffers of received rows are never overwritten. */
export interface WireBuffer {
  bytes: Buffer;
  view: DataView;
}

export const wireBuffer = (bytes: Buffer): WireBuffer => ({ bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) });

/** Returns the length of the column at `at` in bytes; negative for null. */
const lengthAt = ({ view }: WireBuffer, at: number): number => view.getInt32(at);

/** Returns the offset of the column after the one at `at`. */
export function nextColumn({ view }: WireBuffer, at: number): number {
  const length = view.getInt32(at);
  return length < 0 ? at + 4 : at + 4 + length;
}

/** Returns the offset of a column, by its index, in a row whose first column is at `at`. */
function columnAt(buffer: WireBuffer, at: number, column: number): number {
  let begin = at;
  for (let n = 0; n < column; n += 1) begin = nextColumn(buffer, begin);
  return begin;
}

/** Returns the text of the column at `at`. */
export function textAt({ bytes, view }: WireBuffer, at: number): string | null {
  const length = view.getInt32(at);
  return length < 0 ? null : bytes.toString('utf8', at + 4, at + 4 + length);
}

/** Parses the column at `at` as a non-negative integer. */
export function integerAt({ bytes, view }: WireBuffer, at: number): number {
  let value = 0;
  for (let n = at + 4, end = n + view.getInt32(at); n < end; n += 1) value = value * 10 + bytes[n]! - 48;
  return value;
}

/** The parser of a column's text; null if the text itself is the value. */
export type Parse = ((text: string) => unknown) | null;

/** A column of a to-one relation, read into `row[relation][field]`. */
export type Related = readonly [relation: string, field: string];

/** The columns of a statement, in their order. */
export interface Columns {
  own: readonly string[];
  related: readonly Related[];
  /** Columns of a joined row, read into `row.joined`. The first of them is null if there is no joined row. */
  joined: readonly string[] | null;
}

/** A row whose properties read their column from the bytes on access. */
export abstract class RowView {
  /**
   * The buffer with the row's bytes, from `$at` on. `declare` avoids defining the fields in every subclass, which saves
   * a microsecond per row (docs/profile.md).
   */
  declare readonly $buffer: WireBuffer;
  declare readonly $at: number;

  constructor(buffer: WireBuffer, at: number) {
    this.$buffer = buffer;
    this.$at = at;
  }

  /** Returns the columns as a plain object; `JSON.stringify` calls it. */
  toJSON(): Record<string, unknown> {
    const { properties } = this.constructor as unknown as RowViewClass;
    return Object.fromEntries(
      properties.map((name) => {
        const value = (this as unknown as Record<string, unknown>)[name];
        return [name, value instanceof RowView ? value.toJSON() : value];
      }),
    );
  }
}

export const isRowView = (value: unknown): value is RowView => value instanceof RowView;

/** A copy of a row as a plain object. */
export type Plain<Row> = { -readonly [Column in keyof Row]: Row[Column] };

/** Copies the columns of a row to a plain object. Spreading a row view would copy no column. */
export const plain = <Row extends object>(row: Row): Plain<Row> => (row instanceof RowView ? row.toJSON() : { ...row }) as Plain<Row>;

/** A subclass of RowView for rows with certain columns. `createView` creates it. */
export interface RowViewClass {
  new (buffer: WireBuffer, at: number): RowView;
  /** Indexes of the columns whose text is the value, by name. */
  readonly textColumns: ReadonlyMap<string, number>;
  /** Names of the properties: columns, relations and `joined`. */
  readonly properties: readonly string[];
}

/** Creates the class of rows with these columns. @param parsers one per column. */
export function createView({ own, related, joined }: Columns, parsers: readonly Parse[]): RowViewClass {
  const textColumns = new Map<string, number>();
  const properties: string[] = [];
  class Row extends RowView {
    static readonly textColumns = textColumns;
    static readonly properties = properties;
  }
  const defineGetter = (name: string, get: (buffer: WireBuffer, at: number) => unknown): void => {
    properties.push(name);
    Object.defineProperty(Row.prototype, name, {
      get(this: RowView) {
        return get(this.$buffer, this.$at);
      },
    });
  };
  const readerOf = (column: number) => {
    const parse = parsers[column]!;
    return (buffer: WireBuffer, at: number): unknown => {
      const text = textAt(buffer, columnAt(buffer, at, column));
      return text === null || parse === null ? text : parse(text);
    };
  };
  own.forEach((name, column) => {
    if (parsers[column] === null) textColumns.set(name, column);
    defineGetter(name, readerOf(column));
  });
  for (const relation of new Set(related.map(([name]) => name))) {
    const fields = related.flatMap(([name, field], n) => (name === relation ? [[field, readerOf(own.length + n)] as const] : []));
    defineGetter(relation, (buffer, at) => Object.fromEntries(fields.map(([field, get]) => [field, get(buffer, at)])));
  }
  if (joined === null) return Row;
  const firstJoined = own.length + related.length;
  const JoinedView = createView({ own: joined, related: [], joined: null }, parsers.slice(firstJoined));
  defineGetter('joined', (buffer, at) => {
    const begin = columnAt(buffer, at, firstJoined);
    return lengthAt(buffer, begin) < 0 ? null : new JoinedView(buffer, begin);
  });
  return Row;
}

/** Rows with access by index: an array, or a RowList. */
export interface ReadonlyRows<Row> {
  readonly length: number;
  at(n: number): Row | undefined;
}

/** A list of rows that stores only their offsets, and creates a RowView on each access. */
export class RowList {
  readonly #rowClass: RowViewClass;
  readonly #offsets: number[] = [];
  readonly #buffers: WireBuffer[] = [];
  /** Index of the first row in each buffer. */
  readonly #firstRows: number[] = [];

  constructor(rowClass: RowViewClass) {
    this.#rowClass = rowClass;
  }

  get length(): number {
    return this.#offsets.length;
  }

  add(buffer: WireBuffer, at: number): void {
    if (this.#buffers.at(-1) !== buffer) {
      this.#buffers.push(buffer);
      this.#firstRows.push(this.#offsets.length);
    }
    this.#offsets.push(at);
  }

  at(n: number): RowView | undefined {
    const at = this.#offsets[n];
    if (at === undefined) return undefined;
    let index = this.#buffers.length - 1;
    while (this.#firstRows[index]! > n) index -= 1;
    return new this.#rowClass(this.#buffers[index]!, at);
  }
}
