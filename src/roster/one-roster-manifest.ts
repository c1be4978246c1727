import type { FileSet } from './file-set.ts';
import { type NoticeLog, unreadable } from './notices.ts';

export type OneRosterVersion = '1.1' | '1.2';

const spec = { required: ['propertyName', 'value'], optional: [], unused: [] } as const;

const modes = ['bulk', 'delta', 'absent'] as const;

/**
 * Reads the version and the mode of each file. Without a manifest, the names of the files decide the version, and every file
 * counts as complete.
 * @throws UnreadableRoster for an unknown version or mode.
 */
export async function readManifest(files: FileSet, notices: NoticeLog): Promise<OneRosterVersion> {
  const table = await files.open('manifest.csv', spec);
  if (table === null) {
    notices.warn('MANIFEST_MISSING', { file: 'manifest.csv' });
    return files.get('roles.csv') === undefined ? '1.1' : '1.2';
  }
  let version: OneRosterVersion | undefined;
  for await (const row of table) {
    const [property, value] = [row.get('propertyName').toLowerCase(), row.get('value').toLowerCase()];
    if (property === 'oneroster.version') {
      // Some systems write 1.2.1, the version of the CSV binding.
      version = (['1.1', '1.2'] as const).find((known) => value === known || value.startsWith(`${known}.`));
      if (version === undefined) throw unreadable('VERSION_UNKNOWN', row.at, value);
    } else if (property.startsWith('file.')) {
      const mode = modes.find((known) => known === value);
      if (mode === undefined) throw unreadable('MANIFEST_INVALID', row.at, row.get('propertyName'), row.get('value'));
      files.setMode(`${property.slice('file.'.length)}.csv`, mode);
    }
  }
  if (version === undefined) throw unreadable('VERSION_UNKNOWN', { file: table.file }, '');
  return version;
}
