import { CsvTable, type TableSpec } from './csv-table.ts';
import { type NoticeLog, unreadable } from './notices.ts';
import type { SourceFile } from './source-file.ts';

/**
 * bulk: the file lists everything. delta: the file lists only changes. absent: the file does not exist, or the manifest
 * declares it as absent.
 */
export type FileMode = 'bulk' | 'delta' | 'absent';

/** The files of an archive or a folder, each with its mode. Names are compared without regard to upper and lower case. */
export class FileSet {
  readonly #files: ReadonlyMap<string, SourceFile>;
  readonly #modes = new Map<string, FileMode>();
  readonly #used = new Set<string>();
  readonly #notices: NoticeLog;

  constructor(files: readonly SourceFile[], notices: NoticeLog) {
    this.#files = new Map(files.map((file) => [file.name.toLowerCase(), file]));
    this.#notices = notices;
  }

  get(name: string): SourceFile | undefined {
    return this.#files.get(name.toLowerCase());
  }

  setMode(name: string, mode: FileMode): void {
    this.#modes.set(name.toLowerCase(), mode);
  }

  /** Returns the mode that `setMode` set. Default: bulk if the file exists, otherwise absent. */
  modeOf(name: string): FileMode {
    return this.#modes.get(name.toLowerCase()) ?? (this.get(name) === undefined ? 'absent' : 'bulk');
  }

  /** Opens a table, or returns null if the file is absent. */
  async open<Column extends string>(name: string, spec: TableSpec<Column>): Promise<CsvTable<Column> | null> {
    this.#used.add(name.toLowerCase());
    const file = this.get(name);
    if (this.modeOf(name) === 'absent') {
      if (file !== undefined) this.#notices.warn('FILE_NOT_DECLARED', { file: file.name }, name);
      return null;
    }
    if (file === undefined) throw unreadable('FILE_MISSING', { file: name }, name);
    return CsvTable.open(file, spec, this.#notices);
  }

  /** Warns of each file that no reader opened. @param known files that are ignored without a warning. */
  warnOfUnused(known: readonly string[]): void {
    const quiet = new Set(known.map((name) => name.toLowerCase()));
    for (const [key, { name }] of this.#files)
      if (!this.#used.has(key) && !quiet.has(key)) this.#notices.warn('FILE_IGNORED', { file: name }, name);
  }
}
