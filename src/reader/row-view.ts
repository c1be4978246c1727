import pg from 'pg';
import { Parser } from 'pg-protocol/dist/parser.js';

/**
 * Rows as they come off the wire: their bytes, of which a text is made where somebody asks for it. node-postgres makes one of
 * every column before anybody can say which are needed, and most are only written as bytes again.
 */

const dataRow = 'D'.charCodeAt(0);

interface Message {
  name: string;
}

/** What came in one piece, to be read byte by byte and as numbers. It stays as it is for as long as it is held. */
export interface WireBuffer {
  bytes: Buffer;
  view: DataView;
}

export const wireBuffer = (bytes: Buffer): WireBuffer => ({ bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) });

/** A row that has just come; the next one takes its place. */
export class DataRow implements Message {
  readonly name = 'dataRow';
  chunk = wireBuffer(Buffer.alloc(0));
  /** Where its first column begins: four bytes of length, negative for null, and so many bytes of text. */
  at = 0;

  /** As node-postgres gives them. */
  get fields(): (string | null)[] {
    const { chunk } = this;
    const fields: (string | null)[] = [];
    let { at } = this;
    for (let count = chunk.view.getInt16(at - 2); count > 0; count -= 1) {
      fields.push(textAt(chunk, at));
      at = nextColumn(chunk, at);
    }
    return fields;
  }
}

/** Of the text of the column that begins there; negative for null. */
export const lengthAt = ({ view }: WireBuffer, at: number): number => view.getInt32(at);

/** Where the next column begins. */
export function nextColumn({ view }: WireBuffer, at: number): number {
  const length = view.getInt32(at);
  return length < 0 ? at + 4 : at + 4 + length;
}

/** Where a column begins, of a row whose first one begins at `at`. */
export function columnAt(chunk: WireBuffer, at: number, column: number): number {
  let begin = at;
  for (let n = 0; n < column; n += 1) begin = nextColumn(chunk, begin);
  return begin;
}

/** The text of the column that begins there. */
export function textAt({ bytes, view }: WireBuffer, at: number): string | null {
  const length = view.getInt32(at);
  return length < 0 ? null : bytes.toString('utf8', at + 4, at + 4 + length);
}

/** A whole number, not negative, that begins there. */
export function integerAt({ bytes, view }: WireBuffer, at: number): number {
  let value = 0;
  for (let n = at + 4, end = n + view.getInt32(at); n < end; n += 1) value = value * 10 + bytes[n]! - 48;
  return value;
}

/** What is used of node-postgres's own parser, beyond what its types show. */
interface Packets {
  buffer: Buffer;
  bufferOffset: number;
  bufferLength: number;
  parse(bytes: Buffer, each: (message: Message) => void): void;
  handlePacket(at: number, code: number, length: number, bytes: Buffer): Message;
  mergeBuffer(bytes: Buffer): void;
}

class RowParser extends (Parser as unknown as new () => Packets) {
  readonly #row = new DataRow();

  override handlePacket(at: number, code: number, length: number, bytes: Buffer): Message {
    if (code !== dataRow) return super.handlePacket(at, code, length, bytes);
    this.#row.at = at + 2;
    return this.#row;
  }

  /** Never into memory that earlier rows stand in. */
  override mergeBuffer(bytes: Buffer): void {
    const { buffer, bufferOffset, bufferLength } = this;
    this.buffer = bufferLength === 0 ? bytes : Buffer.concat([buffer.subarray(bufferOffset, bufferOffset + bufferLength), bytes]);
    this.bufferOffset = 0;
    this.bufferLength = this.buffer.length;
    this.#row.chunk = wireBuffer(this.buffer);
  }
}

/** What is used of node-postgres's own client, beyond what its types show. */
interface Receiving {
  connection: NodeJS.EventEmitter & { attachListeners(stream: NodeJS.ReadableStream): void };
  _handleDataRow(row: DataRow): void;
}

