import { createInterface } from 'node:readline/promises';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import type { Refusal } from './errors.ts';
import { closest } from './suggestions.ts';

/** Options as people type them, and what they read when something is wrong with one. */

export type Values = Record<string, string | string[] | boolean | undefined>;

export interface OptionsOf {
  usage: string;
  /** Long options, each with what it means; one that starts with `*` must be given. */
  options: Readonly<Record<string, string>>;
  repeated?: readonly string[];
  /** Options without a value. */
  flags?: readonly string[];
}

export class UsageError extends Error {}

export const hint = (word: string, known: readonly string[], prefix = ''): string => {
  const found = closest(word, known);
  return found === undefined ? '' : ` Did you mean ${prefix}${found}?`;
};

const plain = (option: string): string => option.replace('*', '');

/** @throws UsageError with one line for an option that is unknown, missing, doubled or without its value. */
export function parseOptions(name: string, command: OptionsOf, args: string[]): Values {
  const names = Object.keys(command.options).map(plain);
  const options: NonNullable<ParseArgsConfig['options']> = {};
  for (const option of names)
    options[option] = command.flags?.includes(option) ? { type: 'boolean' } : { type: 'string', multiple: command.repeated?.includes(option) ?? false };
  const { tokens } = parseArgs({ args, options, strict: false, tokens: true });
  const seen = new Set<string>();
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') throw new UsageError(`«${token.value}» stands without an option; put a value with spaces in quotes: npx sfera ${name} ${command.usage}`);
    if (!names.includes(token.name)) throw new UsageError(`There is no option ${token.rawName}.${hint(token.name, names, '--') || ` See: npx sfera ${name} --help`}`);
    if (seen.has(token.name) && !command.repeated?.includes(token.name)) throw new UsageError(`--${token.name} is given more than once.`);
    seen.add(token.name);
    const isFlag = command.flags?.includes(token.name) ?? false;
    if (isFlag && token.value !== undefined) throw new UsageError(`--${token.name} takes no value.`);
    if (!isFlag && (token.value === undefined || (!token.inlineValue && token.value.startsWith('--'))))
      throw new UsageError(`--${token.name} needs a value; one that starts with - is written --${token.name}=VALUE.`);
  }
  for (const option of Object.keys(command.options))
    if (option.startsWith('*') && !seen.has(plain(option))) throw new UsageError(`--${plain(option)} is required: npx sfera ${name} ${command.usage}`);
  return parseArgs({ args, options }).values as Values;
}

/** Options that are not called like the field of the input that they fill. */
const renamed: Record<string, string> = { redirectUris: 'redirect-uri', scopes: 'scope', schoolId: 'school', clientId: 'client', userId: 'user', signInName: 'user' };

/** A refusal as one line, with the option at fault in place of the field. */
export function refusalLine(refusal: Refusal, options: Readonly<Record<string, string>>): string {
  const field = refusal.at?.[0] ?? '';
  const option = renamed[field] ?? field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const text = refusal.say('en');
  return Object.keys(options).map(plain).includes(option) ? `--${option}: ${text}` : text;
}

/** Asks on a terminal; without one the answer is no. */
export async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
