import type { NoticeLog } from './notices.ts';
import type {
  Roster,
  RosterAssignment,
  RosterClass,
  RosterCoverage,
  RosterEnrolment,
  RosterFormat,
  RosterPerson,
  RosterSubject,
} from './roster.ts';
import { type ClassName, formatClassName } from './class-names.ts';

type Draft<Thing> = { -readonly [Property in keyof Thing]: Thing[Property] };

export const coversNothing: RosterCoverage = { students: false, staff: false, classes: false, enrolments: false, assignments: false };

/** Collects the parts of a roster. Refuses a part that contradicts an earlier part. */
export class RosterBuilder {
  readonly notices: NoticeLog;
  readonly people = new Map<string, Draft<RosterPerson>>();
  readonly classes = new Map<string, Draft<RosterClass>>();
  readonly assignments: RosterAssignment[] = [];
  /** The active classes by their names. */
  readonly #classesByName = new Map<string, Draft<RosterClass>>();
  readonly #subjects = new Map<string, RosterSubject>();
  readonly #enrolments = new Map<string, RosterEnrolment>();
  /** The active enrolment of each person. */
  readonly #current = new Map<string, RosterEnrolment>();
  readonly #lost = new Set<keyof RosterCoverage>();

  constructor(notices: NoticeLog) {
    this.notices = notices;
  }

  /** Notes that a row was left out. The parts of the roster to which the row may belong then do not count as complete. */
  lose(...parts: readonly (keyof RosterCoverage)[]): void {
    for (const part of parts) this.#lost.add(part);
  }

  /** Sets `hasError` of a person. */
  markPerson(key: string): void {
    const person = this.people.get(key);
    if (person !== undefined) person.hasError = true;
  }

  /** Adds a class. If another active class has its name, adds an error and returns false. */
  addClass(added: RosterClass): boolean {
    const name = formatClassName(added);
    const namesake = added.isActive ? this.#classesByName.get(name) : undefined;
    const draft = { ...added, hasError: added.hasError || namesake !== undefined };
    this.classes.set(added.key, draft);
    if (namesake === undefined) {
      if (added.isActive) this.#classesByName.set(name, draft);
      return true;
    }
    namesake.hasError = true;
    this.notices.error('CLASS_DUPLICATE', added.at, name, namesake.at.line);
    return false;
  }

  /** Returns the active class of this name. */
  classNamed(name: ClassName): RosterClass | undefined {
    return this.#classesByName.get(formatClassName(name));
  }

  /** Returns the subject of this name. Adds the subject if there is no such subject yet. */
  addSubject(subject: RosterSubject): RosterSubject {
    const name = subject.name.toLowerCase();
    const known = this.#subjects.get(name);
    if (known === undefined) this.#subjects.set(name, subject);
    return known ?? subject;
  }

  /**
   * Adds an enrolment. Keeps one enrolment for a person and class: an active enrolment replaces an ended one. For a person
   * who has an active enrolment in another class it adds an error instead.
   */
  addEnrolment(added: RosterEnrolment): void {
    const pair = `${added.person}\n${added.class}`;
    const earlier = this.#enrolments.get(pair);
    if (earlier?.isActive || (earlier !== undefined && !added.isActive)) return;
    const current = added.isActive ? this.#current.get(added.person) : undefined;
    if (current !== undefined) {
      const name = this.classes.get(current.class);
      this.notices.error('TWO_CLASSES', added.at, name === undefined ? '?' : formatClassName(name), current.at.line);
      this.markPerson(added.person);
      return;
    }
    this.#enrolments.set(pair, added);
    if (added.isActive) this.#current.set(added.person, added);
  }

  /** Returns the roster. @param covers the parts that the file lists completely. A part that `lose` named becomes false. */
  build(format: RosterFormat, covers: RosterCoverage): Roster {
    const parts = Object.keys(covers) as (keyof RosterCoverage)[];
    return {
      format,
      covers: Object.fromEntries(parts.map((part) => [part, covers[part] && !this.#lost.has(part)])) as unknown as RosterCoverage,
      people: [...this.people.values()],
      classes: [...this.classes.values()],
      subjects: [...this.#subjects.values()],
      enrolments: [...this.#enrolments.values()],
      assignments: this.assignments,
      warnings: this.notices.warnings,
      errors: this.notices.errors,
    };
  }
}
