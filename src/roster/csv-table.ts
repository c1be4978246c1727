import { closest } from '../suggestions.ts';
import { hasControl, isFormula, normalizeCell, unescapeFormula } from './csv-cells.ts';
import { type CsvRow, readRows } from './csv-rows.ts';
import { type NoticeLog, unreadable } from './notices.ts';
import type { RosterPlace } from './roster.ts';
import type { SourceFile } from './source-file.ts';

/** Reads tables whose columns a standard names: OneRoster and School Data Sync. */

export interface TableSpec<Column extends string = string> {
  /** The columns that the file must have. */
  readonly required: readonly Column[];
  /** Columns that the file may have, and that are read. */
  readonly optional: readonly Column[];
  /** Columns of the standard that are ignored without a warning. */
  readonly unused: readonly string[];
}

/** A row with its cells by column. */
export interface TableRow<Column extends string = string> {
  readonly at: RosterPlace;
  /** Returns the cell in one line without outer spaces; an empty text if the file has no such column. */
  get(column: Column): string;
}

/** Reads one table. Its rows can be iterated once. */
export class CsvTable<Column extends string = string> {
  readonly file: string;
  /**
   * The number of rows that were left out, because they have too few or too many cells, or a control character. Grows until
   * all rows have been read.
   */
  lostRows = 0;
  readonly #headings: Headings;
  readonly #told = new Set<string>();
  readonly #rows: AsyncGenerator<CsvRow>;
  readonly #notices: NoticeLog;

  private constructor(file: string, headings: Headings, rows: AsyncGenerator<CsvRow>, notices: NoticeLog) {
    this.file = file;
    this.#headings = headings;
    this.#rows = rows;
    this.#notices = notices;
  }

  /** Reads the headings. @throws UnreadableRoster if a required column is missing or a column occurs twice. */
  static async open<Column extends string>(file: SourceFile, spec: TableSpec<Column>, notices: NoticeLog): Promise<CsvTable<Column>> {
    const rows = readRows(file, notices, true);
    const first = await rows.next();
    if (first.done) throw unreadable('FILE_EMPTY', { file: file.name });
    return new CsvTable<Column>(file.name, readHeadings(file.name, first.value, spec, notices), rows, notices);
  }

  has(column: Column): boolean {
    return this.#headings.positions.has(column);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TableRow<Column>> {
    const { positions, width, secrets } = this.#headings;
    for await (const { line, cells } of this.#rows) {
      const at = { file: this.file, line };
      if (isRagged(cells, width)) {
        this.lostRows += 1;
        this.#notices.error('ROW_RAGGED', at, cells.length, width);
      } else if (!checkCells(cells, positions, at, this.#notices)) {
        this.lostRows += 1;
      } else {
        warnOfCells(cells, { positions, secrets, at, told: this.#told }, this.#notices);
        yield { at, get: (column) => readCell(cells[positions.get(column) ?? -1]) };
      }
    }
  }
}

/**
 * Warns of each cell that a spreadsheet would run as a formula. Warns once of each column of logins or passwords.
 * @param told headings of the login and password columns that were reported already. The function adds to this set.
 */
export function warnOfCells(
  cells: readonly string[],
  { positions, secrets, at, told }: Pick<Headings, 'positions' | 'secrets'> & { readonly at: RosterPlace; readonly told: Set<string> },
  notices: NoticeLog,
): void {
  for (const [column, position] of positions) if (isFormula(cells[position]!)) notices.warn('FORMULA_CELL', at, column);
  for (const [heading, position] of secrets) {
    if (cells[position]!.trim() === '' || told.has(heading)) continue;
    told.add(heading);
    notices.warn('PASSWORDS_IGNORED', at, heading);
  }
}

/**
 * Returns whether the cells of the read columns have no control characters. Adds an error for the first cell that has one.
 */
export function checkCells(cells: readonly string[], positions: ReadonlyMap<string, number>, at: RosterPlace, notices: NoticeLog): boolean {
  for (const [column, position] of positions) {
    if (!hasControl(cells[position]!)) continue;
    notices.error('TEXT_INVALID', at, column);
    return false;
  }
  return true;
}

/** Returns the normalised text of a cell, without the apostrophe of `escapeFormula`; empty for a missing cell. */
export const readCell = (cell: string | undefined): string => (cell === undefined ? '' : normalizeCell(unescapeFormula(cell)));

/** Whether a row has fewer cells than headings, or more. Extra empty cells are allowed: spreadsheets add them. */
export const isRagged = (cells: readonly string[], width: number): boolean =>
  cells.length < width || cells.slice(width).some((cell) => cell.trim() !== '');

export interface Headings {
  /** The columns that are read. */
  readonly positions: ReadonlyMap<string, number>;
  /** Columns of logins and passwords, which are not read. */
  readonly secrets: ReadonlyMap<string, number>;
  readonly width: number;
}

/** Returns a heading without the byte order mark, spaces, signs and case: «School SIS ID» and «schoolSisId» become equal. */
const headingKey = (heading: string): string => heading.toLowerCase().replace(/[^\p{L}\p{Nd}]/gu, '');

function readHeadings(file: string, { line, cells }: CsvRow, spec: TableSpec, notices: NoticeLog): Headings {
  const at = { file, line };
  const read = [...spec.required, ...spec.optional];
  const known = [...read, ...spec.unused];
  const exact = new Set(cells.map((cell) => cell.replace('\ufeff', '')));
  const missing = known.filter((column) => !exact.has(column));
  const positions = new Map<string, number>();
  const secrets = new Map<string, number>();
  const headings = cells.map((cell) => cell.replace('\ufeff', '').trim());
  for (const [position, heading] of headings.entries()) {
    if (heading === '' || (/^metadata\./i.test(heading) && !read.includes(heading))) continue;
    const column = columnOf(heading, known, missing);
    if (isSecret(column ?? heading)) secrets.set(heading, position);
    else if (column === undefined) notices.warn('COLUMN_IGNORED', at, heading);
    else if (positions.has(column)) throw unreadable('COLUMN_DUPLICATE', at, column);
    else if (column !== heading) notices.warn('HEADING_CORRECTED', at, heading, column);
    if (column !== undefined && read.includes(column)) positions.set(column, position);
  }
  for (const column of spec.required) if (!positions.has(column)) throw unreadable('COLUMN_MISSING', at, column);
  return { positions, secrets, width: headings.length - trailingEmpty(headings) };
}

const trailingEmpty = (headings: readonly string[]): number => headings.length - (headings.findLastIndex((heading) => heading !== '') + 1);

export const isSecret = (heading: string): boolean => /^(password|пароль|логин|login)/i.test(heading);

/** Returns the column that a heading names. The heading may differ in case, spaces and signs, or by two typing errors. */
function columnOf(heading: string, known: readonly string[], missing: readonly string[]): string | undefined {
  if (known.includes(heading)) return heading;
  const key = headingKey(heading);
  return (
    known.find((column) => headingKey(column) === key) ??
    closest(
      heading,
      missing.filter((column) => column.length > 5),
      2,
    )
  );
}
