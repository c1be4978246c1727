import { newId } from '../../db/ids.ts';
import type { Roster, RosterAssignment } from '../../roster/roster.ts';
import type { Compared } from './compare-classes.ts';
import type { ComparedPeople } from './compare-people.ts';
import { note, type NoteCode } from './notes.ts';
import { changeRow, endRow, errorRow, protectedRow, type AssignmentState, type PlannedRow } from './plan-rows.ts';
import type { PresentAssignment, PresentRoster } from './present-roster.ts';

/** Compares the assignments of a roster with those of the school. Regulation 2.1 g. */

interface Things {
  classes: Compared['of'];
  subjects: Compared['of'];
  people: ComparedPeople;
}

export class AssignmentComparison {
  readonly #roster: Roster;
  readonly #present: PresentRoster;
  readonly #things: Things;
  readonly #rows: PlannedRow[] = [];
  /** The present assignments of the school, by the key that `workOf` returns. */
  readonly #byWork: ReadonlyMap<string, PresentAssignment>;
  readonly #planned = new Map<string, string>();
  readonly #stated = new Set<PresentAssignment>();

  constructor(roster: Roster, present: PresentRoster, things: Things) {
    this.#roster = roster;
    this.#present = present;
    this.#things = things;
    this.#byWork = new Map(present.assignments.map((assignment) => [workOf(assignment), assignment]));
  }

  compare(): PlannedRow[] {
    for (const wanted of this.#roster.assignments) this.#compareOne(wanted);
    if (this.#roster.covers.assignments)
      for (const assignment of this.#present.assignments)
        if (!this.#stated.has(assignment) && !this.#things.people.endedIds.has(assignment.userId)) this.#end(assignment, null);
    return this.#rows;
  }

  #compareOne(wanted: RosterAssignment): void {
    const resolved = this.#resolve(wanted);
    if (typeof resolved === 'string') {
      const thing = { noun: 'ASSIGNMENT', thingId: null, at: wanted.at, before: null } as const;
      return void this.#rows.push(errorRow(thing, note(resolved)));
    }
    if (resolved === null) return;
    const present = this.#byWork.get(workOf(resolved));
    if (present !== undefined) this.#stated.add(present);
    if (!wanted.isActive) {
      if (present !== undefined && present.userId === resolved.userId) this.#end(present, wanted.at);
      return;
    }
    const planned = this.#planned.get(workOf(resolved));
    if (planned === resolved.userId) return;
    const thing = {
      noun: 'ASSIGNMENT',
      thingId: present?.id ?? newId(),
      at: wanted.at,
      before: present ? this.#stateOf(present) : null,
    } as const;
    if (planned !== undefined) return void this.#rows.push(errorRow(thing, note('CLASS_TEACHER_TWICE')));
    this.#planned.set(workOf(resolved), resolved.userId);
    const row = changeRow(thing, resolved);
    const isProtected = row.operation === 'CHANGE' && present?.planId === null && !this.#things.people.endedIds.has(present.userId);
    this.#rows.push(isProtected ? protectedRow(row, note('SET_BY_HAND')) : row);
  }

  /**
   * Returns the state that the roster asks for, or the code of an error. Returns null if the assignment needs no row: its
   * class or person cannot be used, or it ends an assignment of a person who is no teacher.
   */
  #resolve(wanted: RosterAssignment): AssignmentState | NoteCode | null {
    const { classes, subjects, people } = this.#things;
    const ofClass = classes.get(wanted.class);
    const subject = wanted.subject === undefined ? null : subjects.get(wanted.subject);
    const person = people.of.get(wanted.person);
    if (ofClass === null || person === null) return null;
    if (ofClass === undefined) return 'CLASS_UNKNOWN';
    if (person === undefined) return 'PERSON_UNKNOWN';
    if (subject === undefined || (subject === null && wanted.kind === 'SUBJECT_TEACHER')) return 'SUBJECT_UNKNOWN';
    if (!person.isTeacher) return wanted.isActive ? 'NOT_A_TEACHER' : null;
    return {
      classId: ofClass.id,
      userId: person.id,
      kind: wanted.kind,
      subjectId: subject?.id ?? null,
      className: ofClass.name,
      personName: person.name,
      subjectName: subject?.name ?? null,
    };
  }

  #end(present: PresentAssignment, at: RosterAssignment['at'] | null): void {
    this.#stated.add(present);
    const row = endRow({ noun: 'ASSIGNMENT', thingId: present.id, at, before: this.#stateOf(present) }, null);
    this.#rows.push(present.planId === null ? protectedRow(row, note('SET_BY_HAND')) : row);
  }

  #stateOf(assignment: PresentAssignment): AssignmentState {
    return stateOfAssignment(assignment, this.#present);
  }
}

/**
 * Returns the key of an assignment. Two open assignments never share a key: a class has one class teacher, and a teacher has
 * a subject in a class once.
 */
export const workOf = ({
  classId,
  kind,
  subjectId,
  userId,
}: Pick<PresentAssignment, 'classId' | 'kind' | 'subjectId' | 'userId'>): string =>
  kind === 'CLASS_TEACHER' ? classId : `${classId} ${subjectId} ${userId}`;

export function stateOfAssignment(assignment: PresentAssignment, { classes, subjects, people }: PresentRoster): AssignmentState {
  const { classId, userId, kind, subjectId } = assignment;
  const ofClass = classes.find(({ id }) => id === classId)!;
  const person = people.find(({ id }) => id === userId);
  return {
    classId,
    userId,
    kind,
    subjectId,
    className: `${ofClass.grade}${ofClass.letter}`,
    personName: person === undefined ? '' : [person.surname, person.givenName, person.patronymic].filter(Boolean).join(' '),
    subjectName: subjectId === null ? null : (subjects.find(({ id }) => id === subjectId)?.name ?? null),
  };
}
