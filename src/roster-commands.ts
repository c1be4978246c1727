import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { UsageError, type Values } from './command-line.ts';
import { fieldsOf } from './domain/plans/plan-fields.ts';
import { planCountsOf, type PlanCounts } from './domain/plans/plans.ts';
import { applyPlan } from './domain/plans/apply-plan.ts';
import { exportRoster } from './domain/plans/export-roster.ts';
import { planImportOfFile } from './domain/plans/plan-import.ts';
import type { Plan, PlanRow } from './domain/entities.ts';
import { Refusal } from './errors.ts';
import type { Opened } from './http/bootstrap.ts';
import { writeList } from './roster/list-writer.ts';
import { writeOneRoster } from './roster/one-roster-writer.ts';
import type { RosterFormat, RosterNotice } from './roster/roster.ts';

/** `npx sfera import` and `npx sfera export`. */

/** What a command prints, and its exit status: 0 done, 1 the file could not be read, 2 refused. */
export interface Outcome {
  lines: string[];
  exitCode: 0 | 1 | 2;
}

const formats: Readonly<Record<string, RosterFormat>> = {
  list: 'LIST',
  'oneroster-1.1': 'ONE_ROSTER_1_1',
  'oneroster-1.2': 'ONE_ROSTER_1_2',
  'sds-1': 'SDS_1',
  'sds-2.1': 'SDS_2_1',
};

export const importOptions = {
  '*school': 'id of the school',
  'dry-run': 'only print what would change',
  threshold: 'per cent of the people in the file’s coverage who may leave (default: 5)',
  'skip-errors': 'apply the other rows although some are wrong',
  partial: 'the file states only a part of the school: nobody who is missing from it has left',
  format: `the format, if it is not to be recognised: ${Object.keys(formats).join(', ')}`,
  system: 'the system whose ids the file holds (default: roster)',
  json: 'print the result as JSON',
};

export const exportOptions = {
  '*school': 'id of the school',
  '*format': 'oneroster or list',
  system: 'the system whose ids are written (default: roster)',
};

interface ImportResult {
  rows: Record<'add' | 'change' | 'end' | 'keep' | 'error', number>;
  warnings: Notice[];
  errors: Notice[];
  planId: string;
}

interface Notice {
  code: string;
  file: string | null;
  line: number | null;
  message: string;
}

export async function importRoster({ operator }: Opened, schoolId: string, values: Values): Promise<Outcome> {
  const progress = new Progress();
  const threshold = thresholdOf(values.threshold as string | undefined);
  try {
    progress.show('Reading and comparing');
    const plan = await planImportOfFile(operator, {
      schoolId,
      path: values.FILE as string,
      format: formatOf(values.format as string | undefined),
      system: (values.system as string | undefined) ?? null,
      isPartial: values.partial === true,
    });
    const counts = await planCountsOf(operator, plan);
    const result = await resultOf(operator, plan, counts);
    const [status, exitCode] = await applyOrExplain(operator, plan, { counts, values, threshold, result, progress });
    progress.end();
    if (values.json === true) return { lines: [JSON.stringify(result, null, 2)], exitCode };
    const changes = await changesOf(operator, plan, values['dry-run'] === true ? ['ADD', 'CHANGE', 'END'] : ['CHANGE', 'END']);
    return { lines: report(result, plan, { status, changes }), exitCode };
  } finally {
    progress.end();
  }
}

function formatOf(name: string | undefined): RosterFormat | null {
  if (name === undefined) return null;
  const format = formats[name];
  if (format === undefined) throw new UsageError(`--format: give one of ${Object.keys(formats).join(', ')}.`);
  return format;
}

interface Importing {
  counts: PlanCounts;
  values: Values;
  threshold: number | null;
  result: ImportResult;
  progress: Progress;
}

/**
 * Applies the plan. Does nothing if the plan failed, with `--dry-run`, or if there is nothing to change. If
 * `applyPlan` refuses the plan, adds the refusal to `result.errors`.
 */
async function applyOrExplain(
  operator: Opened['operator'],
  plan: Plan,
  { counts, values, threshold, result, progress }: Importing,
): Promise<[status: string, exitCode: Outcome['exitCode']]> {
  const skipErrors = values['skip-errors'] === true;
  if (plan.state === 'FAILED') return ['The file could not be read. Nothing was changed.', 1];
  if (values['dry-run'] === true) return ['Nothing was changed (--dry-run).', counts.ERROR > 0 && !skipErrors ? 2 : 0];
  if (counts.ADD + counts.CHANGE + counts.END === 0 && (counts.ERROR === 0 || skipErrors)) return ['There is nothing to change.', 0];
  try {
    progress.show('Applying');
    await applyPlan(operator, { planId: plan.id, threshold, skipErrors });
    return ['The plan was applied.', 0];
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    result.errors.unshift({ code: error.code, file: null, line: null, message: error.say('en') });
    return ['Refused. Nothing was changed.', 2];
  }
}

function thresholdOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^\d{1,3}$/.test(text) || Number(text) > 100) throw new UsageError('--threshold: give a whole number of per cent from 0 to 100.');
  return Number(text);
}

const maxErrors = 1000;

