import type { PlanRow } from '../entities.ts';
import type { AssignmentState, ClassState, PersonState, PlannedRow, RowState, SubjectState } from './plan-rows.ts';
import { isSameState } from './plan-rows.ts';
import { stateOfAssignment } from './compare-assignments.ts';
import { stateOfClass, stateOfSubject } from './compare-classes.ts';
import { stateOfPerson } from './compare-people.ts';
import type { PresentRoster } from './present-roster.ts';

/**
 * The rows of a plan as the database stores them. Each row changes one thing: a class, a subject, a person or an assignment.
 * `movedRows` finds the rows whose thing is no longer in the expected state.
 */

/** The ids of the database rows that were created and ended when a row of a plan was applied. `undoPlan` reads them. */
export interface Done {
  grants?: string[];
  endedGrants?: string[];
  enrolment?: string;
  endedEnrolment?: string;
  assignment?: string;
  /** The assignments that ended. Several end with a class, or when a person loses the role TEACHER. */
  endedAssignments?: string[];
}

/** A row that changes something. In an END, `after` is the state that remains. */
export interface StoredRow<State extends RowState = RowState> {
  id: string;
  position: number;
  noun: NonNullable<PlanRow['noun']>;
  operation: 'ADD' | 'CHANGE' | 'END';
  thingId: string;
  file: string | null;
  line: number | null;
  before: State | null;
  after: State | null;
  done: Done | null;
}

export interface RowsByNoun {
  classes: StoredRow<ClassState>[];
  subjects: StoredRow<SubjectState>[];
  people: StoredRow<PersonState>[];
  assignments: StoredRow<AssignmentState>[];
}

export function byNoun(rows: readonly StoredRow[]): RowsByNoun {
  const of = <State extends RowState>(noun: PlannedRow['noun']) => rows.filter((row) => row.noun === noun) as StoredRow<State>[];
  return { classes: of('CLASS'), subjects: of('SUBJECT'), people: of('PERSON'), assignments: of('ASSIGNMENT') };
}

/** Returns the ids of the classes that a plan archives. */
export const endingClasses = ({ classes }: Pick<RowsByNoun, 'classes'>): string[] =>
  classes.filter(({ operation }) => operation === 'END').map(({ thingId }) => thingId);

/** Returns the ids of the classes that a plan takes out of the archive. */
export const reopenedClasses = ({ classes }: Pick<RowsByNoun, 'classes'>): string[] =>
  classes.filter(({ before, after }) => before?.isArchived === true && after?.isArchived === false).map(({ thingId }) => thingId);

/** Returns the classes and people to lock: those that exist already and that a row changes or refers to. */
export function existingIds({ classes, people, assignments }: RowsByNoun): { classIds: Set<string>; userIds: Set<string> } {
  const places = [...people, ...assignments].flatMap(({ before, after }) => [before, after]);
  const workers = assignments.flatMap(({ before, after }) => [before?.userId, after?.userId]);
  const added = new Set([...classes, ...people].filter(({ operation }) => operation === 'ADD').map(({ thingId }) => thingId));
  const existing = (ids: readonly (string | null | undefined)[]): Set<string> =>
    new Set(ids.filter((id): id is string => id != null && !added.has(id)));
  return {
    classIds: existing([...classes.map(({ thingId }) => thingId), ...places.map((state) => state?.classId)]),
    userIds: existing([...people.map(({ thingId }) => thingId), ...workers]),
  };
}

/** Returns the present state of each class, subject, person and assignment, by id. */
export function presentStates(present: PresentRoster): ReadonlyMap<string, RowState> {
  const nameOf = () => null;
  return new Map<string, RowState>([
    ...present.classes.map((one) => [one.id, stateOfClass(one)] as const),
    ...present.subjects.map((one) => [one.id, stateOfSubject(one)] as const),
    ...present.people.map((one) => [one.id, stateOfPerson(one, present.school.id, nameOf)] as const),
    ...present.assignments.map((one) => [one.id, stateOfAssignment(one, present)] as const),
  ]);
}

/**
 * Returns the rows whose class, subject, person or assignment is not in the state that `expected` returns for the row.
 * `states` holds the present states by id.
 */
export function movedRows(
  rows: readonly StoredRow[],
  states: ReadonlyMap<string, RowState>,
  expected: (row: StoredRow) => RowState | null,
): StoredRow[] {
  return rows.filter((row) => !isSameState(states.get(row.thingId) ?? null, expected(row)));
}

/**
 * Returns the files and lines of the first five rows, for the message of a refusal. Returns no names, because a message holds
 * no personal data.
 */
export function linesOf(rows: readonly Pick<StoredRow, 'file' | 'line' | 'position'>[]): { ru: string; en: string } {
  const first = rows.slice(0, 5);
  const place =
    (line: string, row: string) =>
    ({ file, line: at, position }: (typeof first)[number]) =>
      at === null ? `${row} ${position}` : `${file ?? ''}, ${line} ${at}`;
  const more = rows.length - first.length;
  return {
    ru: first.map(place('строка', 'запись плана')).join('; ') + (more > 0 ? ` и ещё ${more}` : ''),
    en: first.map(place('line', 'row of the plan')).join('; ') + (more > 0 ? ` and ${more} more` : ''),
  };
}
