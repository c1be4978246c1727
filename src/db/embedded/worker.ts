import { parentPort, workerData } from 'node:worker_threads';
import { PGlite, protocol } from '@electric-sql/pglite';
import { btree_gist } from '@electric-sql/pglite/contrib/btree_gist';
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import type { WorkerOptions, WorkerReply, WorkerRequest } from './embedded.ts';

/** Runs the embedded database in a worker thread. Receives and sends bytes of the PostgreSQL protocol. */

const port = parentPort;
if (port === null) throw new Error('embedded-worker runs only as a worker');
const { dir, template } = workerData as WorkerOptions;

const database = await PGlite.create({
  ...(dir === undefined ? {} : { dataDir: dir }),
  ...(template === undefined ? {} : { loadDataDir: new Blob([template as Uint8Array<ArrayBuffer>]) }),
  extensions: { btree_gist, pg_trgm },
});

const reply = (message: WorkerReply, bytes: Uint8Array): void => port.postMessage(message, [bytes.buffer as ArrayBuffer]);

const runSql = (sql: string): Uint8Array => database.execProtocolRawSync(protocol.serialize.query(sql));

/** A startup packet has no type byte. Its first byte is the highest byte of its length, which is 0. */
const startsSession = (bytes: Uint8Array): boolean => bytes[0] === 0;

function exchange(bytes: Uint8Array): Uint8Array {
  if (!startsSession(bytes)) return database.execProtocolRawSync(bytes);
  // All connections share one session. Resets what the previous connection left open.
  runSql('rollback');
  runSql('discard all');
  return database.execProtocolRawSync(bytes).slice();
}

async function handle(request: WorkerRequest): Promise<void> {
  switch (request.kind) {
    case 'bytes': {
      const bytes = exchange(request.bytes);
      reply({ kind: 'bytes', connection: request.connection, bytes }, bytes);
      return;
    }
    case 'dump': {
      runSql('checkpoint');
      const bytes = new Uint8Array(await (await database.dumpDataDir('none')).arrayBuffer());
      reply({ kind: 'dump', bytes }, bytes);
      return;
    }
    case 'close':
      await database.close();
      port?.close();
  }
}

/** Handles one request after another. */
class RequestQueue {
  #last = Promise.resolve();

  add(request: WorkerRequest): void {
    this.#last = this.#last.then(() => handle(request));
  }
}

const queue = new RequestQueue();
port.on('message', (request: WorkerRequest) => queue.add(request));

port.postMessage({ kind: 'ready' } satisfies WorkerReply);
