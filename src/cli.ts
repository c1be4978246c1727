#!/usr/bin/env node
import { columns } from './policy/actor.ts';
import { permissions } from './policy/permissions.ts';
import { rotateSigningKey } from './auth/keys.ts';
import { confirm, hint, parseOptions, refusalLine, UsageError, type OptionsOf, type Values } from './command-line.ts';
import { ConfigError, readConfig } from './config.ts';
import { createClient, endClient } from './domain/clients.ts';
import { bindIdentity } from './domain/identities.ts';
import { createInvitation, linkOf } from './domain/invitations.ts';
import { resetPasswordAsOperator } from './domain/passwords.ts';
import { createSchool } from './domain/schools.ts';
import { searchable } from './domain/text.ts';
import { invalid, Refusal } from './errors.ts';
import { createLogger } from './logger.ts';
import { isUuid } from './uuid.ts';
import { open, type Opened } from './http/bootstrap.ts';
import { exportOptions, exportToFile, importOptions, importRoster, type Outcome } from './roster-commands.ts';

/**
 * The command line. A command prints what it did. The exit status is 1 for a refusal, which prints one line, and 2
 * for a usage error or a refused import.
 */

interface Command extends OptionsOf {
  about: string;
  run(opened: Opened, values: Values): Promise<string[] | Outcome>;
}

const text = (values: Values, name: string): string => values[name] as string;
const optional = (values: Values, name: string): string | undefined => values[name] as string | undefined;
const list = (values: Values, name: string): string[] => (values[name] as string[] | undefined) ?? [];

function idIn(values: Values, name: string): string {
  const value = text(values, name).toLowerCase();
  if (!isUuid(value))
    throw invalid(name, [
      'Укажите идентификатор вида 0190…; идентификаторы школ выводит npx sfera schools.',
      'An id such as 0190… is needed. To list the ids of schools, run: npx sfera schools',
    ]);
  return value;
}

/** Returns the ids of schools with this name and region, ignoring case and spaces. */
async function findNamesakes({ db }: Opened, name: string, region: string | undefined): Promise<string[]> {
  const normalize = (value: string | null | undefined): string =>
    searchable(value ?? '')
      .trim()
      .replace(/\s+/g, ' ');
  const schools = await db.prisma.school.findMany({ select: { id: true, name: true, region: true } });
  return schools
    .filter((school) => normalize(school.name) === normalize(name) && normalize(school.region) === normalize(region))
    .map(({ id }) => id);
}

async function administratorLink({ operator }: Opened, schoolId: string): Promise<string[]> {
  const invitation = await createInvitation(operator, { schoolId, role: 'PLATFORM_ADMINISTRATOR', label: 'Первый администратор' });
  return [
    'Invitation link for a platform administrator (one use, valid for 14 days). Hand it over in person or by a secure channel:',
    `  ${linkOf(operator, invitation)}`,
  ];
}

