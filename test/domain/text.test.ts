import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { confusableKey, inCyrillic } from '../../src/domain/confusables.ts';
import { demandPassword } from '../../src/auth/passwords.ts';
import { signInNameOf } from '../../src/domain/sign-in-names.ts';
import { normalizeLine, opaqueKey, normalizeOptionalLine } from '../../src/domain/text.ts';
import { Refusal } from '../../src/errors.ts';
import { visibleTexts, invisibleTexts } from '../support/texts.ts';
import { cpuMsOf } from '../support/cpu-time.ts';

const refusal = (value: string, most = 100): Refusal | undefined => {
  try {
    normalizeLine('name', value, most);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  return undefined;
};

describe('line', () => {
  it.each(visibleTexts.map((text) => [text]))('keeps what people write: %s', (text) =>
    expect(normalizeLine('name', text, 100)).toBe(text.normalize('NFC')),
  );

  it.each(invisibleTexts.map(([about, text]) => [about, text]))('refuses %s', (_about, text) => {
    expect(refusal(text)).toMatchObject({ code: 'INVALID', at: ['name'] });
  });

  it('names the character and says what to do, in both languages', () => {
    expect(refusal('а\u200b')?.text).toEqual([
      'В тексте есть невидимый или недопустимый символ U+200B. Удалите его или наберите текст заново.',
      'The text contains U+200B, which is invisible or not allowed. Remove it or type the text again.',
    ]);
    expect(refusal('\u202eа')?.text).toEqual([
      'В тексте есть символ U+202E, который меняет направление письма. Удалите его.',
      'The text contains U+202E, which changes the direction of writing. Remove it.',
    ]);
    expect(refusal('a\u{e0041}')?.text[1]).toContain('U+E0041');
    expect(refusal('а' + '\u0301\u0302\u0303\u0304')?.text[1]).toContain('combining marks');
  });

  it('never accepts an invisible character at any position', () => {
    const hidden = fc
      .integer({ min: 0, max: 0x10ffff })
      .map((code) => String.fromCodePoint(code))
      .filter((sign) => /[\p{C}\p{Default_Ignorable_Code_Point}]/u.test(sign));
    const letters = fc.constantFrom('', 'а', 'Z', '5', ' ', '👩', 'ה', 'ب', 'क');
    fc.assert(
      fc.property(letters, hidden, letters, (before, sign, after) => {
        const text = `${before}${sign}${after}`;
        // Skips emoji with a variation selector, and code points that Unicode reserves for future emoji: both are
        // allowed.
        fc.pre(!/\p{Extended_Pictographic}[\ufe0e\ufe0f]|(?=\p{Cn})\p{Extended_Pictographic}/u.test(text));
        expect(refusal(text), text).toMatchObject({ code: 'INVALID' });
      }),
      { numRuns: 5000 },
    );
  });

  it('is idempotent', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' })), (text) => {
        fc.pre(refusal(text) === undefined);
        const kept = normalizeLine('name', text, 100);
        expect(normalizeLine('name', kept, 100)).toBe(kept);
        expect(kept).toBe(kept.normalize('NFC'));
        expect(kept).not.toMatch(/^\s|\s$|[^\S ]|\s\s/u);
      }),
    );
  });

  it('counts characters as people do, and limits the code points of each', () => {
    const family = '👨‍👩‍👧‍👦';
    expect(normalizeLine('name', family.repeat(3), 10)).toBe(family.repeat(3));
    expect(refusal(family.repeat(4), 10)?.text[1]).toContain('compound');
    expect(normalizeLine('name', 'е\u0308'.repeat(10), 10)).toBe('ё'.repeat(10));
    expect(normalizeLine('name', 'а\u0301'.repeat(10), 10)).toBe('а\u0301'.repeat(10));
    for (const text of ['а'.repeat(11), 'а\u0301'.repeat(11), '👩‍🏫'.repeat(11)])
      expect(refusal(text, 10)?.text[1]).toContain('between 1 and 10');
    expect(refusal('\u{1d160}'.repeat(50), 50)?.code).toBe('INVALID');
  });
});

describe('a text of thousands of combining marks', () => {
  const marks = (count: number) => '\u0301\u0316'.repeat(count / 2);
  /** Asserts that `run` throws INVALID within a second of CPU time. Earlier versions took three seconds or more. */
  const soon = (run: () => unknown) => {
    const used = cpuMsOf(() => expect(run).toThrow(expect.objectContaining({ code: 'INVALID' })));
    expect(used).toBeLessThan(1000);
  };

  it('is refused at once', () => {
    soon(() => normalizeLine('address', marks(4800), 300));
    soon(() => normalizeLine('address', `ب${marks(4798)}\u200c`, 300));
    soon(() => normalizeLine('address', marks(120_000), 300));
    soon(() => signInNameOf(marks(60_000)));
    soon(() => demandPassword(marks(60_000), 'name'));
  });
});

describe('optionalLine', () => {
  it('distinguishes omitted from empty', () => {
    expect(normalizeOptionalLine('label', undefined, 10)).toBeUndefined();
    for (const blank of [null, '', ' ', '\u00a0\u3000']) expect(normalizeOptionalLine('label', blank, 10)).toBeNull();
    expect(normalizeOptionalLine('label', ' а  б ', 10)).toBe('а б');
    expect(() => normalizeOptionalLine('label', '\u200b', 10)).toThrow(expect.objectContaining({ code: 'INVALID', at: ['label'] }));
  });
});

