import { createInterface } from 'node:readline/promises';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import type { Language, Message, Refusal } from './errors.ts';
import { closest } from './suggestions.ts';

/** Parses command-line options, and explains what is wrong with an invalid option. */

export type Values = Record<string, string | string[] | boolean | undefined>;

export interface OptionsOf {
  usage: string;
  /** The name of the one required argument that belongs to no option, such as FILE. */
  argument?: string;
  /** The long options and the meaning of each. A name that starts with `*` is required. */
  options: Readonly<Record<string, Message>>;
  repeated?: readonly string[];
  /** Options without a value. */
  flags?: readonly string[];
}

/** A mistake in how a command was typed. */
export class UsageError extends Error {
  readonly text: Message;

  constructor(text: Message) {
    super(text[1]);
    this.text = text;
  }
}

export const inLanguage = ([ru, en]: Message, language: Language): string => (language === 'ru' ? ru : en);

/**
 * Returns a sentence for the end of a message about a mistyped word. It suggests the most similar word of `known`. If no
 * word is similar, it names the command `otherwise`. The sentence starts with a space.
 */
export function hint(word: string, known: readonly string[], { prefix = '', otherwise }: { prefix?: string; otherwise: string }): Message {
  const found = closest(word, known);
  return found === undefined
    ? [` Смотрите: ${otherwise}`, ` See: ${otherwise}`]
    : [` Возможно, вы имели в виду ${prefix}${found}?`, ` Did you mean ${prefix}${found}?`];
}

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
  const example = `npx sfera ${name} ${command.usage}`.trimEnd();
  const seen = new Set<string>();
  const given: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional' && command.argument !== undefined && given.length === 0) {
      given.push(token.value);
      continue;
    }
    if (token.kind === 'positional')
      throw new UsageError([
        `«${token.value}» не относится ни к одному параметру; значение с пробелами возьмите в кавычки: ${example}`,
        `«${token.value}» belongs to no option; put a value with spaces in quotes: ${example}`,
      ]);
    if (!names.includes(token.name)) {
      const [ru, en] = hint(token.name, names, { prefix: '--', otherwise: `npx sfera ${name} --help` });
      throw new UsageError([`Параметра ${token.rawName} нет.${ru}`, `There is no option ${token.rawName}.${en}`]);
    }
    if (seen.has(token.name) && !command.repeated?.includes(token.name))
      throw new UsageError([`Параметр --${token.name} указан несколько раз.`, `--${token.name} is given more than once.`]);
    seen.add(token.name);
    refuseWrongValue(token, command.flags?.includes(token.name) ?? false);
  }
  for (const option of Object.keys(command.options))
    if (option.startsWith('*') && !seen.has(plain(option)))
      throw new UsageError([`Укажите --${plain(option)}: ${example}`, `--${plain(option)} is required: ${example}`]);
  if (command.argument !== undefined && given[0] === undefined)
    throw new UsageError([`Не указан ${command.argument}: ${example}`, `${command.argument} is missing: ${example}`]);
  const { values } = parseArgs({ args, options, allowPositionals: command.argument !== undefined });
  return { ...(values as Values), ...(command.argument !== undefined && { [command.argument]: given[0]! }) };
}

interface OptionToken {
  name: string;
  value?: string | undefined;
  inlineValue?: boolean | undefined;
}

function refuseWrongValue({ name, value, inlineValue }: OptionToken, isFlag: boolean): void {
  if (isFlag && value !== undefined) throw new UsageError([`У параметра --${name} нет значения.`, `--${name} takes no value.`]);
  if (!isFlag && (value === undefined || (!inlineValue && /^-./.test(value))))
    throw new UsageError([
      `Параметру --${name} нужно значение; если оно начинается с дефиса, пишите --${name}=ЗНАЧЕНИЕ.`,
      `--${name} needs a value; one that starts with - is written --${name}=VALUE.`,
    ]);
}

/** Options by input field, where the option is not the kebab-case name of the field. */
const renamed: Record<string, string> = {
  redirectUris: 'redirect-uri',
  scopes: 'scope',
  schoolId: 'school',
  clientId: 'client',
  userId: 'user',
  signInName: 'login',
  graduatingGrades: 'graduate',
  regroupedGrades: 'regroup',
  newClasses: 'new-class',
  successors: 'successor',
};

/** Formats a refusal as one line that names the option at fault instead of the input field. */
export function refusalLine(refusal: Refusal, options: OptionsOf['options'], language: Language): string {
  const field = refusal.at?.[0] ?? '';
  const option = renamed[field] ?? field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const text = refusal.say(language);
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
