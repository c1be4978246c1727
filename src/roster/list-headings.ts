import { closest } from '../suggestions.ts';
import { type CsvRow } from './csv-rows.ts';
import { type Headings, isSecret } from './csv-table.ts';
import { type NoticeLog, unreadable } from './notices.ts';

/** Finds the columns of the Russian list by their headings. */

export const listColumns = {
  externalId: 'ID',
  surname: 'Фамилия',
  givenName: 'Имя',
  patronymic: 'Отчество',
  fullName: 'ФИО',
  birthDate: 'Дата рождения',
  class: 'Класс',
  grade: 'Параллель',
  letter: 'Литера',
  startedOn: 'Дата зачисления',
  orderNumber: '№ приказа',
  role: 'Роль',
  email: 'Эл. почта',
} as const;

export type ListColumn = keyof typeof listColumns;

/** Headings that people write for each column, in lower case and without spaces and signs. */
const synonyms: Readonly<Record<ListColumn, readonly string[]>> = {
  externalId: ['id', 'ид', 'идентификатор', 'внешнийid', 'внешнийидентификатор'],
  surname: ['фамилия', 'фамилияученика', 'surname', 'lastname', 'familyname'],
  givenName: ['имя', 'имяученика', 'firstname', 'givenname'],
  patronymic: ['отчество', 'отчествоприналичии', 'отчествоученика', 'patronymic', 'middlename'],
  fullName: ['фио', 'фамилияимяотчество', 'фиоученика', 'фиоучащегося', 'фиообучающегося', 'ученик', 'обучающийся', 'учащийся', 'fullname'],
  birthDate: ['датарождения', 'деньрождения', 'др', 'birthdate', 'dateofbirth'],
  class: ['класс', 'class'],
  grade: ['параллель', 'grade'],
  letter: ['литера', 'литер', 'буква', 'буквакласса', 'letter'],
  startedOn: ['датазачисления', 'датаприема', 'зачислен', 'датаприказа', 'enrolledon'],
  orderNumber: ['приказа', '№приказа', 'номерприказа', 'приказ', 'приказозачислении', '№приказаозачислении', 'ordernumber'],
  role: ['роль', 'role'],
  email: ['электроннаяпочта', 'элпочта', 'почта', 'адресэлектроннойпочты', 'email'],
};

/** Headings of a column of row numbers, which is ignored without a warning. */
const counters = ['№', '№пп', 'пп', 'n', 'nпп', ''];

export type ListHeadings = Omit<Headings, 'positions'> & { readonly positions: ReadonlyMap<ListColumn, number> };

const keyOf = (heading: string): string =>
  heading
    .normalize('NFC')
    .toLowerCase()
    .replaceAll('ё', 'е')
    .replace(/[^\p{L}\p{Nd}№]/gu, '');

const columns = Object.keys(listColumns) as ListColumn[];

/** Whether a row has the headings. A file may have titles above this row. */
export function isListHeading({ cells }: CsvRow): boolean {
  const found = new Set(cells.map((cell) => columnOf(cell)));
  return found.has('fullName') || (found.has('surname') && found.has('givenName'));
}

/** @throws UnreadableRoster if a column occurs twice. */
export function readListHeadings(file: string, { line, cells }: CsvRow, notices: NoticeLog): ListHeadings {
  const at = { file, line };
  const positions = new Map<ListColumn, number>();
  const secrets = new Map<string, number>();
  for (const [position, cell] of cells.entries()) {
    const heading = cell.replace('\ufeff', '').trim();
    const column = columnOf(heading);
    if (isSecret(heading)) secrets.set(heading, position);
    else if (column === undefined) {
      if (!counters.includes(keyOf(heading))) notices.warn('COLUMN_IGNORED', at, heading);
    } else if (positions.has(column)) throw unreadable('COLUMN_DUPLICATE', at, listColumns[column]);
    else {
      positions.set(column, position);
      if (!synonyms[column].includes(keyOf(heading))) notices.warn('HEADING_CORRECTED', at, heading, listColumns[column]);
    }
  }
  return { positions, secrets, width: cells.findLastIndex((cell) => cell.trim() !== '') + 1 };
}

/** Returns the column of a heading. The heading may have one typing error. */
function columnOf(heading: string): ListColumn | undefined {
  const key = keyOf(heading);
  const exact = columns.find((column) => synonyms[column].includes(key));
  if (exact !== undefined || key.length < 5) return exact;
  const near = closest(
    key,
    columns.flatMap((column) => synonyms[column].filter((word) => word.length >= 5)),
    1,
  );
  return near === undefined ? undefined : columns.find((column) => synonyms[column].includes(near));
}
