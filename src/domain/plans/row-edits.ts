import type { Tx } from '../../db/transaction.ts';
import { conflict, invalid, notFound, type Message } from '../../errors.ts';
import { nameOfClass } from '../classes.ts';
import type { Plan, PlanRow } from '../entities.ts';
import { fullName } from '../users.ts';
import { classKey } from './compare-classes.ts';
import type { NoteCode } from './notes.ts';
import { checkedName } from './plan-year.ts';
import { isSameState, type AssignmentState, type ClassState, type PersonState, type RowState } from './plan-rows.ts';
import { leaving, type ClassName } from './promote-school.ts';

/** Decisions that change what a row does. They are only for rows in the plan of a school year. */

export interface RowEdit {
  /**
   * For a pupil: the class of the new year to which the pupil goes. A pupil may stay in the same grade. For a class of the new
   * year: its name.
   */
  class?: ClassName | null;
  /** For a pupil: whether the pupil leaves the school. */
  leaves?: boolean | null;
  /** For an assignment: the id of the teacher who gets it. */
  teacherId?: string | null;
}

/** The new values of a row. Without `proposed` or `after`, the row keeps its own value. */
export interface RowChange {
  operation: PlanRow['operation'];
  proposed?: PlanRow['operation'];
  after?: RowState;
  code: NoteCode | null;
}

interface Edited {
  plan: Plan;
  row: PlanRow;
}

/**
 * Returns the change that a decision makes to a row; null if the row already is as decided.
 * @throws CONFLICT for a decision that does not fit the row, and for any row of an import; INVALID for a class that the new
 *   year does not have; NOT_FOUND for a person without a role in the school.
 */
export async function changeOfRow(tx: Tx, edited: Edited, edit: RowEdit): Promise<RowChange | null> {
  if (edited.plan.source !== 'YEAR')
    throw conflict(
      [
        'Запись импорта можно только включить или исключить: исправьте файл.',
        'A row of an import can only be included or excluded: correct the file.',
      ],
      { path: ['planRowId'] },
    );
  const { noun, before, after } = edited.row;
  if (edit.class && noun === 'PERSON') return moveTo(tx, edited, checkedName(edit.class, ['class']));
  if (edit.class && noun === 'CLASS' && isStarting(edited.row)) return rename(tx, edited, checkedName(edit.class, ['class']));
  if (edit.leaves === true && noun === 'PERSON') return changeTo(edited.row, 'END', leaving(before as unknown as PersonState));
  if (edit.teacherId && noun === 'ASSIGNMENT' && after !== null) return giveTo(tx, edited, edit.teacherId);
  throw conflict(
    [
      'Это решение к записи не подходит: класс и уход указывают для ученика, название — для нового класса, учителя — для нового назначения.',
      'This decision does not fit the row: give a class or `leaves` for a pupil, a name for a new class, a teacher for a new assignment.',
    ],
    { path: ['planRowId'] },
  );
}

/** Whether the row creates a class or takes one out of the archive. */
const isStarting = ({ before, proposed }: PlanRow): boolean =>
  proposed === 'ADD' || (proposed === 'CHANGE' && (before as unknown as ClassState).isArchived);

function changeTo({ operation, after: present }: PlanRow, proposed: 'ADD' | 'CHANGE' | 'END', after: RowState): RowChange | null {
  if (operation === proposed && isSameState(present as unknown as RowState | null, after)) return null;
  return { operation: proposed, proposed, after, code: 'EDITED' };
}

/** A class of the new year, in its state after the plan is applied. */
interface StartingClass {
  id: string;
  state: ClassState;
}

/**
 * Returns the classes of the new year: the open classes that the school has already, and the classes that the plan creates or
 * changes.
 */
async function startingClasses(tx: Tx, plan: Plan): Promise<StartingClass[]> {
  const rows = await tx.prisma.planRow.findMany({ where: { planId: plan.id, noun: 'CLASS', operation: { in: ['ADD', 'CHANGE'] } } });
  const present = await tx.prisma.class.findMany({ where: { schoolYearId: plan.schoolYearId, archivedAt: null } });
  return [
    ...rows.map(({ thingId, after }) => ({ id: thingId!, state: after as unknown as ClassState })),
    ...present.map(({ id, grade, letter }) => ({ id, state: { grade, letter, isArchived: false, externalId: null } })),
  ];
}

async function moveTo(tx: Tx, { plan, row }: Edited, name: ClassName): Promise<RowChange | null> {
  const target = (await startingClasses(tx, plan)).find(({ state }) => classKey(state) === classKey(name));
  if (target === undefined)
    throw invalid(
      ['class'],
      [
        `Класса ${nameOfClass(name)} в новом году нет. Создайте его или укажите среди новых классов, когда составляете план.`,
        `The new year has no class ${nameOfClass(name)}. Create it, or give it as a new class when you make the plan.`,
      ],
    );
  const before = row.before as unknown as PersonState;
  return changeTo(row, 'CHANGE', { ...before, classId: target.id, className: nameOfClass(target.state) });
}

/** Renames a class that the plan creates or unarchives, in its row and in those of its pupils and teachers. */
async function rename(tx: Tx, { plan, row }: Edited, name: ClassName): Promise<RowChange | null> {
  if (await isTaken(tx, { plan, row }, name))
    throw conflict(['Такой класс в новом году уже есть.', 'The new year has a class of this name already.'], { path: ['class'] });
  await tx.execute(
    `update plan_row set after = jsonb_set(after, '{className}', to_jsonb($2::text))
     where plan_id = $1 and noun in ('PERSON', 'ASSIGNMENT') and after->>'classId' = $3`,
    [plan.id, nameOfClass(name), row.thingId],
  );
  return changeTo(row, row.before === null ? 'ADD' : 'CHANGE', { ...(row.after as unknown as ClassState), ...name });
}

/** Returns whether another class of the new year has the name: also an archived class, and a class whose row was excluded. */
async function isTaken(tx: Tx, { plan, row }: Edited, name: ClassName): Promise<boolean> {
  const present = await tx.prisma.class.findMany({ where: { schoolYearId: plan.schoolYearId, id: { not: row.thingId! } } });
  const rows = await tx.prisma.planRow.findMany({
    where: { planId: plan.id, noun: 'CLASS', proposed: { in: ['ADD', 'CHANGE'] }, id: { not: row.id } },
  });
  const names = [...present, ...rows.map(({ after }) => after as unknown as ClassState)];
  return names.some((other) => classKey(other) === classKey(name));
}

const notATeacher: Message = ['У этого человека нет роли учителя в школе.', 'This person is not a teacher of the school.'];

async function giveTo(tx: Tx, { plan, row }: Edited, teacherId: string): Promise<RowChange | null> {
  const holds = { schoolId: plan.schoolId, userId: teacherId, endedAt: null };
  const grants = await tx.prisma.roleGrant.findMany({ where: holds, select: { role: true } });
  if (grants.length === 0) throw notFound('teacherId');
  const teacher = await tx.prisma.user.findUniqueOrThrow({ where: { id: teacherId } });
  if (teacher.deactivatedAt !== null || !grants.some(({ role }) => role === 'TEACHER'))
    throw conflict(notATeacher, { path: ['teacherId'] });
  return changeTo(row, 'ADD', { ...(row.after as unknown as AssignmentState), userId: teacherId, personName: fullName(teacher) });
}
