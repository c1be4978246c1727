/**
 * Handles CSV cells that a spreadsheet would run as a formula. The writers of src/roster put an apostrophe before such a cell,
 * which makes the cell text. The readers remove this apostrophe.
 */

const formula = /^[=+\-@\t\r＝＋－＠]/u;
const escaped = /^'+[=+\-@\t\r＝＋－＠]/u;

/** Returns the cell so that Excel, LibreOffice and Google Sheets show it as text. */
export const escapeFormula = (value: string): string => (formula.test(value) || escaped.test(value) ? `'${value}` : value);

/** Returns the cell as it was before `escapeFormula`. */
export const unescapeFormula = (value: string): string => (escaped.test(value) ? value.slice(1) : value);

/** Whether a spreadsheet would run the cell as a formula: it starts with a sign such as `=`, and more follows. */
export const isFormula = (value: string): boolean => formula.test(value) && value.length > 1;

/** Whether a text has a control character other than white space. */
export const hasControl = (value: string): boolean => /(?!\s)\p{Cc}/u.test(value);

const maxKeyLength = 100;

/** Whether an id, or the number of an admission decree, can be stored. src/domain/external-ids.ts has the same limit. */
export const isKey = (value: string): boolean =>
  value.length <= maxKeyLength * 2 && [...value].length <= maxKeyLength && !/[\p{Cc}\p{Bidi_Control}]/u.test(value);

/** Normalises one line of text: NFC, without outer spaces and line ends, inner spaces collapsed. */
export const normalizeCell = (value: string): string => value.normalize('NFC').replace(/\s+/gu, ' ').trim();