const commands: Record<string, Command> = {
  'create-school': {
    about: 'set up a school and print the link for its first administrator',
    usage: '--name "Школа № 98" [options]',
    options: {
      '*name': 'short name',
      'full-name': 'full name (default: the short one)',
      address: 'postal address',
      district: 'district',
      region: 'region',
      'time-zone': 'time zone, such as Asia/Omsk (default: Europe/Moscow)',
      yes: 'do not ask whether to set up a second school of the same name and region',
    },
    flags: ['yes'],
    async run(opened, values) {
      const [existingId] = values.yes === true ? [] : await findNamesakes(opened, text(values, 'name'), optional(values, 'region'));
      if (existingId !== undefined) {
        const warning = `A school of this name and region exists (${existingId}).`;
        if (!(await confirm(`${warning} Set up a second one?`)))
          throw new UsageError(`${warning} Nothing was done: give another --region or --name, or --yes to set up a second one.`);
      }
      const school = await createSchool(opened.operator, {
        name: text(values, 'name'),
        fullName: optional(values, 'full-name') ?? text(values, 'name'),
        address: optional(values, 'address') ?? null,
        district: optional(values, 'district') ?? null,
        region: optional(values, 'region') ?? null,
        ...(values['time-zone'] === undefined ? {} : { timeZone: text(values, 'time-zone') }),
      });
      return [`School ${school.id} was created.`, ...(await administratorLink(opened, school.id))];
    },
  },
  'invite-administrator': {
    about: 'print a new link for a platform administrator of a school',
    usage: '--school ID',
    options: { '*school': 'id of the school' },
    run: (opened, values) => administratorLink(opened, idIn(values, 'school')),
  },
  'reset-password': {
    about: 'print a one-time link by which a person, or the administrator of a school, sets a new password',
    usage: '--school ID | --login NAME',
    options: { school: 'id of a school that has one platform administrator', login: 'sign-in name of the person' },
    async run({ operator }, values) {
      const login = optional(values, 'login');
      if ((login === undefined) === (values.school === undefined)) throw new UsageError('Give either --school or --login.');
      const of = login === undefined ? { schoolId: idIn(values, 'school') } : { signInName: login };
      const { user, link, expiresAt } = await resetPasswordAsOperator(operator, of);
      return [
        `The former password of ${user.signInName} no longer works, and all sessions have ended.`,
        `One-time link for a new password (valid until ${expiresAt.toISOString()}). Hand it over in person or by a secure channel:`,
        `  ${link}`,
      ];
    },
  },
  schools: {
    about: 'list the schools with their ids',
    usage: '',
    options: {},
    async run({ db }) {
      const schools = await db.prisma.school.findMany({ orderBy: { id: 'asc' }, select: { id: true, name: true } });
      return schools.map((school) => `${school.id}  ${school.name}`);
    },
  },
  'create-frontend': {
    about: 'register a frontend that signs people in (authorization code with PKCE)',
    usage: '--name NAME --redirect-uri URL [--redirect-uri URL …]',
    options: { '*name': 'name shown to everyone who signs in', '*redirect-uri': 'where authorization codes may be sent; may be repeated' },
    repeated: ['redirect-uri'],
    async run({ operator }, values) {
      const { client } = await createClient(operator, {
        kind: 'frontend',
        name: text(values, 'name'),
        redirectUris: list(values, 'redirect-uri'),
      });
      return [`client_id  ${client.id}`];
    },
  },
  'create-service': {
    about: 'register a service that calls the API on its own behalf (client_credentials)',
    usage: '--name NAME --school ID --scope read [--scope events] [--scope roster]',
    options: { '*name': 'name shown to the operator', '*school': 'id of the school', '*scope': 'read, events or roster; may be repeated' },
    repeated: ['scope'],
    async run({ operator }, values) {
      const input = {
        kind: 'service',
        name: text(values, 'name'),
        schoolId: idIn(values, 'school'),
        scopes: list(values, 'scope'),
      } as const;
      const { client, secret } = await createClient(operator, input);
      return [`client_id      ${client.id}`, `client_secret  ${secret}`, 'Save the secret now: it is not shown again.'];
    },
  },
  'end-client': {
    about: 'end a frontend or a service, and its sessions',
    usage: '--client ID',
    options: { '*client': 'its client_id' },
    async run({ operator }, values) {
      const client = await endClient(operator, { clientId: text(values, 'client') });
      return [`Client ${client.id} was ended.`];
    },
  },
  'bind-identity': {
    about: 'let a person sign in with tokens of a trusted issuer (TRUSTED_ISSUERS)',
    usage: '--user SIGN_IN_NAME --issuer URL --subject TEXT',
    options: {
      '*user': 'sign-in name of the person',
      '*issuer': 'the `iss` of its tokens',
      '*subject': 'the `sub` of the person in its tokens',
    },
    async run({ operator, db }, values) {
      const user = await db.prisma.user.findUnique({ where: { signInName: text(values, 'user').toLowerCase() } });
      if (user === null) throw invalid('user', ['Пользователя с таким логином нет.', 'There is no user with this sign-in name.']);
      await bindIdentity(operator, { userId: user.id, issuer: text(values, 'issuer'), subject: text(values, 'subject') });
      return ['The identity was bound.'];
    },
  },
  import: {
    about: 'import a file of people and classes: the Russian list, OneRoster, or School Data Sync',
    usage: 'FILE --school ID [--dry-run] [--threshold N] [--skip-errors] [--json]',
    argument: 'FILE',
    options: importOptions,
    flags: ['dry-run', 'skip-errors', 'partial', 'json'],
    run: (opened, values) => importRoster(opened, idIn(values, 'school'), values),
  },
  export: {
    about: 'write the people and classes of a school to a file',
    usage: 'FILE --school ID --format oneroster|list',
    argument: 'FILE',
    options: exportOptions,
    run: (opened, values) => exportToFile(opened, idIn(values, 'school'), values),
  },
  'rotate-key': {
    about: 'create a new key for signing tokens; tokens signed with old keys stay valid',
    usage: '',
    options: {},
    async run({ db, config }) {
      await rotateSigningKey(db, config);
      return ['A new key was created. Restart the servers so that they sign with it.'];
    },
  },
  migrate: {
    about: 'apply pending migrations, as the server does at its start',
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

function help(name?: string): string[] {
  const command = name === undefined ? undefined : commands[name];
  if (command !== undefined)
    return [
      `npx sfera ${name} ${command.usage}`.trimEnd(),
      '',
      `  ${command.about}`,
      '',
      ...Object.entries(command.options).map(
        ([option, about]) => `  --${option.replace('*', '').padEnd(14)} ${about}${option.startsWith('*') ? ' (required)' : ''}`,
      ),
    ];
  return [
    'npx sfera COMMAND [options]      npx sfera COMMAND --help',
    '',
    ...Object.entries({ ...commands, permissions: { about: 'print who may do what' } }).map(
      ([listed, { about }]) => `  ${listed.padEnd(22)} ${about}`,
    ),
    '',
    'Commands read the settings of the server: DATABASE_URL, DATA_DIR, SECRET_KEY, PUBLIC_URL … (see README.md).',
    'The embedded database serves one process, so stop the server before you run a command.',
  ];
}

const commandNames = [...Object.keys(commands), 'permissions', 'help'];

function helpOf(name: string | undefined): string[] {
  if (name !== undefined && !commandNames.includes(name)) throw new UsageError(noCommand(name));
  return help(name);
}

const noCommand = (name: string): string => `There is no command ${name}.${hint(name, commandNames) || ' See: npx sfera help'}`;

class RefusedError extends Error {}

async function main([name, ...args]: string[]): Promise<void> {
  const print = (lines: readonly string[]) => console.log(lines.join('\n'));
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') return print(helpOf(args[0]));
  if (name === 'permissions') return print(permissionLines());
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) throw new UsageError(noCommand(name));
  if (args.includes('--help') || args.includes('-h')) return print(help(name));
  const values = parseOptions(name, command, args);
  const config = readConfig();
  for (const warning of config.warnings) console.error(warning);
  // Logs to standard error, because scripts read the standard output.
  const log = createLogger(config.logLevel === 'info' ? 'warn' : config.logLevel, process.stderr);
  const opened = await open(config, log);
  try {
    const outcome = await command.run(opened, values);
    print(Array.isArray(outcome) ? outcome : outcome.lines);
    if (!Array.isArray(outcome)) process.exitCode = outcome.exitCode;
  } catch (error) {
    throw error instanceof Refusal ? new RefusedError(refusalLine(error, command.options)) : error;
  } finally {
    await opened.close();
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const isExpected = error instanceof UsageError || error instanceof RefusedError || error instanceof ConfigError;
  console.error(isExpected ? error.message : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
