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
  /** Returns a stream for a client of node-postgres. A new connection rolls back what the previous one left open. */
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
  if (dataDir === undefined) return start({ dir: undefined, template });
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
    const embedded = await start({ dir, template: undefined }, folder);
    const close = (): Promise<void> => embedded.close().finally(release);
    return { ...embedded, close };
  } catch (error) {
    release();
    throw lost.signal.aborted ? lost.signal.reason : openingError(dataDir, error);
  }
}

/** Creates the database in a temporary folder and renames it: an interrupted start leaves no partial database. */
async function createDatabase(dir: string, template: Uint8Array | undefined, folder: LockedFolder): Promise<void> {
  const temporary = `${dir}.new`;
  checkHeld(folder);
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { mode: 0o700 });
  await (await start({ dir: temporary, template }, folder)).close();
  checkHeld(folder);
  renameSync(temporary, dir);
}

/** Bytes on disk of an empty database with its first WAL files. PGlite does not report a full disk. */
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

/** @throws ConfigError when the folder was lost. An event listener would miss a loss before it was added. */
function checkHeld({ lock, lost }: LockedFolder): void {
  lock.check();
  lost.throwIfAborted();
}

async function start(workerData: WorkerOptions, folder?: LockedFolder): Promise<Embedded> {
  if (folder !== undefined) checkHeld(folder);
  const worker = new Worker(workerFile, { workerData });
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  const connections = new Map<number, ProtocolStream>();
  const dumps: { resolve(bytes: Uint8Array): void; reject(error: Error): void }[] = [];
  let connectionCount = 0;
  let stopped: Error | undefined;

  let closing = false;
  let fail: (error: Error) => void;
  const failed = new Promise<Error>((resolve) => (fail = resolve));

  const post = (request: WorkerRequest): void => {
    // Sends nothing once the folder is lost: `stop` has destroyed the connections.
    if (folder?.lock.check() ?? true) worker.postMessage(request);
  };
  const stop = (error: Error): void => {
    stopped ??= error;
    if (!closing) fail(stopped);
    for (const connection of connections.values()) connection.destroy(error);
    for (const dump of dumps.splice(0)) dump.reject(error);
  };
  // If the folder is lost while starting, ending the worker makes the start fail.
  folder?.lost.addEventListener('abort', () => {
    stop(new DatabaseStopped((folder.lost.reason as Error).message, { cause: folder.lost.reason }));
    void worker.terminate();
  });
  await new Promise<void>((resolve, reject) => {
    worker.on('error', reject);
    worker.on('exit', () => reject(new Error('The embedded database stopped while starting.')));
    worker.once('message', () => resolve());
  });
  worker.on('message', (reply: WorkerReply) => {
    if (reply.kind === 'bytes') connections.get(reply.connection)?.receive(reply.bytes);
    if (reply.kind === 'dump') dumps.shift()?.resolve(reply.bytes);
  });
  folder?.lost.throwIfAborted();
  worker.on('error', (cause) => stop(new DatabaseStopped('The embedded database has failed.', { cause })));
  worker.on('exit', () => stop(new DatabaseStopped('The embedded database has stopped.')));

  return {
    connection() {
      const id = ++connectionCount;
      const stream = new ProtocolStream((bytes) => post({ kind: 'bytes', connection: id, bytes }));
      connections.set(id, stream);
      stream.once('close', () => connections.delete(id));
      if (stopped !== undefined) stream.destroy(stopped);
      return stream;
    },
    dump: () =>
      new Promise((resolve, reject) => {
        if (stopped !== undefined) return reject(stopped);
        dumps.push({ resolve, reject });
        post({ kind: 'dump' });
      }),
    async close() {
      closing = true;
      if (stopped === undefined) post({ kind: 'close' });
      await waitAtMost(closeWithinMs, exited);
      // Ends a hanging worker as a crash would. All committed changes are in the folder.
      await worker.terminate();
    },
    failed,
  };
}

/** The worker beside this file: the compiled one, or the source through a loader. */
const workerFile = new URL(import.meta.url.endsWith('.ts') ? './worker-source.mjs' : './worker.js', import.meta.url);
