import pg from 'pg';
import { Parser } from 'pg-protocol/dist/parser.js';
import { nextColumn, textAt, wireBuffer } from './row-view.ts';

/** Receives rows as positions in the bytes that the server sent. */

const dataRow = 'D'.charCodeAt(0);

interface Message {
  name: string;
}

/** The row received last. The parser reuses the object for the next row. */
export class DataRow implements Message {
  readonly name = 'dataRow';
  buffer = wireBuffer(Buffer.alloc(0));
  /** Offset of the first column. A column consists of four bytes with its length, negative for null, and of its text. */
  at = 0;

  /** The columns as texts, like the field of the same name in node-postgres's DataRow message. */
  get fields(): (string | null)[] {
    const { buffer } = this;
    const fields: (string | null)[] = [];
    let { at } = this;
    for (let count = buffer.view.getInt16(at - 2); count > 0; count -= 1) {
      fields.push(textAt(buffer, at));
      at = nextColumn(buffer, at);
    }
    return fields;
  }
}

/** Private members of the parser of pg-protocol 1.16; test/reader/row-view.test.ts fails when they change. */
interface ParserInternals {
  buffer: Buffer;
  bufferOffset: number;
  bufferLength: number;
  parse(bytes: Buffer, callback: (message: Message) => void): void;
  handlePacket(at: number, code: number, length: number, bytes: Buffer): Message;
  mergeBuffer(bytes: Buffer): void;
}

/** A parser of the protocol that returns each row as its position in the received bytes. */
export class RowParser extends (Parser as unknown as new () => ParserInternals) {
  readonly #row = new DataRow();

  override handlePacket(at: number, code: number, length: number, bytes: Buffer): Message {
    if (code !== dataRow) return super.handlePacket(at, code, length, bytes);
    const row = this.#row;
    // Without this check, a row could read its columns from unrelated bytes, and nothing would report the error.
    if (bytes !== row.buffer.bytes) throw new Error('pg-protocol parses bytes that RowParser did not store');
    row.at = at + 2;
    return row;
  }

  /** Allocates a new buffer. Does not overwrite the old buffer as pg-protocol does, because earlier rows still point into it. */
  override mergeBuffer(bytes: Buffer): void {
    const { buffer, bufferOffset, bufferLength } = this;
    this.buffer = bufferLength === 0 ? bytes : Buffer.concat([buffer.subarray(bufferOffset, bufferOffset + bufferLength), bytes]);
    this.bufferOffset = 0;
    this.bufferLength = this.buffer.length;
    this.#row.buffer = wireBuffer(this.buffer);
  }
}

/** Private members of the client of node-postgres 8.23; test/reader/row-view.test.ts fails when they change. */
interface ClientInternals {
  connection: NodeJS.EventEmitter & { attachListeners(stream: NodeJS.ReadableStream): void };
  _handleDataRow(row: DataRow): void;
}

/** How queries return their rows: as views of the received bytes, or as the plain objects of node-postgres. */
export type RowFormat = 'views' | 'objects';

export interface ReaderConfig extends pg.ClientConfig {
  /** `objects` leaves the parser of node-postgres as it is. */
  rows?: RowFormat;
}

/** A client of node-postgres that receives rows as `DataRow`. */
export class Client extends pg.Client {
  constructor(config: ReaderConfig = {}) {
    super(config);
    if (config.rows === 'objects') return;
    const internals = this as unknown as ClientInternals;
    const { connection } = internals;
    connection.attachListeners = (stream) => {
      const parser = new RowParser();
      // Hot path: calls `_handleDataRow` directly instead of emitting one event per row.
      const receive = (message: Message): void => {
        if (message instanceof DataRow) internals._handleDataRow(message);
        else connection.emit(message.name === 'error' ? 'errorMessage' : message.name, message);
      };
      stream.on('data', (bytes: Buffer) => parser.parse(bytes, receive));
    };
  }
}
