import { formatClassName } from './class-names.ts';
import { addDays } from './dates.ts';
import { addTo } from './map-of-lists.ts';
import { orderNumberColumn, type OneRosterFile } from './one-roster-columns.ts';
import type { Roster, RosterClass, RosterPerson, RosterRole, RosterSubject } from './roster.ts';
import { encodeId, hashId } from './sourced-ids.ts';

/** The school and the school year of an export. */
export interface OneRosterSchool {
  readonly externalId: string;
  readonly name: string;
  /** First and last day, as `YYYY-MM-DD`. */
  readonly year: { readonly startsOn: string; readonly endsOn: string };
}

/** The cells of a row by column. A column that is missing here is empty in the file. */
export type TableRecord = Readonly<Record<string, string>>;

// prettier-ignore
const roleNames: Readonly<Record<RosterRole, string>> = {
  STUDENT: 'student', TEACHER: 'teacher', SCHOOL_ADMINISTRATION: 'principal', PLATFORM_ADMINISTRATOR: 'siteAdministrator',
};

/** A subject taught to a class. OneRoster calls it a class of the type `scheduled`. */
interface Lesson {
  readonly id: string;
  readonly class: RosterClass;
  readonly subject: RosterSubject;
  readonly teachers: RosterPerson[];
}

const idOf = ({ externalId, key }: { readonly externalId?: string; readonly key: string }): string => encodeId(externalId ?? key);

const gradesOf = ({ grade }: RosterClass): string => String(grade).padStart(2, '0');

/**
 * Makes the rows of each file. Leaves out the parts of the roster that are not active: to a reader, an object that is missing
 * from a bulk file has ended.
 */
export class OneRosterTables {
  readonly #roster: Roster;
  readonly #school: OneRosterSchool;
  readonly #schoolId: string;
  readonly #yearId: string;
  readonly #people: ReadonlyMap<string, RosterPerson>;
  readonly #classes: ReadonlyMap<string, RosterClass>;
  readonly #lessons: readonly Lesson[];

  constructor(roster: Roster, school: OneRosterSchool) {
    this.#roster = roster;
    this.#school = school;
    this.#schoolId = encodeId(school.externalId);
    this.#yearId = hashId('year', school.year.startsOn);
    this.#people = new Map(roster.people.filter(({ isActive }) => isActive).map((person) => [person.key, person]));
    this.#classes = new Map(roster.classes.filter(({ isActive }) => isActive).map((found) => [found.key, found]));
    this.#lessons = this.#makeLessons();
  }

