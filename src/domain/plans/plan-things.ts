import type { PlanRow } from '../entities.ts';
import type { AssignmentState, ClassState, PersonState, PlannedRow, RowState, SubjectState } from './plan-rows.ts';
import { isSameState } from './plan-rows.ts';
import { stateOfAssignment } from './compare-assignments.ts';
import { stateOfClass, stateOfSubject } from './compare-classes.ts';
import { stateOfPerson } from './compare-people.ts';
import type { PresentRoster } from './present-roster.ts';

/** The things of the rows of a stored plan, and whether they are still what the plan compared. */

/** What applying a row made and ended, for undoing it. */
export interface Done {
  grants?: string[];
  endedGrants?: string[];
  enrolment?: string;
  endedEnrolment?: string;
  assignment?: string;
  /** The assignments that ended: with a class, or with the role of a teacher, several. */
  endedAssignments?: string[];
  /** Whether the person was created. */
  created?: boolean;
}

/** A row that changes something: `after` of an END is what remains. */
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

/** The ids of the rows to lock: things that exist already, whether a row changes them or refers to them. */
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

/** Returns the present states of things, by their ids. */
export function presentStates(present: PresentRoster): ReadonlyMap<string, RowState> {
  const nameOf = () => null;
  return new Map<string, RowState>([
    ...present.classes.map((one) => [one.id, stateOfClass(one)] as const),
    ...present.subjects.map((one) => [one.id, stateOfSubject(one)] as const),
    ...present.people.map((one) => [one.id, stateOfPerson(one, present.school.id, nameOf)] as const),
    ...present.assignments.map((one) => [one.id, stateOfAssignment(one, present)] as const),
  ]);
}

/** Returns the rows whose thing is no longer what `expected` says of the row. */
export function movedRows(
  rows: readonly StoredRow[],
  states: ReadonlyMap<string, RowState>,
  expected: (row: StoredRow) => RowState | null,
): StoredRow[] {
  return rows.filter((row) => !isSameState(states.get(row.thingId) ?? null, expected(row)));
}

/** Names rows in a refusal by their lines, the first five of them. A refusal holds no personal data. */
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
