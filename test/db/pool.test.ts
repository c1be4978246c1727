import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { Pool } from '../../src/db/pool.ts';
import { createLogger } from '../../src/logger.ts';

const sockets = new Set<Socket>();
let server: Server | undefined;
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  server?.close();
});

const tooMany = Buffer.concat([Buffer.from('E\0\0\0\x1d'), Buffer.from('SFATAL\0C53300\0Mtoo many\0\0')]);
tooMany.writeInt32BE(tooMany.length - 1, 1);

it('never waits for a connection longer than its limit, however the last attempt ends', async () => {
  const waitMs = 4000;
  let count = 0;
  // Refuses the first connection after a delay, and never responds to the second.
  server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    count += 1;
    if (count === 1) socket.once('data', () => setTimeout(() => socket.end(tooMany), 0.75 * waitMs));
  });
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const pool = new Pool(
    { host: '127.0.0.1', port, user: 'u', database: 'db', max: 2, connectionTimeoutMillis: waitMs },
    createLogger('silent'),
  );
  const start = performance.now();
  await expect(pool.connect()).rejects.toMatchObject({ code: '53300' });
  expect(performance.now() - start).toBeLessThan(1.5 * waitMs);
  expect(count).toBe(2);
  for (const socket of sockets) socket.destroy();
  await pool.end();
});
