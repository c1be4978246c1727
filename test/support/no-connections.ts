import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import workers from 'node:worker_threads';

/** Setup of the project `unit`: a test that opens a connection, a server or the embedded database fails. */

function refuse(): never {
  throw new Error('Tests of the project unit open no connection and no database: remove the file from `unit` in vitest.config.ts.');
}

net.Socket.prototype.connect = refuse;
net.Server.prototype.listen = refuse;
// The embedded database runs in a worker.
workers.Worker = class {
  constructor() {
    refuse();
  }
} as unknown as typeof workers.Worker;
syncBuiltinESMExports();
