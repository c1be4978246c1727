import { conflict } from '../../errors.ts';
import { workOf } from './compare-assignments.ts';
import type { RowState } from './plan-rows.ts';
import { countNames, nameKey } from './match-people.ts';
import { linesOf, movedRows, type RowsByNoun, type StoredRow } from './plan-things.ts';
import type { PresentRoster } from './present-roster.ts';

/** Checks that the school is still as it was when a plan was made. The caller holds the locks. */

/**
 * Refuses a plan if one of its objects (classes, subjects, people, assignments) has changed. `states` holds the present
 * states, and `expected` returns the state that the object of a row should have.
 * @throws CONFLICT that names the rows whose object has changed.
 */
export function refuseMoved(
  rows: readonly StoredRow[],
  states: ReadonlyMap<string, RowState>,
  expected: (row: StoredRow) => RowState | null,
): void {
  const moved = movedRows(rows, states, expected);
  if (moved.length > 0) throw changedSince(moved);
}

const changedSince = (rows: readonly StoredRow[]) => {
  const { ru, en } = linesOf(rows);
  return conflict(
    [
      `Школа изменилась с тех пор, как составлен план (${ru}). Ничего не применено, эти изменения сохранены. Составьте план заново.`,
      `The school has changed since the plan was made (${en}). Nothing was applied, and those changes are kept. Make the plan again.`,
    ],
    { path: ['planId'] },
  );
};

/**
 * Refuses an import that changes people who were deactivated after the plan was made.
 * @throws CONFLICT that names the rows of these people.
 */
export function refuseDeactivated({ people }: RowsByNoun, present: PresentRoster): void {
  const deactivated = new Set(present.people.filter(({ isDeactivated }) => isDeactivated).map(({ id }) => id));
  const changed = people.filter(({ operation, thingId }) => operation === 'CHANGE' && deactivated.has(thingId));
  if (changed.length > 0) throw changedSince(changed);
}

/**
 * Refuses to add a person whom somebody may have created after the plan was made. The sign of this is that the number of
 * people with the same name has changed.
 * @throws CONFLICT that names the rows of these people.
 */
export function refuseNewNamesakes({ people }: RowsByNoun, present: PresentRoster): void {
  const counts = countNames(present.people);
  const moved = people.filter(
    ({ operation, after }) => operation === 'ADD' && after !== null && (counts.get(nameKey(after)) ?? 0) !== (after.namesakes ?? 0),
  );
  if (moved.length > 0) throw changedSince(moved);
}

/**
 * Refuses to end a class in which somebody stays: a pupil, or a teacher with an assignment.
 * @throws CONFLICT that names the rows of these classes.
 */
export function refuseStaying({ classes, people, assignments }: RowsByNoun, present: PresentRoster): void {
  const leaving = new Set(people.filter(({ before, after }) => before?.classId !== after?.classId).map(({ thingId }) => thingId));
  const ended = new Set(assignments.filter(({ before }) => before !== null).map(({ thingId }) => thingId));
  const held = new Set([
    ...present.people.filter(({ id }) => !leaving.has(id)).map(({ enrolment }) => enrolment?.classId),
    ...present.assignments.filter(({ id }) => !ended.has(id)).map(({ classId }) => classId),
  ]);
  const ending = classes.filter(({ operation, thingId }) => operation === 'END' && held.has(thingId));
  if (ending.length === 0) return;
  const { ru, en } = linesOf(ending);
  throw conflict(
    [
      `В этих классах остаются ученики или учителя (${ru}): их записи исключены из плана, или они появились позже. Исключите и записи классов или составьте план заново.`,
      `Pupils or teachers stay in these classes (${en}): their rows were excluded, or they came later. Exclude the rows of the classes too, or make the plan again.`,
    ],
    { path: ['planId'] },
  );
}

/**
 * Refuses assignments that cannot start: the person is deactivated, the person will not be a teacher of the school, the
 * subject will not exist, or another open assignment is for the same work (`workOf`).
 * @throws CONFLICT that names the rows of these assignments.
 */
export function refuseImpossibleAssignments({ subjects, people, assignments }: RowsByNoun, present: PresentRoster): void {
  const rolesAfter = new Map<string, readonly string[]>([
    ...present.people.map(({ id, grants }) => [id, grants.map(({ role }) => role)] as const),
    ...people.map(({ thingId, after }) => [thingId, after?.roles ?? []] as const),
  ]);
  const deactivated = new Set(present.people.filter(({ isDeactivated }) => isDeactivated).map(({ id }) => id));
  const isTeacher = (userId: string): boolean => !deactivated.has(userId) && (rolesAfter.get(userId) ?? []).includes('TEACHER');
  const subjectIds = new Set([...present.subjects.map(({ id }) => id), ...subjects.map(({ thingId }) => thingId)]);
  const ended = new Set(assignments.filter(({ before }) => before !== null).map(({ thingId }) => thingId));
  const staying = present.assignments.filter(({ id, userId }) => !ended.has(id) && isTeacher(userId));
  const works = new Set(staying.map(workOf));
  const impossible = assignments.filter(({ after }) => {
    if (after === null) return false;
    const isTaken = works.has(workOf(after));
    works.add(workOf(after));
    return isTaken || !isTeacher(after.userId) || (after.subjectId !== null && !subjectIds.has(after.subjectId));
  });
  if (impossible.length === 0) return;
  const { ru, en } = linesOf(impossible);
  throw conflict(
    [
      `Эти назначения невозможны (${ru}): у человека нет роли учителя или его учётная запись закрыта, нет предмета, или такое назначение уже есть. Исключите эти записи или составьте план заново.`,
      `These assignments are impossible (${en}): the person is not a teacher or is deactivated, the subject is missing, or the assignment exists already. Exclude these rows, or make the plan again.`,
    ],
    { path: ['planId'] },
  );
}
