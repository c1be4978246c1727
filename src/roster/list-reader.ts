import { type ClassName, formatClassName, parseClassName } from './class-names.ts';
import { isKey } from './csv-cells.ts';
import { type CsvRow, readRows } from './csv-rows.ts';
import { checkCells, isRagged, readCell, warnOfCells } from './csv-table.ts';
import { dateText, parseDate } from './dates.ts';
import { isListHeading, type ListColumn, listColumns, type ListHeadings, readListHeadings } from './list-headings.ts';
import { ListPeople } from './list-people.ts';
import { parseListRoles } from './list-roles.ts';
import { checkNames } from './names.ts';
import { type NoticeLog, unreadable } from './notices.ts';
import type { ReadRosterOptions } from './read-options.ts';
import { keyOfId, type Roster, type RosterPerson, type RosterPlace } from './roster.ts';
import type { RosterBuilder } from './roster-builder.ts';
import type { SourceFile } from './source-file.ts';

/** The headings must be within this many rows from the start. Titles may stand above the headings. */
const maxRowsAboveHeadings = 10;

/** Reads the Russian list: one CSV file with a row for each person. */
export async function readList(file: SourceFile, options: ReadRosterOptions, builder: RosterBuilder): Promise<Roster> {
  const rows = readRows(file, builder.notices, false);
  const headings = await findHeadings(file.name, rows, builder.notices);
  const reader = new ListReader(file.name, headings, builder);
  for await (const row of rows) reader.read(row);
  const isComplete = options.isPartial !== true;
  return builder.build('LIST', {
    students: isComplete,
    // Never complete: a list seldom contains all staff, and cannot contain a class without pupils.
    staff: false,
    classes: false,
    enrolments: isComplete && reader.hasClasses,
    assignments: false,
  });
}

async function findHeadings(file: string, rows: AsyncGenerator<CsvRow>, notices: NoticeLog): Promise<ListHeadings> {
  for (let count = 0; count < maxRowsAboveHeadings; count += 1) {
    const row = await rows.next();
    if (row.done) break;
    if (isListHeading(row.value)) return readListHeadings(file, row.value, notices);
  }
  throw unreadable('HEADINGS_UNKNOWN', { file });
}

class ListReader {
  readonly hasClasses: boolean;
  readonly #file: string;
  readonly #headings: ListHeadings;
  readonly #builder: RosterBuilder;
  readonly #people: ListPeople;
  readonly #told = new Set<string>();

  constructor(file: string, headings: ListHeadings, builder: RosterBuilder) {
    const { positions } = headings;
    this.#file = file;
    this.#headings = headings;
    this.#builder = builder;
    this.#people = new ListPeople(builder);
    this.hasClasses = positions.has('class') || (positions.has('grade') && positions.has('letter'));
    if (!this.hasClasses) builder.notices.warn('NO_CLASS_COLUMN', { file });
  }

