import { existsSync, mkdirSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { ConfigError } from './config-error.ts';

/**
 * Creates a folder and its missing parents. Does not use `mkdirSync` with `recursive`, which never returns under
 * /proc, and hides the reason of a failure.
 */
export function createFolder(dir: string): void {
  try {
    mkdirSync(dir, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(dir).isDirectory()) return;
    const parent = dirname(dir);
    if (code !== 'ENOENT' || existsSync(parent)) throw error;
    createFolder(parent);
    createFolder(dir);
  }
}

const reasons: Record<string, string> = {
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  ENOENT: 'it cannot be created',
  ENOTDIR: 'a part of its path is a file',
  EISDIR: 'there is a folder in place of a file',
  EEXIST: 'there is a file of this name',
  ENAMETOOLONG: 'its path is too long',
  ELOOP: 'its path has a loop of links',
  EIO: 'the disk has an input/output error',
  EMFILE: 'the process has too many open files',
  ENFILE: 'the system has too many open files',
};

/** Returns a ConfigError with one line for a known error of the file system. Returns any other error unchanged. */
export function folderError(dir: string, error: unknown): Error {
  if (error instanceof ConfigError) return error;
  const reason = reasons[(error as NodeJS.ErrnoException).code ?? ''];
  if (reason === undefined) return error as Error;
  return new ConfigError(`The folder ${dir} (DATA_DIR) cannot be used: ${reason}.`, { cause: error });
}

/** Returns the free bytes of the folder's disk that this user may write. */
export function freeSpace(dir: string): number {
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize;
}
