import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ConfigError } from '../../config-error.ts';
import { createFolder, folderError } from '../../data-folder.ts';
import { deviceOf, isAlive, isGone, leaseMs, listen, machineId, markReleased, ownerPath, readOwner, renew, renewalMs, type Owner } from './lock-owner.ts';

/**
 * The folder of the embedded database belongs to one process at a time.
 *
 * `pg.lock/` holds numbered locks, and the highest number owns the folder. A process that proves the owner dead creates
 * the next number, complete with its socket, by one rename, which fails if the number is taken. The highest number is
 * never removed, not even by its owner, so two processes cannot take over one dead lock, and no process removes a lock
 * that another one has just created.
 */
export interface FolderLock {
  /** Returns whether this process still owns the folder; if not, `onLost` has been called. */
  check(): boolean;
  release(): void;
}

export interface LockOptions {
  /** Called once when the lock was taken away or the folder was replaced. */
  onLost(error: ConfigError): void;
  /** Called before a wait of `leaseMs` for an owner whose socket cannot be reached. */
  onWait?(message: string): void;
  /** Replaces `machineId()` in tests; null where sockets prove nothing. */
  machine?: string | null;
}

const locksFolder = 'pg.lock';
/** Milliseconds that a process which is just ending has to release the folder. */
const patienceMs = 1000;

/**
 * Locks the folder for this process, creating it when it is missing.
 * @throws ConfigError when a living process holds the folder, or it cannot be written.
 */
export async function lockFolder(dir: string, options: LockOptions): Promise<FolderLock> {
  const locks = join(dir, locksFolder);
  const machine = options.machine === undefined ? machineId() : options.machine;
  const onWait = (owner: Owner | undefined): void =>
    options.onWait?.(`The folder ${dir} may be in use${owner === undefined ? '' : ` by ${describe(owner)}`}: waiting ${leaseMs / 1000} s for a sign of life.`);
  const deadline = Date.now() + patienceMs;
  try {
    for (;;) {
      prepare(dir, locks);
      const last = highest(locks);
      if (last > 0 && (await isAliveOrGone(join(locks, String(last)), machine, onWait))) {
        if (Date.now() > deadline) throw inUse(dir, join(locks, String(last)));
        await pause(50);
        continue;
      }
      const lock = await claim(locks, last + 1, machine);
      if (lock !== undefined) return hold(dir, locks, lock, options);
    }
  } catch (error) {
    throw folderError(dir, error);
  }
}

/** Returns whether the owner is alive. A lock that is gone counts as alive, since it has a successor. */
async function isAliveOrGone(lock: string, machine: string | null, onWait: (owner: Owner | undefined) => void): Promise<boolean> {
  try {
    return await isAlive(lock, machine, onWait);
  } catch (error) {
    if (isGone(error)) return true;
    throw error;
  }
}

interface Claimed {
  number: number;
  owner: Owner;
  server: { close(): void } | undefined;
  /** Time of the first lease, in milliseconds. Another machine may take the folder over `leaseMs` later. */
  confirmedAt: number;
}

/** Creates the lock of this number. @returns undefined when another process was faster. */
async function claim(locks: string, number: number, machine: string | null): Promise<Claimed | undefined> {
  const aside = join(locks, `new-${randomUUID()}`);
  const id = randomUUID();
  let server: Claimed['server'];
  try {
    mkdirSync(aside, { mode: 0o700 });
    server = machine === null ? undefined : await listen(aside, id);
    const confirmedAt = Date.now();
    const owner = { id, machine: server === undefined ? null : machine, device: deviceOf(aside), pid: process.pid, host: hostname(), released: false };
    writeFileSync(ownerPath(aside), JSON.stringify(owner), { mode: 0o600, flush: true });
    renameSync(aside, join(locks, String(number)));
    removeFormer(locks, number);
    if (highest(locks) === number) return { number, owner, server, confirmedAt };
    // This process was paused meanwhile; the owner of a higher number has the folder.
    rmSync(join(locks, String(number)), { recursive: true, force: true });
  } catch (error) {
    if (!isTaken(error)) {
      server?.close();
      rmSync(aside, { recursive: true, force: true });
      throw error;
    }
  }
  server?.close();
  rmSync(aside, { recursive: true, force: true });
  return undefined;
}

