import { invalid } from '../errors.ts';

/** Normalises text that people type, for storage, search and ordering. */

/**
 * Emoji that contain characters which are refused elsewhere: sequences joined by U+200D, a presentation selector, keycaps,
 * and the flags of England, Scotland and Wales. Of the flags made of tag characters, Unicode recommends only these three.
 */
const emoji =
  /\u{1f3f4}\u{e0067}\u{e0062}(?:\u{e0065}\u{e006e}\u{e0067}|\u{e0073}\u{e0063}\u{e0074}|\u{e0077}\u{e006c}\u{e0073})\u{e007f}|\p{Extended_Pictographic}[\ufe0e\ufe0f\p{Emoji_Modifier}]?(?:\u200d\p{Extended_Pictographic}[\ufe0f\p{Emoji_Modifier}]?)*|[0-9#*]\ufe0f?\u20e3/gu;

/**
 * Joiners where a script needs them: after a virama, in the ra-phala of Bengali and Kannada, and between Arabic letters. An
 * Arabic letter may have at most four marks (`stackedMarks`). Without this limit a text of 4,800 marks took three seconds.
 */
const joiners =
  /(?<=[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca])[\u200c\u200d]|(?<=[\u09b0\u0cb0])\u200d(?=[\u09cd\u0ccd])|(?<=\p{Script=Arabic}\p{M}{0,4})\u200c(?=\p{Script=Arabic})/gu;

const bidirectional = /\p{Bidi_Control}/u;

/**
 * Characters that are invisible or meaningless: controls, format characters, lone surrogates, private use, unassigned and
 * default ignorable code points, separators of lines, blanks that Unicode counts as letters, marks or symbols, and the
 * replacement characters for objects and lost text.
 */
const disallowed =
  /[\p{C}\p{Default_Ignorable_Code_Point}\u2028\u2029\u2800\u2d7f\ufffc\ufffd\u{1107f}\u{13441}\u{13442}\u{16fe4}\u{1d159}]/u;

/** Combining marks without a letter, a mark twice in a row, and more marks than a script stacks (UTS #39, 5.4). */
const stackedMarks = /(?:^|\s)\p{M}|([\p{Mn}\p{Me}])\1|[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}]\p{M}{3}|[\p{Mn}\p{Me}]{5}/u;

/**
 * Normalises one line of visible text: NFC, outer spaces removed, several inner spaces made one.
 * @param maxLength in characters as people count them (grapheme clusters). The text takes at most eight times as many bytes.
 * @throws INVALID for characters that are invisible or change the direction of the text, stacks of combining marks, and
 *   lengths outside minLength..maxLength.
 */
export function normalizeLine(path: string, value: string, maxLength: number, minLength = 1): string {
  const wrongLength = () =>
    invalid(path, [
      `Длина должна быть от ${minLength} до ${maxLength} символов.`,
      `The length must be between ${minLength} and ${maxLength} characters.`,
    ]);
  // Refuses very long texts first, because Intl.Segmenter takes 2 s for 20,000 characters on Node 20.
  if (value.length > maxLength * 16) throw wrongLength();
  refuseDisallowed(path, value);
  const text = value.normalize('NFC').trim().replace(/\s+/gu, ' ');
  if (stackedMarks.test(text.replace(emoji, '.')))
    throw invalid(path, [
      'Слишком много надстрочных знаков подряд, или такой знак стоит отдельно от буквы. Удалите лишние знаки.',
      'There are too many combining marks in a row, or one of them has no letter. Remove the extra marks.',
    ]);
  const length = lengthOf(text, maxLength);
  if (length < minLength || length > maxLength) throw wrongLength();
  if (Buffer.byteLength(text) > maxLength * 8)
    throw invalid(path, [
      'В тексте слишком много составных символов. Сократите его.',
      'The text has too many compound characters. Shorten it.',
    ]);
  return text;
}

function refuseDisallowed(path: string, value: string): void {
  const found = disallowed.exec(value.replace(emoji, '.').replace(joiners, ''))?.[0];
  if (found === undefined) return;
  const name = `U+${found.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
  throw invalid(
    path,
    bidirectional.test(found)
      ? [
          `В тексте есть символ ${name}, который меняет направление письма. Удалите его.`,
          `The text contains ${name}, which changes the direction of writing. Remove it.`,
        ]
      : [
          `В тексте есть невидимый или недопустимый символ ${name}. Удалите его или наберите текст заново.`,
          `The text contains ${name}, which is invisible or not allowed. Remove it or type the text again.`,
        ],
  );
}

const graphemes = new Intl.Segmenter('ru', { granularity: 'grapheme' });

/**
 * Returns the number of grapheme clusters, but counts at most to `maxLength` + 1. A text of at most `maxLength` code points
 * cannot be too long: for such a text, returns the number of code points, which is faster to count.
 */
function lengthOf(text: string, maxLength: number): number {
  const codePoints = [...text].length;
  if (codePoints <= maxLength) return codePoints;
  let clusters = 0;
  for (const _cluster of graphemes.segment(text)) if ((clusters += 1) > maxLength) break;
  return clusters;
}

/**
 * Checks a key that a client or another system chose. Keeps the key exactly as given, spaces and invisible characters
 * included.
 * @throws INVALID for U+0000 and lone surrogates, which the database cannot hold, and for lengths outside 1..maxLength.
 */
export function opaqueKey(path: string, value: string, maxLength: number): string {
  if (/[\0\p{Surrogate}]/u.test(value))
    throw invalid(path, ['Символ U+0000 и непарные суррогаты здесь недопустимы.', 'U+0000 and lone surrogates are not allowed here.']);
  const { length } = [...value];
  if (length < 1 || length > maxLength)
    throw invalid(path, [`Длина должна быть от 1 до ${maxLength} символов.`, `The length must be between 1 and ${maxLength} characters.`]);
  return value;
}

/** Normalises a line of a field that may be omitted (undefined) or cleared (null or blank). */
export function normalizeOptionalLine(path: string, value: string | null | undefined, maxLength: number): string | null | undefined {
  if (value === undefined) return undefined;
  return value === null || value.trim() === '' ? null : normalizeLine(path, value, maxLength);
}

/** Returns a text for search: lower case, with ё as е. */
export const searchable = (text: string): string => text.normalize('NFC').toLowerCase().replaceAll('ё', 'е');

/**
 * Returns a sort key for COLLATE "C": lower case, with ё moved between е and ж and the letters after it shifted by one,
 * so that code points are in the order of the Russian alphabet.
 */
export function alphabetical(text: string): string {
  return text
    .normalize('NFC')
    .toLowerCase()
    .replace(/[ё-]|[ж-я]/gu, (letter) => {
      if (letter === 'ё') return 'ж';
      return letter === '-' ? ' ' : String.fromCodePoint(letter.codePointAt(0)! + 1);
    });
}

/** Returns the sort key of a name with several parts. A missing part sorts first. */
export const alphabeticalKey = (parts: readonly (string | null)[]): string => parts.map((part) => alphabetical(part ?? '')).join('\u001f');
