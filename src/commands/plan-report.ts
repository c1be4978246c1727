import { inLanguage } from '../command-line.ts';
import type { Context } from '../domain/context.ts';
import type { Plan, PlanRow } from '../domain/entities.ts';
import type { NoteCode } from '../domain/plans/notes.ts';
import { OverridableRefusal } from '../domain/plans/overridable-refusal.ts';
import { fieldsOf } from '../domain/plans/plan-fields.ts';
import { planCountsOf, warningsOf } from '../domain/plans/plans.ts';
import type { Language, Message, Refusal } from '../errors.ts';

/** Texts and JSON about a plan for the commands `import`, `plan-year` and `undo`, in Russian or in English. */

/** One line of the output. It is about a row of a plan, about a place in the imported file, or about the whole plan. */
export interface Notice {
  code: string;
  file: string | null;
  line: number | null;
  message: string;
}

/** The result of planning, which `--json` prints. */
export interface PlanResult {
  rows: Record<'add' | 'change' | 'end' | 'keep' | 'error', number>;
  /** Warnings about the file that arose when the server read it. */
  warnings: Notice[];
  /**
   * Notes on rows that are not errors, such as why a change is withheld. `notes` and `errors` have at most `maxNotices`
   * entries each.
   */
  notes: Notice[];
  errors: Notice[];
  planId: string;
}

/** Selected rows of a plan. `list` has the first `maxLines` of them, and `total` counts all of them. */
export interface RowList {
  list: Notice[];
  total: number;
}

const maxNotices = 1000;

/**
 * Maximum number of lines of a printed table. `--json` prints up to `maxNotices` notes and errors. Of the changes it
 * prints only the number.
 */
const maxLines = 50;

/** Reads the rows of a plan from the database, and describes them in one language. */
export class PlanReport {
  readonly #ctx: Context;
  readonly #plan: Plan;
  readonly #language: Language;

  constructor(ctx: Context, plan: Plan, language: Language) {
    this.#ctx = ctx;
    this.#plan = plan;
    this.#language = language;
  }

