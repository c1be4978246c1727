import { GraphQLString, getNullableType, type GraphQLField } from 'graphql';
import { columnAt, lengthAt, type Chunk, type ViewOf } from '../db/rows.ts';
import type { TextOf } from '../graphql/builder.ts';
import { Before, type Tape } from './tape.ts';

/**
 * Fields that are texts of columns as they stand: of a row whose bytes are at hand they are copied to the answer, and no
 * text is made in between. What a field is made of is said beside its resolver, which is asked for every other row;
 * test/server/texts.test.ts holds the two together.
 */

/** What writes a field from a row's bytes; undefined for a field that has to be resolved. */
export function writerOf({ type, extensions }: GraphQLField<unknown, unknown>): TextWriter | undefined {
  const text = extensions.text as TextOf | undefined;
  if (text !== undefined) return new TextWriter(text.columns, text.idOf === undefined ? null : new Before(`${text.idOf}:`));
  const exposed = extensions.pothosExposedField;
  return typeof exposed === 'string' && getNullableType(type) === GraphQLString ? new TextWriter([exposed], null) : undefined;
}

export class TextWriter {
  readonly #columns: readonly string[];
  readonly #prefix: Before | null;
  /** Where the columns stand in the views that came last. */
  #of: ViewOf | undefined;
  #at: readonly number[] | null = null;

  constructor(columns: readonly string[], prefix: Before | null) {
    this.#columns = columns;
    this.#prefix = prefix;
  }

  /** Writes the field of a row as JSON; false, with nothing written, where it has to be resolved. */
  write(tape: Tape, of: ViewOf, chunk: Chunk, row: number): boolean {
    if (of !== this.#of) {
      this.#of = of;
      const at = this.#columns.map((name) => of.texts.get(name));
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
