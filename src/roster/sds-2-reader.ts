import { assembleRoster } from './assemble.ts';
import { dateText, parseDate } from './dates.ts';
import type { FileSet } from './file-set.ts';
import { type ReadRosterOptions, todayOf } from './read-options.ts';
import { Records } from './records.ts';
import type { Roster } from './roster.ts';
import type { RosterBuilder } from './roster-builder.ts';

/** Microsoft School Data Sync v2.1: orgs, users, roles, classes, courses, enrollments, demographics. */

const orgSpec = { required: ['sourcedId', 'type'], optional: ['parentSourcedId'], unused: ['name'] } as const;

const userSpec = {
  required: ['sourcedId', 'givenName', 'familyName'],
  optional: ['email'],
  unused: ['username', 'password', 'activeDirectoryMatchId', 'phone', 'sms'],
} as const;

const roleSpec = {
  required: ['userSourcedId', 'orgSourcedId', 'role'],
  optional: ['roleEndDate'],
  unused: ['sessionSourcedId', 'grade', 'isPrimary', 'roleStartDate'],
} as const;

const classSpec = {
  required: ['sourcedId', 'orgSourcedId', 'title'],
  optional: ['courseSourcedId'],
  unused: ['sessionSourcedIds', 'code'],
} as const;

const courseSpec = {
  required: ['sourcedId', 'title'],
  optional: [],
  unused: ['orgSourcedId', 'code', 'schoolYearSourcedId', 'subject', 'grade'],
} as const;

const enrollmentSpec = { required: ['classSourcedId', 'userSourcedId', 'role'], optional: [], unused: [] } as const;

// prettier-ignore
const demographicSpec = {
  required: ['userSourcedId'],
  optional: ['birthDate'],
  unused: ['sex', 'birthCity', 'birthState', 'birthCountry', 'ethnicityCodes', 'raceCodes'],
} as const;

export async function readSds2(files: FileSet, options: ReadRosterOptions, builder: RosterBuilder): Promise<Roster> {
  return new Sds2Reader(files, options, builder).read();
}

class Sds2Reader {
  readonly #files: FileSet;
  readonly #options: ReadRosterOptions;
  readonly #builder: RosterBuilder;
  readonly #records: Records;
  readonly #courses = new Map<string, string>();

  constructor(files: FileSet, options: ReadRosterOptions, builder: RosterBuilder) {
    this.#files = files;
    this.#options = options;
    this.#builder = builder;
    this.#records = new Records(builder, { section: 'classSourcedId', user: 'userSourcedId' });
  }

  async read(): Promise<Roster> {
    await this.#readOrgs();
    await this.#readUsers();
    await this.#readRoles();
    await this.#readBirthDates();
    await this.#readClasses();
    await this.#readEnrollments();
    this.#files.warnOfUnused(['academicSessions.csv']);
    const has = (name: string) => this.#files.get(name) !== undefined;
    return assembleRoster(this.#records, {
      format: 'SDS_2_1',
      options: this.#options,
      orgFile: 'orgs.csv',
      nameColumns: { surname: 'familyName', givenName: 'givenName' },
      complete: { users: has('users.csv') && has('roles.csv'), sections: has('classes.csv'), memberships: has('enrollments.csv') },
    });
  }

  async #readOrgs(): Promise<void> {
    for await (const row of (await this.#files.open('orgs.csv', orgSpec)) ?? []) {
      const org = { id: row.get('sourcedId'), type: row.get('type'), identifier: '', parentId: row.get('parentSourcedId'), at: row.at };
      this.#records.add(this.#records.orgs, 'sourcedId', org);
    }
  }

  async #readUsers(): Promise<void> {
    const table = await this.#files.open('users.csv', userSpec);
    if (table === null) return;
    for await (const row of table) {
      const [surname, givenName] = [row.get('familyName'), row.get('givenName')];
      const fields = { surname, givenName, email: row.get('email'), isActive: true, hasError: false };
      this.#records.addUser('sourcedId', { id: row.get('sourcedId'), ...fields, roles: [], at: row.at });
    }
    if (table.lostRows > 0) this.#builder.lose('students', 'staff');
  }

  async #readRoles(): Promise<void> {
    const table = await this.#files.open('roles.csv', roleSpec);
    if (table === null) return;
    const today = todayOf(this.#options);
    for await (const row of table) {
      const user = this.#records.users.get(row.get('userSourcedId'));
      if (user === undefined) {
        this.#builder.notices.error('REFERENCE_MISSING', row.at, 'userSourcedId', row.get('userSourcedId'));
        continue;
      }
      const endsOn = row.get('roleEndDate');
      const date = parseDate(endsOn, ['ISO']);
      if (endsOn !== '' && date === undefined) {
        this.#builder.notices.error('DATE_INVALID', row.at, 'roleEndDate', dateText('ISO'));
        user.hasError = true;
      }
      const isActive = date === undefined || date > today;
      user.roles.push({ role: row.get('role'), orgIds: [row.get('orgSourcedId')].filter((org) => org !== ''), isActive, at: row.at });
    }
    if (table.lostRows > 0) this.#builder.lose('students', 'staff');
  }

  async #readBirthDates(): Promise<void> {
    for await (const row of (await this.#files.open('demographics.csv', demographicSpec)) ?? []) {
      const user = this.#records.users.get(row.get('userSourcedId'));
      const text = row.get('birthDate');
      const birthDate = parseDate(text, ['ISO']);
      if (user === undefined || text === '') continue;
      if (birthDate === undefined) {
        this.#builder.notices.error('DATE_INVALID', row.at, 'birthDate', dateText('ISO'));
        user.hasError = true;
      } else user.birthDate = birthDate;
    }
  }

  async #readClasses(): Promise<void> {
    for await (const row of (await this.#files.open('courses.csv', courseSpec)) ?? [])
      this.#courses.set(row.get('sourcedId'), row.get('title'));
    const table = await this.#files.open('classes.csv', classSpec);
    if (table === null) return;
    for await (const row of table) {
      const courseId = row.get('courseSourcedId');
      this.#records.addSection(
        { id: 'sourcedId', course: 'courseSourcedId' },
        {
          id: row.get('sourcedId'),
          title: row.get('title'),
          code: '',
          grades: '',
          kind: 'unknown',
          orgId: row.get('orgSourcedId'),
          courseId,
          courseName: this.#courses.get(courseId) ?? '',
          isActive: true,
          at: row.at,
        },
      );
    }
    if (table.lostRows > 0) this.#builder.lose('classes', 'enrolments', 'assignments');
  }

  async #readEnrollments(): Promise<void> {
    const table = await this.#files.open('enrollments.csv', enrollmentSpec);
    if (table === null) return;
    for await (const row of table) {
      const [sectionId, userId] = [row.get('classSourcedId'), row.get('userSourcedId')];
      this.#records.memberships.push({ sectionId, userId, role: row.get('role'), isPrimary: false, isActive: true, at: row.at });
    }
    if (table.lostRows > 0) this.#builder.lose('enrolments', 'assignments');
  }
}