describe('opaqueKey', () => {
  it('is kept unchanged or refused', () => {
    for (const key of ['a', ' a  b ', 'и\u0306', '\u200b', '\n', '9'.repeat(100)]) expect(opaqueKey('idempotencyKey', key, 100)).toBe(key);
    for (const key of ['', 'a'.repeat(101), 'a\u0000', '\ud800'])
      expect(() => opaqueKey('idempotencyKey', key, 100)).toThrow(expect.objectContaining({ code: 'INVALID', at: ['idempotencyKey'] }));
  });
});

describe('confusableKey', () => {
  it('is equal for look-alikes and different for other texts', () => {
    for (const [one, ...others] of [
      ['С', 'C', 'c', 'с', 'Ｃ', '𝐂', 'ᴄ', ' С ', 'С.', '«С»', '-С'],
      ['А', 'A', 'a', 'Α', 'Ａ', 'ᴀ', 'Ⓐ'],
      ['А-1', 'А1', 'A 1', 'а–1', 'A\u20111'],
      ['Физика', 'физика', 'ФИЗИКА', 'Физикa', 'Физика.', ' Ф и з и к а ', '«Физика»'],
      ['О', '0', 'O', 'ο'],
      ['Й', 'и\u0306', 'Й'],
      ['Ё', 'Ë', 'ё', 'ë', 'E\u0308', 'Е\u0308'],
      ['Ї', 'Ï', 'ï', 'Ϊ'],
      ['Ӓ', 'Ä', 'ӓ'],
      ['Ӧ', 'Ö', 'Ӧ'],
      ['Ӱ', 'Ÿ', 'Ϋ'],
      ['Ѐ', 'È', 'Ὲ'],
      ['Ќ', 'Ḱ'],
      ['Ӑ', 'Ă'],
      ['Ҫ', 'Ç', 'ҫ', 'ç'],
      ['Ө', 'Ɵ', 'Θ', 'Ѳ', 'ө'],
      ['Ә', 'Ə', 'ə', 'ǝ'],
      ['Ӕ', 'Æ'],
      ['Һ', 'h', 'Н'],
      ['Groß', 'GROẞ', 'GROSS'],
    ] as const)
      for (const other of others) expect(confusableKey(other), `${one} ${other}`).toBe(confusableKey(one));
    for (const [one, other] of [
      ['А', 'Б'],
      ['Е', 'Ё'],
      ['И', 'Й'],
      ['О', 'Ö'],
      ['C++', 'C#'],
      ['C++', 'C'],
      ['1', '2'],
      ['А1', 'А2'],
      ['R', 'Я'],
      ['👩‍🏫', '👨‍🏫'],
    ] as const)
      expect(confusableKey(one), `${one} ${other}`).not.toBe(confusableKey(other));
  });
});

describe('confusableKey, by the confusables of ICU', () => {
  // Each group has letters of different scripts that look alike: they have the same skeleton (UTS #39) in ICU 72. The list
  // has capital and small letters. It leaves out the pairs that src/domain/confusables.ts leaves out.
  it.each(
    (
      'OОΟ IІΙ AАΑ BВΒ CС EЕΕ GԌ HНΗ JЈͿ KКΚ MМΜϺ NΝ PРΡ SЅ TТΤ VѴ WԜ XХΧ YУΥҮ ZΖ aаα cсϲ dԁ eеҽ hһ iіι jјϳ oоο pрρ qԛ sѕ wѡԝ xх yуү ÀᾺ ÄӒ ÆӔ ÇҪ ÈЀ ËЁ ÏЇΪ ÖӦ ÞϷ äӓ æӕ èѐ ëё ïїϊ öӧ ÿӱ ĂӐ ' +
      'ăӑ ĔӖ ĕӗ ęҿ ħћ ĸкκ ŸӰ ƂБ ƅь ƏӘ ƐԐ ƟΘѲӨ əә ȲӮ ȳӯ ɅΛЛ ɍғ ɎҰ ɛєԑ ɜз ɢԍ ɵөѳ ɸфφ ʙв ʜн ͶИᴎ ΓГ ПΠ ΦФ ΨѰ ᴨп ᴛт ḰЌ ᴙя ⱩҚ ⱨң ꝀҞ ḨӉ ԊǶ ƷӠ ʒӡ ƧꙄ'
    )
      .split(' ')
      .map((pair) => [pair]),
  )('is one for %s', (pair) => {
    expect(new Set([...pair].map(confusableKey)).size).toBe(1);
  });
});

describe('inCyrillic', () => {
  it('rewrites the words that could be Cyrillic, and no others', () => {
    for (const [text, written] of [
      ['C', 'С'],
      ['c', 'с'],
      ['CAD', 'CAD'],
      ['ABC-матем', 'АВС-матем'],
      ['b-мат', 'b-мат'],
      ['Мaт', 'Мат'],
      ['R', 'R'],
      ['1C', '1С'],
    ] as const)
      expect(inCyrillic(text)).toBe(written);
  });
});
