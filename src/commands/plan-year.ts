import { UsageError, type Values } from '../command-line.ts';
import type { Plan } from '../domain/entities.ts';
import { planYear, type PlanYearInput } from '../domain/plans/plan-year.ts';
import { summarizePupils } from '../domain/plans/plans.ts';
import { schedulePlan } from '../domain/plans/schedule-plan.ts';
import { Refusal, type Language } from '../errors.ts';
import type { Opened } from '../http/bootstrap.ts';
import { parseClassName, type ClassName } from '../roster/class-names.ts';
import { applyAndShow, refusedStatus, type Status } from './apply-plan.ts';
import { list, optional, schoolIdIn, schoolOption, yearIdIn, yearOption, type Command, type Outcome } from './command.ts';
import { errorOf, PlanReport, totalOf, type PlanResult } from './plan-report.ts';
import { Progress } from './progress.ts';

/** `npx sfera plan-year`. */

export const planYearCommand: Command = {
  about: [
    'составить план нового учебного года: перевод в следующую параллель, выпуск, классные руководители',
    'plan the turn of the school year: the next grade, graduation, class teachers',
  ],
  usage: '--school ID [--graduate 11] [--regroup 9] [--new-class 1А …] [--successor 5Б=6А …] [--apply | --schedule] [--json]',
  options: {
    '*school': schoolOption,
    year: yearOption,
    graduate: ['какие параллели выпускаются (по умолчанию 11)', 'the grades that graduate (default: 11)'],
    regroup: [
      'какие параллели ждут списка новых классов (по умолчанию 9; none — никакие)',
      'the grades that wait for the list of their new classes (default: 9; none for no grade)',
    ],
    'new-class': ['новый класс, например 1А; можно указать несколько раз', 'a new class such as 1А; may be repeated'],
    successor: [
      'в какой класс переходит класс, если не в следующую параллель с той же буквой: 5Б=6А; можно указать несколько раз',
      'where a class goes, if not to the next grade under its letter: 5Б=6А; may be repeated',
    ],
    'keep-subject-teachers': ['учителя-предметники остаются в своих классах', 'subject teachers stay with their classes'],
    apply: ['применить план сразу, если год уже начался', 'apply the plan now, because the year has started already'],
    schedule: [
      'применить план 1 сентября в 00:00 по времени школы',
      'have the server apply the plan on 1 September at 00:00, the school’s time',
    ],
    json: ['напечатать результат в JSON', 'print the result as JSON'],
  },
  repeated: ['new-class', 'successor'],
  flags: ['keep-subject-teachers', 'apply', 'schedule', 'json'],
  run: plan,
};

async function plan({ operator }: Opened, values: Values, language: Language): Promise<Outcome> {
  if (values.apply === true && values.schedule === true)
    throw new UsageError(['Укажите --apply или --schedule, но не оба.', 'Give --apply or --schedule, not both.']);
  const input = await inputOf(operator, values);
  const progress = new Progress();
  try {
    progress.show(language === 'ru' ? 'Составление плана' : 'Planning');
    const planned = await planYear(operator, input);
    const report = new PlanReport(operator, planned, language);
    const result = await report.result();
    const [status, exitCode] = await carryOut(operator, planned, { values, language, result, progress });
    progress.end();
    if (values.json === true) return { lines: [JSON.stringify(result, null, 2)], exitCode };
    const moves = await summarizePupils(operator, planned);
    const notes = await report.notes(['REGROUPED', 'GRADUATED']);
    const lines = [
      totalOf(result, language),
      ...movesTable(moves, language),
      ...report.table(['Решите сами', 'To decide'], notes.list, notes.total),
      ...report.table(['Ошибки', 'Errors'], result.errors, result.errors.length),
      ...status.map((line) => report.say(line)),
    ];
    return { lines, exitCode };
  } catch (refusal) {
    // A wrong option is reported as by every command. CONFLICT means that there is nothing to plan.
    if (!(refusal instanceof Refusal) || refusal.code !== 'CONFLICT') throw refusal;
    return refused(refusal, values, language);
  } finally {
    progress.end();
  }
}

