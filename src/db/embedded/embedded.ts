import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Duplex } from 'node:stream';
import { Worker } from 'node:worker_threads';
import { ConfigError } from '../../config-error.ts';
import { folderError, freeSpace } from '../../data-folder.ts';
import type { Logger } from '../../logger.ts';
import { DatabaseStopped } from '../availability.ts';
import { lockFolder, type FolderLock } from './folder-lock.ts';
import { waitAtMost } from '../watchdog.ts';
import { ProtocolStream } from './protocol-stream.ts';

/** Milliseconds that the worker has to finish a statement and write everything to the folder. */
const closeWithinMs = 10_000;

/** Messages to the worker, and its replies. */
export type WorkerRequest = { kind: 'bytes'; connection: number; bytes: Uint8Array } | { kind: 'dump' } | { kind: 'close' };
export type WorkerReply =
  { kind: 'ready' } | { kind: 'bytes'; connection: number; bytes: Uint8Array } | { kind: 'dump'; bytes: Uint8Array };

export interface WorkerOptions {
  dir: string | undefined;
  template: Uint8Array | undefined;
}

/** PostgreSQL in a worker thread of this process, with one session and without a socket. */
export interface Embedded {
  /**
   * Returns a stream for a client of node-postgres. A new connection rolls back the open transaction of the previous
   * connection.
   */
  connection(): Duplex;
  /** Returns a copy of the whole database, for `template`. */
  dump(): Promise<Uint8Array>;
  /** Writes everything to the folder, ends the worker and releases the folder. */
  close(): Promise<void>;
  /** Resolves when the database fails: the worker failed, or the folder was lost. */
  failed: Promise<Error>;
}

/**
 * Opens the database in the folder `pg` of `dataDir`, or in memory without `dataDir`. A new database starts as a copy
 * of `template`, or empty.
 * @throws ConfigError when another process uses the folder, or it cannot be read.
 */
export async function openEmbedded(options: { dataDir?: string; template?: Uint8Array; log: Logger }): Promise<Embedded> {
  const { dataDir, template, log } = options;
  if (dataDir === undefined) return DatabaseWorker.start({ dir: undefined, template });
  const lost = new AbortController();
  const lock = await lockFolder(dataDir, { onLost: (error) => lost.abort(error), onWait: (message) => log.warn(message) });
  const folder = { lock, lost: lost.signal };
  const release = (): void => {
    try {
      lock.release();
    } catch (error) {
      log.warn({ err: error }, `The lock of the folder ${dataDir} could not be released: the next start may wait some seconds for it.`);
    }
  };
  try {
    const dir = join(dataDir, 'pg');
    if (!existsSync(dir)) await createDatabase(dir, template, folder);
    const database = await DatabaseWorker.start({ dir, template: undefined }, folder);
    return {
      connection: () => database.connection(),
      dump: () => database.dump(),
      close: () => database.close().finally(release),
      failed: database.failed,
    };
  } catch (error) {
    release();
    throw lost.signal.aborted ? lost.signal.reason : openingError(dataDir, error);
  }
}

/**
 * Creates the database in a temporary folder and then renames the folder, so that an interrupted start leaves no
 * partial database.
 */
async function createDatabase(dir: string, template: Uint8Array | undefined, folder: LockedFolder): Promise<void> {
  const temporary = `${dir}.new`;
  checkHeld(folder);
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { mode: 0o700 });
  await (await DatabaseWorker.start({ dir: temporary, template }, folder)).close();
  checkHeld(folder);
  renameSync(temporary, dir);
}

/**
 * Bytes on disk of an empty database with its first WAL files. A failed start with less free space counts as a full
 * disk, since PGlite does not report one.
 */
const minFreeBytes = 64 * 2 ** 20;

function openingError(dataDir: string, error: unknown): Error {
  const knownError = folderError(dataDir, error);
  if (knownError instanceof ConfigError) return knownError;
  const freeBytes = freeSpace(dataDir);
  if (freeBytes < minFreeBytes)
    return new ConfigError(
      `The embedded database in ${dataDir} cannot be opened: the disk is full (${Math.floor(freeBytes / 2 ** 20)} MB are free).`,
      { cause: error },
    );
  return new ConfigError(`The embedded database in ${dataDir} cannot be opened: it is damaged, or of another version.`, { cause: error });
}

interface LockedFolder {
  lock: FolderLock;
  lost: AbortSignal;
}