  /** Returns the rows of each file. The manifest declares a file as absent if the result has no entry for it. */
  toRows(): Partial<Record<OneRosterFile, TableRecord[]>> {
    const demographics = this.#demographics();
    return {
      academicSessions: this.#academicSessions(),
      classes: [...this.#homerooms(), ...this.#scheduled()],
      courses: this.#courses(),
      ...(demographics.length > 0 ? { demographics } : {}),
      enrollments: this.#enrollments(),
      orgs: [{ sourcedId: this.#schoolId, name: this.#school.name, type: 'school', identifier: this.#school.externalId }],
      roles: this.#roles(),
      users: this.#users(),
    };
  }

  #makeLessons(): Lesson[] {
    const subjects = new Map(this.#roster.subjects.map((subject) => [subject.key, subject]));
    const lessons = new Map<string, Lesson>();
    for (const assignment of this.#roster.assignments) {
      const [person, assigned] = [this.#people.get(assignment.person), this.#classes.get(assignment.class)];
      const subject = subjects.get(assignment.subject ?? '');
      if (!assignment.isActive || person === undefined || assigned === undefined || subject === undefined) continue;
      const id = hashId('lesson', idOf(assigned), idOf(subject));
      const lesson = lessons.get(id) ?? { id, class: assigned, subject, teachers: [] };
      lesson.teachers.push(person);
      lessons.set(id, lesson);
    }
    return [...lessons.values()];
  }

  /**
   * Returns the row of the school year. In OneRoster, `endDate` is the first day after the school year, and `schoolYear` is
   * the calendar year in which it ends.
   */
  #academicSessions(): TableRecord[] {
    const { startsOn, endsOn } = this.#school.year;
    const [first, last] = [startsOn.slice(0, 4), endsOn.slice(0, 4)];
    const dates = { startDate: startsOn, endDate: addDays(endsOn, 1), schoolYear: last };
    return [{ sourcedId: this.#yearId, title: `${first}/${last}`, type: 'schoolYear', ...dates }];
  }

  #gradeCourseId(grade: number): string {
    return hashId('grade', String(grade));
  }

  #classFields(of: RosterClass): TableRecord {
    return { grades: gradesOf(of), classCode: formatClassName(of), schoolSourcedId: this.#schoolId, termSourcedIds: this.#yearId };
  }

  #homerooms(): TableRecord[] {
    return [...this.#classes.values()].map((found) => ({
      sourcedId: idOf(found),
      title: formatClassName(found),
      courseSourcedId: this.#gradeCourseId(found.grade),
      classType: 'homeroom',
      ...this.#classFields(found),
    }));
  }

  #scheduled(): TableRecord[] {
    return this.#lessons.map((lesson) => ({
      sourcedId: lesson.id,
      title: `${formatClassName(lesson.class)} ${lesson.subject.name}`,
      courseSourcedId: idOf(lesson.subject),
      classType: 'scheduled',
      ...this.#classFields(lesson.class),
    }));
  }

  /** Returns a course for each subject, and a course for each grade. OneRoster requires that each class has a course. */
  #courses(): TableRecord[] {
    const fields = { schoolYearSourcedId: this.#yearId, orgSourcedId: this.#schoolId };
    const grades = [...new Set([...this.#classes.values()].map(({ grade }) => grade))].sort((a, b) => a - b);
    return [
      ...grades.map((grade) => ({
        sourcedId: this.#gradeCourseId(grade),
        title: `${grade} класс`,
        grades: String(grade).padStart(2, '0'),
        ...fields,
      })),
      ...this.#roster.subjects.map((subject) => ({ sourcedId: idOf(subject), title: subject.name, ...fields })),
    ];
  }

  /** Returns the rows of the people. Logins are not exported: the required column `username` contains the id. */
  #users(): TableRecord[] {
    return [...this.#people.values()].map((person) => ({
      sourcedId: idOf(person),
      enabledUser: 'true',
      username: idOf(person),
      givenName: person.givenName,
      familyName: person.surname,
      middleName: person.patronymic ?? '',
      email: person.email ?? '',
      primaryOrgSourcedId: this.#schoolId,
    }));
  }

  #roles(): TableRecord[] {
    return [...this.#people.values()].flatMap((person) =>
      person.roles.map((role, n) => ({
        sourcedId: hashId('role', idOf(person), role),
        userSourcedId: idOf(person),
        roleType: n === 0 ? 'primary' : 'secondary',
        role: roleNames[role],
        orgSourcedId: this.#schoolId,
      })),
    );
  }

  #demographics(): TableRecord[] {
    return [...this.#people.values()].flatMap((person) =>
      person.birthDate === undefined ? [] : [{ sourcedId: idOf(person), birthDate: person.birthDate }],
    );
  }

  #enrollments(): TableRecord[] {
    const rows: TableRecord[] = [];
    const add = (classId: string, person: RosterPerson, role: 'student' | 'teacher', more: TableRecord) =>
      rows.push({
        sourcedId: hashId('enrollment', classId, idOf(person), role),
        classSourcedId: classId,
        schoolSourcedId: this.#schoolId,
        userSourcedId: idOf(person),
        role,
        ...more,
      });
    const students = new Map<string, RosterPerson[]>();
    for (const enrolment of this.#roster.enrolments) {
      const [person, found] = [this.#people.get(enrolment.person), this.#classes.get(enrolment.class)];
      if (!enrolment.isActive || person === undefined || found === undefined) continue;
      const { startedOn = '', orderNumber = '' } = enrolment;
      add(idOf(found), person, 'student', { primary: 'false', beginDate: startedOn, [orderNumberColumn]: orderNumber });
      addTo(students, found.key, person);
    }
    for (const assignment of this.#roster.assignments) {
      const [person, found] = [this.#people.get(assignment.person), this.#classes.get(assignment.class)];
      if (assignment.isActive && assignment.kind === 'CLASS_TEACHER' && person !== undefined && found !== undefined)
        add(idOf(found), person, 'teacher', { primary: 'true' });
    }
    for (const lesson of this.#lessons) {
      for (const [n, teacher] of lesson.teachers.entries()) add(lesson.id, teacher, 'teacher', { primary: String(n === 0) });
      for (const student of students.get(lesson.class.key) ?? []) add(lesson.id, student, 'student', { primary: 'false' });
    }
    return rows;
  }
}
