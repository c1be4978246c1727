import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { encodeGlobalID } from '@pothos/plugin-relay';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { ConfigError, readConfig } from '../../src/config.ts';
import { connect, type Database } from '../../src/db/client.ts';
import { createLogger } from '../../src/logger.ts';
import { eventsStream } from './live/streams.ts';
import { person } from '../support/client.ts';
import { follower, type Follower } from '../support/follower.ts';
import { compile, prepareServer, startServer, type ServerProcess, type CompiledServer, type ServerFixture } from '../support/process.ts';
import { createDatabase, dropDatabase } from '../support/server.ts';
import { until } from '../support/until.ts';
import { factMs } from '../support/limits.ts';

/** Worker processes that share one port, started with `WORKERS=2`. */

const server = process.env.TEST_DATABASE_URL!;

describe('WORKERS', () => {
  const env = { SECRET_KEY: 'a secret of thirty-two bytes for tests' };
  const onServer = { ...env, DATABASE_URL: 'postgres://localhost/sfera' };

  it('is 1 by default, a number, or auto for the number of cores', () => {
    expect(readConfig(onServer).workers).toBe(1);
    expect(readConfig({ ...onServer, WORKERS: '3' }).workers).toBe(3);
    expect(readConfig({ ...onServer, WORKERS: 'auto' }).workers).toBeGreaterThanOrEqual(1);
    for (const wrong of ['0', '-1', 'many', '1.5', '257']) expect(() => readConfig({ ...onServer, WORKERS: wrong })).toThrow(ConfigError);
  });

  it('is 1 with the embedded database, also for auto', () => {
    expect(readConfig({ ...env, WORKERS: '1' }).workers).toBe(1);
    expect(readConfig({ ...env, WORKERS: 'auto' }).workers).toBe(1);
    expect(() => readConfig({ ...env, WORKERS: '2' })).toThrow(/^WORKERS must be 1 with the embedded database[^\n]*\.$/);
  });
});

