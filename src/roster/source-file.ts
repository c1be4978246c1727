/** A file of the roster, in memory. */
export interface SourceFile {
  readonly name: string;
  readonly bytes: Buffer;
}

/** The limit for one file and for all files together, both packed and unpacked. */
export const maxMegabytes = 200;
export const maxBytes = maxMegabytes * 1024 * 1024;

/** The most files in an archive or folder. */
export const maxFiles = 50;

export const isCsv = (name: string): boolean => /\.csv$/i.test(name) && !name.startsWith('.');
