import { formatClassName, makeClassName, parseClassName, parseSectionName, type ClassName } from './class-names.ts';
import type { MembershipRecord, Records, SectionRecord } from './records.ts';
import { keyOfId, type RosterClass } from './roster.ts';
import type { RosterBuilder } from './roster-builder.ts';
import { parseRole } from './people.ts';

/** Finds out which sections are classes of the school, and which are subjects that a class learns. */

/** The meaning of a section of the file: a class, a subject that a class learns, or a section that cannot be used. */
export type SectionMeaning =
  | { readonly kind: 'class'; readonly classKey: string }
  /** `isClassDerived`: no section is the class itself, so the pupils of the subject count as pupils of the class. */
  | { readonly kind: 'subject'; readonly classKey: string; readonly subjectKey: string; readonly isClassDerived: boolean }
  | { readonly kind: 'not understood' }
  /** The section should be a class, but has an error. */
  | { readonly kind: 'invalid' };

/** Interprets all sections of the school. Adds classes and subjects to the builder. */
export class SectionInterpreter {
  readonly meanings = new Map<string, SectionMeaning>();
  /** The ids of sections of other schools. */
  readonly leftOut = new Set<string>();
  readonly #records: Records;
  readonly #builder: RosterBuilder;
  readonly #derived = new Set<string>();

  constructor(records: Records) {
    this.#records = records;
    this.#builder = records.builder;
  }

  interpret(): void {
    const others: SectionRecord[] = [];
    for (const section of this.#records.sections.values()) {
      const isOfSchool = this.#records.isOfSchool(section.orgId === '' ? [] : [section.orgId]);
      if (!isOfSchool) this.leftOut.add(section.id);
      else if (section.kind === 'homeroom') this.#addHomeroom(section);
      else if (section.kind === 'unknown' && parseSectionName(section.title)?.rest === '') this.#addHomeroom(section);
      else others.push(section);
    }
    const studentClasses = this.#classesByStudent();
    const students = this.#studentsBySection(others);
    for (const section of others)
      this.meanings.set(section.id, this.#interpretOther(section, students.get(section.id) ?? [], studentClasses));
  }

  #addHomeroom(section: SectionRecord): void {
    const { notices } = this.#builder;
    const grade = singleGrade(section.grades);
    const named = parseClassName(section.title);
    const className = named ?? (grade === undefined || /^\d/.test(section.title) ? undefined : makeClassName(grade, section.title));
    if (className === undefined) {
      notices.error('CLASS_NAME_INVALID', section.at, section.title);
      this.#builder.lose('classes');
      this.meanings.set(section.id, { kind: 'invalid' });
      return;
    }
    if (grade !== undefined && grade !== className.grade)
      notices.warn('GRADE_DIFFERS', section.at, formatClassName(className), section.grades);
    const key = keyOfId(section.id);
    this.#builder.addClass({ key, externalId: section.id, ...className, isActive: section.isActive, hasError: false, at: section.at });
    this.meanings.set(section.id, { kind: 'class', classKey: key });
  }

  #interpretOther(section: SectionRecord, students: readonly string[], studentClasses: ReadonlyMap<string, string>): SectionMeaning {
    const found = this.#classByName(section) ?? classOfAll(students, studentClasses);
    if (found === undefined) {
      this.#builder.notices.warn('CLASS_NAME_NOT_UNDERSTOOD', section.at, section.title);
      this.#builder.lose('assignments');
      return { kind: 'not understood' };
    }
    return { kind: 'subject', classKey: found, subjectKey: this.#subjectKeyOf(section), isClassDerived: this.#derived.has(found) };
  }

  /**
   * Returns the key of the class that the section's code names. If the roster has no such class, uses the class name at the
   * start of the section's title. If the roster lacks that class too and the section is active, adds the class.
   */
  #classByName(section: SectionRecord): string | undefined {
    const code = parseClassName(section.code);
    const coded = code && this.#builder.classNamed(code);
    if (coded !== undefined) return coded.key;
    const start = parseSectionName(section.title)?.className;
    if (start === undefined) return undefined;
    return this.#builder.classNamed(start)?.key ?? (section.isActive ? this.#derive(start, section) : undefined);
  }

  #derive(className: ClassName, { at }: SectionRecord): string {
    const derived: RosterClass = { key: `class:${formatClassName(className)}`, ...className, isActive: true, hasError: false, at };
    this.#builder.addClass(derived);
    this.#derived.add(derived.key);
    return derived.key;
  }

  #subjectKeyOf(section: SectionRecord): string {
    const name = section.courseName || parseSectionName(section.title)?.rest || section.title;
    if (section.courseName === '') this.#builder.notices.warn('SUBJECT_MISSING', section.at, section.title);
    const id = section.courseName === '' ? '' : section.courseId;
    const identity = id === '' ? { key: `subject:${name.toLowerCase()}` } : { key: keyOfId(id), externalId: id };
    return this.#builder.addSubject({ ...identity, name, at: section.at }).key;
  }

  /** Returns the class of each pupil. Uses only sections that are classes. */
  #classesByStudent(): Map<string, string> {
    const found = new Map<string, string>();
    for (const membership of this.#records.memberships) {
      const meaning = isStudying(membership) ? this.meanings.get(membership.sectionId) : undefined;
      if (meaning?.kind === 'class') found.set(membership.userId, meaning.classKey);
    }
    return found;
  }

  #studentsBySection(sections: readonly SectionRecord[]): Map<string, string[]> {
    const found = new Map(sections.map(({ id }): [string, string[]] => [id, []]));
    for (const membership of this.#records.memberships)
      if (isStudying(membership)) found.get(membership.sectionId)?.push(membership.userId);
    return found;
  }
}

const isStudying = ({ isActive, role }: MembershipRecord): boolean => isActive && parseRole(role) === 'STUDENT';

/** Returns the class of all pupils of a section; undefined if they are in several classes or in none. */
function classOfAll(students: readonly string[], studentClasses: ReadonlyMap<string, string>): string | undefined {
  const classes = new Set(students.map((student) => studentClasses.get(student)));
  return classes.size === 1 ? [...classes][0] : undefined;
}

/** Returns the grade in a cell such as «05»; undefined unless the cell has exactly one grade, from 1 to 11. */
function singleGrade(grades: string): number | undefined {
  const grade = /^\s*0?(\d{1,2})\s*$/.exec(grades)?.[1];
  return grade !== undefined && Number(grade) >= 1 && Number(grade) <= 11 ? Number(grade) : undefined;
}
