import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeGlobalID } from '@pothos/plugin-relay';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { connect, type Database } from '../../src/db/client.ts';
import { createLogger } from '../../src/logger.ts';
import { server } from '../support/database.ts';
import { compile, prepareServer, startServer, type CompiledServer } from '../support/process.ts';
import { createDatabase, dropDatabase } from '../support/server.ts';
import { factMs } from '../support/limits.ts';

/** SIGTERM during mutations: each one is committed and gets a response, and the process exits with 0. */

const log = createLogger('silent');
const writes = 40;
/** Total seconds of the changes: longer than the five seconds after which an earlier version aborted them. */
const longerThan = 8;

async function open(): Promise<{
  env: Record<string, string>;
  look<T>(at: (db: Database) => Promise<T>): Promise<T>;
  remove(): Promise<void>;
}> {
  const dataDir = mkdtempSync(join(tmpdir(), 'sfera-data-'));
  const made = server === undefined ? undefined : await createDatabase(server, inject('template'));
  return {
    env: made === undefined ? { DATA_DIR: dataDir } : { DATABASE_URL: made.url, DATA_DIR: dataDir },
    async look(at) {
      const db = await connect(
        made === undefined
          ? { poolSize: 1, dataDir, log, template: readFileSync(inject('template')) }
          : { databaseUrl: made.url, poolSize: 2, log },
      );
      try {
        return await at(db);
      } finally {
        await db.close();
      }
    },
    async remove() {
      if (made !== undefined) await dropDatabase(server!, made.name);
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

describe('on SIGTERM', () => {
  let compiled: CompiledServer;
  beforeAll(() => void (compiled = compile()));
  afterAll(() => compiled.remove());

  it('all running changes are committed and answered, connections are told to close, and the process exits with 0', async () => {
    const place = await open();
    const { env, port, schoolId, token } = await place.look(async (db) => {
      const fixture = await prepareServer(db);
      const { school, administrator } = await fixture.build.school();
      // Changes of one school are serialised, so each one delays those after it.
      await db.pool.query(
        `create function wait() returns trigger language plpgsql as 'begin perform pg_sleep(${longerThan / writes}); return new; end'`,
      );
      await db.pool.query('create trigger slow before insert on event for each row execute function wait()');
      return { env: fixture.env, port: fixture.port, schoolId: school.id, token: await fixture.token(administrator) };
    });
    const child = startServer(compiled, port, { ...env, ...place.env });
    await child.ready();
    const agent = new Agent({ keepAlive: true, maxSockets: writes });
    const input = (n: number) => ({ schoolId: encodeGlobalID('School', schoolId), name: `Предмет ${n}` });
    const write = (n: number) =>
      new Promise<{ status: number; connection: string | undefined; text: string }>((resolve, reject) => {
        const sent = request(
          child.url,
          { method: 'POST', agent, headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` } },
          (response) => {
            let text = '';
            response.on('data', (part: Buffer) => (text += part.toString())).once('error', reject);
            response.once('end', () => resolve({ status: response.statusCode!, connection: response.headers.connection, text }));
          },
        );
        sent
          .once('error', reject)
          .end(
            JSON.stringify({
              query: 'mutation ($input: CreateSubjectInput!) { createSubject(input: $input) { __typename } }',
              variables: { input: input(n) },
            }),
          );
      });
    const answered = Array.from({ length: writes }, (_, n) => write(n));
    // When the first response arrives, all requests have been sent.
    await answered[0];
    const begun = performance.now();
    const ended = child.kill('SIGTERM');
    const results = await Promise.all(answered);
    expect(performance.now() - begun).toBeGreaterThan(5000);
    expect(results.map(({ status, text }) => [status, (JSON.parse(text) as { data: unknown }).data])).toEqual(
      Array(writes).fill([200, { createSubject: { __typename: 'Subject' } }]),
    );
    expect(results.filter(({ connection }) => connection === 'close').length).toBeGreaterThan(writes / 2);
    expect(await ended).toBe(0);
    agent.destroy();
    await place.look(async (db) => {
      expect(await db.prisma.subject.count({ where: { schoolId } })).toBe(writes);
      expect(await db.prisma.event.count({ where: { schoolId, type: 'subject.created' } })).toBe(writes);
    });
    await place.remove();
  });

  it('changes that are not done in time are aborted, and the process exits', async () => {
    const place = await open();
    const { env, port, schoolId, token } = await place.look(async (db) => {
      const fixture = await prepareServer(db);
      const { school, administrator } = await fixture.build.school();
      await db.pool.query(`create function wait() returns trigger language plpgsql as 'begin perform pg_sleep(300); return new; end'`);
      await db.pool.query('create trigger slow before insert on event for each row execute function wait()');
      return { env: fixture.env, port: fixture.port, schoolId: school.id, token: await fixture.token(administrator) };
    });
    const child = startServer(compiled, port, { ...env, ...place.env, STOP_SECONDS: '1' });
    await child.ready();
    const cut = fetch(child.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({
        query: `mutation { createSubject(input: { schoolId: "${encodeGlobalID('School', schoolId)}", name: "x" }) { __typename } }`,
      }),
    }).then(
      ({ status }) => status,
      () => 'cut',
    );
    // A response to a later request shows that the mutation has started.
    await fetch(child.url.replace('/graphql', '/health/live'));
    const begun = performance.now();
    expect([0, 1]).toContain(await child.kill('SIGTERM'));
    expect(performance.now() - begun).toBeLessThan(factMs);
    expect(await cut).toBe('cut');
    await place.remove();
  });
});
