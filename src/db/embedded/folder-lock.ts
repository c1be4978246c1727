import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ConfigError } from '../../config-error.ts';
import { createFolder, folderError } from '../../data-folder.ts';
import {
  deviceOf,
  isAlive,
  isGone,
  leaseMs,
  listen,
  machineId,
  markReleased,
  ownerPath,
  readOwner,
  renew,
  renewalMs,
  type Owner,
} from './lock-owner.ts';

/**
 * Lets one process at a time use the folder of the embedded database.
 *
 * `pg.lock/` holds numbered locks. The lock with the highest number owns the folder. When a process proves the owner
 * dead, it prepares the lock with the next number, including its socket. One rename puts the lock in place; the
 * rename fails if the number is taken. The highest lock is never removed, not even by its owner. So two processes
 * cannot both take over from the same dead owner, and no process removes a lock that another process has just
 * created.
 */
export interface FolderLock {
  /** Returns whether this process still owns the folder. If it does not, `onLost` has been called. */
  check(): boolean;
  release(): void;
}

export interface LockOptions {
  /** Called once when the lock was taken away or the folder was replaced. */
  onLost(error: ConfigError): void;
  /** Called before a wait of `leaseMs` for an owner whose socket cannot be reached. */
  onWait?(message: string): void;
  /** Replaces `machineId()` in tests; null means that sockets cannot be used. */
  machine?: string | null;
}

const locksFolder = 'pg.lock';
/** Milliseconds to wait for the owner to release the folder, because the owner may just be ending. */
const maxWaitMs = 1000;

/**
 * Locks the folder for this process. Creates the folder when it is missing.
 * @throws ConfigError when a living process holds the folder, or the folder cannot be written.
 */
export async function lockFolder(dir: string, options: LockOptions): Promise<FolderLock> {
  const locks = join(dir, locksFolder);
  const machine = options.machine === undefined ? machineId() : options.machine;
  const onWait = (owner: Owner | undefined): void =>
    options.onWait?.(
      `The folder ${dir} may be in use${owner === undefined ? '' : ` by ${describe(owner)}`}: waiting ${leaseMs / 1000} s for a sign of life.`,
    );
  const deadline = Date.now() + maxWaitMs;
  try {
    for (;;) {
      createLocksFolder(dir, locks);
      const current = highestNumber(locks);
      if (current > 0 && (await isAliveOrGone(join(locks, String(current)), machine, onWait))) {
        if (Date.now() > deadline) throw inUseError(dir, join(locks, String(current)));
        await pause(50);
        continue;
      }
      const lock = await claim(locks, current + 1, machine);
      if (lock !== undefined) return new HeldLock(dir, locks, lock, options);
    }
  } catch (error) {
    throw folderError(dir, error);
  }
}

/**
 * Returns whether the owner of a lock is alive. Also returns true if the lock is gone: then the owner of a higher lock
 * has removed it, and the caller must look again.
 */
async function isAliveOrGone(lock: string, machine: string | null, onWait: (owner: Owner | undefined) => void): Promise<boolean> {
  try {
    return await isAlive(lock, machine, onWait);
  } catch (error) {
    if (isGone(error)) return true;
    throw error;
  }
}

interface ClaimedLock {
  number: number;
  owner: Owner;
  server: { close(): void } | undefined;
  /**
   * Unix time in ms at which the first lease starts. Another machine may take over the folder `leaseMs` after this
   * time.
   */
  confirmedAt: number;
}

/** Creates the lock of this number. @returns undefined when another process was faster. */
async function claim(locks: string, number: number, machine: string | null): Promise<ClaimedLock | undefined> {
  const temporary = join(locks, `new-${randomUUID()}`);
  const id = randomUUID();
  let server: ClaimedLock['server'];
  try {
    mkdirSync(temporary, { mode: 0o700 });
    server = machine === null ? undefined : await listen(temporary, id);
    const confirmedAt = Date.now();
    const owner = {
      id,
      machine: server === undefined ? null : machine,
      device: deviceOf(temporary),
      pid: process.pid,
      host: hostname(),
      released: false,
    };
    writeFileSync(ownerPath(temporary), JSON.stringify(owner), { mode: 0o600, flush: true });
    renameSync(temporary, join(locks, String(number)));
    removeOlderLocks(locks, number);
    if (highestNumber(locks) === number) return { number, owner, server, confirmedAt };
    // Another process took a higher number while this process was paused.
    rmSync(join(locks, String(number)), { recursive: true, force: true });
  } catch (error) {
    if (!isTaken(error)) {
      server?.close();
      rmSync(temporary, { recursive: true, force: true });
      throw error;
    }
  }
  server?.close();
  rmSync(temporary, { recursive: true, force: true });
  return undefined;
}

/**
 * Returns whether the error means that another process has taken the number, or has taken the folder over and removed
 * this process's temporary folder. On Windows, renaming onto a folder fails with EPERM or EACCES.
 */
function isTaken(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return (
    code === 'ENOTEMPTY' ||
    code === 'EEXIST' ||
    code === 'ENOENT' ||
    (process.platform === 'win32' && (code === 'EPERM' || code === 'EACCES'))
  );
}

