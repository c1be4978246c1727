import { newId } from '../../db/ids.ts';
import type { Tx } from '../../db/transaction.ts';
import { conflict, invalid, notFound, Refusal } from '../../errors.ts';
import { record } from '../../events/record.ts';
import { find, findFor, lock } from '../access.ts';
import { letterOf, nameFields, nameOfClass } from '../classes.ts';
import { mutate, type Context } from '../context.ts';
import type { Plan, School, SchoolYear } from '../entities.ts';
import { nameOfYear, nextYearOf, previousYearOf, schoolYearOf } from '../school-years.ts';
import { classKey } from './compare-classes.ts';
import { authorOf, insertPlanRows } from './plan-store.ts';
import { loadPresentRoster, type PresentRoster } from './present-roster.ts';
import { SchoolPromotion, type ClassName, type PromotionRules } from './promote-school.ts';

export interface PlanYearInput {
  schoolId: string;
  /** The year that starts. */
  schoolYearId?: string | null;
  graduatingGrades?: readonly number[] | null;
  regroupedGrades?: readonly number[] | null;
  successors?: readonly { from: ClassName; to: ClassName }[] | null;
  newClasses?: readonly ClassName[] | null;
  keepsSubjectTeachers?: boolean | null;
}

const graduatingByDefault = [11];
const regroupedByDefault = [9];

/**
 * Plans the turn of a school year. Each open class of the year before ends. A class of the next grade follows it, with its
 * pupils and its class teacher; subject teachers are proposed. No class follows a class without pupils, or a class whose
 * pupils graduate or are regrouped. `successors` overrides these rules. Changes nothing but the plan. Regulation 2.1 b, f, g.
 * @throws INVALID for grades outside 1 to 11, for a grade that is both graduating and regrouped, and for an unusable class
 *   name. INVALID for the successor of a class that is not open in the year before. CONFLICT if the year before has no open
 *   class.
 */
export async function planYear(ctx: Context, input: PlanYearInput): Promise<Plan> {
  const school = await findFor(ctx, 'School', input.schoolId, 'year.plan');
  const grades = gradesOf(input);
  const stated = input.schoolYearId ? await find(ctx, 'SchoolYear', input.schoolYearId, 'schoolYearId') : null;
  if (stated !== null && stated.schoolId !== school.id) throw notFound('schoolYearId');
  return mutate(ctx, async (tx) => {
    await lock(tx, 'School', school.id, 'hold');
    const year = await startingYear(tx, school, stated);
    const scope = { schoolId: school.id, schoolYearId: year.id, system: 'roster', source: 'YEAR' as const };
    const present = await loadPresentRoster(tx, scope);
    refuseWithoutClasses(present, year);
    const rules: PromotionRules = {
      ...grades,
      successors: successorsOf(present, input.successors ?? []),
      newClasses: (input.newClasses ?? []).map((name, n) => checkedName(name, ['newClasses', `${n}`])),
      keepsSubjectTeachers: input.keepsSubjectTeachers === true,
    };
    const rows = new SchoolPromotion(present, rules).rows();
    const coveredCount = rows.filter(({ noun }) => noun === 'PERSON').length;
    const data = { id: newId(), ...scope, state: 'READY' as const, coveredCount, warnings: [], ...authorOf(ctx) };
    const plan = await tx.prisma.plan.create({ data });
    await insertPlanRows(tx, plan, rows);
    record(tx, 'plan.ready', { schoolId: school.id, planId: plan.id });
    return plan;
  });
}

/**
 * Returns the year that starts: the stated year, if there is one. Otherwise returns the present year if the year before it
 * still has open classes, because the turn of the school is then late. Otherwise returns the next year.
 * @throws INVALID for a stated year that is neither the present year nor the next year.
 */
async function startingYear(tx: Tx, school: School, stated: SchoolYear | null): Promise<SchoolYear> {
  const now = await schoolYearOf(tx, school.id, new Date());
  const next = await nextYearOf(tx, now);
  if (stated !== null) {
    if (stated.id === now.id || stated.id === next.id) return stated;
    throw invalid('schoolYearId', ['Укажите нынешний или следующий учебный год.', 'Give the present or the next school year.']);
  }
  const before = await previousYearOf(tx, now);
  const isLate = before !== null && (await tx.prisma.class.count({ where: { schoolYearId: before.id, archivedAt: null } })) > 0;
  return isLate ? now : next;
}

function refuseWithoutClasses({ classes, schoolYearId }: PresentRoster, year: SchoolYear): void {
  if (classes.some((one) => one.schoolYearId !== schoolYearId && !one.isArchived)) return;
  const name = nameOfYear(year);
  throw conflict(
    [
      `В году перед ${name} нет открытых классов: переводить некого, или перевод уже сделан.`,
      `The year before ${name} has no open classes: there is nobody to promote, or the year has been turned already.`,
    ],
    { path: ['schoolYearId'] },
  );
}

function gradesOf({ graduatingGrades, regroupedGrades }: PlanYearInput): Pick<PromotionRules, 'graduatingGrades' | 'regroupedGrades'> {
  const graduating = new Set(graduatingGrades ?? graduatingByDefault.filter((grade) => !regroupedGrades?.includes(grade)));
  const regrouped = new Set(regroupedGrades ?? regroupedByDefault.filter((grade) => !graduating.has(grade)));
  checkGrades('graduatingGrades', graduating);
  checkGrades('regroupedGrades', regrouped);
  if ([...regrouped].some((grade) => graduating.has(grade)))
    throw invalid('regroupedGrades', [
      'Параллель либо выпускается, либо делится на новые классы: укажите её один раз.',
      'A grade either graduates or is regrouped: give it once.',
    ]);
  return { graduatingGrades: graduating, regroupedGrades: regrouped };
}

function checkGrades(path: string, grades: Iterable<number>): void {
  for (const grade of grades)
    if (!Number.isInteger(grade) || grade < 1 || grade > 11)
      throw invalid(path, ['Параллель должна быть от 1 до 11.', 'A grade must be between 1 and 11.']);
}

function successorsOf(
  { classes, schoolYearId }: PresentRoster,
  stated: NonNullable<PlanYearInput['successors']>,
): ReadonlyMap<string, ClassName> {
  const ending = new Map(
    classes.filter((one) => one.schoolYearId !== schoolYearId && !one.isArchived).map((one) => [classKey(one), one.id]),
  );
  const seen = new Set<string>();
  return new Map(
    stated.map(({ from, to }, n) => {
      const path = ['successors', `${n}`, 'from'];
      const name = checkedName(from, path);
      const id = ending.get(classKey(name));
      if (id === undefined)
        throw invalid(path, [
          `В году, который заканчивается, нет открытого класса ${nameOfClass(name)}.`,
          `The ending year has no open class ${nameOfClass(name)}.`,
        ]);
      if (seen.has(id))
        throw invalid(path, [`Класс ${nameOfClass(name)} указан дважды.`, `The class ${nameOfClass(name)} is given twice.`]);
      seen.add(id);
      return [id, checkedName(to, ['successors', `${n}`, 'to'])] as const;
    }),
  );
}

/** Returns the name as it is stored. @throws INVALID at `path`. */
export function checkedName({ grade, letter }: ClassName, path: readonly string[]): ClassName {
  try {
    const fields = nameFields(grade, letterOf(letter));
    return { grade: fields.grade, letter: fields.letter };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw invalid([...path, ...(error.at ?? [])], error.text);
  }
}
