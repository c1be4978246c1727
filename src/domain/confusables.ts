/** Compares texts that look the same (UTS #39, confusables), in Cyrillic, Latin and Greek. */

const capitals: Record<string, string> = {
  // Latin.
  A: 'А', B: 'В', C: 'С', E: 'Е', H: 'Н', I: 'І', J: 'Ј', K: 'К', M: 'М', O: 'О', P: 'Р', S: 'Ѕ', T: 'Т', X: 'Х', Y: 'У',
  // Latin small capitals.
  ᴀ: 'А', ʙ: 'В', ᴄ: 'С', ᴇ: 'Е', ʜ: 'Н', Ɪ: 'І', ᴊ: 'Ј', ᴋ: 'К', ᴍ: 'М', ᴏ: 'О', ᴘ: 'Р', ꜱ: 'Ѕ', ᴛ: 'Т', ʏ: 'У',
  // Greek.
  Α: 'А', Β: 'В', Γ: 'Г', Ε: 'Е', Η: 'Н', Ι: 'І', Κ: 'К', Μ: 'М', Ο: 'О', Π: 'П', Ρ: 'Р', Τ: 'Т', Υ: 'У', Φ: 'Ф', Χ: 'Х',
  // Cyrillic letters that look like others, and digits that look like letters.
  Ү: 'У', Ӏ: 'І', 0: 'О', 3: 'З',
};

/**
 * Returns the same key for texts that people read as the same. Ignores case, width, spaces, hyphens, quotes, brackets,
 * full stops and commas, and whether a letter is Cyrillic or looks like it. For comparison only.
 */
export function confusableKey(text: string): string {
  const plain = text.normalize('NFKC').toUpperCase().normalize('NFC');
  return plain.replace(/[\s\p{Pd}\p{Ps}\p{Pe}\p{Pi}\p{Pf}.,'"`ʼ\u200c\u200d]/gu, '').replace(/[\p{L}\p{Nd}]/gu, (letter) => capitals[letter] ?? letter);
}

const lookAlike: Record<string, string> = {
  A: 'А', B: 'В', C: 'С', E: 'Е', H: 'Н', K: 'К', M: 'М', O: 'О', P: 'Р', T: 'Т', X: 'Х', Y: 'У', a: 'а', c: 'с', e: 'е', o: 'о', p: 'р', x: 'х', y: 'у',
};

/** Writes in Cyrillic each word whose Latin letters all look like Cyrillic ones: «C» becomes «С», while «CAD» stays. */
export const inCyrillic = (text: string): string =>
  text.replace(/\p{L}+/gu, (word) =>
    /\p{Script=Latin}/u.test(word) && [...word].every((letter) => letter in lookAlike || /\p{Script=Cyrillic}/u.test(letter))
      ? [...word].map((letter) => lookAlike[letter] ?? letter).join('')
      : word,
  );
