import { GraphQLString, getNullableType, type GraphQLField } from 'graphql';
import { columnAt, lengthAt, type WireBuffer, type RowViewClass } from '../reader/row-view.ts';
import { Base64Prefix, type JsonWriter } from './json-writer.ts';

/**
 * Fields that are texts of columns as they stand: of a row whose bytes are at hand they are copied to the answer, and no
 * text is made in between. What a field is made of is said beside its resolver, which is asked for every other row;
 * test/executor/raw-columns.test.ts holds the two together.
 */

/** The `rawColumns` in a field's extensions: the columns whose texts are copied into the answer as they are. */
export interface RawColumns {
  /** Columns whose texts are joined by a space; empty ones are left out. */
  columns: readonly string[];
  /** For the global id of a row: the name of its type. `columns` is then its id alone. */
  idOf?: string;
}

/** Returns the writer of a field that consists of raw columns; undefined for a field that has to be resolved. */
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
  /** Where the columns stand in the views that came last. */
  #of: RowViewClass | undefined;
  #at: readonly number[] | null = null;

  constructor(columns: readonly string[], prefix: Base64Prefix | null) {
    this.#columns = columns;
    this.#prefix = prefix;
  }

  /** Writes the field of a row as JSON; false, with nothing written, where it has to be resolved. */
  write(tape: JsonWriter, of: RowViewClass, chunk: WireBuffer, row: number): boolean {
    if (of !== this.#of) {
      this.#of = of;
      const at = this.#columns.map((name) => of.textColumns.get(name));
      this.#at = at.includes(undefined) ? null : (at as number[]);
    }
    const columns = this.#at;
    if (columns === null) return false;
    if (this.#prefix !== null) {
      const begin = columnAt(chunk, row, columns[0]!);
      const length = lengthAt(chunk, begin);
      if (length !== uuidLength) return false;
      tape.base64(this.#prefix, chunk.view, begin + 4, length);
      return true;
    }
    const { at } = tape;
    let sign = quote;
    for (let n = 0; n < columns.length; n += 1) {
      const begin = columnAt(chunk, row, columns[n]!);
      const length = lengthAt(chunk, begin);
      if (length <= 0 && columns.length > 1) continue;
      if (length < 0 || !tape.text(sign, chunk.view, begin + 4, length)) {
        tape.at = at;
        return false;
      }
      sign = space;
    }
    tape.byte(quote);
    return true;
  }
}

const uuidLength = 36;
const quote = 0x22;
const space = 0x20;
