import { UsageError } from '../command-line.ts';
import type { Language } from '../errors.ts';

/** Chooses the language of the command line. */

/** Returns the language of a locale such as `ru_RU.UTF-8`: Russian or, for every other one, English. */
export const languageOfLocale = (locale: string): Language => (/^ru(?![a-z])/i.test(locale) ? 'ru' : 'en');

/** Takes `--lang` out of the arguments. Returns its value, or `otherwise`. @throws UsageError for another language. */
export function takeLanguage(args: readonly string[], otherwise: Language): { language: Language; rest: string[] } {
  const at = args.findIndex((arg) => arg === '--' || /^--lang(=|$)/.test(arg));
  const option = args[at];
  if (option === undefined || option === '--') return { language: otherwise, rest: [...args] };
  const isInline = option !== '--lang';
  const value = isInline ? option.slice('--lang='.length) : args[at + 1];
  if (value !== 'ru' && value !== 'en') throw new UsageError(['--lang: укажите ru или en.', '--lang: give ru or en.']);
  return { language: value, rest: args.toSpliced(at, isInline ? 1 : 2) };
}
