import { UsageError, type Values } from '../command-line.ts';
import type { Plan } from '../domain/entities.ts';
import { planImportOfFile } from '../domain/plans/plan-import.ts';
import type { Language } from '../errors.ts';
import type { Opened } from '../http/bootstrap.ts';
import type { RosterFormat } from '../roster/roster.ts';
import { applyAndShow, refusedStatus, type Status } from './apply-plan.ts';
import { optional, schoolIdIn, schoolOption, text, yearIdIn, yearOption, type Command, type Outcome } from './command.ts';
import { PlanReport, totalOf, type PlanResult } from './plan-report.ts';
import { Progress } from './progress.ts';

/** `npx sfera import`. */

const formats: Readonly<Record<string, RosterFormat>> = {
  list: 'LIST',
  'oneroster-1.1': 'ONE_ROSTER_1_1',
  'oneroster-1.2': 'ONE_ROSTER_1_2',
  'sds-1': 'SDS_1',
  'sds-2.1': 'SDS_2_1',
};

const formatNames = Object.keys(formats).join(', ');

export const importCommand: Command = {
  about: [
    'импортировать файл с людьми и классами: список, OneRoster или School Data Sync',
    'import a file of people and classes: the Russian list, OneRoster, or School Data Sync',
  ],
  usage: 'FILE --school ID [--dry-run] [--threshold N] [--skip-errors] [--json]',
  argument: 'FILE',
  options: {
    '*school': schoolOption,
    year: yearOption,
    'dry-run': ['только напечатать, что изменится', 'only print what would change'],
    threshold: [
      'сколько процентов людей, которых охватывает файл, может выбыть (по умолчанию 5)',
      'per cent of the people in the file’s coverage who may leave (default: 5)',
    ],
    'skip-errors': ['применить остальные строки, если в некоторых ошибки', 'apply the other rows although some are wrong'],
    partial: [
      'в файле только часть школы: никто не выбывает из-за того, что его нет в файле',
      'the file states only a part of the school: nobody who is missing from it has left',
    ],
    format: [`формат, если его не нужно определять: ${formatNames}`, `the format, if it is not to be recognised: ${formatNames}`],
    system: ['система, идентификаторы которой в файле (по умолчанию roster)', 'the system whose ids the file holds (default: roster)'],
    json: ['напечатать результат в JSON', 'print the result as JSON'],
  },
  flags: ['dry-run', 'skip-errors', 'partial', 'json'],
  run: importRoster,
};

interface Importing {
  values: Values;
  language: Language;
  threshold: number | null;
  result: PlanResult;
  progress: Progress;
}

async function importRoster({ operator }: Opened, values: Values, language: Language): Promise<Outcome> {
  const schoolId = schoolIdIn(values);
  const progress = new Progress();
  const threshold = thresholdOf(optional(values, 'threshold'));
  try {
    progress.show(language === 'ru' ? 'Чтение и сравнение' : 'Reading and comparing');
    const plan = await planImportOfFile(operator, {
      schoolId,
      path: text(values, 'FILE'),
      format: formatOf(optional(values, 'format')),
      system: optional(values, 'system') ?? null,
      isPartial: values.partial === true,
      schoolYearId: await yearIdIn(operator, schoolId, values),
    });
    const report = new PlanReport(operator, plan, language);
    const result = await report.result();
    const [status, exitCode] = await applyOrExplain(operator, plan, { values, language, threshold, result, progress });
    progress.end();
    if (values.json === true) return { lines: [JSON.stringify(result, null, 2)], exitCode };
    const changes = await report.changes(values['dry-run'] === true ? ['ADD', 'CHANGE', 'END'] : ['CHANGE', 'END']);
    const notes = await report.notes();
    const lines = [
      totalOf(result, language),
      ...report.table(['Изменения', 'Changes'], changes.list, changes.total),
      ...report.table(['Предупреждения', 'Warnings'], result.warnings, plan.warningCount),
      ...report.table(['Замечания', 'Notes'], notes.list, notes.total),
      ...report.table(['Ошибки', 'Errors'], result.errors, result.errors.length),
      ...status.map((line) => report.say(line)),
    ];
    return { lines, exitCode };
  } finally {
    progress.end();
  }
}

function formatOf(name: string | undefined): RosterFormat | null {
  if (name === undefined) return null;
  const format = formats[name];
  if (format === undefined) throw new UsageError([`--format: укажите одно из: ${formatNames}.`, `--format: give one of ${formatNames}.`]);
  return format;
}

function thresholdOf(given: string | undefined): number | null {
  if (given === undefined) return null;
  if (!/^\d{1,3}$/.test(given) || Number(given) > 100)
    throw new UsageError([
      '--threshold: укажите целое число процентов от 0 до 100.',
      '--threshold: give a whole number of per cent from 0 to 100.',
    ]);
  return Number(given);
}

/**
 * Applies the plan. Changes nothing if the file could not be read, with `--dry-run`, or if the plan has no changes. If
 * the plan is refused, adds the refusal to `result.errors`.
 */
async function applyOrExplain(
  operator: Opened['operator'],
  plan: Plan,
  { values, language, threshold, result, progress }: Importing,
): Promise<Status> {
  const skipErrors = values['skip-errors'] === true;
  const { add, change, end, error } = result.rows;
  if (plan.state === 'FAILED')
    return [[['Файл не удалось прочитать. Ничего не изменено.', 'The file could not be read. Nothing was changed.']], 1];
  if (values['dry-run'] === true)
    return [[['Ничего не изменено (--dry-run).', 'Nothing was changed (--dry-run).']], error > 0 && !skipErrors ? 2 : 0];
  if (add + change + end === 0 && (error === 0 || skipErrors)) return [[['Менять нечего.', 'There is nothing to change.']], 0];
  try {
    return await applyAndShow(operator, plan, { language, progress, threshold, skipErrors });
  } catch (refusal) {
    return refusedStatus(refusal, result, language);
  }
}
