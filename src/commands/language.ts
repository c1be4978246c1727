import { UsageError } from '../command-line.ts';
import type { Language } from '../errors.ts';

/** Chooses the language of the command line. */

/** Returns the language of messages: Russian for Russian locales such as `ru_RU.UTF-8`, English for all others. */
export const languageOfLocale = (locale: string): Language => (/^ru(?![a-z])/i.test(locale) ? 'ru' : 'en');

/**
 * Reads `--lang` and removes it from the arguments. Without the option, returns `otherwise` as the language.
 * @throws UsageError for a value other than `ru` and `en`.
 */
export function takeLanguage(args: readonly string[], otherwise: Language): { language: Language; rest: string[] } {
  const at = args.findIndex((arg) => arg === '--' || /^--lang(=|$)/.test(arg));
  const option = args[at];
  if (option === undefined || option === '--') return { language: otherwise, rest: [...args] };
  const isInline = option !== '--lang';
  const value = isInline ? option.slice('--lang='.length) : args[at + 1];
  if (value !== 'ru' && value !== 'en') throw new UsageError(['--lang: укажите ru или en.', '--lang: give ru or en.']);
  return { language: value, rest: args.toSpliced(at, isInline ? 1 : 2) };
}
