import { FileSet } from './file-set.ts';
import { readList } from './list-reader.ts';
import { NoticeLog, unreadable, UnreadableRoster } from './notices.ts';
import { readOneRoster } from './one-roster-reader.ts';
import type { ReadRosterOptions } from './read-options.ts';
import type { Roster, RosterFormat } from './roster.ts';
import { coversNothing, RosterBuilder } from './roster-builder.ts';
import { readSds1 } from './sds-1-reader.ts';
import { readSds2 } from './sds-2-reader.ts';
import { readSourceFiles, type RosterInput, type SourceFiles } from './source-files.ts';

/**
 * Reads a roster in any of its formats: a ZIP or folder of OneRoster or School Data Sync, or the Russian list. Never
 * throws because of the content of a file: problems are listed in `errors` of the returned roster.
 */
export async function readRoster(input: RosterInput, options: ReadRosterOptions = {}): Promise<Roster> {
  const notices = new NoticeLog();
  try {
    const source = await readSourceFiles(input, notices);
    const roster = await readSource(source, options, notices);
    if (options.format !== undefined && options.format !== roster.format)
      throw unreadable('FORMAT_MISMATCH', { file: source.name }, roster.format ?? '', options.format);
    return roster;
  } catch (error) {
    if (!(error instanceof UnreadableRoster)) throw error;
    notices.addUnreadable(error);
    const nothing = { people: [], classes: [], subjects: [], enrolments: [], assignments: [] };
    return { format: null, covers: coversNothing, ...nothing, warnings: notices.warnings, errors: notices.errors };
  }
}

function readSource(source: SourceFiles, options: ReadRosterOptions, notices: NoticeLog): Promise<Roster> {
  const files = new FileSet(source.files, notices);
  const builder = new RosterBuilder(notices);
  const [first] = source.files;
  switch (formatOf(source, files)) {
    case 'ONE_ROSTER':
      return readOneRoster(files, options, builder);
    case 'SDS_1':
      return readSds1(files, options, builder);
    case 'SDS_2_1':
      return readSds2(files, options, builder);
    case 'LIST':
      return readList(first!, options, builder);
  }
}

/**
 * Recognises the format by the names of the files. Without a manifest, a column of users.csv tells OneRoster from School Data
 * Sync.
 */
function formatOf(source: SourceFiles, files: FileSet): Exclude<RosterFormat, 'ONE_ROSTER_1_1' | 'ONE_ROSTER_1_2'> | 'ONE_ROSTER' {
  if (source.isSingleFile || (source.files.length === 1 && files.get('manifest.csv') === undefined)) return 'LIST';
  if (files.get('manifest.csv') !== undefined) return 'ONE_ROSTER';
  const users = files.get('users.csv');
  if (users !== undefined) return /enabledUser|dateLastModified/i.test(users.bytes.toString('latin1', 0, 4096)) ? 'ONE_ROSTER' : 'SDS_2_1';
  if (files.get('Student.csv') !== undefined || files.get('Section.csv') !== undefined) return 'SDS_1';
  throw unreadable('FORMAT_UNKNOWN', { file: source.name });
}
