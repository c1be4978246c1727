import { assembleRoster } from './assemble.ts';
import { isKey } from './csv-cells.ts';
import type { CsvTable, TableRow, TableSpec } from './csv-table.ts';
import { dateText, parseDate } from './dates.ts';
import type { FileSet } from './file-set.ts';
import { manifestFiles, oneRosterColumns, orderNumberColumn, type OneRosterFile } from './one-roster-columns.ts';
import { type OneRosterVersion, readManifest } from './one-roster-manifest.ts';
import { type ReadRosterOptions, todayOf } from './read-options.ts';
import { Records } from './records.ts';
import type { Roster } from './roster.ts';
import type { RosterBuilder } from './roster-builder.ts';
import { decodeId } from './sourced-ids.ts';

/** Columns of OneRoster 1.1 that 1.2 no longer has. */
const columnsOf11 = ['orgSourcedIds', 'role', 'agentSourcedIds'];

const specOf = <Column extends string>(
  file: OneRosterFile,
  required: readonly Column[],
  optional: readonly Column[] = [],
): TableSpec<Column> => ({
  required,
  optional,
  unused: [...oneRosterColumns[file], ...columnsOf11].filter((column) => ![...required, ...optional].some((read) => read === column)),
});

/** Reads OneRoster CSV 1.1 and 1.2, as complete files or as files of changes. */
export async function readOneRoster(files: FileSet, options: ReadRosterOptions, builder: RosterBuilder): Promise<Roster> {
  const version = await readManifest(files, builder.notices);
  return new OneRosterReader(version, files, options, builder).read();
}

class OneRosterReader {
  readonly #version: OneRosterVersion;
  readonly #files: FileSet;
  readonly #options: ReadRosterOptions;
  readonly #builder: RosterBuilder;
  readonly #records: Records;
  readonly #courses = new Map<string, string>();
  readonly #today: string;

  constructor(version: OneRosterVersion, files: FileSet, options: ReadRosterOptions, builder: RosterBuilder) {
    this.#version = version;
    this.#files = files;
    this.#options = options;
    this.#builder = builder;
    this.#records = new Records(builder, { section: 'classSourcedId', user: 'userSourcedId' });
    this.#today = todayOf(options);
  }

  async read(): Promise<Roster> {
    await this.#readOrgs();
    await this.#readUsers();
    if (this.#version === '1.2') await this.#readRoles();
    await this.#readBirthDates();
    await this.#readCourses();
    await this.#readClasses();
    await this.#readEnrollments();
    this.#files.warnOfUnused(manifestFiles.map((name) => `${name}.csv`));
    const isBulk = (name: string) => this.#files.modeOf(`${name}.csv`) === 'bulk';
    return assembleRoster(this.#records, {
      format: this.#version === '1.1' ? 'ONE_ROSTER_1_1' : 'ONE_ROSTER_1_2',
      options: this.#options,
      orgFile: 'orgs.csv',
      nameColumns: { surname: 'familyName', givenName: 'givenName' },
      complete: {
        users: isBulk('users') && (this.#version === '1.1' || isBulk('roles')),
        sections: isBulk('classes'),
        memberships: isBulk('enrollments'),
      },
    });
  }

  async #readOrgs(): Promise<void> {
    const table = await this.#files.open('orgs.csv', specOf('orgs', ['sourcedId', 'type'], ['identifier', 'parentSourcedId']));
    for await (const row of table ?? []) {
      const org = {
        id: id(row, 'sourcedId'),
        type: row.get('type'),
        identifier: row.get('identifier'),
        parentId: id(row, 'parentSourcedId'),
        at: row.at,
      };
      this.#records.add(this.#records.orgs, 'sourcedId', org);
    }
  }

