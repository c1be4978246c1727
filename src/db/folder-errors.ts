import { ConfigError } from '../config.ts';

const reasons: Record<string, string> = {
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  ENOTDIR: 'a part of this path is a file',
  EEXIST: 'there is a file of this name',
  ENAMETOOLONG: 'the path is too long',
  ELOOP: 'the path has a loop of links',
  EIO: 'the disk has an input/output error',
  EMFILE: 'the process has too many open files',
  ENFILE: 'the system has too many open files',
};

/** @returns one line for a known error of the file system; any other error as it is. */
export function folderError(dir: string, error: unknown): Error {
  if (error instanceof ConfigError) return error;
  const reason = reasons[(error as NodeJS.ErrnoException).code ?? ''];
  if (reason === undefined) return error as Error;
  return new ConfigError(`The folder ${dir} (DATA_DIR) cannot be used: ${reason}.`, { cause: error });
}
