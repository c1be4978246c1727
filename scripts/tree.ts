import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { reportProblem, writeGenerated } from './generated-files.ts';

/**
 * The overview of the folders in both READMEs, between `<!-- tree -->` and `<!-- /tree -->`. Each line from src/reader/
 * to src/http/ is a layer. A layer imports only layers of the lines above it. Every file and folder of src/ needs a
 * line.
 */
const lines: [path: string, english: string, russian: string][] = [
  ['schema.graphql', 'the GraphQL schema, printed from src', 'схема GraphQL, печатается из src'],
  ['codegen.ts', 'generates types for the operations of tests and clients', 'генерация типов для операций тестов и клиентов'],
  ['prisma/', 'the tables: schema.prisma and its migrations', 'таблицы: schema.prisma и миграции'],
  ['src/', '', ''],
  [
    'src/main.ts',
    'the server: connects, listens, stops in reverse order',
    'сервер: подключается к базе, принимает соединения, останавливается в обратном порядке',
  ],
  ['src/cli.ts', 'commands for operators: npx sfera', 'команды администратора сервера: npx sfera'],
  ['src/commands/', 'the commands: npx sfera import and others', 'сами команды: npx sfera import и другие'],
  ['src/command-line.ts', 'parses command-line options', 'разбор параметров командной строки'],
  ['src/config.ts', 'reads and checks all environment variables', 'чтение и проверка переменных окружения'],
  ['src/config-error.ts', 'the error of an invalid setting', 'ошибка в настройке'],
  ['src/environment.ts', 'finds empty, misspelt and padded settings', 'поиск пустых настроек, опечаток и лишних пробелов'],
  ['src/mail-config.ts', 'reads and checks SMTP_URL and MAIL_FROM', 'чтение и проверка SMTP_URL и MAIL_FROM'],
  ['src/suggestions.ts', 'suggestions for mistyped words', 'подсказки при опечатках'],
  [
    'src/data-folder.ts',
    'creates DATA_DIR, explains why it cannot be used',
    'создание DATA_DIR и объяснение, почему её нельзя использовать',
  ],
  ['src/errors.ts', 'refusals, in two languages', 'отказы, на двух языках'],
  ['src/uuid.ts', 'recognises ids', 'проверка идентификаторов'],
  ['src/logger.ts', 'structured logs without personal data', 'структурированный журнал без персональных данных'],
  ['src/reader/', 'reads rows of PostgreSQL without copying them', 'чтение строк PostgreSQL без копирования'],
  [
    'src/roster/',
    'reads and writes files with lists of people, classes and lessons',
    'файлы со списками людей, классов и предметов: чтение и запись',
  ],
  ['src/executor/', 'executes GraphQL queries and writes JSON', 'выполнение запросов GraphQL и запись JSON'],
  ['src/policy/', 'permissions and recipients of events; pure functions', 'права и получатели событий; чистые функции'],
  ['src/db/', 'connections, migrations, transactions', 'соединения, миграции, транзакции'],
  ['src/auth/', 'sign-in, tokens, and the rights of the requester', 'вход, токены и права того, кто обращается'],
  ['src/events/', 'the event log, and live delivery of events', 'журнал событий и их доставка в реальном времени'],
  ['src/domain/', 'operations: find or refuse, change rows, record the event', 'операции: найти или отказать, изменить, записать событие'],
  ['src/graphql/', 'the GraphQL types and fields of the domain', 'типы и поля GraphQL предметной области'],
  ['src/jobs/', 'background jobs', 'фоновые задания'],
  ['src/adapters/', 'external services, each behind an interface', 'внешние службы, каждая за своим интерфейсом'],
  ['src/http/', 'HTTP and WebSocket: requests, limits, live delivery, pages', 'HTTP и WebSocket: запросы, ограничения, подписки, страницы'],
  [
    'test/',
    'mirrors src; also scenario, races, crash and browser tests',
    'повторяет src; также сценарий, гонки, аварийные остановки и браузер',
  ],
  ['bench/', 'benchmarks', 'замеры производительности'],
  ['scripts/', 'generate and check files made from src', 'создание и проверка файлов, которые получаются из src'],
  ['docs/', 'permissions, events, design decisions, performance', 'права, события, решения, производительность'],
  ['.ci/', 'all CI checks in one command', 'все проверки CI одной командой'],
];

const from = '<!-- tree -->';
const to = '<!-- /tree -->';

const columns = { english: 1, russian: 2 } as const;

/** Returns the files and folders of src that have no line in `lines`. */
const undescribed = (): string[] =>
  readdirSync('src', { withFileTypes: true })
    .map((entry) => `src/${entry.name}${entry.isDirectory() ? '/' : ''}`)
    .filter((path) => !lines.some(([known]) => known === path));

function renderTree(language: keyof typeof columns): string {
  const rendered = lines
    .filter(([path]) => existsSync(path))
    .map((line) => {
      const inside = line[0].startsWith('src/') && line[0] !== 'src/';
      return `${inside ? `  ${line[0].slice(4)}` : line[0]}`.padEnd(22) + line[columns[language]];
    });
  return [from, '', '```text', ...rendered.map((text) => text.trimEnd()), '```', '', to].join('\n');
}

/** Writes the overview into both READMEs. With `--check`, reports a problem if a README differs. */
export function writeFolders(): void {
  const missing = undescribed();
  if (missing.length > 0)
    reportProblem(`No description of ${missing.join(', ')}.`, 'add a line to scripts/tree.ts, then run `npm run generate`.');
  writeBetweenMarkers('README.md', renderTree('english'));
  writeBetweenMarkers('README.ru.md', renderTree('russian'));
}

function writeBetweenMarkers(path: string, tree: string): void {
  const text = readFileSync(path, 'utf8');
  const [start, end] = [text.indexOf(from), text.indexOf(to)];
  if (start < 0 || end < start)
    return reportProblem(`${path} has no place for the overview of the folders.`, `add ${from} and ${to} to it.`);
  writeGenerated(path, text.slice(0, start) + tree + text.slice(end + to.length));
}
