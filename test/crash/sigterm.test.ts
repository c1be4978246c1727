import { Agent, request } from 'node:http';
import { encodeGlobalID } from '@pothos/plugin-relay';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDataStore } from '../support/data-store.ts';
import { compile, prepareServer, startServer, type CompiledServer } from '../support/process.ts';
import { factMs } from '../support/limits.ts';

/** SIGTERM during mutations: each mutation is committed and gets a response, and the process exits with 0. */

const writes = 40;
/** Seconds that all changes take together. An earlier version aborted changes that were still running after five seconds. */
const longerThan = 8;

describe('on SIGTERM', () => {
  let compiled: CompiledServer;
  beforeAll(() => void (compiled = compile()));
  afterAll(() => compiled.remove());

  it('all running changes are committed and answered, connections are told to close, and the process exits with 0', async () => {
    const store = await createDataStore();
    const { env, port, schoolId, token } = await store.use(async (db) => {
      const fixture = await prepareServer(db);
      const { school, administrator } = await fixture.build.school();
      // Changes of one school are serialised, so each change delays the later ones.
      await db.pool.query(
        `create function wait() returns trigger language plpgsql as 'begin perform pg_sleep(${longerThan / writes}); return new; end'`,
      );
      await db.pool.query('create trigger slow before insert on event for each row execute function wait()');
      return { env: fixture.env, port: fixture.port, schoolId: school.id, token: await fixture.token(administrator) };
    });
    const child = startServer(compiled, port, { ...env, ...store.env });
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
    await store.use(async (db) => {
      expect(await db.prisma.subject.count({ where: { schoolId } })).toBe(writes);
      expect(await db.prisma.event.count({ where: { schoolId, type: 'subject.created' } })).toBe(writes);
    });
    await store.remove();
  });

  it('changes that are not done in time are aborted, and the process exits', async () => {
    const store = await createDataStore();
    const { env, port, schoolId, token } = await store.use(async (db) => {
      const fixture = await prepareServer(db);
      const { school, administrator } = await fixture.build.school();
      await db.pool.query(`create function wait() returns trigger language plpgsql as 'begin perform pg_sleep(300); return new; end'`);
      await db.pool.query('create trigger slow before insert on event for each row execute function wait()');
      return { env: fixture.env, port: fixture.port, schoolId: school.id, token: await fixture.token(administrator) };
    });
    const child = startServer(compiled, port, { ...env, ...store.env, STOP_SECONDS: '1' });
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
    // The test sends this request after the mutation. When its response arrives, the server has already started the
    // mutation.
    await fetch(child.url.replace('/graphql', '/health/live'));
    const begun = performance.now();
    expect([0, 1]).toContain(await child.kill('SIGTERM'));
    expect(performance.now() - begun).toBeLessThan(factMs);
    expect(await cut).toBe('cut');
    await store.remove();
  });
});
