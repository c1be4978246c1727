/** Compares texts that look the same (UTS #39, confusables), in Cyrillic, Latin and Greek. */

/**
 * Maps capital letters that look alike to one letter, usually Cyrillic. Two letters also count as alike if only their small
 * letters look alike. Made from the confusables of ICU 72. Leaves out pairs of small letters whose capitals are common and
 * look different: b and ь, r and г, u and υ, v and ν, y and γ.
 */
// prettier-ignore
const capitals: Record<string, string> = {
  // Latin.
  A: 'А', B: 'В', C: 'С', D: 'Ԁ', E: 'Е', G: 'Ԍ', H: 'Н', I: 'І', J: 'Ј', K: 'К', M: 'М', O: 'О', P: 'Р', Q: 'Ԛ', S: 'Ѕ', T: 'Т', V: 'Ѵ', W: 'Ԝ', X: 'Х', Y: 'У',
  Æ: 'Ӕ', Ə: 'Ә', Ǝ: 'Ә', Ɵ: 'Ө', Ꝋ: 'Ө', Ɛ: 'Є', Ꞓ: 'Є', Ʒ: 'З', Ȝ: 'З', Ɜ: 'З', Ƃ: 'Б', Ƅ: 'Ь', Ɩ: 'І', ǀ: 'І', Ʝ: 'Ј', ȷ: 'Ј', ĸ: 'К', Ʌ: 'Л', Ɯ: 'Ш', Ƨ: 'Ꙅ',
  Ħ: 'Ћ', Ⱨ: 'Ң', Ⱪ: 'Қ', Ꝁ: 'Ҟ', Ɍ: 'Ғ', Ɏ: 'Ұ', Ƕ: 'Ԋ', Ꞙ: 'F',
  // Latin small capitals and other letters without a capital.
  ᴀ: 'А', ʙ: 'В', ᴄ: 'С', ᴇ: 'Е', ɢ: 'Ԍ', ʜ: 'Н', Ɪ: 'І', ᴊ: 'Ј', ᴋ: 'К', ᴍ: 'М', ᴎ: 'И', ɴ: 'N', ᴏ: 'О', ᴘ: 'Р', ꜱ: 'Ѕ', ᴛ: 'Т', ᴠ: 'Ѵ', ᴡ: 'Ԝ', ʏ: 'У', ᴙ: 'Я', ᴈ: 'З', ɸ: 'Ф',
  // Greek.
  Α: 'А', Β: 'В', Γ: 'Г', Ε: 'Е', Ζ: 'Z', Η: 'Н', Θ: 'Ө', Ι: 'І', Κ: 'К', Λ: 'Л', Μ: 'М', Ν: 'N', Ο: 'О', Π: 'П', Ρ: 'Р', Σ: 'Ʃ', Τ: 'Т', Υ: 'У', Φ: 'Ф', Χ: 'Х', Ψ: 'Ѱ',
  Ϳ: 'Ј', Ϻ: 'М', Ͷ: 'И', Ϝ: 'F', Ϸ: 'Þ', ᴦ: 'Г', ᴧ: 'Л', ᴨ: 'П', ᴩ: 'Р',
  // Cyrillic letters that look like others, and digits that look like letters.
  Ү: 'У', Ӏ: 'І', Ꙇ: 'І', Һ: 'Н', Ҽ: 'Е', Ҿ: 'Е\u0328', Ҫ: 'С\u0327', Ӈ: 'Н\u0327', Ӊ: 'Н\u0327', Ѳ: 'Ө', Ӡ: 'З', Ԑ: 'Є', Ѡ: 'Ԝ', 0: 'О', 3: 'З',
};

/**
 * Returns the same key for texts that people read as the same. Ignores case, width, spaces, hyphens, quotes, brackets, full
 * stops and commas. A Cyrillic letter and a letter that looks like it are equal. Diacritics make a difference.
 */
export function confusableKey(text: string): string {
  // Replaces the lunate sigma before NFKC, which makes it a Σ. Goes through lower case to upper case, because upper case
  // makes ß an SS but leaves ẞ, whose lower case is ß.
  const plain = text.replace(/[ϲϹ]/gu, 'с').normalize('NFKC').toLowerCase().toUpperCase().normalize('NFD');
  return plain
    .replace(/[\s\p{Pd}\p{Ps}\p{Pe}\p{Pi}\p{Pf}.,'"`ʼ\u200c\u200d]/gu, '')
    .replace(/[\p{L}\p{Nd}]/gu, (letter) => capitals[letter] ?? letter)
    .normalize('NFC');
}

const lookAlike: Record<string, string> = {
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
  a: 'а',
  c: 'с',
  e: 'е',
  o: 'о',
  p: 'р',
  x: 'х',
  y: 'у',
};

/** Writes a word in Cyrillic if all of its Latin letters look like Cyrillic letters: «C» becomes «С», while «CAD» stays. */
export const inCyrillic = (text: string): string =>
  text.replace(/\p{L}+/gu, (word) =>
    /\p{Script=Latin}/u.test(word) && [...word].every((letter) => letter in lookAlike || /\p{Script=Cyrillic}/u.test(letter))
      ? [...word].map((letter) => lookAlike[letter] ?? letter).join('')
      : word,
  );
