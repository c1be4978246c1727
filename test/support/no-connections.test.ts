import { connect as openConnection, createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { connect } from '../../src/db/client.ts';
import { createLogger } from '../../src/logger.ts';

const log = createLogger('silent');
const refusal = /remove the file from `unit` in vitest\.config\.ts/;

describe('a test of the project unit', () => {
  it('opens neither a connection nor a server', () => {
    expect(() => openConnection(5432, '127.0.0.1')).toThrow(refusal);
    expect(() => createServer().listen(0)).toThrow(refusal);
  });

  it('opens no embedded database', async () => {
    await expect(connect({ poolSize: 1, log })).rejects.toThrow(refusal);
  });

  it('does not get the database of the other tests', async () => {
    await expect(import('./database.ts')).rejects.toThrow(refusal);
  });
});
