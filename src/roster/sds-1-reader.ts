import { assembleRoster } from './assemble.ts';
import type { TableRow, TableSpec } from './csv-table.ts';
import { dateText, parseDate } from './dates.ts';
import type { FileSet } from './file-set.ts';
import type { ReadRosterOptions } from './read-options.ts';
import { Records } from './records.ts';
import type { Roster } from './roster.ts';
import type { RosterBuilder } from './roster-builder.ts';

/** Microsoft School Data Sync v1: School, Section, Student, Teacher, StudentEnrollment, TeacherRoster. */

// prettier-ignore
const schoolSpec = {
  required: ['SIS ID', 'Name'],
  optional: ['School Number'],
  unused: [
    'School NCES_ID', 'State ID', 'Grade Low', 'Grade High', 'Principal SIS ID', 'Principal Name', 'Principal Secondary Email', 'Address', 'City',
    'State', 'Country', 'Zip', 'Phone', 'Zone',
  ],
} as const;

// prettier-ignore
const sectionSpec = {
  required: ['SIS ID', 'School SIS ID', 'Section Name'],
  optional: ['Course SIS ID', 'Course Name', 'Status'],
  unused: [
    'Section Number', 'Term SIS ID', 'Term Name', 'Term StartDate', 'Term EndDate', 'Course Number', 'Course Description', 'Course Subject', 'Periods',
  ],
} as const;

// prettier-ignore
const personSpec = {
  required: ['SIS ID', 'School SIS ID', 'First Name', 'Last Name'],
  optional: ['Middle Name', 'Secondary Email', 'Birthdate', 'Status'],
  unused: [
    'Username', 'Password', 'State ID', 'Student Number', 'Teacher Number', 'Grade', 'Graduation Year', 'Title', 'Qualification', 'Mailing Address',
    'Mailing City', 'Mailing State', 'Mailing Zip', 'Mailing Latitude', 'Mailing Longitude', 'Mailing Country', 'Residence Address', 'Residence City',
    'Residence State', 'Residence Zip', 'Gender', 'Student RaceEthnicity', 'FederalRaceEthnicity', 'Unique ID',
  ],
} as const;

const memberSpec = { required: ['Section SIS ID', 'SIS ID'], optional: [], unused: [] } as const;

type ColumnOf<Spec> = Spec extends TableSpec<infer Column> ? Column : never;

export async function readSds1(files: FileSet, options: ReadRosterOptions, builder: RosterBuilder): Promise<Roster> {
  return new Sds1Reader(files, options, builder).read();
}

class Sds1Reader {
  readonly #files: FileSet;
  readonly #options: ReadRosterOptions;
  readonly #builder: RosterBuilder;
  readonly #records: Records;

  constructor(files: FileSet, options: ReadRosterOptions, builder: RosterBuilder) {
    this.#files = files;
    this.#options = options;
    this.#builder = builder;
    this.#records = new Records(builder, { section: 'Section SIS ID', user: 'SIS ID' });
  }

  async read(): Promise<Roster> {
    await this.#readSchools();
    await this.#readPeople('Student.csv', 'student');
    await this.#readPeople('Teacher.csv', 'teacher');
    await this.#readSections();
    await this.#readMembers('StudentEnrollment.csv', 'student');
    await this.#readMembers('TeacherRoster.csv', 'teacher');
    this.#files.warnOfUnused([]);
    const has = (name: string) => this.#files.get(name) !== undefined;
    return assembleRoster(this.#records, {
      format: 'SDS_1',
      options: this.#options,
      orgFile: 'School.csv',
      nameColumns: { surname: 'Last Name', givenName: 'First Name' },
      complete: {
        users: has('Student.csv') && has('Teacher.csv'),
        sections: has('Section.csv'),
        memberships: has('StudentEnrollment.csv') && has('TeacherRoster.csv'),
      },
    });
  }

  async #readSchools(): Promise<void> {
    const table = await this.#files.open('School.csv', schoolSpec);
    for await (const row of table ?? []) {
      const school = { id: row.get('SIS ID'), type: 'school', identifier: row.get('School Number'), parentId: '', at: row.at };
      this.#records.add(this.#records.orgs, 'SIS ID', school);
    }
  }

  async #readPeople(file: string, role: 'student' | 'teacher'): Promise<void> {
    const table = await this.#files.open(file, personSpec);
    if (table === null) return;
    const hasMiddleName = table.has('Middle Name');
    for await (const row of table) {
      const birthDate = this.#birthDate(row);
      this.#records.addUser('SIS ID', {
        id: row.get('SIS ID'),
        surname: row.get('Last Name'),
        givenName: row.get('First Name'),
        ...(hasMiddleName ? { patronymic: row.get('Middle Name') || null } : {}),
        ...(typeof birthDate === 'string' ? { birthDate } : {}),
        email: row.get('Secondary Email'),
        isActive: isActive(row.get('Status')),
        roles: [{ role, orgIds: [row.get('School SIS ID')].filter((org) => org !== ''), isActive: true, at: row.at }],
        hasError: birthDate === null,
        at: row.at,
      });
    }
    if (table.lostRows > 0) this.#builder.lose('students', 'staff');
  }

  /** Returns the birth date; undefined for an empty cell. For an invalid date it adds an error and returns null. */
  #birthDate(row: TableRow<ColumnOf<typeof personSpec>>): string | undefined | null {
    const text = row.get('Birthdate');
    if (text === '') return undefined;
    const date = parseDate(text, ['AMERICAN', 'ISO']);
    if (date === undefined) this.#builder.notices.error('DATE_INVALID', row.at, 'Birthdate', dateText('AMERICAN'));
    return date ?? null;
  }

  async #readSections(): Promise<void> {
    const table = await this.#files.open('Section.csv', sectionSpec);
    if (table === null) return;
    for await (const row of table) {
      this.#records.addSection(
        { id: 'SIS ID', course: 'Course SIS ID' },
        {
          id: row.get('SIS ID'),
          title: row.get('Section Name'),
          code: '',
          grades: '',
          kind: 'unknown',
          orgId: row.get('School SIS ID'),
          courseId: row.get('Course SIS ID'),
          courseName: row.get('Course Name'),
          isActive: isActive(row.get('Status')),
          at: row.at,
        },
      );
    }
    if (table.lostRows > 0) this.#builder.lose('classes', 'enrolments', 'assignments');
  }

  async #readMembers(file: string, role: 'student' | 'teacher'): Promise<void> {
    const table = await this.#files.open(file, memberSpec);
    if (table === null) return;
    for await (const row of table) {
      const [sectionId, userId] = [row.get('Section SIS ID'), row.get('SIS ID')];
      this.#records.memberships.push({ sectionId, userId, role, isPrimary: false, isActive: true, at: row.at });
    }
    if (table.lostRows > 0) this.#builder.lose('enrolments', 'assignments');
  }
}

/** An empty status counts as active, since the column is optional. */
const isActive = (status: string): boolean => status === '' || status.toLowerCase() === 'active';
