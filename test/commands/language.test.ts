import { describe, expect, it } from 'vitest';
import { languageOfLocale, takeLanguage } from '../../src/commands/language.ts';
import { UsageError } from '../../src/command-line.ts';
import { localeOf } from '../../src/config.ts';

describe('languageOfLocale', () => {
  it.each<[language: string, env: Record<string, string>]>([
    ['ru', { LANG: 'ru_RU.UTF-8' }],
    ['ru', { LC_MESSAGES: 'ru', LANG: 'en_GB.UTF-8' }],
    ['ru', { LC_ALL: 'ru_RU.UTF-8', LC_MESSAGES: 'C' }],
    ['ru', { LC_ALL: '', LANG: 'ru-RU' }],
    ['en', { LANG: 'C' }],
    ['en', { LANG: 'de_DE.UTF-8' }],
    ['en', { LANG: 'rue_UA' }],
    ['en', { LC_ALL: 'en_GB.UTF-8', LANG: 'ru_RU.UTF-8' }],
  ])('is %s for %o', (language, env) => {
    expect(languageOfLocale(localeOf(env)!)).toBe(language);
  });

  it('is that of the system where no variable is set', () => {
    expect(localeOf({ LANG: '' })).toBeUndefined();
    expect(languageOfLocale('ru-RU')).toBe('ru');
  });
});

describe('takeLanguage', () => {
  it('takes --lang out of the arguments, wherever it stands', () => {
    const rest = ['import', 'list.csv', '--json'];
    for (const args of [
      ['--lang', 'ru', ...rest],
      [...rest, '--lang=ru'],
      ['import', '--lang', 'ru', 'list.csv', '--json'],
    ])
      expect(takeLanguage(args, 'en')).toEqual({ language: 'ru', rest });
    expect(takeLanguage(rest, 'ru')).toEqual({ language: 'ru', rest });
    expect(takeLanguage(['import', '--', '--lang'], 'en')).toEqual({ language: 'en', rest: ['import', '--', '--lang'] });
  });

  it.each([['--lang'], ['--lang', 'de'], ['--lang='], ['--lang=RU']])('refuses %s %s', (...args) => {
    expect(() => takeLanguage(args, 'en')).toThrow(UsageError);
  });
});
