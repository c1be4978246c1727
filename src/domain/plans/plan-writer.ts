import { newId } from '../../db/ids.ts';
import type { Tx } from '../../db/transaction.ts';
import { conflict } from '../../errors.ts';
import { archiveAll } from '../archive-class.ts';
import { assignAll, endAll } from '../assignments.ts';
import { followRules } from '../chat-membership-rules.ts';
import { actingUserId, type Context } from '../context.ts';
import { enrolAll, transferAll, withdrawAll } from '../enrolments.ts';
import type { Plan } from '../entities.ts';
import { issuePersonalInvitations, revokeWithoutRole } from '../issue-personal-invitations.ts';
import { endRoles, grantAll } from '../roles.ts';
import { startOfDay } from '../school-years.ts';
import { unarchiveAll } from '../unarchive-class.ts';
import type { PersonState } from './plan-rows.ts';
import { endingClasses, linesOf, reopenedClasses, type Done, type RowsByNoun, type StoredRow } from './plan-things.ts';
import type { PresentPerson, PresentRoster } from './present-roster.ts';
import { writeClasses, writePeople, writeSubjects } from './write-things.ts';

type PersonRow = StoredRow<PersonState>;

interface Target {
  plan: Plan;
  present: PresentRoster;
}

/**
 * Writes the rows of a plan with the functions of the ordinary operations, such as `grantAll`. Each function runs once for
 * all people. The caller holds the locks and has checked that the school has not changed since the plan was made.
 */
export class PlanWriter {
  readonly #ctx: Context;
  readonly #tx: Tx;
  readonly #plan: Plan;
  readonly #present: PresentRoster;
  readonly #people: ReadonlyMap<string, PresentPerson>;

  constructor(ctx: Context, tx: Tx, { plan, present }: Target) {
    this.#ctx = ctx;
    this.#tx = tx;
    this.#plan = plan;
    this.#present = present;
    this.#people = new Map(present.people.map((person) => [person.id, person]));
  }

