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

/** Milliseconds that the thread has to finish a statement and to write everything to the folder. */
const closeWithinMs = 10_000;

/** What is told to the worker, and what it answers. */
export type Order = { kind: 'bytes'; connection: number; bytes: Uint8Array } | { kind: 'dump' } | { kind: 'close' };
export type Answer =
  | { kind: 'ready' }
  | { kind: 'bytes'; connection: number; bytes: Uint8Array }
  | { kind: 'dump'; bytes: Uint8Array };

export interface WorkerOptions {
  dir: string | undefined;
  template: Uint8Array | undefined;
}

/** PostgreSQL in a thread of this process: one session, reached by no socket. */
export interface Embedded {
  /** A connection for node-postgres to speak over. A new one ends what the one before left open. */
  connection(): Duplex;
  /** A copy of the whole database, for `template`. */
  dump(): Promise<Uint8Array>;
  /** Writes everything to the folder, ends the thread and gives the folder back. */
  close(): Promise<void>;
  /** Resolves when the database fails: its thread failed, or the folder was lost. */
  failed: Promise<Error>;
}

/**
 * Opens the database in `pg` under `dataDir`, or in memory when there is none. A new database starts as a copy of
 * `template`, or empty.
 * @throws ConfigError when another process has the folder, or it cannot be read.
 */
export async function openEmbedded(options: { dataDir?: string; template?: Uint8Array; log: Logger }): Promise<Embedded> {
  const { dataDir, template, log } = options;
  if (dataDir === undefined) return start({ dir: undefined, template });
  const lost = new AbortController();
  const lock = await lockFolder(dataDir, { onLost: (error) => lost.abort(error), onWait: (message) => log.warn(message) });
  const use = { lock, lost: lost.signal };
  const release = (): void => {
    try {
      lock.release();
    } catch (error) {
      log.warn({ err: error }, `The lock of the folder ${dataDir} could not be released: the next start may wait some seconds for it.`);
    }
  };
  try {
    const dir = join(dataDir, 'pg');
    if (!existsSync(dir)) await make(dir, template, use);
    const embedded = await start({ dir, template: undefined }, use);
    const close = (): Promise<void> => embedded.close().finally(release);
    return { ...embedded, close };
  } catch (error) {
    release();
    throw lost.signal.aborted ? lost.signal.reason : openingError(dataDir, error);
  }
}

/** Made aside and moved into place, so that a start which was cut short leaves no half of a database. */
async function make(dir: string, template: Uint8Array | undefined, use: FolderUse): Promise<void> {
  const aside = `${dir}.new`;
  checkHeld(use);
  rmSync(aside, { recursive: true, force: true });
  mkdirSync(aside, { mode: 0o700 });
  await (await start({ dir: aside, template }, use)).close();
  checkHeld(use);
  renameSync(aside, dir);
}

/** Bytes on disk of an empty database with its first write-ahead logs. PGlite does not say that the disk is full. */
const neededSpace = 64 * 2 ** 20;

function openingError(dataDir: string, error: unknown): Error {
  const known = folderError(dataDir, error);
  if (known instanceof ConfigError) return known;
  const free = freeSpace(dataDir);
  if (free < neededSpace) return new ConfigError(`The embedded database in ${dataDir} cannot be opened: the disk is full (${Math.floor(free / 2 ** 20)} MB are free).`, { cause: error });
  return new ConfigError(`The embedded database in ${dataDir} cannot be opened: it is damaged, or of another version.`, { cause: error });
}

interface FolderUse {
  lock: FolderLock;
  lost: AbortSignal;
}

/** @throws ConfigError when the folder was lost. An event listener misses a loss that came before it. */
function checkHeld({ lock, lost }: FolderUse): void {
  lock.check();
  lost.throwIfAborted();
}

async function start(workerData: WorkerOptions, use?: FolderUse): Promise<Embedded> {
  if (use !== undefined) checkHeld(use);
  const worker = new Worker(workerFile, { workerData });
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  const connections = new Map<number, ProtocolStream>();
  const dumps: { resolve(bytes: Uint8Array): void; reject(error: Error): void }[] = [];
  let count = 0;
  let stopped: Error | undefined;

  let closing = false;
  let fail: (error: Error) => void;
  const failed = new Promise<Error>((resolve) => (fail = resolve));

  const tell = (order: Order): void => {
    // Sends nothing once the folder is lost: `stop` has destroyed the connections.
    if (use?.lock.check() ?? true) worker.postMessage(order);
  };
  const stop = (error: Error): void => {
    stopped ??= error;
    if (!closing) fail(stopped);
    for (const connection of connections.values()) connection.destroy(error);
    for (const dump of dumps.splice(0)) dump.reject(error);
  };
  // A loss while starting ends the thread, and so the start.
  use?.lost.addEventListener('abort', () => {
    stop(new DatabaseStopped((use.lost.reason as Error).message, { cause: use.lost.reason }));
    void worker.terminate();
  });
  await new Promise<void>((resolve, reject) => {
    worker.on('error', reject);
    worker.on('exit', () => reject(new Error('The embedded database stopped while starting.')));
    worker.once('message', () => resolve());
  });
  worker.on('message', (answer: Answer) => {
    if (answer.kind === 'bytes') connections.get(answer.connection)?.receive(answer.bytes);
    if (answer.kind === 'dump') dumps.shift()?.resolve(answer.bytes);
  });
  use?.lost.throwIfAborted();
  worker.on('error', (cause) => stop(new DatabaseStopped('The embedded database has failed.', { cause })));
  worker.on('exit', () => stop(new DatabaseStopped('The embedded database has stopped.')));

  return {
    connection() {
      const id = ++count;
      const stream = new ProtocolStream((bytes) => tell({ kind: 'bytes', connection: id, bytes }));
      connections.set(id, stream);
      stream.once('close', () => connections.delete(id));
      if (stopped !== undefined) stream.destroy(stopped);
      return stream;
    },
    dump: () =>
      new Promise((resolve, reject) => {
        if (stopped !== undefined) return reject(stopped);
        dumps.push({ resolve, reject });
        tell({ kind: 'dump' });
      }),
    async close() {
      closing = true;
      if (stopped === undefined) tell({ kind: 'close' });
      await waitAtMost(closeWithinMs, exited);
      // Ends a hanging thread as a crash would: what was confirmed is in the folder.
      await worker.terminate();
    },
    failed,
  };
}

/** The worker beside this file: the compiled one, or the source through a loader. */
const workerFile = new URL(import.meta.url.endsWith('.ts') ? './worker-source.mjs' : './worker.js', import.meta.url);
