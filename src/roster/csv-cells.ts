/**
 * Cells that a spreadsheet would run as a formula. Writers put an apostrophe before them, which makes them text, and
 * readers remove it again, so that a written cell is read as it was.
 */

const formula = /^[=+\-@\t\r＝＋－＠]/u;
const escaped = /^'+[=+\-@\t\r＝＋－＠]/u;

/** Returns the cell so that Excel, LibreOffice and Google Sheets show it as text. */
export const escapeFormula = (value: string): string => (formula.test(value) || escaped.test(value) ? `'${value}` : value);

/** Returns the cell as it was before `escapeFormula`. */
export const unescapeFormula = (value: string): string => (escaped.test(value) ? value.slice(1) : value);

/** Whether a spreadsheet would run the cell as a formula: it starts with a sign such as `=`, and more follows. */
export const isFormula = (value: string): boolean => formula.test(value) && value.length > 1;

/** Normalises one line of text: NFC, without outer spaces and line ends, inner spaces collapsed. */
export const normalizeCell = (value: string): string => value.normalize('NFC').replace(/\s+/gu, ' ').trim();