/** A lock that this process holds: renews its lease until it is released or lost. */
class HeldLock implements FolderLock {
  readonly #dir: string;
  readonly #locks: string;
  readonly #number: number;
  readonly #id: string;
  readonly #server: ClaimedLock['server'];
  readonly #onLost: LockOptions['onLost'];
  readonly #timer: NodeJS.Timeout;
  /** Unix time in ms of the last renewal. */
  #confirmedAt: number;
  #isLost = false;

  constructor(dir: string, locks: string, { number, owner, server, confirmedAt }: ClaimedLock, { onLost }: LockOptions) {
    this.#dir = dir;
    this.#locks = locks;
    this.#number = number;
    this.#id = owner.id;
    this.#server = server;
    this.#onLost = onLost;
    this.#confirmedAt = confirmedAt;
    this.#timer = setInterval(() => this.#confirm(), renewalMs).unref();
  }

  check(): boolean {
    // While the whole process was paused (SIGSTOP, a suspended machine), the lease may have run out and another process
    // may have taken the folder over. `#confirm` finds out.
    if (this.#unconfirmedMs() > 3 * renewalMs) this.#confirm();
    return !this.#isLost;
  }

  release(): void {
    clearInterval(this.#timer);
    if (this.#isLost) return;
    try {
      markReleased(this.#path(), this.#id);
    } finally {
      this.#server?.close();
    }
  }

  #path(): string {
    return join(this.#locks, String(this.#number));
  }

  /** Returns the milliseconds since the last renewal. The difference is negative if the system clock was set back. */
  #unconfirmedMs(): number {
    return Math.abs(Date.now() - this.#confirmedAt);
  }

  #confirm(): void {
    if (this.#isLost) return;
    try {
      if (!renew(this.#path(), this.#id) || highestNumber(this.#locks) !== this.#number) return this.#lose('was replaced or taken over');
      this.#confirmedAt = Date.now();
    } catch (error) {
      if (isGone(error)) return this.#lose('was replaced');
      // Gives up the folder before another machine may take it over, which is `leaseMs` after the last renewal.
      const { code } = error as NodeJS.ErrnoException;
      if (this.#unconfirmedMs() > leaseMs - 2 * renewalMs) this.#lose(`cannot be written any more (${code})`);
    }
  }

  #lose(reason: string): void {
    this.#isLost = true;
    clearInterval(this.#timer);
    this.#server?.close();
    this.#onLost(new ConfigError(`The folder ${this.#dir} ${reason}, so this process stops using it.`));
  }
}

/**
 * Removes the locks below this number, and temporary folders of processes that died while starting. Keeps higher
 * numbers, since their owner has taken the folder over. A leftover that cannot be removed does no harm.
 */
function removeOlderLocks(locks: string, number: number): void {
  for (const name of readdirSync(locks)) {
    if (!name.startsWith('new-') && !(isNumber(name) && Number(name) < number)) continue;
    try {
      rmSync(join(locks, name), { recursive: true, force: true });
    } catch {
      // Another process is writing into this folder. Its rename will fail, because the number is taken.
    }
  }
}

const isNumber = (name: string): boolean => /^\d+$/.test(name);

const highestNumber = (locks: string): number => Math.max(0, ...readdirSync(locks).filter(isNumber).map(Number));

const describe = ({ pid, host }: Owner): string => `another process (${pid} on ${host})`;

function inUseError(dir: string, lock: string): ConfigError {
  let owner: Owner | undefined;
  try {
    owner = readOwner(lock);
  } catch {
    // The lock cannot be read, for example because another process has just replaced it.
  }
  return new ConfigError(
    `The folder ${dir} is in use by ${owner === undefined ? 'another process' : describe(owner)}: stop it, or set DATA_DIR to another folder.`,
  );
}

/** Creates the folder of locks. A file at this path is the lock of an earlier version, with the PID and start of its process. */
function createLocksFolder(dir: string, locks: string): void {
  createFolder(dir);
  try {
    mkdirSync(locks, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    try {
      if (!statSync(locks).isFile()) return;
      const [pid = '', start = ''] = readFileSync(locks, 'utf8').split(' ');
      if (isRunning(Number(pid), start))
        throw new ConfigError(`The folder ${dir} is in use by another process (${pid}): stop it, or set DATA_DIR to another folder.`);
      // `unlinkSync` fails on a folder, so it cannot remove the locks of another process that has just started.
      unlinkSync(locks);
    } catch (failure) {
      // Another process may have removed the file or created the folder.
      if (!isGone(failure) && !statSync(locks, { throwIfNoEntry: false })?.isDirectory()) throw failure;
    }
    createLocksFolder(dir, locks);
  }
}

/** Returns whether a process with this PID and start time is running. */
function isRunning(pid: number, start: string): boolean {
  if (!(pid > 0) || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return startTimeOf(pid) === start;
}

/** Returns a process's start time, since PIDs are reused; empty if the system has no /proc. */
function startTimeOf(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
