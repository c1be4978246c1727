import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { UsageError, type Values } from '../command-line.ts';
import { exportRoster } from '../domain/plans/export-roster.ts';
import type { Language } from '../errors.ts';
import type { Opened } from '../http/bootstrap.ts';
import { writeList } from '../roster/list-writer.ts';
import { writeOneRoster } from '../roster/one-roster-writer.ts';
import { optional, schoolIdIn, schoolOption, text, type Command, type Outcome } from './command.ts';

/** `npx sfera export`. */

export const exportCommand: Command = {
  about: ['записать людей и классы школы в файл', 'write the people and classes of a school to a file'],
  usage: 'FILE --school ID --format oneroster|list',
  argument: 'FILE',
  options: {
    '*school': schoolOption,
    '*format': ['oneroster или list', 'oneroster or list'],
    system: ['система, идентификаторы которой записать (по умолчанию roster)', 'the system whose ids are written (default: roster)'],
  },
  run: exportToFile,
};

async function exportToFile({ operator }: Opened, values: Values, language: Language): Promise<Outcome> {
  const file = text(values, 'FILE');
  const schoolId = schoolIdIn(values);
  const format = ({ oneroster: 'ONE_ROSTER_1_2', list: 'LIST' } as const)[text(values, 'format')];
  if (format === undefined) throw new UsageError(['--format: укажите oneroster или list.', '--format: give oneroster or list.']);
  const { roster, school } = await exportRoster(operator, { schoolId, format, system: optional(values, 'system') });
  try {
    // The flag `wx` makes writing fail if the file exists, so that the command never overwrites a file.
    if (format === 'LIST') await writeFile(file, writeList(roster), { flag: 'wx' });
    else await writeOneRoster(roster, school, createWriteStream(file, { flags: 'wx' }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new UsageError([`Файл ${file} уже есть: укажите другое имя.`, `${file} exists: give another name.`]);
    throw error;
  }
  const [people, classes] = [roster.people.length, roster.classes.length];
  const line =
    language === 'ru'
      ? `Записано в ${file}: людей — ${people}, классов — ${classes}.`
      : `${people} people and ${classes} classes were written to ${file}.`;
  return { lines: [line], exitCode: 0 };
}
