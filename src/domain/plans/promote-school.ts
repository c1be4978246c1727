import { newId } from '../../db/ids.ts';
import { nameOfClass } from '../classes.ts';
import { classKey, stateOfClass } from './compare-classes.ts';
import { stateOfAssignment, workOf } from './compare-assignments.ts';
import { stateOfPerson } from './compare-people.ts';
import { note, type NoteCode } from './notes.ts';
import { changeRow, endRow, protectedRow, type AssignmentState, type ClassState, type PersonState, type PlannedRow } from './plan-rows.ts';
import type { PresentAssignment, PresentClass, PresentPerson, PresentRoster } from './present-roster.ts';

/** Says what the turn of a school year changes: which class follows which, and where each pupil and teacher goes. */

export interface ClassName {
  grade: number;
  letter: string;
}

export interface PromotionRules {
  /**
   * The pupils of these grades leave the school. So do the pupils of grade 11, unless grade 11 is regrouped. The pupils of a
   * class in `successors` stay.
   */
  graduatingGrades: ReadonlySet<number>;
  /** The pupils of these grades leave their class, but not the school. They wait for the list of their new classes. */
  regroupedGrades: ReadonlySet<number>;
  /**
   * The names of the classes that follow, where they are not simply the next grade with the same letter. By the id of the
   * ending class.
   */
  successors: ReadonlyMap<string, ClassName>;
  /** Classes of the new year that follow no other class, such as the first classes. */
  newClasses: readonly ClassName[];
  /** Whether subject teachers stay with their classes. Otherwise each of their assignments is only proposed. */
  keepsSubjectTeachers: boolean;
}

/** The grade after which a class usually gets another class teacher. */
const lastPrimaryGrade = 4;
const lastGrade = 11;

/** A class of the new year. */
interface Successor {
  id: string;
  name: string;
}

export class SchoolPromotion {
  readonly #present: PresentRoster;
  readonly #rules: PromotionRules;
  /** The open classes of the ending year. */
  readonly #ending: readonly PresentClass[];
  /** The classes of the new year by `classKey`: those that exist, and those that the plan creates. */
  readonly #starting = new Map<string, Successor>();
  readonly #existing: ReadonlyMap<string, PresentClass>;
  /** The class that follows, by the id of the ending class; null if the pupils of the ending class go to no class. */
  readonly #successors = new Map<string, Successor | null>();
  readonly #rows: PlannedRow[] = [];
  /** The work in classes of the new year that has a row already, with the teacher. */
  readonly #proposed = new Set<string>();

  constructor(present: PresentRoster, rules: PromotionRules) {
    const { classes, schoolYearId } = present;
    this.#present = present;
    this.#rules = rules;
    this.#ending = classes.filter((one) => one.schoolYearId !== schoolYearId && !one.isArchived);
    this.#existing = new Map(classes.filter((one) => one.schoolYearId === schoolYearId).map((one) => [classKey(one), one]));
  }

  /** Returns the rows of the plan: new classes, ending classes, pupils, assignments. */
  rows(): PlannedRow[] {
    const names = this.#ending.map((ending) => [ending, this.#successorName(ending)] as const);
    for (const [{ id }, name] of names) this.#successors.set(id, name === null ? null : this.#start(name));
    for (const name of this.#rules.newClasses) this.#start(name);
    for (const ending of this.#ending) this.#end(ending);
    for (const ending of this.#ending) this.#movePupils(ending);
    this.#moveTeachers();
    return this.#rows;
  }

  /** Returns the name of the class that follows; null if the pupils graduate or are regrouped, and for a class without pupils. */
  #successorName({ id, grade, letter }: PresentClass): ClassName | null {
    const { successors, graduatingGrades, regroupedGrades } = this.#rules;
    const stated = successors.get(id);
    if (stated !== undefined) return stated;
    if (grade === lastGrade || graduatingGrades.has(grade) || regroupedGrades.has(grade)) return null;
    return this.#pupilsOf(id).length === 0 ? null : { grade: grade + 1, letter };
  }

  /**
   * Returns the class of the new year with this name, and adds its row to the plan. The row creates the class unless the
   * school has it already.
   */
  #start(name: ClassName): Successor {
    const key = classKey(name);
    const started = this.#starting.get(key);
    if (started !== undefined) return started;
    const found = this.#existing.get(key);
    const before = found === undefined ? null : stateOfClass(found);
    const after: ClassState = before === null ? { ...name, isArchived: false, externalId: null } : { ...before, isArchived: false };
    const successor = { id: found?.id ?? newId(), name: nameOfClass(after) };
    this.#rows.push(changeRow({ noun: 'CLASS', thingId: successor.id, at: null, before }, after));
    this.#starting.set(key, successor);
    return successor;
  }

  #end(ending: PresentClass): void {
    const before = stateOfClass(ending);
    this.#rows.push(endRow({ noun: 'CLASS', thingId: ending.id, at: null, before }, { ...before, isArchived: true }));
  }

