import { UsageError, type OptionsOf, type Values } from '../command-line.ts';
import type { Context } from '../domain/context.ts';
import { invalid, type Language, type Message } from '../errors.ts';
import type { Opened } from '../http/bootstrap.ts';
import { isUuid } from '../uuid.ts';

/** The interface of the commands of `npx sfera`, and the functions that read their options. */

/** What a command prints, and its exit status: 0 done, 1 failed, 2 refused. */
export interface Outcome {
  lines: string[];
  exitCode: 0 | 1 | 2;
}

export interface Command extends OptionsOf {
  about: Message;
  /** Returns the lines to print. Returns an `Outcome` if the exit status may be other than 0. */
  run(opened: Opened, values: Values, language: Language): Promise<string[] | Outcome>;
}

export const text = (values: Values, name: string): string => values[name] as string;
export const optional = (values: Values, name: string): string | undefined => values[name] as string | undefined;
export const list = (values: Values, name: string): string[] => (values[name] as string[] | undefined) ?? [];

export const schoolOption: Message = ['идентификатор школы', 'id of the school'];

/** Returns the id that `--school` gives. @throws INVALID if it is not a UUID. */
export function schoolIdIn(values: Values): string {
  const value = text(values, 'school').toLowerCase();
  if (!isUuid(value))
    throw invalid('school', [
      'Укажите идентификатор вида 0190…; идентификаторы школ выводит npx sfera schools.',
      'An id such as 0190… is needed. To list the ids of schools, run: npx sfera schools',
    ]);
  return value;
}

export const yearOption: Message = [
  'учебный год: год, в котором он начинается, например 2027 (по умолчанию для import — нынешний, для plan-year — следующий)',
  'the school year: the year in which it starts, such as 2027 (default: for import the present one, for plan-year the next one)',
];

/**
 * Returns the id of the school year that starts in the year of `--year`; null without the option.
 * @throws UsageError for a value that is not a year from 2000 to 2099.
 * @throws INVALID if the school has no such school year.
 */
export async function yearIdIn({ db }: Context, schoolId: string, values: Values): Promise<string | null> {
  const given = optional(values, 'year');
  if (given === undefined) return null;
  if (!/^20\d\d$/.test(given)) throw new UsageError(['--year: укажите год, например 2027.', '--year: give a year such as 2027.']);
  const startsOn = new Date(`${given}-09-01`);
  const year = await db.prisma.schoolYear.findUnique({ where: { schoolId_startsOn: { schoolId, startsOn } } });
  if (year === null) throw invalid('year', ['У школы нет такого учебного года.', 'The school has no such school year.']);
  return year.id;
}