describe.runIf(server)('a server with WORKERS=2', () => {
  let compiled: CompiledServer;
  let made: { name: string; url: string };
  let db: Database;
  let fixture: ServerFixture;
  let child: ServerProcess;
  const followers: Follower[] = [];

  beforeAll(async () => {
    compiled = compile();
    made = await createDatabase(server, inject('template'));
    db = await connect({ databaseUrl: made.url, poolSize: 4, log: createLogger('silent') });
    fixture = await prepareServer(db);
    await restart();
  });
  afterEach(() => {
    for (const each of followers.splice(0)) each.close();
  });
  afterAll(async () => {
    await child?.kill();
    await db?.close();
    await dropDatabase(server, made.name);
    compiled?.remove();
  });

  const start = () =>
    startServer(compiled, fixture.port, { ...fixture.env, DATABASE_URL: made.url, WORKERS: '2', LOG_LEVEL: 'debug', STOP_SECONDS: '300' });
  const restart = async () => {
    child = start();
    await child.ready();
    // The server writes its log lines in batches (src/logger.ts). So they may arrive later than the line «Sfera is ready».
    await until(() => expect([child.output().includes('Sfera is ready'), listening().length]).toEqual([true, 2]));
  };
  const lines = () =>
    child
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { msg: string; worker?: number; pid?: number; requestId?: string });
  const listening = () => lines().filter(({ msg }) => msg === 'a worker listens');

  async function scene() {
    const { school, administrator } = await fixture.build.school();
    const token = await fixture.token(administrator);
    const schoolId = encodeGlobalID('School', school.id);
    return {
      school,
      schoolId,
      token,
      async follow(count: number): Promise<Follower[]> {
        const made = Array.from({ length: count }, () => follower({ url: child.url, token, query: eventsStream, variables: { schoolId } }));
        followers.push(...made);
        await Promise.all(made.map(({ started }) => started));
        return made;
      },
      /** Runs a mutation on a new connection; returns the worker that handled it. */
      async write(): Promise<number> {
        const requestId = randomUUID();
        const query = 'mutation ($input: CreateSubjectInput!) { createSubject(input: $input) { __typename } }';
        const body = JSON.stringify({ query, variables: { input: { schoolId, name: requestId } } });
        const headers = {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'content-length': body.length,
          'x-request-id': requestId,
        };
        const text = await send('/graphql', { method: 'POST', headers }, body);
        expect(JSON.parse(text)).toMatchObject({ data: { createSubject: { __typename: 'Subject' } } });
        const found = () => lines().find((line) => line.requestId === requestId)?.worker;
        await expect.poll(found).toBeDefined();
        return found()!;
      },
    };
  }

  /** Sends a request on a new connection, so that the next request may reach another worker. */
  const send = (path: string, options: object, body = '') =>
    new Promise<string>((resolve, reject) => {
      // A connection that a worker received just before it was killed never gets a response, so the request needs a
      // timeout.
      const signal = AbortSignal.timeout(10_000);
      const asked = request({ host: '127.0.0.1', port: child.port, path, agent: false, signal, ...options }, (response) => {
        let text = '';
        response.on('data', (part: Buffer) => (text += part.toString())).on('end', () => resolve(text));
      });
      asked.on('error', reject).end(body);
    });

  /** Asserts that every follower received the whole log of the school, each event once and in order. */
  async function all(of: Follower[], schoolId: string): Promise<void> {
    const events = await db.prisma.event.findMany({ where: { schoolId }, orderBy: { seq: 'asc' } });
    const expected = events.map(({ seq }) => Buffer.from(`${schoolId}:${seq}`).toString('base64url'));
    for (const each of of) {
      await each.until((items) => items.length >= expected.length);
      expect(each.items.map(({ cursor }) => cursor)).toEqual(expected);
    }
  }

  it('says once that it is ready', () => {
    expect(child.output().match(/Sfera is ready/g)).toHaveLength(1);
    expect(listening()).toHaveLength(2);
  });

  it('runs the housekeeping in one worker only', async () => {
    const forgot = () =>
      lines()
        .filter(({ msg }) => msg === 'expired data was deleted')
        .map(({ worker }) => worker);
    await expect.poll(forgot).toEqual([listening()[0]!.worker]);
  });

  it('delivers events written at either worker to subscribers of both, and replaces a killed worker without a loss', async () => {
    const { school, follow, write } = await scene();
    const at = await follow(8);
    const took = [await write(), await write(), await write(), await write()];
    expect(new Set(took).size).toBe(2);
    await all(at, school.id);

    process.kill(listening()[1]!.pid!, 'SIGKILL');
    await write().catch(() => undefined);
    await expect.poll(() => listening().length).toBe(3);
    const later = [await write(), await write(), await write(), await write()];
    expect(new Set(later)).toContain(listening()[2]!.worker);
    await all(at, school.id);
    const returned = at.filter(({ reconnects }) => reconnects > 0).length;
    expect([returned > 0, returned < at.length]).toEqual([true, true]);
  });

  const number = (text: string, name: string) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? NaN);

  it('answers a scrape with the sums of all workers', async () => {
    const counted = async () =>
      Number(/^sfera_http_requests_total\{method="GET",status="404"\} (\d+)$/m.exec(await send('/metrics', {}))?.[1] ?? 0);
    const before = await counted();
    for (let n = 0; n < 6; n += 1) await send('/nothing', {});
    await expect.poll(counted).toBe(before + 6);
    expect(await counted()).toBe(before + 6);
  });

  it('answers a scrape without a hanging worker, and counts the missing replies', async () => {
    expect(number(await send('/metrics', {}), 'sfera_workers')).toBe(2);
    const { pid } = listening().at(-1)!;
    process.kill(pid!, 'SIGSTOP');
    try {
      // The primary distributes connections to both workers. The stopped worker does not respond to the connections
      // that it gets.
      const answers = await Promise.allSettled(Array.from({ length: 6 }, () => send('/metrics', {})));
      const texts = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
      expect(texts.length).toBeGreaterThan(0);
      for (const text of texts) expect([number(text, 'sfera_workers'), text.includes('sfera_http_requests_total')]).toEqual([1, true]);
    } finally {
      process.kill(pid!, 'SIGCONT');
    }
    await expect.poll(async () => number(await send('/metrics', {}), 'sfera_workers')).toBe(2);
    expect(number(await send('/metrics', {}), 'sfera_workers_silent_total')).toBeGreaterThan(0);
  });

  it('answers a scrape without waiting for a worker that starts', async () => {
    const holder = await db.pool.connect();
    // The next worker waits for the session that holds the migration lock.
    await holder.query('select pg_advisory_lock(7261001)');
    try {
      const before = listening().length;
      process.kill(listening().at(-1)!.pid!, 'SIGKILL');
      await expect.poll(() => lines().some(({ msg }) => /migrat.*(wait|lock)|wait.*migrat/i.test(msg))).toBe(true);
      expect(listening()).toHaveLength(before);
      const silent = number(await send('/metrics', {}), 'sfera_workers_silent_total');
      const scrape = await send('/metrics', {});
      expect([number(scrape, 'sfera_workers'), number(scrape, 'sfera_workers_silent_total')]).toEqual([1, silent]);
    } finally {
      await holder.query('select pg_advisory_unlock(7261001)');
      holder.release();
    }
    await expect.poll(async () => /^sfera_workers (\d)$/m.exec(await send('/metrics', {}))?.[1]).toBe('2');
  });

  it('ends all its workers on SIGTERM, with a close code that makes clients reconnect', async () => {
    const { token, schoolId } = await scene();
    const streams = Array.from({ length: 8 }, () => person(child.url, token).listen(eventsStream, { schoolId }));
    await Promise.all(streams.map((stream) => stream.until(({ items }) => items.length === 1)));
    const begun = performance.now();
    expect(await child.kill('SIGTERM')).toBe(0);
    expect(performance.now() - begun).toBeLessThan(factMs);
    for (const stream of streams) expect((await stream.over).code).toBe(1012);
  });

  it('leaves no worker behind when its primary process is killed', async () => {
    await restart();
    // `kill` waits for the event `close` of the server, which fires when no process holds the server's output any more. So
    // the workers have ended too.
    await child.kill('SIGKILL');
    await expect(fetch(child.url)).rejects.toThrow();
  });

  describe('on a database of a later version', () => {
    const later = `insert into "_prisma_migrations" (id, checksum, finished_at, migration_name) values ('x', 'x', now(), '9999_later')`;

    it('gives up with one line if workers exit as soon as they start', async () => {
      await restart();
      await db.pool.query(later);
      const { token, schoolId } = await scene();
      const streams = Array.from({ length: 8 }, () => person(child.url, token).listen(eventsStream, { schoolId }));
      await Promise.all(streams.map((stream) => stream.until(({ items }) => items.length === 1)));
      process.kill(listening()[0]!.pid!, 'SIGKILL');
      expect(await child.ended).toBe(1);
      expect(child.output()).toContain('\nWorkers failed 5 times within a minute, so the server stops.\n');
      expect(child.output().match(/9999_later/g)).toHaveLength(4);
      const codes = await Promise.all(streams.map(async ({ over }) => (await over).code));
      expect(new Set(codes)).toEqual(new Set([1006, 1012]));
    });

    it('logs once why it does not start', async () => {
      child = start();
      expect(await child.ended).toBe(1);
      expect(child.output().match(/9999_later/g)).toHaveLength(1);
    });
  });
});
