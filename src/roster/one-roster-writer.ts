import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { stringify } from 'csv-stringify/sync';
import { ZipFile } from 'yazl';
import { escapeFormula } from './csv-cells.ts';
import { manifestFiles, oneRosterColumns, orderNumberColumn, type OneRosterFile } from './one-roster-columns.ts';
import { type OneRosterSchool, OneRosterTables, type TableRecord } from './one-roster-tables.ts';
import type { Roster } from './roster.ts';

/** The time of every file in the ZIP, always the same, so that the same roster gives the same bytes. */
const entryTime = new Date('2000-01-01T12:00:00Z');

/**
 * Writes the active parts of a roster as a ZIP of OneRoster CSV 1.2.1 in bulk mode: UTF-8 without byte order mark, CRLF,
 * empty `status` and `dateLastModified`. Ends the stream. The same roster gives the same bytes.
 */
export async function writeOneRoster(roster: Roster, school: OneRosterSchool, output: Writable): Promise<void> {
  const tables = new OneRosterTables(roster, school).toRows();
  const zip = new ZipFile();
  const add = (name: string, rows: readonly (readonly string[])[]) =>
    zip.addBuffer(Buffer.from(toCsv(rows)), name, { mtime: entryTime, forceDosTimestamp: true });
  add('manifest.csv', manifestOf(tables));
  for (const [file, rows] of Object.entries(tables)) add(`${file}.csv`, rowsOf(file as OneRosterFile, rows));
  zip.end();
  await pipeline(zip.outputStream, output);
}

const toCsv = (rows: readonly (readonly string[])[]): string =>
  stringify(
    rows.map((cells) => cells.map(escapeFormula)),
    { record_delimiter: 'windows' },
  );

function manifestOf(tables: Partial<Record<string, readonly TableRecord[]>>): string[][] {
  return [
    ['propertyName', 'value'],
    ['manifest.version', '1.0'],
    ['oneroster.version', '1.2'],
    ...manifestFiles.map((file) => [`file.${file}`, tables[file] === undefined ? 'absent' : 'bulk']),
    ['source.systemName', 'Sfera'],
    ['source.systemCode', ''],
  ];
}

/** Returns the headings and rows of a file. Adds `orderNumberColumn` only if a row has the number of an admission decree. */
function rowsOf(file: OneRosterFile, rows: readonly TableRecord[]): string[][] {
  const hasOrders = file === 'enrollments' && rows.some((row) => (row[orderNumberColumn] ?? '') !== '');
  const columns: readonly string[] = hasOrders ? [...oneRosterColumns[file], orderNumberColumn] : oneRosterColumns[file];
  return [[...columns], ...rows.map((row) => columns.map((column) => row[column] ?? ''))];
}
