import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Client, RowParser, type DataRow } from '../../src/reader/row-parser.ts';
import type { User } from '../../src/domain/entities.ts';
import { wireBuffer, createView, plain } from '../../src/reader/row-view.ts';
import { columnBytes } from '../support/column-bytes.ts';

/** Parsing of rows from the PostgreSQL protocol, however the bytes are split into chunks. */

function message(values: readonly (string | null)[]): Buffer {
  const columns = values.map(columnBytes);
  const head = Buffer.alloc(7);
  head.write('D');
  head.writeInt32BE(6 + columns.reduce((sum, { length }) => sum + length, 0), 1);
  head.writeInt16BE(values.length, 5);
  return Buffer.concat([head, ...columns]);
}

/** Parses the bytes in chunks of `size`. Returns all rows after the last chunk. */
function arriving(bytes: Buffer, size: number) {
  const stream = new PassThrough();
  const client = new Client() as unknown as {
    connection: { attachListeners(stream: PassThrough): void };
    _handleDataRow(row: DataRow): void;
  };
  const held: { buffer: DataRow['buffer']; at: number; fields: (string | null)[] }[] = [];
  client._handleDataRow = ({ buffer, at, fields }) => void held.push({ buffer, at, fields });
  client.connection.attachListeners(stream);
  for (let at = 0; at < bytes.length; at += size) stream.emit('data', Buffer.from(bytes.subarray(at, at + size)));
  return held;
}

describe('rows from the protocol stream', () => {
  const rows = Array.from({ length: 40 }, (_none, n) => [`Иванов ${n}`, n % 3 === 0 ? null : `${n}`, 'x'.repeat(n)]);
  const bytes = Buffer.concat(rows.map(message));
  const View = createView({ own: ['name', 'number', 'rest'], related: [], joined: null }, [null, Number, null]);

  it.each([1, 7, 64, 300, bytes.length])('are complete with chunks of %i bytes, and stay unchanged', (size) => {
    const held = arriving(bytes, size);
    expect(held.map(({ fields }) => fields)).toEqual(rows);
    const views = held.map(({ buffer, at }) => new View(buffer, at) as unknown as { name: string; number: number | null; rest: string });
    expect(views.map(({ name, number, rest }) => [name, number, rest])).toEqual(
      rows.map(([name, number, rest]) => [name, number === null ? null : Number(number), rest]),
    );
  });

  it('are refused if pg-protocol passes bytes other than those that were stored last', () => {
    class CopyingParser extends RowParser {
      override handlePacket(at: number, code: number, length: number, buffer: Buffer) {
        return super.handlePacket(at, code, length, Buffer.from(buffer));
      }
    }
    class OverwritingParser extends RowParser {
      override mergeBuffer(received: Buffer): void {
        this.buffer = received;
        this.bufferOffset = 0;
        this.bufferLength = received.length;
      }
    }
    for (const parser of [new CopyingParser(), new OverwritingParser()])
      expect(() => parser.parse(bytes, () => undefined)).toThrow('pg-protocol parses bytes that RowParser did not store');
  });

  it('contain a joined row, or null if its first column is null', () => {
    const Both = createView(
      {
        own: ['id'],
        related: [
          ['student', 'sortKey'],
          ['student', 'id'],
        ],
        joined: ['id', 'surname'],
      },
      [null, null, null, null, null],
    );
    const view = (values: readonly (string | null)[]) =>
      new Both(wireBuffer(Buffer.concat(values.map(columnBytes))), 0) as unknown as Record<string, any>;
    const there = view(['1', 'orlova', '7', '7', 'Орлова']);
    expect([there.id, there.student, there.joined.id, there.joined.surname]).toEqual(['1', { sortKey: 'orlova', id: '7' }, '7', 'Орлова']);
    expect(view(['1', 'orlova', '7', null, 'Орлова']).joined).toBeNull();
    expect(there.missing).toBeUndefined();
  });
});

describe('a row view', () => {
  const View = createView({ own: ['id', 'surname'], related: [['school', 'name']], joined: ['id', 'note'] }, [
    null,
    null,
    null,
    null,
    null,
  ]);
  const row = new View(wireBuffer(Buffer.concat(['1', 'Орлова', 'Школа', '7', null].map(columnBytes))), 0) as unknown as User;
  const columns = { id: '1', surname: 'Орлова', school: { name: 'Школа' }, joined: { id: '7', note: null } };

  it('is copied by plain, with its relations and its joined row', () => {
    expect(plain(row)).toStrictEqual(columns);
    expect(plain({ id: '2' })).toStrictEqual({ id: '2' });
  });

  it('is serialised with all its columns', () => {
    expect(JSON.parse(JSON.stringify([row]))).toEqual([columns]);
  });

  it('has no columns in a spread or a rest, which the compiler reports', () => {
    const { id, ...rest } = row;
    // @ts-expect-error the type of a spread has no columns
    const { surname } = { ...row };
    // @ts-expect-error nor has the type of a rest
    expect([id, surname, rest.surname, plain(row).surname]).toEqual(['1', undefined, undefined, 'Орлова']);
  });
});
