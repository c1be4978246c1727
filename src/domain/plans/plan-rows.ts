import { isDeepStrictEqual } from 'node:util';
import type { PlanRow, RoleGrant } from '../entities.ts';
import type { Note } from './notes.ts';

/**
 * A row of a plan is the change of one thing: a class, a subject, a person or an assignment. It holds the state of the thing
 * before and after.
 */

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
  /** Facts of a new enrolment. `isSameState` ignores them, so a file that repeats them changes nothing. */
  admission?: { startedOn?: string | undefined; orderNumber?: string | undefined } | undefined;
  /** Only for a new person: how many people of the school had this surname and given name when the plan was made. */
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
  /** Null for an error of the file reader, which is not about one class, subject, person or assignment. */
  noun: PlanRow['noun'];
  operation: PlanRow['operation'];
  /** The operation that the file asks for. Differs from `operation` if a rule withholds it. */
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

/**
 * Returns an ADD row if there was no state before. Otherwise returns a CHANGE row, or a KEEP row if `after` is the same
 * state.
 */
export function changeRow<State extends RowState>(thing: Thing<State>, after: State): PlannedRow {
  if (thing.before === null) return rowOf(thing, 'ADD', after);
  return isSameState(thing.before, after) ? rowOf(thing, 'KEEP', null) : rowOf(thing, 'CHANGE', after);
}

/** Returns an END row. `after` is the state that remains: a person, for example, remains without roles. */
export const endRow = <State extends RowState>(thing: Thing<State>, after: State | null): PlannedRow => rowOf(thing, 'END', after);

/** Returns the row with its change withheld, until a person decides to apply it. */
export const protectedRow = (row: PlannedRow, note: Note): PlannedRow => ({ ...row, operation: 'KEEP', note });

export const errorRow = <State extends RowState>(thing: Thing<State>, note: Note): PlannedRow => rowOf({ ...thing, note }, 'ERROR', null);

const displayed = ['className', 'personName', 'subjectName', 'admission', 'namesakes'];

/** Returns the fields of a state that `isSameState` compares. */
const essence = (state: RowState): Record<string, unknown> =>
  Object.fromEntries(Object.entries(state).filter(([field, value]) => value !== undefined && !displayed.includes(field)));

export const isSameState = (a: RowState | null, b: RowState | null): boolean =>
  a === null || b === null ? a === b : isDeepStrictEqual(essence(a), essence(b));
