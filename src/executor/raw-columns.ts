import { GraphQLString, getNullableType, type GraphQLField } from 'graphql';
import { Base64Prefix, type JsonWriter } from './json-writer.ts';

/**
 * Writes fields whose values are texts of columns. Copies the bytes of the row, without decoding them to strings.
 * Such a field also has a resolver, for rows that are not ByteRows; test/executor/raw-columns.test.ts compares the
 * results.
 */

/**
 * A row that keeps its columns as bytes, like PostgreSQL's DataRow message. The first column starts at `$at`. A
 * column is its length in four bytes, negative for null, then its text in UTF-8. The constructor of the row is its
 * `ByteRowLayout`.
 */
export interface ByteRow {
  readonly $buffer: { readonly view: DataView };
  readonly $at: number;
}

export interface ByteRowLayout {
  /** The indexes of columns by their names. Contains only columns whose value is their text, without conversion. */
  readonly textColumns: ReadonlyMap<string, number>;
}

export type IsByteRow = (value: unknown) => value is ByteRow;

/** The extension `rawColumns` of a field: the columns whose texts make up the field's value. */
export interface RawColumns {
  /** Columns to join with a space. Null and empty columns are skipped. */
  columns: readonly string[];
  /** The type's name, for a field that is a global id. `columns` then contains only the row's id. */
  idOf?: string;
}

/** Returns the writer of a field that consists of raw columns; undefined for any other field. */
export function rawColumnWriter({ type, extensions }: GraphQLField<unknown, unknown>): RawColumnWriter | undefined {
  const rawColumns = extensions.rawColumns as RawColumns | undefined;
  if (rawColumns !== undefined)
    return new RawColumnWriter(rawColumns.columns, rawColumns.idOf === undefined ? null : new Base64Prefix(`${rawColumns.idOf}:`));
  const exposed = extensions.pothosExposedField;
  return typeof exposed === 'string' && getNullableType(type) === GraphQLString ? new RawColumnWriter([exposed], null) : undefined;
}

export class RawColumnWriter {
  readonly #columns: readonly string[];
  readonly #prefix: Base64Prefix | null;
  /** The layout of the last row, and the indexes of this field's columns in it; null if the layout lacks a column. */
  #layout: ByteRowLayout | undefined;
  #columnIndexes: readonly number[] | null = null;

  constructor(columns: readonly string[], prefix: Base64Prefix | null) {
    this.#columns = columns;
    this.#prefix = prefix;
  }

  /** Writes the field of the row at `rowOffset` as JSON. Returns false, and writes nothing, if the resolver must be called. */
  write(writer: JsonWriter, layout: ByteRowLayout, view: DataView, rowOffset: number): boolean {
    if (layout !== this.#layout) {
      this.#layout = layout;
      const indexes = this.#columns.map((name) => layout.textColumns.get(name));
      this.#columnIndexes = indexes.includes(undefined) ? null : (indexes as number[]);
    }
    const columns = this.#columnIndexes;
    if (columns === null) return false;
    if (this.#prefix !== null) {
      const offset = columnAt(view, rowOffset, columns[0]!);
      const length = view.getInt32(offset);
      if (length !== uuidLength) return false;
      writer.base64(this.#prefix, view, offset + 4, length);
      return true;
    }
    const { at } = writer;
    let leadingByte = quote;
    for (let n = 0; n < columns.length; n += 1) {
      const offset = columnAt(view, rowOffset, columns[n]!);
      const length = view.getInt32(offset);
      if (length <= 0 && columns.length > 1) continue;
      if (length < 0 || !writer.text(leadingByte, view, offset + 4, length)) {
        writer.at = at;
        return false;
      }
      leadingByte = space;
    }
    writer.byte(quote);
    return true;
  }
}

/** Returns the offset of a column, by its index, in a row whose first column is at `at`. */
function columnAt(view: DataView, at: number, column: number): number {
  let begin = at;
  for (let n = 0; n < column; n += 1) begin += 4 + Math.max(0, view.getInt32(begin));
  return begin;
}

const uuidLength = 36;
const quote = 0x22;
const space = 0x20;
