#!/usr/bin/env node
import { columns } from './policy/actor.ts';
import { permissions } from './policy/permissions.ts';
import { rotateSigningKey } from './auth/keys.ts';
import { bindIdentityCommand, createFrontendCommand, createServiceCommand, endClientCommand } from './commands/clients.ts';
import type { Command } from './commands/command.ts';
import { exportCommand } from './commands/export-roster.ts';
import { importCommand } from './commands/import-roster.ts';
import { languageOfLocale, takeLanguage } from './commands/language.ts';
import { planYearCommand } from './commands/plan-year.ts';
import { resetPasswordCommand } from './commands/reset-password.ts';
import { createSchoolCommand, inviteAdministratorCommand, schoolsCommand } from './commands/schools.ts';
import { undoCommand } from './commands/undo-plan.ts';
import { hint, inLanguage, parseOptions, refusalLine, UsageError } from './command-line.ts';
import { ConfigError, localeOf, readConfig } from './config.ts';
import { Refusal, type Language, type Message } from './errors.ts';
import { createLogger } from './logger.ts';
import { open } from './http/bootstrap.ts';

/**
 * The command line. A command prints what it did. The exit status is 2 for a usage error. It is also 2 if a plan has errors
 * or may not be applied, scheduled or undone. Any other refusal or error has the status 1; a refusal prints one line.
 */

const commands: Record<string, Command> = {
  'create-school': createSchoolCommand,
  'invite-administrator': inviteAdministratorCommand,
  'reset-password': resetPasswordCommand,
  schools: schoolsCommand,
  'create-frontend': createFrontendCommand,
  'create-service': createServiceCommand,
  'end-client': endClientCommand,
  'bind-identity': bindIdentityCommand,
  import: importCommand,
  'plan-year': planYearCommand,
  undo: undoCommand,
  export: exportCommand,
  'rotate-key': {
    about: [
      'создать новый ключ подписи токенов; токены, подписанные прежними, остаются действительны',
      'create a new key for signing tokens; tokens signed with old keys stay valid',
    ],
    usage: '',
    options: {},
    async run({ db, config }) {
      await rotateSigningKey(db, config);
      return ['A new key was created. Restart the servers so that they sign with it.'];
    },
  },
  migrate: {
    about: ['применить новые миграции, как сервер при запуске', 'apply pending migrations, as the server does at its start'],
    usage: '',
    options: {},
    run: () => Promise.resolve(['The database is up to date.']),
  },
};

/** Prints the permissions table; needs no database. */
function permissionLines(): string[] {
  const width = 24;
  const row = (cells: readonly string[]) =>
    cells
      .map((cell) => cell.padEnd(width))
      .join('')
      .trimEnd();
  return [
    row(['action', 'clause', ...columns]),
    ...Object.entries(permissions).map(([action, { clause, cells }]) =>
      row([action, clause, ...columns.map((column) => cells[column].join('/') || '-')]),
    ),
  ];
}

const languageOption: readonly [option: string, about: Message] = [
  'lang',
  ['язык вывода: ru или en (по умолчанию — язык системы)', 'language of the output: ru or en (default: that of the locale)'],
];

function helpOfCommand(name: string, { usage, about, options }: Command, language: Language): string[] {
  const required = inLanguage([' (обязательный)', ' (required)'], language);
  return [
    `npx sfera ${name} ${usage}`.trimEnd(),
    '',
    `  ${inLanguage(about, language)}`,
    '',
    ...[...Object.entries(options), languageOption].map(
      ([option, meaning]) =>
        `  --${option.replace('*', '').padEnd(14)} ${inLanguage(meaning, language)}${option.startsWith('*') ? required : ''}`,
    ),
  ];
}

function help(name: string | undefined, language: Language): string[] {
  const command = name === undefined ? undefined : commands[name];
  if (name !== undefined && command !== undefined) return helpOfCommand(name, command, language);
  const printPermissions: Message = ['напечатать, кому что разрешено', 'print who may do what'];
  const say = (message: Message): string => inLanguage(message, language);
  return [
    say(['npx sfera КОМАНДА [параметры]    npx sfera КОМАНДА --help', 'npx sfera COMMAND [options]      npx sfera COMMAND --help']),
    '',
    ...Object.entries({ ...commands, permissions: { about: printPermissions } }).map(
      ([listed, { about }]) => `  ${listed.padEnd(22)} ${say(about)}`,
    ),
    '',
    say([
      'Команды читают настройки сервера: DATABASE_URL, DATA_DIR, SECRET_KEY, PUBLIC_URL … (см. README.ru.md).',
      'Commands read the settings of the server: DATABASE_URL, DATA_DIR, SECRET_KEY, PUBLIC_URL … (see README.md).',
    ]),
    say([
      'Встроенной базой пользуется один процесс, поэтому перед командой остановите сервер.',
      'The embedded database serves one process, so stop the server before you run a command.',
    ]),
  ];
}

const commandNames = [...Object.keys(commands), 'permissions', 'help'];

function helpOf(name: string | undefined, language: Language): string[] {
  if (name !== undefined && !commandNames.includes(name)) throw noCommand(name);
  return help(name, language);
}

function noCommand(name: string): UsageError {
  const [ru, en] = hint(name, commandNames, { otherwise: 'npx sfera help' });
  return new UsageError([`Команды ${name} нет.${ru}`, `There is no command ${name}.${en}`]);
}

class RefusedError extends Error {}

async function main([name, ...args]: string[], language: Language): Promise<void> {
  const print = (lines: readonly string[]) => console.log(lines.join('\n'));
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') return print(helpOf(args[0], language));
  if (name === 'permissions') return print(permissionLines());
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) throw noCommand(name);
  if (args.includes('--help') || args.includes('-h')) return print(help(name, language));
  const values = parseOptions(name, command, args);
  const config = readConfig();
  for (const warning of config.warnings) console.error(warning);
  // Logs to standard error, because scripts read the standard output.
  const log = createLogger(config.logLevel === 'info' ? 'warn' : config.logLevel, process.stderr);
  const opened = await open(config, log);
  try {
    const outcome = await command.run(opened, values, language);
    print(Array.isArray(outcome) ? outcome : outcome.lines);
    if (!Array.isArray(outcome)) process.exitCode = outcome.exitCode;
  } catch (error) {
    throw error instanceof Refusal ? new RefusedError(refusalLine(error, command.options, language)) : error;
  } finally {
    await opened.close();
  }
}

/** Prints an error and sets the exit status. Usage errors, refusals and invalid settings print only their message. */
function report(error: unknown, language: Language): void {
  const isExpected = error instanceof RefusedError || error instanceof ConfigError;
  console.error(error instanceof UsageError ? inLanguage(error.text, language) : isExpected ? error.message : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

function start(args: readonly string[]): void {
  try {
    const { language, rest } = takeLanguage(args, localeLanguage);
    main(rest, language).catch((error: unknown) => report(error, language));
  } catch (error) {
    report(error, localeLanguage);
  }
}

const localeLanguage = languageOfLocale(localeOf() ?? Intl.DateTimeFormat().resolvedOptions().locale);

start(process.argv.slice(2));