/** Returns the outcome for a year that cannot be planned. The JSON has the form of a plan without rows. */
function refused(refusal: Refusal, values: Values, language: Language): Outcome {
  if (values.json !== true) return { lines: [refusal.say(language)], exitCode: 2 };
  const rows = { add: 0, change: 0, end: 0, keep: 0, error: 0 };
  const result = { rows, warnings: [], notes: [], errors: [errorOf(refusal, language)], planId: null };
  return { lines: [JSON.stringify(result, null, 2)], exitCode: 2 };
}

async function inputOf(operator: Opened['operator'], values: Values): Promise<PlanYearInput> {
  const schoolId = schoolIdIn(values);
  return {
    schoolId,
    schoolYearId: await yearIdIn(operator, schoolId, values),
    graduatingGrades: gradesIn(values, 'graduate'),
    regroupedGrades: gradesIn(values, 'regroup'),
    newClasses: list(values, 'new-class').map((name) => classIn('new-class', name)),
    successors: list(values, 'successor').map((given) => {
      const [from = '', to = '', ...more] = given.split('=');
      if (more.length > 0) throw notAClass('successor', given);
      return { from: classIn('successor', from), to: classIn('successor', to) };
    }),
    keepsSubjectTeachers: values['keep-subject-teachers'] === true,
  };
}

function gradesIn(values: Values, name: string): number[] | null {
  const given = optional(values, name);
  if (given === undefined) return null;
  if (given === 'none') return [];
  if (!/^\d{1,2}(,\d{1,2})*$/.test(given))
    throw new UsageError([
      `--${name}: укажите параллели через запятую, например 9,11.`,
      `--${name}: give grades with commas, such as 9,11.`,
    ]);
  return given.split(',').map(Number);
}

function classIn(option: string, name: string): ClassName {
  const parsed = parseClassName(name);
  if (parsed === undefined) throw notAClass(option, name);
  return parsed;
}

const notAClass = (option: string, name: string): UsageError =>
  new UsageError([`--${option}: «${name}» не похоже на класс вроде 5А.`, `--${option}: “${name}” is not a class such as 5А.`]);

interface CarryingOut {
  values: Values;
  language: Language;
  result: PlanResult;
  progress: Progress;
}

/**
 * Applies the plan with `--apply`, schedules it with `--schedule`, and otherwise changes nothing. If the plan is
 * refused, adds the refusal to `result.errors`.
 */
async function carryOut(operator: Opened['operator'], planned: Plan, { values, language, result, progress }: CarryingOut): Promise<Status> {
  try {
    if (values.schedule === true) {
      const { appliesAt } = await schedulePlan(operator, { planId: planned.id });
      const { timeZone } = await operator.db.prisma.school.findUniqueOrThrow({ where: { id: planned.schoolId } });
      const format = new Intl.DateTimeFormat(language === 'ru' ? 'ru-RU' : 'en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone });
      const at = `${format.format(appliesAt!)} (${timeZone})`;
      return [[[`Сервер применит план: ${at}.`, `The server applies the plan on ${at}.`]], 0];
    }
    if (values.apply !== true)
      return [[['Ничего не изменено. Повторите с --apply или --schedule.', 'Nothing was changed. Repeat with --apply or --schedule.']], 0];
    return await applyAndShow(operator, planned, { language, progress });
  } catch (error) {
    return refusedStatus(error, result, language);
  }
}

function movesTable(moves: Awaited<ReturnType<typeof summarizePupils>>, language: Language): string[] {
  const [title, leaves, waits] = language === 'ru' ? ['Ученики:', 'выпуск', 'без класса'] : ['Pupils:', 'graduate', 'without a class'];
  const lines = moves.map(({ from, to, count, leave }) => {
    const target = to ?? (leave ? leaves : waits);
    return `  ${from.padEnd(8)} → ${target.padEnd(16)} ${count}`;
  });
  return lines.length === 0 ? [] : [title, ...lines];
}