/**
 * Checks that this process still holds the folder.
 * @throws ConfigError if another process has taken the folder, also if that happened before anyone listened to the
 * signal `lost`.
 */
function checkHeld({ lock, lost }: LockedFolder): void {
  lock.check();
  lost.throwIfAborted();
}

interface PendingDump {
  resolve(bytes: Uint8Array): void;
  reject(error: Error): void;
}

/** The database in a worker thread, without the lock of its folder. */
class DatabaseWorker implements Embedded {
  readonly failed: Promise<Error>;
  readonly #worker: Worker;
  readonly #folder: LockedFolder | undefined;
  readonly #exited: Promise<void>;
  readonly #connections = new Map<number, ProtocolStream>();
  readonly #dumps: PendingDump[] = [];
  #connectionCount = 0;
  #isClosing = false;
  /** The reason why the worker no longer answers. */
  #stopReason: Error | undefined;
  #reportFailure!: (error: Error) => void;

  private constructor(options: WorkerOptions, folder: LockedFolder | undefined) {
    this.#worker = new Worker(workerFile, { workerData: options });
    this.#folder = folder;
    this.#exited = new Promise((resolve) => this.#worker.once('exit', () => resolve()));
    this.failed = new Promise((resolve) => (this.#reportFailure = resolve));
    folder?.lost.addEventListener('abort', () => this.#abandonFolder(folder.lost.reason as Error));
  }

  /** Starts a worker. Resolves when the worker answers. @throws ConfigError when the folder is lost. */
  static async start(options: WorkerOptions, folder?: LockedFolder): Promise<DatabaseWorker> {
    if (folder !== undefined) checkHeld(folder);
    const database = new DatabaseWorker(options, folder);
    await database.#waitUntilReady();
    database.#listen();
    folder?.lost.throwIfAborted();
    return database;
  }

  connection(): Duplex {
    const id = ++this.#connectionCount;
    const stream = new ProtocolStream((bytes) => this.#post({ kind: 'bytes', connection: id, bytes }));
    this.#connections.set(id, stream);
    stream.once('close', () => this.#connections.delete(id));
    if (this.#stopReason !== undefined) stream.destroy(this.#stopReason);
    return stream;
  }

  dump(): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#stopReason !== undefined) return reject(this.#stopReason);
      this.#dumps.push({ resolve, reject });
      this.#post({ kind: 'dump' });
    });
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#stopReason === undefined) this.#post({ kind: 'close' });
    await waitAtMost(closeWithinMs, this.#exited);
    // Ends a worker that hangs. No committed change is lost, because all of them are in the folder, as after a crash.
    await this.#worker.terminate();
  }

  #waitUntilReady(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#worker.on('error', reject);
      this.#worker.on('exit', () => reject(new Error('The embedded database stopped while starting.')));
      this.#worker.once('message', () => resolve());
    });
  }

  #listen(): void {
    this.#worker.on('message', (reply: WorkerReply) => {
      if (reply.kind === 'bytes') this.#connections.get(reply.connection)?.receive(reply.bytes);
      if (reply.kind === 'dump') this.#dumps.shift()?.resolve(reply.bytes);
    });
    this.#worker.on('error', (cause) => this.#stop(new DatabaseStopped('The embedded database has failed.', { cause })));
    this.#worker.on('exit', () => this.#stop(new DatabaseStopped('The embedded database has stopped.')));
  }

  /** Sends a request. Sends nothing if the folder is lost: `#stop` has then destroyed the connections. */
  #post(request: WorkerRequest): void {
    if (this.#folder?.lock.check() ?? true) this.#worker.postMessage(request);
  }

  /** Ends the worker after another process has taken the folder. If the worker was starting, the start fails. */
  #abandonFolder(cause: Error): void {
    this.#stop(new DatabaseStopped(cause.message, { cause }));
    void this.#worker.terminate();
  }

  /**
   * Makes every request that waits for the worker fail with the error. `#stopReason` keeps the error of the first call.
   */
  #stop(error: Error): void {
    this.#stopReason ??= error;
    if (!this.#isClosing) this.#reportFailure(this.#stopReason);
    for (const connection of this.#connections.values()) connection.destroy(error);
    for (const dump of this.#dumps.splice(0)) dump.reject(error);
  }
}

/** The file of the worker next to this file: the compiled worker, or worker-source.mjs, which loads the TypeScript source. */
const workerFile = new URL(import.meta.url.endsWith('.ts') ? './worker-source.mjs' : './worker.js', import.meta.url);