  read({ line, cells }: CsvRow): void {
    const { notices } = this.#builder;
    const at = { file: this.#file, line };
    const { positions, secrets, width } = this.#headings;
    if (isRagged(cells, width)) {
      notices.error('ROW_RAGGED', at, cells.length, width);
      this.#builder.lose('students', 'enrolments');
      return;
    }
    const byName = new Map<string, number>([...positions].map(([column, position]) => [listColumns[column], position]));
    if (!checkCells(cells, byName, at, notices)) return this.#builder.lose('students', 'enrolments');
    warnOfCells(cells, { positions: byName, secrets, at, told: this.#told }, notices);
    const get = (column: ListColumn) => readCell(cells[positions.get(column) ?? -1]);
    const person = this.#readPerson(get, at);
    if (person === null) this.#builder.lose('students', 'enrolments');
    else this.#add(person, get);
  }

  /** Returns the person of a row; null, with an error, for a row without a name. */
  #readPerson(get: (column: ListColumn) => string, at: RosterPlace): RosterPerson | null {
    const names = this.#namesOf(get);
    const isSplit = get('surname') !== '' || get('fullName') === '';
    const columns =
      isSplit && this.#headings.positions.has('surname') ? listColumns : { surname: listColumns.fullName, givenName: listColumns.fullName };
    if (!checkNames(names, columns, at, this.#builder.notices)) return null;
    const id = this.#key(get, 'externalId', at);
    const externalId = id ?? '';
    const birthDate = this.#date(get, 'birthDate', at);
    const roles = this.#rolesOf(get('role'), at);
    const email = get('email');
    return {
      key: externalId === '' ? `line:${at.line}` : keyOfId(externalId),
      ...(externalId === '' ? {} : { externalId }),
      ...names,
      ...(typeof birthDate === 'string' ? { birthDate } : {}),
      ...(email === '' ? {} : { email }),
      roles: roles ?? [],
      isActive: true,
      hasError: id === null || birthDate === null || roles === null,
      at,
    };
  }

  #namesOf(get: (column: ListColumn) => string): Pick<RosterPerson, 'surname' | 'givenName' | 'patronymic'> {
    if (get('surname') !== '' || get('fullName') === '') {
      const { positions } = this.#headings;
      return {
        surname: get('surname'),
        givenName: get('givenName'),
        ...(positions.has('patronymic') ? { patronymic: get('patronymic') || null } : {}),
      };
    }
    const [surname = '', givenName = '', ...rest] = get('fullName').split(' ');
    return { surname, givenName, patronymic: rest.join(' ') || null };
  }

  /** Returns the roles; by default the person is a pupil. Null, with an error, for an unknown role. */
  #rolesOf(text: string, at: RosterPlace): RosterPerson['roles'] | null {
    if (text === '') return ['STUDENT'];
    const parsed = parseListRoles(text);
    if (parsed.roles === null) this.#builder.notices.error('ROLE_UNKNOWN', at, parsed.unknown);
    return parsed.roles;
  }

  /** Returns a date; undefined for an empty cell. For an invalid date it adds an error and returns null. */
  #date(get: (column: ListColumn) => string, column: ListColumn, at: RosterPlace): string | undefined | null {
    const text = get(column);
    if (text === '') return undefined;
    const date = parseDate(text, ['RUSSIAN', 'ISO']);
    if (date === undefined) this.#builder.notices.error('DATE_INVALID', at, listColumns[column], dateText('RUSSIAN'));
    return date ?? null;
  }

  /**
   * Returns an id, or the number of an admission decree; both may be empty. For a text that cannot be stored it adds an error
   * and returns null.
   */
  #key(get: (column: ListColumn) => string, column: ListColumn, at: RosterPlace): string | null {
    if (isKey(get(column))) return get(column);
    this.#builder.notices.error('TEXT_INVALID', at, listColumns[column]);
    return null;
  }

  #add(person: RosterPerson, get: (column: ListColumn) => string): void {
    const { at } = person;
    const classes = this.#classesOf(get, person);
    const startedOn = this.#date(get, 'startedOn', at);
    const orderNumber = this.#key(get, 'orderNumber', at);
    const hasError = person.hasError || classes === null || startedOn === null || orderNumber === null;
    const isStudent = person.roles.includes('STUDENT');
    const className = isStudent ? classes?.[0] : undefined;
    if (!this.#people.add({ ...person, hasError }, className)) return;
    for (const named of classes ?? []) {
      const classKey = this.#addClass(named, at);
      if (isStudent) {
        const order = orderNumber === null || orderNumber === '' ? {} : { orderNumber };
        const start = typeof startedOn === 'string' ? { startedOn } : {};
        this.#builder.addEnrolment({ person: person.key, class: classKey, ...start, ...order, isActive: true, at });
      } else this.#builder.assignments.push({ person: person.key, class: classKey, kind: 'CLASS_TEACHER', isActive: true, at });
    }
  }

  #addClass(className: ClassName, at: RosterPlace): string {
    const key = `class:${formatClassName(className)}`;
    if (!this.#builder.classes.has(key)) this.#builder.addClass({ key, ...className, isActive: true, hasError: false, at });
    return key;
  }

  /**
   * Returns the class of a pupil, or the classes that a teacher leads as class teacher. For a text that is no name of a
   * class it adds an error and returns null.
   */
  #classesOf(get: (column: ListColumn) => string, { roles, at }: RosterPerson): ClassName[] | null {
    const isStudent = roles.includes('STUDENT');
    const text = get('class') || (get('letter') === '' ? '' : `${get('grade')}-${get('letter')}`);
    if (text === '') {
      if (isStudent && this.hasClasses) this.#builder.notices.warn('CLASS_EMPTY', at);
      return [];
    }
    const classes: ClassName[] = [];
    for (const part of isStudent ? [text] : text.split(',')) {
      const className = parseClassName(part.replace(/\s*(класс|кл\.?)$/iu, ''));
      if (className === undefined) {
        this.#builder.notices.error('CLASS_NAME_INVALID', at, part.trim());
        return null;
      }
      classes.push(className);
    }
    return classes;
  }
}