  async #readUsers(): Promise<void> {
    const roleColumns = ['orgSourcedIds', 'role'] as const;
    const is11 = this.#version === '1.1';
    const optional = ['status', 'enabledUser', 'middleName', 'email'] as const;
    const spec = specOf(
      'users',
      ['sourcedId', 'givenName', 'familyName', ...(is11 ? roleColumns : [])],
      [...optional, ...(is11 ? [] : roleColumns)],
    );
    const table = await this.#files.open('users.csv', spec);
    if (table === null) return;
    const hasMiddleName = table.has('middleName');
    await this.#forEachRow(table, (row, isListed) => {
      const role = row.get('role');
      const isEnabled = this.#isEnabled(row);
      this.#records.addUser('sourcedId', {
        id: id(row, 'sourcedId'),
        surname: row.get('familyName'),
        givenName: row.get('givenName'),
        ...(hasMiddleName ? { patronymic: row.get('middleName') || null } : {}),
        email: row.get('email'),
        isActive: isListed !== false && isEnabled !== false,
        roles: is11 && role !== '' ? [{ role, orgIds: listOf(row.get('orgSourcedIds')), isActive: true, at: row.at }] : [],
        hasError: isListed === null || isEnabled === null,
        at: row.at,
      });
    });
    if (table.lostRows > 0) this.#builder.lose('students', 'staff');
  }

  /**
   * Returns whether the account is enabled; true for an empty cell. For an unknown value it adds an error and returns null.
   */
  #isEnabled(row: TableRow<'enabledUser'>): boolean | null {
    const value = row.get('enabledUser');
    const enabled = value.toLowerCase();
    if (enabled !== '' && enabled !== 'true' && enabled !== 'false') {
      this.#builder.notices.error('VALUE_UNKNOWN', row.at, 'enabledUser', value);
      return null;
    }
    if (enabled !== value) this.#builder.notices.warn('VALUE_CASE', row.at, 'enabledUser', value);
    return enabled !== 'false';
  }

  async #readRoles(): Promise<void> {
    const spec = specOf('roles', ['userSourcedId', 'role'], ['sourcedId', 'status', 'endDate', 'orgSourcedId']);
    const table = await this.#files.open('roles.csv', spec);
    if (table === null) return;
    await this.#forEachRow(table, (row, isListed) => {
      const user = this.#records.users.get(id(row, 'userSourcedId'));
      const endsOn = this.#date(row, 'endDate');
      if (user !== undefined) {
        if (endsOn === null || isListed === null) user.hasError = true;
        const isActive = isListed !== false && (endsOn === null || endsOn === undefined || endsOn > this.#today);
        user.roles.push({ role: row.get('role'), orgIds: listOf(row.get('orgSourcedId')), isActive, at: row.at });
      } else if (this.#files.modeOf('users.csv') === 'bulk') {
        this.#builder.notices.error('REFERENCE_MISSING', row.at, 'userSourcedId', id(row, 'userSourcedId'));
      }
    });
    if (table.lostRows > 0) this.#builder.lose('students', 'staff');
  }

  async #readBirthDates(): Promise<void> {
    const table = await this.#files.open('demographics.csv', specOf('demographics', ['sourcedId'], ['status', 'birthDate']));
    for await (const row of table ?? []) {
      const user = this.#records.users.get(id(row, 'sourcedId'));
      const birthDate = this.#date(row, 'birthDate');
      if (user !== undefined && birthDate === null) user.hasError = true;
      if (user !== undefined && typeof birthDate === 'string') user.birthDate = birthDate;
    }
  }

  async #readCourses(): Promise<void> {
    const table = await this.#files.open('courses.csv', specOf('courses', ['sourcedId', 'title']));
    const seen = new Map<string, { id: string; at: TableRow['at'] }>();
    for await (const row of table ?? []) {
      const course = { id: id(row, 'sourcedId'), at: row.at };
      if (this.#records.add(seen, 'sourcedId', course)) this.#courses.set(course.id, row.get('title'));
    }
  }

  async #readClasses(): Promise<void> {
    const optional = ['status', 'grades', 'courseSourcedId', 'classCode', 'schoolSourcedId'] as const;
    const table = await this.#files.open('classes.csv', specOf('classes', ['sourcedId', 'title', 'classType'], optional));
    if (table === null) return;
    await this.#forEachRow(table, (row, isListed) => {
      if (isListed === null) this.#builder.lose('classes', 'enrolments', 'assignments');
      const courseId = id(row, 'courseSourcedId');
      if (courseId !== '' && !this.#courses.has(courseId) && this.#files.modeOf('courses.csv') === 'bulk') {
        this.#builder.notices.error('REFERENCE_MISSING', row.at, 'courseSourcedId', courseId);
        this.#builder.lose('assignments');
      }
      this.#records.addSection(
        { id: 'sourcedId', course: 'courseSourcedId' },
        {
          id: id(row, 'sourcedId'),
          title: row.get('title'),
          code: row.get('classCode'),
          grades: row.get('grades'),
          kind: row.get('classType').toLowerCase() === 'homeroom' ? 'homeroom' : 'scheduled',
          orgId: id(row, 'schoolSourcedId'),
          courseId,
          courseName: this.#courses.get(courseId) ?? '',
          isActive: isListed !== false,
          at: row.at,
        },
      );
    });
    if (table.lostRows > 0) this.#builder.lose('classes', 'enrolments', 'assignments');
  }

  async #readEnrollments(): Promise<void> {
    const optional = ['sourcedId', 'status', 'primary', 'beginDate', 'endDate', orderNumberColumn] as const;
    const table = await this.#files.open('enrollments.csv', specOf('enrollments', ['classSourcedId', 'userSourcedId', 'role'], optional));
    if (table === null) return;
    const seen = new Map<string, { id: string; at: TableRow['at'] }>();
    await this.#forEachRow(table, (row, isListed) => {
      const userId = id(row, 'userSourcedId');
      const [startedOn, endsOn] = [this.#date(row, 'beginDate'), this.#date(row, 'endDate')];
      const isRepeated = row.get('sourcedId') !== '' && !this.#records.add(seen, 'sourcedId', { id: id(row, 'sourcedId'), at: row.at });
      const orderNumber = row.get(orderNumberColumn);
      if (!isKey(orderNumber)) this.#builder.notices.error('TEXT_INVALID', row.at, orderNumberColumn);
      if (isRepeated || isListed === null || startedOn === null || endsOn === null || !isKey(orderNumber)) {
        const user = this.#records.users.get(userId);
        if (user === undefined) this.#builder.lose('enrolments', 'assignments');
        else user.hasError = true;
        return;
      }
      this.#records.memberships.push({
        sectionId: id(row, 'classSourcedId'),
        userId,
        role: row.get('role'),
        isPrimary: row.get('primary').toLowerCase() === 'true',
        ...(startedOn === undefined ? {} : { startedOn }),
        ...(orderNumber === '' ? {} : { orderNumber }),
        isActive: isListed && (endsOn === undefined || endsOn > this.#today),
        at: row.at,
      });
    });
    if (table.lostRows > 0) this.#builder.lose('enrolments', 'assignments');
  }

  /**
   * Calls `read` for each row. `isListed` is true if the status is empty or active, and false if the status says that the
   * record no longer exists. For an unknown status it adds an error, and `isListed` is null. Warns if a complete file contains
   * statuses.
   */
  async #forEachRow<Column extends string>(
    table: CsvTable<Column | 'status'>,
    read: (row: TableRow<Column | 'status'>, isListed: boolean | null) => void,
  ): Promise<void> {
    let filled: { at: TableRow['at']; count: number } | null = null as { at: TableRow['at']; count: number } | null;
    for await (const row of table) {
      const status = row.get('status').toLowerCase();
      if (status !== '') filled = { at: filled?.at ?? row.at, count: (filled?.count ?? 0) + 1 };
      const isKnown = ['', 'active', 'inactive', 'tobedeleted'].includes(status);
      if (!isKnown) this.#builder.notices.error('VALUE_UNKNOWN', row.at, 'status', row.get('status'));
      read(row, isKnown ? status === '' || status === 'active' : null);
    }
    if (filled !== null && this.#files.modeOf(table.file) === 'bulk') this.#builder.notices.warn('STATUS_IN_BULK', filled.at, filled.count);
  }

  /** Returns a date; undefined for an empty cell. For an invalid date it adds an error and returns null. */
  #date<Column extends string>(row: TableRow<Column>, column: Column): string | undefined | null {
    const text = row.get(column);
    if (text === '') return undefined;
    const date = parseDate(text, ['ISO']);
    if (date === undefined) this.#builder.notices.error('DATE_INVALID', row.at, column, dateText('ISO'));
    return date ?? null;
  }
}

const id = <Column extends string>(row: TableRow<Column>, column: Column): string => decodeId(row.get(column));

/** Splits a list of ids, which OneRoster separates by commas. */
const listOf = (text: string): string[] =>
  text
    .split(',')
    .map((entry) => decodeId(entry.trim()))
    .filter((entry) => entry !== '');
