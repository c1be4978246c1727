import fc from 'fast-check';
import { expect, it } from 'vitest';
import { formatClassName, parseClassName, parseSectionName } from '../../src/roster/class-names.ts';

it.each<[text: string, grade: number, letter: string]>([
  ['5А', 5, 'А'],
  ['5а', 5, 'А'],
  ['5 А', 5, 'А'],
  ['5-А', 5, 'А'],
  ['5 "А"', 5, 'А'],
  ['5 «А»', 5, 'А'],
  ['05А', 5, 'А'],
  ['11Ё', 11, 'Ё'],
  ['5A', 5, 'А'],
  ['5b', 5, 'В'],
  ['10 физ-мат', 10, 'ФИЗ-МАТ'],
  ['7D', 7, 'D'],
  ['1-1', 1, '1'],
  ['10 Rose', 10, 'Rose'],
])('%s is grade %i, letter %s', (text, grade, letter) => {
  expect(parseClassName(text)).toEqual({ grade, letter });
});

it.each(['', 'А', '5', '0А', '12А', '100А', '5-', '5 «»', '5А, 5Б', `5${'щ'.repeat(16)}`, 'Math - Algebra 1'])('%j is no class', (text) => {
  expect(parseClassName(text)).toBeUndefined();
});

it('reads the name that it writes', () => {
  const letter = fc.stringMatching(/^[А-ЯЁ0-9][А-ЯЁ0-9-]{0,13}$/u);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 11 }), letter, (grade, written) => {
      expect(parseClassName(formatClassName({ grade, letter: written }))).toEqual({ grade, letter: written });
    }),
  );
});

it.each([
  ['5А Математика', '5А', 'Математика'],
  ['5А. Русский язык', '5А', 'Русский язык'],
  ['10ФМ', '10ФМ', ''],
  ['5-а – Химия', '5А', 'Химия'],
])('%s is a section of %s', (text, name, rest) => {
  const section = parseSectionName(text)!;
  expect([formatClassName(section.className), section.rest]).toEqual([name, rest]);
});

it.each(['Math - Algebra 1', '10 Biology', '5 физмат', 'Biology 10'])('%s does not tell its class', (text) => {
  expect(parseSectionName(text)).toBeUndefined();
});
