import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { errorTexts, warningTexts } from '../../src/roster/notice-texts.ts';

/**
 * The codes of notices are a contract. src/roster/README.md explains each code, and each text is a sentence in Russian
 * and in English.
 */

const readme = readFileSync(new URL('../../src/roster/README.md', import.meta.url), 'utf8');
const [errors, warnings] = readme.slice(readme.indexOf('## Errors')).split('## Warnings');
const rowsOf = (text: string) =>
  text
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .join('\n');
const codesIn = (text: string) => [...rowsOf(text).matchAll(/`([A-Z][A-Z0-9_]+)`/g)].map(([, code]) => code).sort();
const texts = { ...errorTexts, ...warningTexts };

describe('the codes', () => {
  it('of errors and of warnings are those of the README', () => {
    expect(codesIn(errors!)).toEqual(Object.keys(errorTexts).sort());
    expect(codesIn(warnings!)).toEqual(Object.keys(warningTexts).sort());
  });

  it.each(Object.entries(texts))('%s has a Russian and an English text', (_code, text) => {
    const [ru, en] = (text as (...values: readonly unknown[]) => readonly string[])('x', 1, 'y');
    expect(ru).toMatch(/^[А-ЯЁ«].*[а-яё].*[.!]$/);
    expect(en).toMatch(/^[A-Z“].*[a-z].*[.!]$/);
    expect(`${ru}${en}`).not.toContain('undefined');
  });
});
