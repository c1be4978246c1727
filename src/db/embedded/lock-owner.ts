import { closeSync, constants, fstatSync, futimesSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** Detects whether the process that owns a lock is alive, across PID namespaces, containers and machines. */

/** The file that an owner writes into its lock. */
export interface Owner {
  id: string;
  /** Id of the owner's kernel (`machineId`); null if the owner has no socket. */
  machine: string | null;
  /** Device number of the mounted file system (`deviceOf`). Missing in locks of earlier versions. */
  device?: number;
  /** Only for messages: a PID means nothing in another PID namespace. */
  pid: number;
  host: string;
  released: boolean;
}

/** Milliseconds between two renewals of a lease. */
export const renewalMs = 1000;
/** Milliseconds without a renewal after which an owner without a reachable socket counts as dead. */
export const leaseMs = 10_000;

const ownerFile = 'owner';
const socketFile = 'socket';
/** Maximum bytes of a socket path on every system. libuv and the kernels have limits: 108 on Linux, 104 on macOS. */
const maxSocketPath = 100;

export const ownerPath = (lock: string): string => join(lock, ownerFile);

/**
 * Identifies the running kernel. Containers of one host reach each other's sockets; machines that share a network
 * folder do not.
 */
export function machineId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return hostname();
  }
}

/**
 * Identifies the mounted file system of a folder. A network or FUSE file system can be mounted twice. Each mount then
 * has its own device number, and its own inode for the same socket. The kernel finds a socket only by the inode to
 * which the socket was bound.
 */
export const deviceOf = (folder: string): number => statSync(folder).dev;

/** Returns the owner of a lock; undefined if its file is damaged or missing. @throws ENOENT when the lock is gone. */
export function readOwner(lock: string): Owner | undefined {
  const text = readOwnerText(lock);
  try {
    const owner: unknown = JSON.parse(text ?? '');
    return typeof owner === 'object' && owner !== null ? (owner as Owner) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Returns the text of the owner file; undefined if the lock has no such file.
 * @throws ENOENT when the lock is gone.
 */
function readOwnerText(lock: string): string | undefined {
  try {
    return readFileSync(ownerPath(lock), 'utf8');
  } catch (error) {
    if (!isGone(error) && (error as NodeJS.ErrnoException).code !== 'EISDIR') throw error;
    statSync(lock);
    return undefined;
  }
}

/**
 * Renews the lease: sets the time of the owner's file.
 * @returns false when the file belongs to another owner.
 * @throws ENOENT when the file is gone.
 */
export function renew(lock: string, id: string): boolean {
  const now = new Date();
  return ifOwned(lock, id, (file) => futimesSync(file, now, now));
}

/** Marks the lock as released if it still belongs to this owner. Writes in place, so that it works on a full disk. */
export function markReleased(lock: string, id: string): void {
  ifOwned(lock, id, (file, text) => writeSync(file, text.replace('"released":false', '"released":true '), 0));
}

function ifOwned(lock: string, id: string, change: (file: number, text: string) => void): boolean {
  const file = openSync(ownerPath(lock), 'r+');
  try {
    const text = readFileSync(file, 'utf8');
    if (!text.includes(id)) return false;
    change(file, text);
    return true;
  } finally {
    closeSync(file);
  }
}

/**
 * Returns whether the error means that the file is gone. ESTALE means that another machine removed it from a network
 * file system.
 */
export const isGone = (error: unknown): boolean => ['ENOENT', 'ENOTDIR', 'ESTALE'].includes((error as NodeJS.ErrnoException).code ?? '');

/**
 * Returns whether the owner of a lock is alive. An owner is alive if its socket accepts a connection or has a full
 * queue, even if the process is stopped (SIGSTOP). The kernel closes a socket when the process of the socket ends.
 * So on Linux a refused connection proves that the owner is dead, if both processes see the socket through one
 * kernel and one mount. In all other cases, calls `onWait` and watches the lease for `leaseMs`.
 * @throws ENOENT when the lock is gone.
 */
export async function isAlive(lock: string, machine: string | null, onWait: (owner: Owner | undefined) => void): Promise<boolean> {
  const owner = readOwner(lock);
  if (owner?.released) return false;
  if (owner !== undefined && machine !== null && owner.machine === machine) {
    const code = await connectTo(lock, owner);
    if (code === undefined || code === 'EAGAIN') return true;
    // Only on Linux does a refused connection prove that the owner is dead. Other systems also refuse a connection when
    // the queue is full, and their machine id is only the host name.
    if (code === 'ECONNREFUSED' && process.platform === 'linux' && owner.device === deviceOf(lock)) return false;
  }
  onWait(owner);
  return isRenewed(lock);
}

/**
 * Watches for `leaseMs` whether the owner's file changes. Does not compare times, because the clocks of two machines
 * may differ.
 */
async function isRenewed(lock: string): Promise<boolean> {
  const initial = readSignature(lock);
  for (const end = performance.now() + leaseMs; performance.now() < end;) {
    await pause(renewalMs / 4);
    if (readSignature(lock) !== initial) return true;
  }
  return false;
}

/**
 * Returns the time and the text of the owner's file. Opens the file, because network file systems check for a newer
 * version when a file is opened, but cache the result of `stat`.
 */
function readSignature(lock: string): string {
  if (readOwnerText(lock) === undefined) return '';
  const file = openSync(ownerPath(lock), 'r');
  try {
    return `${fstatSync(file).mtimeMs} ${readFileSync(file, 'utf8')}`;
  } finally {
    closeSync(file);
  }
}

/**
 * Returns a server whose socket other processes on this mount can reach while this process is alive; undefined if the
 * file system has no sockets.
 */
export function listen(lock: string, id: string): Promise<{ close(): void } | undefined> {
  const address = addressOf(lock, id);
  if (address === undefined) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const server: Server = createServer((socket) => socket.destroy());
    server.unref();
    server.once('error', () => {
      address.close();
      resolve(undefined);
    });
    server.listen(address.path, () => {
      // Ignores errors of single connections, such as EMFILE, because the socket stays bound.
      server.on('error', () => {});
      // The folder stays open until the server is closed: closing the server removes the socket by a path through the
      // open folder.
      resolve({ close: () => server.close(address.close) });
    });
  });
}

/** Connects to the owner's socket. Returns the code of the error, or undefined when the owner accepted the connection. */
function connectTo(lock: string, { id }: Owner): Promise<string | undefined> {
  const address = addressOf(lock, id);
  if (address === undefined) return Promise.resolve('ENOENT');
  return new Promise<string | undefined>((resolve) => {
    const socket = connect(address.path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'UNKNOWN'));
  }).finally(address.close);
}

/**
 * Returns a path of the socket that is short enough; undefined if there is none. On Linux the path contains an open
 * descriptor of the lock's folder.
 */
function addressOf(lock: string, id: string): { path: string; close(): void } | undefined {
  if (process.platform === 'win32') return { path: `\\\\.\\pipe\\sfera-${id}`, close: () => {} };
  const path = join(lock, socketFile);
  if (process.platform === 'linux') {
    const folder = openSync(lock, constants.O_RDONLY | constants.O_DIRECTORY);
    return { path: `/proc/self/fd/${folder}/${socketFile}`, close: () => closeSync(folder) };
  }
  return Buffer.byteLength(path) > maxSocketPath ? undefined : { path, close: () => {} };
}
