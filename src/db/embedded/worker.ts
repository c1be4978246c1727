import { parentPort, workerData } from 'node:worker_threads';
import { PGlite, protocol } from '@electric-sql/pglite';
import { btree_gist } from '@electric-sql/pglite/contrib/btree_gist';
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import type { Answer, Order, WorkerOptions } from './embedded.ts';

/** The embedded database itself, in a thread of its own: takes bytes of the PostgreSQL protocol, answers with such bytes. */

const port = parentPort;
if (port === null) throw new Error('embedded-worker runs only as a worker');
const { dir, template } = workerData as WorkerOptions;

const database = await PGlite.create({
  ...(dir === undefined ? {} : { dataDir: dir }),
  ...(template === undefined ? {} : { loadDataDir: new Blob([template as Uint8Array<ArrayBuffer>]) }),
  extensions: { btree_gist, pg_trgm },
});

const answer = (message: Answer, bytes: Uint8Array): void => port.postMessage(message, [bytes.buffer as ArrayBuffer]);

const run = (sql: string): Uint8Array => database.execProtocolRawSync(protocol.serialize.query(sql));

/** A startup packet has no type byte, so its first byte is the highest of its length. */
const startsSession = (bytes: Uint8Array): boolean => bytes[0] === 0;

function exchange(bytes: Uint8Array): Uint8Array {
  if (!startsSession(bytes)) return database.execProtocolRawSync(bytes);
  // There is one session inside; what the connection before this one left open in it is undone.
  run('rollback');
  run('discard all');
  return database.execProtocolRawSync(bytes).slice();
}

async function take(order: Order): Promise<void> {
  switch (order.kind) {
    case 'bytes': {
      const bytes = exchange(order.bytes);
      answer({ kind: 'bytes', connection: order.connection, bytes }, bytes);
      return;
    }
    case 'dump': {
      run('checkpoint');
      const bytes = new Uint8Array(await (await database.dumpDataDir('none')).arrayBuffer());
      answer({ kind: 'dump', bytes }, bytes);
      return;
    }
    case 'close':
      await database.close();
      port?.close();
  }
}

let turn = Promise.resolve();
port.on('message', (order: Order) => {
  turn = turn.then(() => take(order));
});

port.postMessage({ kind: 'ready' } satisfies Answer);