/** A client of node-postgres that is given its rows so. */
export class Client extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    const receiving = this as unknown as Receiving;
    const { connection } = receiving;
    connection.attachListeners = (stream) => {
      const parser = new RowParser();
      // Rows are many: they go where the event of their name would bring them.
      const receive = (message: Message): void => {
        if (message instanceof DataRow) receiving._handleDataRow(message);
        else connection.emit(message.name === 'error' ? 'errorMessage' : message.name, message);
      };
      stream.on('data', (bytes: Buffer) => parser.parse(bytes, receive));
    };
  }
}

/** How a column becomes a value; null where its text is the value. */
export type Parse = ((text: string) => unknown) | null;

/** A column of a row that belongs to it, under the name that they stand by. */
export type Related = readonly [relation: string, field: string];

/** What a statement reads, in the order of its columns. */
export interface Columns {
  own: readonly string[];
  related: readonly Related[];
  /** Of a row that each row brings along; its first column is null where there is none. */
  joined: readonly string[] | null;
}

/** A row whose columns are read when they are asked for, by properties as any row's. */
export abstract class RowView {
  /** Its first column begins at `$at` in `$chunk`. Declared only: a field that is defined anew in every class of views costs a microsecond. */
  declare readonly $chunk: WireBuffer;
  declare readonly $at: number;

  constructor(chunk: WireBuffer, at: number) {
    this.$chunk = chunk;
    this.$at = at;
  }
}

/** Views of rows with the same columns. */
export interface RowViewClass {
  new (chunk: WireBuffer, at: number): RowView;
  /** Columns whose bytes are their value, by their names. */
  readonly textColumns: ReadonlyMap<string, number>;
}

/** @param parsers of each column, from the first that is the row's. */
export function createView({ own, related, joined }: Columns, parsers: readonly Parse[]): RowViewClass {
  const textColumns = new Map<string, number>();
  class Row extends RowView {
    static readonly textColumns = textColumns;
  }
  const property = (name: string, get: (chunk: WireBuffer, at: number) => unknown): void =>
    void Object.defineProperty(Row.prototype, name, {
      get(this: RowView) {
        return get(this.$chunk, this.$at);
      },
    });
  const read = (column: number) => {
    const parse = parsers[column]!;
    return (chunk: WireBuffer, at: number): unknown => {
      const text = textAt(chunk, columnAt(chunk, at, column));
      return text === null || parse === null ? text : parse(text);
    };
  };
  own.forEach((name, column) => {
    if (parsers[column] === null) textColumns.set(name, column);
    property(name, read(column));
  });
  for (const relation of new Set(related.map(([name]) => name))) {
    const fields = related.flatMap(([name, field], n) => (name === relation ? [[field, read(own.length + n)] as const] : []));
    property(relation, (chunk, at) => Object.fromEntries(fields.map(([field, get]) => [field, get(chunk, at)])));
  }
  if (joined === null) return Row;
  const first = own.length + related.length;
  const JoinedView = createView({ own: joined, related: [], joined: null }, parsers.slice(first));
  property('joined', (chunk, at) => {
    const begin = columnAt(chunk, at, first);
    return lengthAt(chunk, begin) < 0 ? null : new JoinedView(chunk, begin);
  });
  return Row;
}

/** Rows in their order, as an array of them or as a list that makes each when it is come to. */
export interface ReadonlyRows<Row> {
  readonly length: number;
  at(n: number): Row | undefined;
}

/** Rows as views, each made when it is come to: nothing of a row is kept before but where it begins. */
export class RowList {
  readonly #of: RowViewClass;
  readonly #at: number[] = [];
  readonly #chunks: WireBuffer[] = [];
  /** The first row of each chunk. */
  readonly #first: number[] = [];

  constructor(of: RowViewClass) {
    this.#of = of;
  }

  get length(): number {
    return this.#at.length;
  }

  add(chunk: WireBuffer, at: number): void {
    if (this.#chunks.at(-1) !== chunk) {
      this.#chunks.push(chunk);
      this.#first.push(this.#at.length);
    }
    this.#at.push(at);
  }

  at(n: number): RowView | undefined {
    const at = this.#at[n];
    if (at === undefined) return undefined;
    let chunk = this.#chunks.length - 1;
    while (this.#first[chunk]! > n) chunk -= 1;
    return new this.#of(this.#chunks[chunk]!, at);
  }
}
