/** A file of the roster, in memory. */
export interface SourceFile {
  readonly name: string;
  readonly bytes: Buffer;
}

/** The largest file, and the largest sum of files, packed or not. */
export const maxMegabytes = 200;
export const maxBytes = maxMegabytes * 1024 * 1024;

/** The most files in an archive or folder. */
export const maxFiles = 50;

export const isCsv = (name: string): boolean => /\.csv$/i.test(name) && !name.startsWith('.');