  #pupilsOf(classId: string): PresentPerson[] {
    return this.#present.people.filter(({ enrolment }) => enrolment?.classId === classId);
  }

  #movePupils(ending: PresentClass): void {
    const successor = this.#successors.get(ending.id) ?? null;
    const isRegrouped = this.#rules.regroupedGrades.has(ending.grade);
    for (const pupil of this.#pupilsOf(ending.id)) {
      const before = stateOfPerson(pupil, this.#present.school.id, () => nameOfClass(ending));
      const thing = { noun: 'PERSON', thingId: pupil.id, at: null, before } as const;
      const withoutClass = { ...before, classId: null, className: null };
      if (successor !== null) this.#rows.push(changeRow(thing, { ...before, classId: successor.id, className: successor.name }));
      else if (isRegrouped) this.#rows.push(changeRow({ ...thing, note: note('REGROUPED') }, withoutClass));
      else this.#rows.push(endRow({ ...thing, note: note('GRADUATED') }, leaving(before)));
    }
  }

  #moveTeachers(): void {
    const ending = new Map(this.#ending.map((one) => [one.id, one]));
    const assignments = this.#present.assignments.filter(({ classId }) => ending.has(classId));
    for (const assignment of assignments) this.#rows.push(this.#endOf(assignment));
    const taken = new Map(this.#present.assignments.filter(({ classId }) => !ending.has(classId)).map((one) => [workOf(one), one.userId]));
    for (const assignment of assignments) {
      const successor = this.#successors.get(assignment.classId);
      if (successor) this.#carry(assignment, { successor, grade: ending.get(assignment.classId)!.grade, taken });
    }
  }

  #endOf(assignment: PresentAssignment): PlannedRow {
    const before = stateOfAssignment(assignment, this.#present);
    return endRow({ noun: 'ASSIGNMENT', thingId: assignment.id, at: null, before }, null);
  }

  /**
   * Adds an assignment of the same teacher in the class that follows. Withholds the assignment if somebody has to decide
   * about it.
   */
  #carry(
    assignment: PresentAssignment,
    { successor, grade, taken }: { successor: Successor; grade: number; taken: Map<string, string> },
  ): void {
    const after: AssignmentState = { ...stateOfAssignment(assignment, this.#present), classId: successor.id, className: successor.name };
    const holder = taken.get(workOf(after));
    // Of merged classes, both may have had the teacher in this subject.
    if (holder === after.userId || this.#proposed.has(`${workOf(after)} ${after.userId}`)) return;
    this.#proposed.add(`${workOf(after)} ${after.userId}`);
    const row = changeRow({ noun: 'ASSIGNMENT', thingId: newId(), at: null, before: null }, after);
    const code = holder === undefined ? this.#doubtAbout(after, grade) : 'CLASS_TEACHER_TWICE';
    if (code === null) taken.set(workOf(after), after.userId);
    this.#rows.push(code === null ? row : protectedRow(row, note(code)));
  }

  #doubtAbout({ userId, kind }: AssignmentState, grade: number): NoteCode | null {
    const teacher = this.#present.people.find(({ id }) => id === userId);
    if (teacher === undefined || teacher.isDeactivated || !teacher.grants.some(({ role }) => role === 'TEACHER')) return 'NOT_A_TEACHER';
    if (kind === 'CLASS_TEACHER') return grade === lastPrimaryGrade ? 'PRIMARY_SCHOOL_ENDS' : null;
    return this.#rules.keepsSubjectTeachers ? null : 'SUBJECT_TEACHER_PROPOSED';
  }
}

/** Returns the state of a pupil who has left the school: without the role STUDENT, and without a class. */
export const leaving = (pupil: PersonState): PersonState => ({
  ...pupil,
  roles: pupil.roles.filter((role) => role !== 'STUDENT'),
  classId: null,
  className: null,
});