async function resultOf({ db }: Opened['operator'], plan: Plan, counts: PlanCounts): Promise<ImportResult> {
  const where = { planId: plan.id, operation: 'ERROR' as const };
  const rows = await db.prisma.planRow.findMany({ where, orderBy: { position: 'asc' }, take: maxErrors });
  const { ADD: add, CHANGE: change, END: end, KEEP: keep, ERROR: error } = counts;
  return {
    rows: { add, change, end, keep, error },
    warnings: (plan.warnings as unknown as RosterNotice[]).map(({ code, file, line, message }) => ({
      code,
      file,
      line,
      message: message[1],
    })),
    errors: rows.map(({ code, file, line, messageEn }) => ({ code: code ?? '', file, line, message: messageEn ?? '' })),
    planId: plan.id,
  };
}

/**
 * Returns changes of a plan to print: for each, the kind of change, its line in the file, the changed thing and the
 * differences.
 */
async function changesOf(
  { db }: Opened['operator'],
  { id: planId }: Plan,
  operations: readonly PlanRow['operation'][],
): Promise<{ list: Notice[]; total: number }> {
  const where = { planId, operation: { in: [...operations] } };
  const rows = await db.prisma.planRow.findMany({ where, orderBy: { position: 'asc' }, take: maxLines });
  const list = rows.map((row) => {
    const differences =
      row.operation === 'CHANGE' ? fieldsOf(row).map(({ name, before, after }) => `${name} ${before ?? '–'} → ${after ?? '–'}`) : [];
    return { code: row.operation, file: row.file, line: row.line, message: [thingOf(row), ...differences].join(', ') };
  });
  return { list, total: await db.prisma.planRow.count({ where }) };
}

/** Returns the name of the thing that a row of a plan changes, such as «Иванов Иван, 5А». */
function thingOf({ before, after }: Pick<PlanRow, 'before' | 'after'>): string {
  const state = (before ?? after ?? {}) as Readonly<Record<string, unknown>>;
  const text = (...fields: readonly string[]) =>
    fields.map((field) => state[field]).filter((value) => typeof value === 'string' || typeof value === 'number');
  const person = text('surname', 'givenName', 'patronymic', 'personName').join(' ');
  return [person, ...text('name', 'subjectName', 'className'), text('grade', 'letter').join('')].filter(Boolean).join(', ');
}

interface Report {
  status: string;
  changes: { list: readonly Notice[]; total: number };
}

function report({ rows, warnings, errors, planId }: ImportResult, { warningCount }: Plan, { status, changes }: Report): string[] {
  const total = `${rows.add} to add, ${rows.change} to change, ${rows.end} to end, ${rows.keep} as they are, ${rows.error} with errors`;
  return [
    `Plan ${planId}: ${total}.`,
    ...table('Changes', changes.list, changes.total),
    ...table('Warnings', warnings, warningCount),
    ...table('Errors', errors, errors.length),
    status,
  ];
}

/** Maximum number of lines in a printed table. `--json` prints no table. */
const maxLines = 50;

function table(title: string, notices: readonly Notice[], total: number): string[] {
  if (total === 0) return [];
  const cells = notices
    .slice(0, maxLines)
    .map(({ code, file, line, message }) => [code, [file, line].filter((part) => part !== null).join(':'), message]);
  const width = (column: number) => Math.max(...cells.map((row) => row[column]!.length));
  const widths = [width(0), width(1)];
  const lines = cells.map(([code, place, message]) => `  ${code!.padEnd(widths[0]!)}  ${place!.padEnd(widths[1]!)}  ${message}`);
  const more = total - cells.length;
  return [`${title} (${total}):`, ...lines, ...(more > 0 ? [`  … and ${more} more`] : [])];
}

export async function exportToFile({ operator }: Opened, schoolId: string, values: Values): Promise<Outcome> {
  const file = values.FILE as string;
  const format = ({ oneroster: 'ONE_ROSTER_1_2', list: 'LIST' } as const)[values.format as string];
  if (format === undefined) throw new UsageError('--format: give oneroster or list.');
  const { roster, school } = await exportRoster(operator, { schoolId, format, system: values.system as string | undefined });
  try {
    // The flag `wx` makes an existing file an error.
    if (format === 'LIST') await writeFile(file, writeList(roster), { flag: 'wx' });
    else await writeOneRoster(roster, school, createWriteStream(file, { flags: 'wx' }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw new UsageError(`${file} exists: give another name.`);
    throw error;
  }
  return { lines: [`${roster.people.length} people and ${roster.classes.length} classes were written to ${file}.`], exitCode: 0 };
}

/** Shows the current stage and its duration on a terminal. */
class Progress {
  readonly #isShown = process.stderr.isTTY;
  #timer: NodeJS.Timeout | undefined;

  show(stage: string): void {
    this.end();
    if (!this.#isShown) return;
    const start = Date.now();
    const draw = () => process.stderr.write(`\r${stage} … ${((Date.now() - start) / 1000).toFixed(1)} s`);
    draw();
    this.#timer = setInterval(draw, 100);
  }

  end(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    process.stderr.write('\r\u001b[K');
  }
}
