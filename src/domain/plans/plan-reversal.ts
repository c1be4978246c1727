import type { Tx } from '../../db/transaction.ts';
import { record } from '../../events/record.ts';
import { archiveAll } from '../archive-class.ts';
import { recordAssignments } from '../assignments.ts';
import { followRules } from '../chat-membership-rules.ts';
import type { Context } from '../context.ts';
import type { Plan } from '../entities.ts';
import { issuePersonalInvitations, revokeWithoutRole } from '../issue-personal-invitations.ts';
import { unarchiveAll } from '../unarchive-class.ts';
import type { PersonState } from './plan-rows.ts';
import { endingClasses, reopenedClasses, type RowsByNoun, type StoredRow } from './plan-things.ts';
import { writeClasses, writePeople, writeSubjects } from './write-things.ts';

type PersonRow = StoredRow<PersonState>;

const present = (id: string | undefined): id is string => id !== undefined;

/**
 * Reverses an applied plan. Deletes the grants, enrolments and assignments that the plan made: an ended row would keep the
 * rights of a former pupil or teacher. The event log keeps the events of both the plan and its reversal. Reopens the grants,
 * enrolments and assignments that the plan ended. The caller holds the locks and has checked that nothing depends on the
 * plan.
 */
export class PlanReversal {
  readonly #ctx: Context;
  readonly #tx: Tx;
  readonly #plan: Plan;

  constructor(ctx: Context, tx: Tx, plan: Plan) {
    this.#ctx = ctx;
    this.#tx = tx;
    this.#plan = plan;
  }

  async write({ classes, subjects, people, assignments }: RowsByNoun): Promise<void> {
    const { schoolId } = this.#plan;
    await this.#enrolments(people);
    await this.#assignments([...classes, ...people, ...assignments]);
    await this.#grants(people);
    await writePeople(this.#tx, this.#plan, people, 'before');
    await writeClasses(this.#tx, this.#plan, classes, 'before');
    await writeSubjects(this.#tx, this.#plan, subjects, 'before');
    await unarchiveAll(this.#tx, schoolId, endingClasses({ classes }));
    const workers = assignments.flatMap(({ before, after }) => [before?.userId, after?.userId]).filter(present);
    const userIds = [...new Set([...people.map(({ thingId }) => thingId), ...workers])];
    await followRules(this.#tx, schoolId, ...userIds);
    await revokeWithoutRole(this.#tx, schoolId, userIds);
    // The plan removed people from the school and revoked their personal invitations. They return and need new invitations.
    const returned = people.filter(({ operation }) => operation === 'END').map(({ thingId }) => thingId);
    await issuePersonalInvitations(this.#ctx, this.#tx, { schoolId, userIds: returned });
    await this.#archive(classes);
  }

  async #enrolments(people: readonly PersonRow[]): Promise<void> {
    const made = people.map(({ done }) => done?.enrolment).filter(present);
    const ended = people.map(({ done }) => done?.endedEnrolment).filter(present);
    await this.#tx.execute('delete from enrolment where id = any($1::uuid[]) and plan_id = $2', [made, this.#plan.id]);
    await this.#tx.execute('update enrolment set ended_at = null where id = any($1::uuid[])', [ended]);
    const { schoolId } = this.#plan;
    for (const { thingId: studentId, before, after, done } of people) {
      const [enrolmentId, fromEnrolmentId] = [done?.endedEnrolment, done?.enrolment];
      const [classId, fromClassId] = [before?.classId, after?.classId];
      if (enrolmentId && classId && fromEnrolmentId && fromClassId)
        record(this.#tx, 'student.transferred', { schoolId, studentId, enrolmentId, classId, fromEnrolmentId, fromClassId });
      else if (enrolmentId && classId) record(this.#tx, 'student.enrolled', { schoolId, studentId, enrolmentId, classId });
      else if (fromEnrolmentId && fromClassId)
        record(this.#tx, 'student.withdrawn', { schoolId, studentId, enrolmentId: fromEnrolmentId, classId: fromClassId });
    }
  }

  async #assignments(rows: readonly StoredRow[]): Promise<void> {
    const made = rows.map(({ done }) => done?.assignment).filter(present);
    const ended = rows.flatMap(({ done }) => done?.endedAssignments ?? []);
    await recordAssignments(this.#tx, made, 'ended');
    await this.#tx.execute('delete from assignment where id = any($1::uuid[]) and plan_id = $2', [made, this.#plan.id]);
    await this.#tx.execute('update assignment set ended_at = null where id = any($1::uuid[])', [ended]);
    await recordAssignments(this.#tx, ended, 'assigned');
  }

  async #grants(people: readonly PersonRow[]): Promise<void> {
    const made = people.flatMap(({ thingId, done }) => (done?.grants ?? []).map((grantId) => ({ grantId, userId: thingId })));
    const ended = people.flatMap(({ thingId, done }) => (done?.endedGrants ?? []).map((grantId) => ({ grantId, userId: thingId })));
    const ids = (grants: readonly { grantId: string }[]) => grants.map(({ grantId }) => grantId);
    await this.#tx.execute('delete from role_grant where id = any($1::uuid[]) and plan_id = $2', [ids(made), this.#plan.id]);
    // A trigger sets `updated_at` when a grant ends, but not when a grant is deleted.
    await this.#tx.execute('update app_user set updated_at = clock_timestamp() where id = any($1::uuid[])', [
      made.map(({ userId }) => userId),
    ]);
    await this.#tx.execute('update role_grant set ended_at = null, ended_by_id = null where id = any($1::uuid[])', [ids(ended)]);
    const { schoolId } = this.#plan;
    for (const { grantId, userId } of made) record(this.#tx, 'role.ended', { schoolId, grantId, userId });
    for (const { grantId, userId } of ended) record(this.#tx, 'role.granted', { schoolId, grantId, userId });
  }

  /**
   * Archives the classes that the plan made. `refuseDependents` in undo-plan.ts has checked that nobody has since added other
   * people or chats to them.
   */
  async #archive(classes: RowsByNoun['classes']): Promise<void> {
    const added = classes.filter(({ operation }) => operation === 'ADD').map(({ thingId }) => thingId);
    await this.#tx.execute('update class set archived_at = now() where id = any($1::uuid[])', [added]);
    for (const classId of added) record(this.#tx, 'class.archived', { schoolId: this.#plan.schoolId, classId });
    await archiveAll(this.#tx, this.#plan.schoolId, reopenedClasses({ classes }));
  }
}
