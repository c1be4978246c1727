import { createInterface } from 'node:readline/promises';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import type { Refusal } from './errors.ts';
import { closest } from './suggestions.ts';

/** Parses command-line options, and explains what is wrong with an invalid option. */

export type Values = Record<string, string | string[] | boolean | undefined>;

export interface OptionsOf {
  usage: string;
  /** The name of the one required argument that belongs to no option, such as FILE. */
  argument?: string;
  /** The long options and the meaning of each. A name that starts with `*` is required. */
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

/**
 * Parses the options of a command.
 * @throws UsageError with one line for an unknown, missing or repeated option, and for an option without a value.
 */
export function parseOptions(name: string, command: OptionsOf, args: string[]): Values {
  const names = Object.keys(command.options).map(plain);
  const options: NonNullable<ParseArgsConfig['options']> = {};
  for (const option of names)
    options[option] = command.flags?.includes(option)
      ? { type: 'boolean' }
      : { type: 'string', multiple: command.repeated?.includes(option) ?? false };
  const { tokens } = parseArgs({ args, options, strict: false, tokens: true });
  const seen = new Set<string>();
  const given: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional' && command.argument !== undefined && given.length === 0) {
      given.push(token.value);
      continue;
    }
    if (token.kind === 'positional')
      throw new UsageError(`«${token.value}» belongs to no option; put a value with spaces in quotes: npx sfera ${name} ${command.usage}`);
    if (!names.includes(token.name))
      throw new UsageError(`There is no option ${token.rawName}.${hint(token.name, names, '--') || ` See: npx sfera ${name} --help`}`);
    if (seen.has(token.name) && !command.repeated?.includes(token.name)) throw new UsageError(`--${token.name} is given more than once.`);
    seen.add(token.name);
    const isFlag = command.flags?.includes(token.name) ?? false;
    if (isFlag && token.value !== undefined) throw new UsageError(`--${token.name} takes no value.`);
    if (!isFlag && (token.value === undefined || (!token.inlineValue && /^-./.test(token.value))))
      throw new UsageError(`--${token.name} needs a value; one that starts with - is written --${token.name}=VALUE.`);
  }
  for (const option of Object.keys(command.options))
    if (option.startsWith('*') && !seen.has(plain(option)))
      throw new UsageError(`--${plain(option)} is required: npx sfera ${name} ${command.usage}`);
  if (command.argument !== undefined && given[0] === undefined)
    throw new UsageError(`${command.argument} is missing: npx sfera ${name} ${command.usage}`);
  const { values } = parseArgs({ args, options, allowPositionals: command.argument !== undefined });
  return { ...(values as Values), ...(command.argument !== undefined && { [command.argument]: given[0]! }) };
}

/** The option of each input field whose option has another name. */
const renamed: Record<string, string> = {
  redirectUris: 'redirect-uri',
  scopes: 'scope',
  schoolId: 'school',
  clientId: 'client',
  userId: 'user',
  signInName: 'login',
};

/** Formats a refusal as one line that names the option at fault instead of the input field. */
export function refusalLine(refusal: Refusal, options: Readonly<Record<string, string>>): string {
  const field = refusal.at?.[0] ?? '';
  const option = renamed[field] ?? field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const text = refusal.say('en');
  return Object.keys(options).map(plain).includes(option) ? `--${option}: ${text}` : text;
}

/** Asks a yes-or-no question on the terminal. Returns false without a terminal. */
export async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
