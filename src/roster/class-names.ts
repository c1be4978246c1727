/** Class names such as «5А»: a grade and a letter, in the many ways in which people write them. */

export interface ClassName {
  readonly grade: number;
  readonly letter: string;
}

/** «5А», «5 А», «5-А», «05 "А"», «10 физмат». */
const name = /^(?<grade>\d{1,2})(?:(?:\s*[-–—.]\s*|\s+)(?<separate>.+)|(?<adjacent>\D.*))$/u;

const maxLetterLength = 15;

/** Latin capitals that look like letters of the Russian alphabet. */
const lookalikes: Readonly<Record<string, string>> = {
  A: 'А',
  B: 'В',
  C: 'С',
  E: 'Е',
  H: 'Н',
  K: 'К',
  M: 'М',
  O: 'О',
  P: 'Р',
  T: 'Т',
  X: 'Х',
  Y: 'У',
};

/** Returns grade and letter, or undefined for a text that is no class name. */
export function parseClassName(text: string): ClassName | undefined {
  const { grade, separate, adjacent } = name.exec(text.trim())?.groups ?? {};
  const letter = separate ?? adjacent;
  return letter === undefined ? undefined : makeClassName(Number(grade), letter);
}

/** Normalises the letter of a class. Returns undefined for a grade outside 1 to 11 and for a text that cannot be a letter. */
export function makeClassName(grade: number, text: string): ClassName | undefined {
  const letter = normalizeLetter(text);
  const isGrade = Number.isInteger(grade) && grade >= 1 && grade <= 11;
  // A text with a comma or semicolon names two classes.
  const isLetter = [...letter].length <= maxLetterLength && /[\p{L}\p{Nd}]/u.test(letter) && !/[,;]/.test(letter);
  return isGrade && isLetter ? { grade, letter } : undefined;
}

/**
 * Puts Cyrillic letters in capitals. Replaces Latin letters that look Cyrillic. If the text has other Latin letters too,
 * keeps all Latin letters.
 */
function normalizeLetter(text: string): string {
  const bare = text
    .normalize('NFC')
    .replace(/["«»“”„']/gu, '')
    .replace(/\s+/gu, ' ')
    .trim();
  const capitals = bare.toUpperCase();
  const converted = [...capitals].map((letter) => lookalikes[letter] ?? letter).join('');
  return (/\p{Script=Latin}/u.test(converted) ? bare : converted).replace(/\p{Script=Cyrillic}+/gu, (letters) => letters.toUpperCase());
}

/** Returns the name of a class. A hyphen keeps the grade apart from a letter that starts with a digit. */
export const formatClassName = ({ grade, letter }: ClassName): string => (/^\d/.test(letter) ? `${grade}-${letter}` : `${grade}${letter}`);

export const isSameClass = (a: ClassName, b: ClassName): boolean => a.grade === b.grade && a.letter === b.letter;

/** A section such as «5А Математика»: the class, and what follows its name. */
const section = /^(\d{1,2}[-–]?\p{L}{1,2})(?:[\s.,:;/–—-]+(.*))?$/u;

/** Returns the class at the start of the name of a section, and the rest of the name. */
export function parseSectionName(text: string): { className: ClassName; rest: string } | undefined {
  const [, start, rest = ''] = section.exec(text.trim()) ?? [];
  const className = start === undefined ? undefined : parseClassName(start);
  return className && { className, rest: rest.trim() };
}
