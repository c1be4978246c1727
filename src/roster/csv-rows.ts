import { isUtf8 } from 'node:buffer';
import { Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { type NoticeLog, unreadable } from './notices.ts';
import type { SourceFile } from './source-file.ts';

/** Reads the rows of a CSV file. Finds out the encoding, the line ends and the delimiter. */

export interface CsvRow {
  /** The first physical line of the row, counted from 1. */
  readonly line: number;
  readonly cells: readonly string[];
}

const maxRows = 200_000;
const maxRowKilobytes = 64;

const delimiterNames: Readonly<Record<string, string>> = { ';': '«;»', '\t': 'Tab' };

/**
 * Yields the rows of a file, without blank rows. Warns of an unusual encoding, line end or delimiter.
 * @param isStrict whether to warn of a delimiter other than the comma, and of a byte order mark in UTF-8. Spreadsheet
 *   programs write both, so the Russian list may have them without a warning.
 * @throws UnreadableRoster if the file is empty or is not text, if it has too many rows, or if a row is too long or has a
 *   quotation mark that is not closed.
 */
export async function* readRows(file: SourceFile, notices: NoticeLog, isStrict: boolean): AsyncGenerator<CsvRow> {
  const place = { file: file.name };
  if (file.bytes.length === 0) throw unreadable('FILE_EMPTY', place);
  const encoding = encodingOf(file, notices, isStrict);
  const start = new TextDecoder(encoding).decode(file.bytes.subarray(0, 64 * 1024));
  if (start.includes('\r') && !start.includes('\n')) notices.warn('LINE_ENDS', place);
  const delimiter = delimiterOf(start);
  if (isStrict && delimiter !== ',') notices.warn('DELIMITER', place, delimiterNames[delimiter] ?? delimiter);
  yield* parseRows(file, Readable.from(decode(file.bytes, encoding)), delimiter);
}

async function* parseRows(file: SourceFile, text: Readable, delimiter: string): AsyncGenerator<CsvRow> {
  /**
   * The last line of the newest row that the parser has finished. An error of the parser is in the row after it. The loop
   * below cannot count this line, because it receives a row later than the parser finishes it.
   */
  let parsedLine = 0;
  const parser = text.pipe(
    parse({
      delimiter,
      info: true,
      on_record: (cells, { lines }) => {
        parsedLine = lines;
        return cells;
      },
      relax_column_count: true,
      relax_quotes: true,
      record_delimiter: '\n',
      max_record_size: maxRowKilobytes * 1024,
    }),
  );
  let rows = 0;
  try {
    let line = 1;
    for await (const { record: cells, info } of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
      const row = { line, cells };
      line = info.lines + 1;
      if (isBlank(row)) continue;
      rows += 1;
      if (rows > maxRows) throw unreadable('TOO_MANY_ROWS', { file: file.name, line: row.line }, maxRows);
      yield row;
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const place = { file: file.name, line: parsedLine + 1 };
    throw error.code === 'CSV_MAX_RECORD_SIZE' ? unreadable('ROW_TOO_LONG', place, maxRowKilobytes) : unreadable('QUOTE_NOT_CLOSED', place);
  }
}

/** Whether a row is empty, or is the line `sep=` by which Excel names the separator. */
const isBlank = ({ line, cells }: CsvRow): boolean =>
  cells.every((cell) => cell.trim() === '') || (line === 1 && cells.length <= 2 && /^sep=$/i.test(cells[0]!));

/**
 * The first bytes of Excel workbooks, in hexadecimal. People upload workbooks instead of CSV files. The first entry is for
 * `.xls`. The second is for ZIP archives, because an `.xlsx` file is a ZIP archive.
 */
const workbookStarts = ['d0cf11e0', '504b0304'];

/**
 * Returns the encoding: UTF-16 by its byte order mark, UTF-8 if the bytes are valid, otherwise Windows-1251.
 * @throws UnreadableRoster for bytes that are not text in any of these encodings.
 */
function encodingOf(
  { name, bytes }: SourceFile,
  notices: NoticeLog,
  isStrict: boolean,
): 'utf-8' | 'windows-1251' | 'utf-16le' | 'utf-16be' {
  const start = bytes.toString('hex', 0, 4);
  if (workbookStarts.includes(start)) throw unreadable('SPREADSHEET', { file: name });
  if (start.startsWith('fffe') || start.startsWith('feff')) {
    notices.warn('ENCODING_UTF_16', { file: name });
    return start.startsWith('fffe') ? 'utf-16le' : 'utf-16be';
  }
  if (hasControls(bytes)) throw unreadable('FILE_BINARY', { file: name });
  if (isUtf8(bytes)) {
    if (isStrict && start.startsWith('efbbbf')) notices.warn('BYTE_ORDER_MARK', { file: name });
    return 'utf-8';
  }
  notices.warn('ENCODING_WINDOWS_1251', { file: name });
  return 'windows-1251';
}

/** Whether there is a control character other than tab, line feed, carriage return and the end of file of DOS. */
const hasControls = (bytes: Buffer): boolean =>
  bytes.some((byte) => byte < 0x20 && byte !== 9 && byte !== 10 && byte !== 13 && byte !== 0x1a);

const chunkBytes = 64 * 1024;

/** Decodes in chunks, so that a large file is never in memory as one text. All line ends become LF. */
function* decode(bytes: Buffer, encoding: string): Generator<string> {
  const decoder = new TextDecoder(encoding);
  let endsInCr = false;
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const isLast = at + chunkBytes >= bytes.length;
    let text = decoder.decode(bytes.subarray(at, at + chunkBytes), { stream: !isLast });
    if (endsInCr && text !== '') text = `\r${text}`;
    endsInCr = !isLast && text.endsWith('\r');
    yield (endsInCr ? text.slice(0, -1) : text).replace(/\r\n?/g, '\n').replaceAll('\x1a', '');
  }
}

/** Returns the delimiter that occurs most in the first lines, outside quotation marks; the comma if no delimiter occurs. */
function delimiterOf(start: string): string {
  const lines = start
    .replace(/"[^"]*"/g, '')
    .split(/\r\n?|\n/)
    .slice(0, 10)
    .join('\n');
  const count = (delimiter: string) => lines.split(delimiter).length;
  return [';', '\t'].reduce((best, delimiter) => (count(delimiter) > count(best) ? delimiter : best), ',');
}