/**
 * Returns whether the number exists, or the new owner has removed what others were preparing. Windows refuses to rename
 * onto a folder with EPERM.
 */
function isTaken(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'ENOENT' || (process.platform === 'win32' && (code === 'EPERM' || code === 'EACCES'));
}

function hold(dir: string, locks: string, { number, owner, server, ...claimed }: Claimed, { onLost }: LockOptions): FolderLock {
  const lock = join(locks, String(number));
  const { id } = owner;
  let { confirmedAt } = claimed;
  let lost = false;

  const lose = (why: string): void => {
    lost = true;
    clearInterval(timer);
    server?.close();
    onLost(new ConfigError(`The folder ${dir} ${why}, so this process stops using it.`));
  };
  const confirm = (): void => {
    if (lost) return;
    try {
      if (!renew(lock, id) || highest(locks) !== number) return lose('was replaced or taken over');
      confirmedAt = Date.now();
    } catch (error) {
      if (isGone(error)) return lose('was replaced');
      // Another machine may take the folder over when the lease was not renewed for `leaseMs`.
      const { code } = error as NodeJS.ErrnoException;
      if (Math.abs(Date.now() - confirmedAt) > leaseMs - 2 * renewalMs) lose(`cannot be written any more (${code})`);
    }
  };
  const timer = setInterval(confirm, renewalMs).unref();

  return {
    check() {
      // After a pause of the whole process (SIGSTOP, a suspended machine) the lease may have run out.
      if (Math.abs(Date.now() - confirmedAt) > 3 * renewalMs) confirm();
      return !lost;
    },
    release() {
      clearInterval(timer);
      if (lost) return;
      try {
        markReleased(lock, id);
      } finally {
        server?.close();
      }
    },
  };
}

/**
 * Removes the locks below this number, and leftovers of processes that died while starting. A leftover that cannot be
 * removed does no harm. A higher number is the lock of a process that took the folder over.
 */
function removeFormer(locks: string, number: number): void {
  for (const name of readdirSync(locks)) {
    if (!name.startsWith('new-') && !(isNumber(name) && Number(name) < number)) continue;
    try {
      rmSync(join(locks, name), { recursive: true, force: true });
    } catch {
      // Another process writes into it just now, and will find that the folder is taken.
    }
  }
}

const isNumber = (name: string): boolean => /^\d+$/.test(name);

const highest = (locks: string): number => Math.max(0, ...readdirSync(locks).filter(isNumber).map(Number));

const describe = ({ pid, host }: Owner): string => `another process (${pid} on ${host})`;

function inUse(dir: string, lock: string): ConfigError {
  let owner: Owner | undefined;
  try {
    owner = readOwner(lock);
  } catch {
    // The owner has released it meanwhile; the next start succeeds.
  }
  return new ConfigError(`The folder ${dir} is in use by ${owner === undefined ? 'another process' : describe(owner)}: stop it, or set DATA_DIR to another folder.`);
}

/** Creates the folder of locks. A file in its place is the lock of a former version, which wrote its PID and start time into it. */
function prepare(dir: string, locks: string): void {
  createFolder(dir);
  try {
    mkdirSync(locks, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    try {
      if (!statSync(locks).isFile()) return;
      const [pid = '', start = ''] = readFileSync(locks, 'utf8').split(' ');
      if (runs(Number(pid), start)) throw new ConfigError(`The folder ${dir} is in use by another process (${pid}): stop it, or set DATA_DIR to another folder.`);
      // Fails on a folder, so a lock that another process has put there meanwhile stays.
      unlinkSync(locks);
    } catch (failure) {
      // Another process has removed the file, or has put its folder there.
      if (!isGone(failure) && !statSync(locks, { throwIfNoEntry: false })?.isDirectory()) throw failure;
    }
    prepare(dir, locks);
  }
}

/** Returns whether a process with this PID runs here and started at that time. */
function runs(pid: number, start: string): boolean {
  if (!(pid > 0) || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return startOf(pid) === start;
}

/** Returns when a process started, if the system tells it: PIDs are used again, start times are not. */
function startOf(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
