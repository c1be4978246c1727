import { GraphQLString, getNullableType, type GraphQLField } from 'graphql';
import { columnAt, lengthAt, type WireBuffer, type RowViewClass } from '../reader/row-view.ts';
import { Base64Prefix, type JsonWriter } from './json-writer.ts';

/**
 * Writes fields that consist of columns' texts by copying the bytes of the row, without decoding them to strings. Such
 * a field also has a resolver, for rows that are not RowViews; test/executor/raw-columns.test.ts compares the two.
 */

/** The extension `rawColumns` of a field: the columns whose texts are its value. */
export interface RawColumns {
  /** Columns to join with a space. Null and empty ones are skipped. */
  columns: readonly string[];
  /** The type's name, for a global id. `columns` is only the id then. */
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
  /** Class of the last row, and the indexes of the columns in it; null if it lacks one. */
  #rowClass: RowViewClass | undefined;
  #columnIndexes: readonly number[] | null = null;

  constructor(columns: readonly string[], prefix: Base64Prefix | null) {
    this.#columns = columns;
    this.#prefix = prefix;
  }

  /** Writes the field of the row at `rowOffset` as JSON. Returns false, and writes nothing, if it must be resolved. */
  write(writer: JsonWriter, rowClass: RowViewClass, buffer: WireBuffer, rowOffset: number): boolean {
    if (rowClass !== this.#rowClass) {
      this.#rowClass = rowClass;
      const indexes = this.#columns.map((name) => rowClass.textColumns.get(name));
      this.#columnIndexes = indexes.includes(undefined) ? null : (indexes as number[]);
    }
    const columns = this.#columnIndexes;
    if (columns === null) return false;
    if (this.#prefix !== null) {
      const offset = columnAt(buffer, rowOffset, columns[0]!);
      const length = lengthAt(buffer, offset);
      if (length !== uuidLength) return false;
      writer.base64(this.#prefix, buffer.view, offset + 4, length);
      return true;
    }
    const { at } = writer;
    let leadingByte = quote;
    for (let n = 0; n < columns.length; n += 1) {
      const offset = columnAt(buffer, rowOffset, columns[n]!);
      const length = lengthAt(buffer, offset);
      if (length <= 0 && columns.length > 1) continue;
      if (length < 0 || !writer.text(leadingByte, buffer.view, offset + 4, length)) {
        writer.at = at;
        return false;
      }
      leadingByte = space;
    }
    writer.byte(quote);
    return true;
  }
}

const uuidLength = 36;
const quote = 0x22;
const space = 0x20;