  async result(): Promise<PlanResult> {
    const { ADD: add, CHANGE: change, END: end, KEEP: keep, ERROR: error } = await planCountsOf(this.#ctx, this.#plan);
    const errors = await this.#rows({ operation: 'ERROR' }, maxNotices);
    const notes = await this.#rows({ operation: { not: 'ERROR' }, code: { not: null } }, maxNotices);
    return {
      rows: { add, change, end, keep, error },
      warnings: warningsOf(this.#plan).map(({ code, file, line, message }) => ({ code, file, line, message: this.say(message) })),
      notes: notes.map((row) => this.#noticeOf(row)),
      errors: errors.map((row) => this.#noticeOf(row)),
      planId: this.#plan.id,
    };
  }

  /**
   * Returns the rows with these operations. Each notice has the operation and the line of the file. Its message names the
   * person, the subject or the class, and the fields that change.
   */
  async changes(operations: readonly PlanRow['operation'][]): Promise<RowList> {
    const where = { operation: { in: [...operations] } };
    const rows = await this.#rows(where, maxLines);
    const list = rows.map((row) => ({
      code: inLanguage(operationNames[row.operation], this.#language),
      file: row.file,
      line: row.line,
      message: [thingOf(row), ...this.#differencesOf(row)].join(', '),
    }));
    return { list, total: await this.#count(where) };
  }

  /**
   * Returns the notes on rows that are not errors. Leaves out the notes whose code is in `without`. Each message starts
   * with whom or what the row is about.
   */
  async notes(without: readonly NoteCode[] = []): Promise<RowList> {
    const where = { operation: { not: 'ERROR' as const }, code: { not: null, notIn: [...without] } };
    const rows = await this.#rows(where, maxLines);
    const list = rows.map((row) => {
      const notice = this.#noticeOf(row);
      return { ...notice, message: `${thingOf(row)}: ${notice.message}` };
    });
    return { list, total: await this.#count(where) };
  }

  say(message: Message): string {
    return inLanguage(message, this.#language);
  }

  /** Returns the lines of a table of notices: a title with `total`, then the notices. Returns no lines if `total` is 0. */
  table(title: Message, notices: readonly Notice[], total: number): string[] {
    if (total === 0) return [];
    const cells = notices
      .slice(0, maxLines)
      .map(({ code, file, line, message }) => [code, [file, line].filter((part) => part !== null).join(':'), message]);
    const width = (column: number) => Math.max(...cells.map((row) => row[column]!.length));
    const widths = [width(0), width(1)];
    const lines = cells.map(([code, place, message]) => `  ${code!.padEnd(widths[0]!)}  ${place!.padEnd(widths[1]!)}  ${message}`);
    const more = total - cells.length;
    return [`${this.say(title)} (${total}):`, ...lines, ...(more > 0 ? [this.say([`  … и ещё ${more}`, `  … and ${more} more`])] : [])];
  }

  #rows(where: object, take: number): Promise<PlanRow[]> {
    return this.#ctx.db.prisma.planRow.findMany({ where: { planId: this.#plan.id, ...where }, orderBy: { position: 'asc' }, take });
  }

  #count(where: object): Promise<number> {
    return this.#ctx.db.prisma.planRow.count({ where: { planId: this.#plan.id, ...where } });
  }

  #noticeOf({ code, file, line, messageRu, messageEn }: PlanRow): Notice {
    return { code: code ?? '', file, line, message: this.say([messageRu ?? '', messageEn ?? '']) };
  }

  #differencesOf(row: PlanRow): string[] {
    if (row.operation !== 'CHANGE') return [];
    return fieldsOf(row).map(({ name, before, after }) =>
      this.#language === 'ru'
        ? `${fieldNames[name] ?? name}: ${inRussian(name, before)} → ${inRussian(name, after)}`
        : `${name} ${before ?? '–'} → ${after ?? '–'}`,
    );
  }
}

const operationNames: Readonly<Record<PlanRow['operation'], Message>> = {
  ADD: ['добавить', 'ADD'],
  CHANGE: ['изменить', 'CHANGE'],
  END: ['завершить', 'END'],
  KEEP: ['оставить', 'KEEP'],
  ERROR: ['ошибка', 'ERROR'],
};

/** The fields of src/domain/plans/plan-fields.ts in Russian. */
const fieldNames: Readonly<Record<string, string>> = {
  grade: 'параллель',
  letter: 'буква',
  isArchived: 'в архиве',
  name: 'название',
  surname: 'фамилия',
  givenName: 'имя',
  patronymic: 'отчество',
  birthDate: 'дата рождения',
  email: 'эл. почта',
  externalId: 'ID',
  roles: 'роли',
  class: 'класс',
  kind: 'работа',
  person: 'человек',
  subject: 'предмет',
};

const valueNames: Readonly<Record<string, string>> = {
  STUDENT: 'ученик',
  TEACHER: 'учитель',
  SCHOOL_ADMINISTRATION: 'администрация',
  PLATFORM_ADMINISTRATOR: 'администратор платформы',
  CLASS_TEACHER: 'классный руководитель',
  SUBJECT_TEACHER: 'учитель-предметник',
  true: 'да',
  false: 'нет',
};

function inRussian(field: string, value: string | null): string {
  if (value === null) return '–';
  if (field === 'birthDate') return value.split('-').reverse().join('.');
  if (!['roles', 'kind', 'isArchived'].includes(field)) return value;
  return value.replace(/\w+/g, (word) => valueNames[word] ?? word);
}

/** Returns the person, the subject and the class that a row names, such as «Иванов Иван, 5А». */
function thingOf({ before, after }: Pick<PlanRow, 'before' | 'after'>): string {
  const state = (before ?? after ?? {}) as Readonly<Record<string, unknown>>;
  const text = (...fields: readonly string[]) =>
    fields.map((field) => state[field]).filter((value) => typeof value === 'string' || typeof value === 'number');
  const person = text('surname', 'givenName', 'patronymic', 'personName').join(' ');
  return [person, ...text('name', 'subjectName', 'className'), text('grade', 'letter').join('')].filter(Boolean).join(', ');
}

/** Returns a refusal as a notice. If an option of the command overrides the refusal, the message names this option. */
export function errorOf(refusal: Refusal, language: Language): Notice {
  const message = refusal instanceof OverridableRefusal ? adviceOf(refusal, language) : refusal.say(language);
  return { code: refusal.code, file: null, line: null, message };
}

function adviceOf({ facts, override: [argument, value] }: OverridableRefusal, language: Language): string {
  const advice: Message =
    argument === 'threshold'
      ? [`Проверьте файл. Если всё верно, добавьте --threshold ${value}.`, `Check the file. If it is right, add --threshold ${value}.`]
      : [
          'Исправьте файл или добавьте --skip-errors, чтобы пропустить эти строки.',
          'Correct the file, or add --skip-errors to leave these rows out.',
        ];
  return `${inLanguage(facts, language)} ${inLanguage(advice, language)}`;
}

/** Returns the line that counts the rows of a plan by operation. */
export function totalOf({ rows, planId }: PlanResult, language: Language): string {
  return language === 'ru'
    ? `План ${planId}: добавить — ${rows.add}, изменить — ${rows.change}, завершить — ${rows.end}, без изменений — ${rows.keep}, с ошибками — ${rows.error}.`
    : `Plan ${planId}: ${rows.add} to add, ${rows.change} to change, ${rows.end} to end, ${rows.keep} as they are, ${rows.error} with errors.`;
}
