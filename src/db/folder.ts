import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../config.ts';

/** The folder of the embedded database belongs to one process at a time. */

const heldHere = new Set<string>();

/**
 * Takes the folder for this process, making it when it is missing; returns the way to give it back. A lock whose
 * process is gone is taken over.
 * @throws ConfigError when a living process holds the folder.
 */
export function holdFolder(dir: string): () => void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const file = join(dir, 'pg.lock');
  while (!create(file)) clear(dir, file);
  const key = holder(file) ?? '';
  heldHere.add(file);
  return () => {
    heldHere.delete(file);
    if (holder(file) === key) rmSync(file, { force: true });
  };
}

/** Makes the lock with what it says already in it, so that nobody reads it empty. */
function create(file: string): boolean {
  const aside = `${file}.${process.pid}`;
  writeFileSync(aside, `${process.pid} ${startOf(process.pid)}`, { mode: 0o600 });
  try {
    linkSync(aside, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

/** Removes a lock that nobody holds. Moved away before it is removed, so that of two who see it stale one removes it. */
function clear(dir: string, file: string): void {
  const seen = holder(file);
  if (seen === undefined) return;
  const [pid = '', start = ''] = seen.split(' ');
  if (lives(file, Number(pid), start))
    throw new ConfigError(`The folder ${dir} is in use by another process (${pid}): stop it, or set DATA_DIR to another folder.`);
  const away = `${file}.${process.pid}`;
  try {
    renameSync(file, away);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  // Somebody took it over between the reading and the moving: theirs goes back.
  if (holder(away) !== seen) linkSync(away, file);
  rmSync(away, { force: true });
}

function lives(file: string, pid: number, start: string): boolean {
  // After a restart in a container the dead process had the number that this one has.
  if (pid === process.pid) return heldHere.has(file);
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return startOf(pid) === start;
}

function holder(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** When a process started, where the system tells it: numbers of processes are used again, moments are not. */
function startOf(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
