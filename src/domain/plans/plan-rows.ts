import { isDeepStrictEqual } from 'node:util';
import type { PlanRow, RoleGrant } from '../entities.ts';
import type { Note } from './notes.ts';

/** The rows of a plan: each is the change of one class, subject, person or assignment, with the state before and after. */

export interface ClassState {
  grade: number;
  letter: string;
  isArchived: boolean;
  externalId: string | null;
}

export interface SubjectState {
  name: string;
  externalId: string | null;
}

export interface PersonState {
  surname: string;
  givenName: string;
  patronymic: string | null;
  birthDate: string | null;
  email: string | null;
  externalId: string | null;
  /** The roles in the school, sorted. */
  roles: readonly RoleGrant['role'][];
  classId: string | null;
  /** For display only. */
  className: string | null;
  /** Facts of a new enrolment. They are no state of the person: to state them again is no change. */
  admission?: { startedOn?: string | undefined; orderNumber?: string | undefined } | undefined;
  /** Of a new person: how many people of the school have the same surname and given name. */
  namesakes?: number;
}

export interface AssignmentState {
  classId: string;
  userId: string;
  kind: 'CLASS_TEACHER' | 'SUBJECT_TEACHER';
  subjectId: string | null;
  /** For display only. */
  className: string;
  personName: string;
  subjectName: string | null;
}

export type RowState = ClassState | SubjectState | PersonState | AssignmentState;

export interface PlannedRow {
  /** Null for an error of the reader that concerns no single thing. */
  noun: PlanRow['noun'];
  operation: PlanRow['operation'];
  /** What the file asks for: another operation than `operation` where a rule protects the thing. */
  proposed: PlanRow['operation'];
  thingId: string | null;
  file: string | null;
  line: number | null;
  before: RowState | null;
  after: RowState | null;
  note: Note | null;
}

interface Thing<State> {
  noun: NonNullable<PlanRow['noun']>;
  thingId: string | null;
  at: { file: string; line: number } | null;
  before: State | null;
  note?: Note | null;
}

const rowOf = <State extends RowState>(
  { at, note, ...thing }: Thing<State>,
  operation: PlanRow['operation'],
  after: State | null,
): PlannedRow => ({ ...thing, operation, proposed: operation, after, file: at?.file ?? null, line: at?.line ?? null, note: note ?? null });

/** Returns the row of a thing that is new, changes, or stays as it is. */
export function changeRow<State extends RowState>(thing: Thing<State>, after: State): PlannedRow {
  if (thing.before === null) return rowOf(thing, 'ADD', after);
  return isSameState(thing.before, after) ? rowOf(thing, 'KEEP', null) : rowOf(thing, 'CHANGE', after);
}

/** Returns the row of a thing that is missing from the file. `after` is what remains of it. */
export const endRow = <State extends RowState>(thing: Thing<State>, after: State | null): PlannedRow => rowOf(thing, 'END', after);

/** Returns the row with its change withheld, until a person decides to apply it. */
export const protectedRow = (row: PlannedRow, note: Note): PlannedRow => ({ ...row, operation: 'KEEP', note });

export const errorRow = <State extends RowState>(thing: Thing<State>, note: Note): PlannedRow => rowOf({ ...thing, note }, 'ERROR', null);

const displayed = ['className', 'personName', 'subjectName', 'admission', 'namesakes'];

/** Returns the parts of a state that count: no names that are for display, and no facts of an admission. */
const essence = (state: RowState): Record<string, unknown> =>
  Object.fromEntries(Object.entries(state).filter(([field, value]) => value !== undefined && !displayed.includes(field)));

export const isSameState = (a: RowState | null, b: RowState | null): boolean =>
  a === null || b === null ? a === b : isDeepStrictEqual(essence(a), essence(b));
