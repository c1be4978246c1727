import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isCheck, reportProblem } from './generated-files.ts';

/**
 * Writes the overview of the folders into both READMEs, between `<!-- tree -->` and `<!-- /tree -->`. The lines below
 * are in the order in which the layers import one another; every file and folder of src/ needs one.
 */
const lines: [path: string, english: string, russian: string][] = [
  ['schema.graphql', 'the contract, printed from src', 'контракт, печатается из src'],
  ['codegen.ts', 'types for the operations that tests and clients send', 'типы для операций, которые шлют тесты и клиенты'],
  ['prisma/', 'the rows: schema.prisma and its migrations', 'таблицы: schema.prisma и миграции'],
  ['src/', '', ''],
  ['src/main.ts', 'the server: connects, listens, stops in reverse order', 'сервер: соединяется, слушает, останавливается в обратном порядке'],
  ['src/cli.ts', 'what is run by hand: npx sfera', 'то, что запускают руками: npx sfera'],
  ['src/command-line.ts', 'parses command-line options', 'разбор параметров командной строки'],
  ['src/config.ts', 'every environment variable, checked once', 'все переменные окружения, проверенные один раз'],
  ['src/config-error.ts', 'the error of an invalid setting', 'ошибка в настройке'],
  ['src/environment.ts', 'finds empty, misspelt and padded settings', 'поиск пустых настроек, опечаток и лишних пробелов'],
  ['src/suggestions.ts', 'suggestions for mistyped words', 'подсказки при опечатках'],
  ['src/data-folder.ts', 'creating DATA_DIR, and why it cannot be used', 'создание DATA_DIR и причины, по которым это не удаётся'],
  ['src/errors.ts', 'refusals, in two languages', 'отказы, на двух языках'],
  ['src/lru.ts', 'a cache bounded in bytes', 'кэш с пределом в байтах'],
  ['src/logger.ts', 'structured logs without personal data', 'журнал работы без персональных данных'],
  ['src/reader/', 'reading rows without copying them', 'чтение строк без копирования'],
  ['src/executor/', 'executes GraphQL queries and writes JSON', 'выполнение запросов GraphQL и запись JSON'],
  ['src/policy/', 'who may do what, and who may hear what; pure', 'кому что можно делать и слышать; чистые функции'],
  ['src/db/', 'the connection, migrations, being inside a transaction', 'соединение, миграции, работа внутри транзакции'],
  ['src/auth/', 'from a credential to an actor', 'от учётных данных к действующему лицу'],
  ['src/events/', 'the durable log of what happened, and following it', 'надёжный журнал событий и слежение за ним'],
  ['src/domain/', 'what a school can do: find or refuse, change, record', 'что школа умеет: найти или отказать, изменить, записать'],
  ['src/graphql/', 'the domain as a schema', 'предметная область в виде схемы'],
  ['src/jobs/', 'what happens without anyone asking', 'то, что происходит без просьбы'],
  ['src/adapters/', 'the outside world, each behind a port', 'внешний мир, каждая часть за своим портом'],
  ['src/http/', 'HTTP and WebSocket: requests, limits, live delivery, pages', 'HTTP и WebSocket: запросы, ограничения, подписки, страницы'],
  ['test/', 'mirrors src; scenario, races, crash and browser beside it', 'повторяет src; рядом сценарий, гонки, сбои и браузер'],
  ['bench/', 'what is measured', 'что измеряется'],
  ['scripts/', 'what prints and checks the files made from src', 'печать и проверка файлов, сделанных из src'],
  ['docs/', 'the policy table, the events, the decisions', 'таблица прав, события, решения'],
  ['.ci/', 'everything that must pass, in one command', 'всё, что должно проходить, одной командой'],
];

const from = '<!-- tree -->';
const to = '<!-- /tree -->';

/** Folders and files of src without a line above. */
const undescribed = readdirSync('src', { withFileTypes: true })
  .map((entry) => `src/${entry.name}${entry.isDirectory() ? '/' : ''}`)
  .filter((path) => !lines.some(([known]) => known === path));

function renderTree(column: 1 | 2): string {
  const rendered = lines.filter(([path]) => existsSync(path)).map((line) => {
    const inside = line[0].startsWith('src/') && line[0] !== 'src/';
    return `${inside ? `  ${line[0].slice(4)}` : line[0]}`.padEnd(18) + line[column];
  });
  return [from, '', '```text', ...rendered.map((line) => line.trimEnd()), '```', '', to].join('\n');
}

function update(path: string, column: 1 | 2): void {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const [start, end] = [text.indexOf(from), text.indexOf(to)];
  if (start < 0 || end < start) return reportProblem(`${path} has no place for the overview of the folders.`, `add ${from} and ${to} to it.`);
  const next = text.slice(0, start) + renderTree(column) + text.slice(end + to.length);
  if (next === text) return;
  if (isCheck) return reportProblem(`The overview of the folders in ${path} is out of date.`, 'run `npm run tree`.');
  writeFileSync(path, next);
  console.log(`wrote ${path}`);
}

if (undescribed.length > 0) reportProblem(`No description of ${undescribed.join(', ')}.`, 'add a line to scripts/tree.ts, then run `npm run tree`.');
update('README.md', 1);
update('README.ru.md', 2);
