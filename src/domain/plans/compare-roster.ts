import type { Roster } from '../../roster/roster.ts';
import { AssignmentComparison } from './compare-assignments.ts';
import { compareClasses, compareSubjects } from './compare-classes.ts';
import { PeopleComparison } from './compare-people.ts';
import type { PlannedRow } from './plan-rows.ts';
import type { PresentRoster } from './present-roster.ts';

/** The difference between what a file states and what a school has. */
export interface RosterDifference {
  rows: PlannedRow[];
  /**
   * The number of people whom the file should list. If the file does not list such a person, the person has left the school.
   */
  coveredCount: number;
}

/**
 * Compares a roster with a school. The rows come in this order: errors of the file, classes, subjects, people, assignments.
 */
export function compareRoster(roster: Roster, present: PresentRoster, by: { isByService: boolean }): RosterDifference {
  const classes = compareClasses(roster, present);
  const subjects = compareSubjects(roster, present);
  const people = new PeopleComparison(roster, present, classes.of, by).compare();
  const assignments = new AssignmentComparison(roster, present, { classes: classes.of, subjects: subjects.of, people }).compare();
  return {
    rows: [...errorsOf(roster), ...classes.rows, ...subjects.rows, ...people.rows, ...assignments],
    coveredCount: people.coveredCount,
  };
}

const errorsOf = ({ errors }: Roster): PlannedRow[] =>
  errors.list.map(({ code, file, line, message }) => ({
    noun: null,
    operation: 'ERROR',
    proposed: 'ERROR',
    thingId: null,
    file,
    line,
    before: null,
    after: null,
    note: { code, message },
  }));
