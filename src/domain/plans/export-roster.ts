import type { Tx } from '../../db/transaction.ts';
import { everCan } from '../../policy/can.ts';
import { record } from '../../events/record.ts';
import {
  keyOfId,
  type Roster,
  type RosterAssignment,
  type RosterEnrolment,
  type RosterFormat,
  type RosterPerson,
} from '../../roster/roster.ts';
import { findFor } from '../access.ts';
import { mutate, type Context } from '../context.ts';
import { workingYearOf } from '../school-years.ts';
import { loadPresentRoster, type PresentPerson, type PresentRoster } from './present-roster.ts';

export interface ExportedRoster {
  roster: Roster;
  school: { externalId: string; name: string; year: { startsOn: string; endsOn: string } };
}

/** The formats in which a roster can be written. */
export const exportFormats = ['ONE_ROSTER_1_2', 'LIST'] as const satisfies readonly RosterFormat[];
export type ExportFormat = (typeof exportFormats)[number];

interface ExportInput {
  schoolId: string;
  /**
   * The system whose external ids are written. A class, subject or person without an external id gets Sfera’s own id.
   * `planImport` finds objects by either id.
   */
  system?: string | undefined;
  format: ExportFormat;
}

/**
 * Returns the people and classes of a school in the year of `workingYearOf`, as a roster. An import of this roster changes
 * nothing.
 * Regulation 1.5.
 * @throws NOT_FOUND, FORBIDDEN.
 */
export async function exportRoster(ctx: Context, input: ExportInput): Promise<ExportedRoster> {
  await findFor(ctx, 'School', input.schoolId, 'roster.export');
  return mutate(ctx, (tx) => exportInTransaction(ctx, tx, input));
}

/**
 * A step of `exportRoster`, after the check of rights: reads the roster, and records that it was exported. Leaves out
 * e-mail addresses if the actor may not see them.
 */
export async function exportInTransaction(
  ctx: Context,
  tx: Tx,
  { schoolId, system = 'roster', format }: ExportInput,
): Promise<ExportedRoster> {
  const year = await workingYearOf(tx, schoolId);
  const present = await loadPresentRoster(tx, { schoolId, schoolYearId: year.id, system });
  const dayOf = (date: Date): string => date.toISOString().slice(0, 10);
  const people = everCan(ctx.actor, 'user.readContact') ? present.people : present.people.map((one) => ({ ...one, email: null }));
  record(tx, 'roster.exported', { schoolId });
  return {
    roster: rosterOf({ ...present, people }, format),
    school: { externalId: schoolId, name: present.school.name, year: { startsOn: dayOf(year.startsOn), endsOn: dayOf(year.endsOn) } },
  };
}

const nowhere = { file: '', line: 0 };
const noNotices = { list: [], total: 0 };

/** Leaves out archived classes, subjects that nobody teaches, and people without a role. */
function rosterOf(present: PresentRoster, format: ExportFormat): Roster {
  const classes = new Map(present.classes.filter(({ isArchived }) => !isArchived).map((one) => [one.id, identify(one)]));
  const taught = new Set(present.assignments.map(({ subjectId }) => subjectId));
  const subjects = new Map(present.subjects.filter(({ id }) => taught.has(id)).map((one) => [one.id, identify(one)]));
  const people = new Map(present.people.filter(({ grants }) => grants.length > 0).map((one) => [one.id, identify(one)]));
  const enrolments = [...people.values()].flatMap(({ key, enrolment }): RosterEnrolment[] => {
    const ofClass = enrolment && classes.get(enrolment.classId);
    if (!enrolment || ofClass === undefined || ofClass === null) return [];
    const { orderNumber, admittedOn, startedOn } = enrolment;
    const order = orderNumber === null ? {} : { orderNumber };
    return [{ person: key, class: ofClass.key, startedOn: admittedOn ?? startedOn, ...order, isActive: true, at: nowhere }];
  });
  const assignments = present.assignments.flatMap(({ classId, userId, kind, subjectId }): RosterAssignment[] => {
    const [ofClass, person] = [classes.get(classId), people.get(userId)];
    if (ofClass === undefined || person === undefined) return [];
    const subject = subjectId === null ? {} : { subject: subjects.get(subjectId)!.key };
    return [{ person: person.key, class: ofClass.key, kind, ...subject, isActive: true, at: nowhere }];
  });
  return {
    format,
    covers: { students: true, staff: true, classes: true, enrolments: true, assignments: true },
    people: [...people.values()].map(personOf),
    classes: [...classes.values()].map(({ key, externalId, grade, letter }) => ({
      ...{ key, externalId, grade, letter },
      ...{ isActive: true, hasError: false, at: nowhere },
    })),
    subjects: [...subjects.values()].map(({ key, externalId, name }) => ({ key, externalId, name, at: nowhere })),
    enrolments,
    assignments,
    warnings: noNotices,
    errors: noNotices,
  };
}

function identify<T extends { id: string; externalId: string | null }>(
  one: T,
): Omit<T, 'externalId'> & { externalId: string; key: string } {
  const externalId = one.externalId ?? one.id;
  return { ...one, externalId, key: keyOfId(externalId) };
}

const personOf = (person: Omit<PresentPerson, 'externalId'> & { externalId: string; key: string }): RosterPerson => ({
  key: person.key,
  externalId: person.externalId,
  surname: person.surname,
  givenName: person.givenName,
  patronymic: person.patronymic,
  ...(person.birthDate !== null && { birthDate: person.birthDate }),
  ...(person.email !== null && { email: person.email }),
  roles: person.grants.map(({ role }) => role),
  isActive: true,
  hasError: false,
  at: nowhere,
});
