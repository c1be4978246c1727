import { invalid } from '../errors.ts';

/** What people type, made fit to store, to search and to put in order. */

const loneSurrogate = /\p{Surrogate}/u;
const control = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff]/u;

/**
 * One line of text: NFC, outer spaces cut, inner ones made one.
 * @throws INVALID for U+0000 and other control characters, lone surrogates, and lengths outside least..most characters.
 */
export function line(path: string, value: string, most: number, least = 1): string {
  if (loneSurrogate.test(value) || control.test(value))
    throw invalid(path, ['Здесь недопустимые символы.', 'There are characters here that are not allowed.']);
  const text = value.normalize('NFC').trim().replace(/\s+/gu, ' ');
  const length = [...text].length;
  if (length < least || length > most)
    throw invalid(path, [`Длина — от ${least} до ${most} символов.`, `The length is from ${least} to ${most} characters.`]);
  return text;
}

/** As `line`, for a field that may be left out (undefined) or emptied (null or blank). */
export function optionalLine(path: string, value: string | null | undefined, most: number): string | null | undefined {
  if (value === undefined) return undefined;
  return value === null || value.trim() === '' ? null : line(path, value, most);
}

/** For search: lower case, ё as е. */
export const searchable = (text: string): string => text.normalize('NFC').toLowerCase().replaceAll('ё', 'е');

/**
 * For order under COLLATE "C": lower case, with ё moved between е and ж and the letters after it by one, so that
 * code points stand in the order of the Russian alphabet.
 */
export function alphabetical(text: string): string {
  return text.normalize('NFC').toLowerCase().replace(/[ё-]|[ж-я]/gu, (letter) => {
    if (letter === 'ё') return 'ж';
    return letter === '-' ? ' ' : String.fromCodePoint(letter.codePointAt(0)! + 1);
  });
}

/** The parts of a name as one key; a part that is missing sorts before any that is there. */
export const alphabeticalKey = (parts: readonly (string | null)[]): string =>
  parts.map((part) => alphabetical(part ?? '')).join('\u001f');