  /** @param onWritten called at the start and after each step, with the number of rows that have been written. */
  async write(things: RowsByNoun, onWritten: (done: number) => void): Promise<void> {
    const { classes, subjects, people, assignments } = things;
    onWritten(0);
    await writeClasses(this.#tx, this.#plan, classes);
    await unarchiveAll(this.#tx, this.#plan.schoolId, reopenedClasses({ classes }));
    await writeSubjects(this.#tx, this.#plan, subjects);
    this.#refuseMissingClasses(things);
    await this.#endClasses(classes);
    onWritten(classes.length + subjects.length);
    await writePeople(this.#tx, this.#plan, people);
    await this.#endAssignments(things);
    await this.#endRoles(people);
    await this.#leaveClasses(people);
    await this.#grantRoles(people);
    await this.#enterClasses(people);
    onWritten(classes.length + subjects.length + people.length);
    await this.#startAssignments(assignments);
    const workers = assignments.flatMap(({ before, after }) => [before?.userId, after?.userId]).filter((id) => id !== undefined);
    await followRules(this.#tx, this.#plan.schoolId, ...new Set([...people.map(({ thingId }) => thingId), ...workers]));
    const userIds = people.filter(({ operation }) => operation !== 'END').map(({ thingId }) => thingId);
    const endedIds = people.filter(({ operation }) => operation === 'END').map(({ thingId }) => thingId);
    await revokeWithoutRole(this.#tx, this.#plan.schoolId, endedIds);
    await issuePersonalInvitations(this.#ctx, this.#tx, { schoolId: this.#plan.schoolId, userIds });
  }

  /**
   * @throws CONFLICT if the class or the person of a row will be missing: somebody excluded the row that creates it, or
   *   archived the class after the plan was made.
   */
  #refuseMissingClasses({ classes, people, assignments }: RowsByNoun): void {
    const open = new Set([
      ...this.#present.classes.filter(({ isArchived }) => !isArchived).map(({ id }) => id),
      ...classes.filter(({ operation }) => operation !== 'END').map(({ thingId }) => thingId),
    ]);
    const known = new Set([...this.#people.keys(), ...people.map(({ thingId }) => thingId)]);
    const isNew = (row: PersonRow): boolean => row.after?.classId != null && row.after.classId !== row.before?.classId;
    const lost = [
      ...people.filter((row) => isNew(row) && !open.has(row.after!.classId!)),
      ...assignments.filter(({ after }) => after !== null && (!open.has(after.classId) || !known.has(after.userId))),
    ];
    if (lost.length === 0) return;
    const { ru, en } = linesOf(lost);
    throw conflict(
      [
        `Нет класса или человека, к которым относятся записи (${ru}): они исключены из плана или в архиве. Исключите и эти записи.`,
        `The class or the person of these rows is missing (${en}): it was excluded from the plan, or is archived. Exclude these rows too.`,
      ],
      { path: ['planId'] },
    );
  }

  /**
   * Archives the classes that end, before their pupils leave. Members stay in the chats of an archived class, so the pupils
   * can still read these chats.
   */
  async #endClasses(classes: RowsByNoun['classes']): Promise<void> {
    const ended = await archiveAll(this.#tx, this.#plan.schoolId, endingClasses({ classes }));
    for (const row of classes.filter(({ operation }) => operation === 'END'))
      note(row, { endedAssignments: ended.filter(({ classId }) => classId === row.thingId).map(({ id }) => id) });
  }

  /**
   * Ends assignments in classes that stay open. `#endClasses` has ended the assignments in the classes that the plan
   * archives.
   */
  async #endAssignments({ classes, assignments }: RowsByNoun): Promise<void> {
    const archived = new Set(endingClasses({ classes }));
    const ending = assignments.filter(({ before }) => before !== null && !archived.has(before.classId));
    await endAll(
      this.#tx,
      ending.map(({ thingId, before }) => ({ id: thingId, schoolId: this.#plan.schoolId, ...workOf(before!) })),
    );
    for (const row of ending) note(row, { endedAssignments: [row.thingId] });
  }

  async #endRoles(rows: readonly PersonRow[]): Promise<void> {
    const ending = rows.flatMap((row) => {
      const lost = (row.before?.roles ?? []).filter((role) => !row.after?.roles.includes(role));
      return (this.#people.get(row.thingId)?.grants ?? []).filter(({ role }) => lost.includes(role)).map((grant) => ({ row, grant }));
    });
    const grants = ending.map(({ row, grant: { id, role } }) => ({ id, role, schoolId: this.#plan.schoolId, userId: row.thingId }));
    const ended = await endRoles(this.#tx, grants, actingUserId(this.#ctx));
    const byPerson = new Map(rows.map((row) => [row.thingId, row]));
    for (const { row, grant } of ending) note(row, { endedGrants: [...(row.done?.endedGrants ?? []), grant.id] });
    for (const { id, studentId } of ended.enrolments) note(byPerson.get(studentId)!, { endedEnrolment: id });
    for (const { id, userId } of ended.assignments) {
      const row = byPerson.get(userId)!;
      note(row, { endedAssignments: [...(row.done?.endedAssignments ?? []), id] });
    }
  }

  /**
   * Ends the enrolments of pupils who leave their class and stay in the school. `#endRoles` has ended the enrolments of
   * pupils who leave the school.
   */
  async #leaveClasses(rows: readonly PersonRow[]): Promise<void> {
    const leaving = rows.filter(({ before, after, done }) => before?.classId && !after?.classId && !done?.endedEnrolment);
    const { schoolId } = this.#plan;
    await withdrawAll(
      this.#tx,
      leaving.map(({ thingId: studentId, before }) => ({
        id: this.#enrolmentOf(studentId),
        schoolId,
        studentId,
        classId: before!.classId!,
      })),
    );
    for (const row of leaving) note(row, { endedEnrolment: this.#enrolmentOf(row.thingId) });
  }

  #enrolmentOf(studentId: string): string {
    return this.#people.get(studentId)!.enrolment!.id;
  }

  async #grantRoles(rows: readonly PersonRow[]): Promise<void> {
    const { schoolId, id: planId } = this.#plan;
    const grantedById = actingUserId(this.#ctx);
    const added = rows.flatMap((row) =>
      (row.after?.roles ?? []).filter((role) => !row.before?.roles.includes(role)).map((role) => ({ row, role })),
    );
    const granted = await grantAll(
      this.#tx,
      schoolId,
      added.map(({ row: { thingId: userId }, role }) => ({ userId, role, grantedById, planId })),
    );
    added.forEach(({ row }, n) => note(row, { grants: [...(row.done?.grants ?? []), granted[n]!] }));
  }

  async #enterClasses(rows: readonly PersonRow[]): Promise<void> {
    const { schoolId, id: planId } = this.#plan;
    const entering = rows.filter(({ before, after }) => after?.classId && after.classId !== before?.classId);
    const entries = entering.map((row) => ({ row, id: newId(), classId: row.after!.classId! }));
    const transfers = entries.filter(({ row }) => row.before?.classId);
    await transferAll(
      this.#tx,
      schoolId,
      transfers.map(({ row: { thingId: studentId, before }, id, classId }) => ({
        id,
        classId,
        planId,
        present: { id: this.#enrolmentOf(studentId), studentId, classId: before!.classId! },
      })),
    );
    for (const { row } of transfers) note(row, { endedEnrolment: this.#enrolmentOf(row.thingId) });
    await enrolAll(
      this.#tx,
      schoolId,
      entries
        .filter(({ row }) => !row.before?.classId)
        .map(({ row: { thingId: studentId, after }, id, classId }) => ({ id, classId, studentId, planId, ...this.#admissionOf(after!) })),
    );
    for (const { row, id } of entries) note(row, { enrolment: id });
  }

  /** Returns when an enrolment starts: on the stated day, but not before the school year, and not in the future. */
  #admissionOf({ admission }: PersonState): { startedAt: Date; orderNumber: string | null; admittedOn: Date | null } {
    const { startedOn, orderNumber = null } = admission ?? {};
    if (startedOn === undefined) return { startedAt: new Date(), orderNumber, admittedOn: null };
    const { timeZone } = this.#present.school;
    const first = startOfDay(timeZone, this.#present.yearStartsOn);
    const stated = startOfDay(timeZone, startedOn);
    const startedAt = new Date(Math.min(Date.now(), Math.max(first.getTime(), stated.getTime())));
    return { startedAt, orderNumber, admittedOn: new Date(startedOn) };
  }

  async #startAssignments(rows: RowsByNoun['assignments']): Promise<void> {
    const { schoolId, id: planId } = this.#plan;
    const starting = rows.filter(({ after }) => after !== null);
    const assignments = starting.map(({ thingId, operation, after }) => ({
      // A row with ADD got its id when the plan was made. A row with CHANGE ends the assignment `thingId`, and starts another
      // assignment with a new id.
      id: operation === 'ADD' ? thingId : newId(),
      schoolId,
      planId,
      ...workOf(after!),
    }));
    await assignAll(this.#tx, assignments);
    starting.forEach((row, n) => note(row, { assignment: assignments[n]!.id }));
  }
}

const workOf = ({ classId, userId, kind, subjectId }: NonNullable<RowsByNoun['assignments'][number]['after']>) => ({
  classId,
  userId,
  kind,
  subjectId,
});

function note(row: StoredRow, done: Done): void {
  row.done = { ...row.done, ...done };
}
