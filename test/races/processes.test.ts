import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeGlobalID } from '@pothos/plugin-relay';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { connect, type Database } from '../../src/db/client.ts';
import { readMigrations } from '../../src/db/migrate.ts';
import { Notifier } from '../../src/events/notifier.ts';
import { createLogger } from '../../src/logger.ts';
import { chatsStream, enrolmentsStream, eventsStream } from '../http/live/streams.ts';
import { person } from '../support/client.ts';
import { follower, type Follower, type StreamItem } from '../support/follower.ts';
import { planList, pupils } from '../support/import-lists.ts';
import { compile, prepareServer, startServer, type ServerProcess, type CompiledServer, type ServerFixture } from '../support/process.ts';
import { createDatabase, dropDatabase } from '../support/server.ts';
import { freePort, type Sfera } from '../support/sfera.ts';

const server = process.env.TEST_DATABASE_URL!;
const log = createLogger('silent');

describe.runIf(server)('two processes on one database', () => {
  let compiled: CompiledServer;
  let made: { name: string; url: string };
  let db: Database;
  let fixture: ServerFixture;
  let children: ServerProcess[];
  let dataDir: string;
  const followers: Follower[] = [];

  beforeAll(async () => {
    compiled = compile();
    dataDir = mkdtempSync(join(tmpdir(), 'sfera-data-'));
    made = await createDatabase(server, inject('template'));
    db = await connect({ databaseUrl: made.url, poolSize: 4, log });
    fixture = await prepareServer(db);
    children = [await spawn(fixture.port), await spawn(await freePort())];
    await Promise.all(children.map((child) => child.ready()));
  });
  afterEach(() => {
    for (const each of followers.splice(0)) each.close();
  });
  afterAll(async () => {
    await Promise.all((children ?? []).map((child) => child.kill()));
    await db?.close();
    await dropDatabase(server, made.name);
    compiled?.remove();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const spawn = async (port: number, url = made.url) =>
    startServer(compiled, port, { ...fixture.env, DATABASE_URL: url, DATA_DIR: dataDir });

  /** Creates a school and subscribes its administrator at each process: to enrolments, to chats and to all events. */
  async function scene() {
    const { school, administrator } = await fixture.build.school();
    const found = await fixture.build.class({ schoolId: school.id });
    const chat = await fixture.build.chat({ schoolId: school.id, kind: 'CLASS', classId: found.id });
    const token = await fixture.token(administrator);
    const schoolId = encodeGlobalID('School', school.id);
    const streams = children.map(({ url }) =>
      [enrolmentsStream, chatsStream, eventsStream].map((query) => {
        const each = follower({ url, token, query, variables: { schoolId } });
        followers.push(each);
        return each;
      }),
    );
    await Promise.all(streams.flat().map(({ started }) => started));
    const at = children.map(({ url }) => person(url, token));
    const enrol = async (process: number) => {
      const pupil = await fixture.build.user({ schoolId: school.id, role: 'STUDENT' });
      const input = { studentId: encodeGlobalID('User', pupil.id), classId: encodeGlobalID('Class', found.id), idempotencyKey: pupil.id };
      const act = () => at[process]!.enrolStudent(input);
      return { studentId: input.studentId, act };
    };
    return { school, schoolId, chat, streams, at, enrol };
  }

  const cursors = (items: readonly StreamItem[]) => items.map(({ cursor }) => cursor);

  /** Asserts that every follower at both processes received every event, once and in the order of the log. */
  async function all(streams: Follower[][], schoolId: string): Promise<void> {
    const events = await db.prisma.event.findMany({ where: { schoolId }, orderBy: { seq: 'asc' } });
    const expected = [/^student\./, /^chat/, /./].map((types) =>
      events.filter(({ type }) => types.test(type)).map(({ seq }) => Buffer.from(`${schoolId}:${seq}`).toString('base64url')),
    );
    for (const of of streams)
      for (const [n, each] of of.entries()) {
        await each.until((items) => items.length >= expected[n]!.length);
        expect(cursors(each.items)).toEqual(expected[n]);
      }
  }

  const terminate = async (which: string) => {
    const { rows } = await db.pool.query<{ pid: number }>(
      `select pid, pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
       and application_name = $1 and not pid = any($2)`,
      [which, await own()],
    );
    return rows.length;
  };
  /** Returns the PIDs of the test's own database sessions. */
  const own = async (): Promise<number[]> => {
    const clients = await Promise.all(Array.from({ length: db.pool.options.max }, () => db.pool.connect()));
    const pids = await Promise.all(
      clients.map(async (client) => (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]!.pid),
    );
    for (const client of clients) client.release();
    return pids;
  };
  const listening = async () => {
    const { rows } = await db.pool.query(
      `select query from pg_stat_activity where datname = current_database() and application_name = 'sfera listen' and state = 'idle' and query <> ''`,
    );
    return rows.length;
  };

  it('deliver changes of one process to subscribers of the other', async () => {
    const { school, streams, enrol, at, schoolId } = await scene();
    for (const process of [0, 1, 0, 1]) expect(await (await enrol(process)).act()).toMatchObject({ __typename: 'Enrolment' });
    await Promise.all(at.map((who, n) => who.createChat({ schoolId, kind: 'SCHOOL', name: `Чат ${n}` })));
    await all(streams, school.id);
    expect(streams[0]![2]!.items).toHaveLength(10);
  });

  it('pass on the progress of a plan while its transaction is open', async () => {
    const { school, administrator } = await fixture.build.school();
    const token = await fixture.token(administrator);
    const schoolId = encodeGlobalID('School', school.id);
    const at = children.map(({ url }) => person(url, token));
    const app = { url: children[0]!.url, id: encodeGlobalID } as unknown as Sfera;
    const query =
      'subscription ($schoolId: ID!) { planProgress(schoolId: $schoolId) { __typename ... on PlanProgress { planId stage done total } } }';
    const stream = at[1]!.listen(query, { schoolId });
    await stream.until(({ items }) => items.length > 0);
    const stages = () => stream.items.slice(1).map(({ stage }) => stage as string);
    const plan = await planList(app, { as: at[0]!, token }, school.id, pupils(300));
    await stream.until(() => stages().includes('FINISHED'));
    expect([...new Set(stages())]).toEqual(['READING', 'COMPARING', 'WRITING', 'FINISHED']);
    const before = stages().length;
    // Locks the row of the school in `event_head`, so that the transaction of `applyPlan` cannot commit.
    const holder = await db.pool.connect();
    let isAnswered = false;
    try {
      await holder.query('begin');
      await holder.query('select 1 from event_head where school_id = $1 for update', [school.id]);
      const applied = at[0]!.applyPlan({ planId: plan.id }).finally(() => (isAnswered = true));
      await stream.until(() => stages().slice(before).includes('WRITING'));
      expect([isAnswered, stages().slice(before).includes('FINISHED')]).toEqual([false, false]);
      await holder.query('commit');
      expect(await applied).toMatchObject({ state: 'APPLIED' });
    } finally {
      holder.release();
    }
    await stream.until(() => stages().slice(before).includes('FINISHED'));
    expect([...new Set(stages().slice(before))]).toEqual(['CHECKING', 'WRITING', 'FINISHED']);
    expect(stream.items.slice(1).every(({ planId }) => planId === plan.id)).toBe(true);
    stream.close();
  });

  it('notify the other by NOTIFY with only the id of the school', async () => {
    const { school, enrol } = await scene();
    const listener = new pg.Client({ connectionString: made.url });
    await listener.connect();
    try {
      await listener.query('listen sfera_events');
      const notified = new Promise<string | undefined>((resolve) => listener.on('notification', ({ payload }) => resolve(payload)));
      await (await enrol(1)).act();
      expect(await notified).toBe(school.id);
    } finally {
      await listener.end();
    }
  });

  it('lose nothing when the connections that LISTEN are killed, and listen again', async () => {
    const { school, streams, enrol } = await scene();
    expect(await terminate('sfera listen')).toBe(2);
    for (const process of [0, 1, 0, 1]) await (await enrol(process)).act();
    await all(streams, school.id);
    await expect.poll(listening).toBe(2);
    await (await enrol(0)).act();
    await all(streams, school.id);
    expect(streams.flat().map(({ reconnects }) => reconnects)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('survive the loss of all connections during work, without losing or duplicating anything', async () => {
    const { school, streams, enrol } = await scene();
    const acts = await Promise.all(Array.from({ length: 60 }, (_, n) => enrol(n % 2)));
    let unanswered = 0;
    const done = acts.map(async ({ act }, n) => {
      await new Promise((resolve) => setTimeout(resolve, n * 10));
      for (;;) {
        const answer = await act().catch(() => null);
        // UNAVAILABLE can also mean that the server does not know whether the change was committed.
        if (answer === null || (answer as { code?: string }).code === 'UNAVAILABLE') unanswered += 1;
        else return expect(answer).toMatchObject({ __typename: 'Enrolment' });
      }
    });
    let killed = 0;
    for (let round = 0; round < 4; round += 1) {
      killed += await terminate('sfera');
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    await Promise.all(done);
    await all(streams, school.id);
    expect(streams[0]![0]!.items.map(({ studentId }) => studentId).sort()).toEqual(acts.map(({ studentId }) => studentId).sort());
    for (const child of children) await child.ready();
    console.info(
      `${killed} connections killed, ${unanswered} requests unanswered, ${streams.flat().reduce((sum, { reconnects }) => sum + reconnects, 0)} streams came back`,
    );
  });

  it('started together on an empty database migrate it once and share one signing key', async () => {
    const empty = await createDatabase(server);
    const pair = [await spawn(await freePort(), empty.url), await spawn(await freePort(), empty.url)];
    try {
      await Promise.all(pair.map((child) => child.ready()));
      const client = new pg.Client({ connectionString: empty.url });
      await client.connect();
      const { rows } = await client.query(`select migration_name from "_prisma_migrations" order by 1`).finally(() => client.end());
      expect(rows.map((row: { migration_name: string }) => row.migration_name)).toEqual(readMigrations().map(({ name }) => name));
      const keys = await Promise.all(
        pair.map(
          async ({ port }) => ((await (await fetch(`http://127.0.0.1:${port}/oidc/jwks`)).json()) as { keys: { kid: string }[] }).keys,
        ),
      );
      expect(keys[0]).toHaveLength(1);
      expect(keys[1]).toEqual(keys[0]);
    } finally {
      await Promise.all(pair.map((child) => child.kill()));
      await dropDatabase(server, empty.name);
    }
  });

  it('end on SIGTERM with a code to reconnect, and their subscribers continue at the other', async () => {
    const port = await freePort();
    const third = await spawn(port);
    await third.ready();
    const { school, administrator } = await fixture.build.school();
    const schoolId = encodeGlobalID('School', school.id);
    const token = await fixture.token(administrator);
    const stream = person(third.url, token).listen(eventsStream, { schoolId });
    await stream.until(({ items }) => items.length === 1);
    expect(await third.kill('SIGTERM')).toBe(0);
    expect((await stream.over).code).toBe(1012);
    expect(await person(children[0]!.url, token).createSubject({ schoolId, name: 'Физика' })).toMatchObject({ __typename: 'Subject' });
    const next = person(children[1]!.url, token).listen(eventsStream, { schoolId, after: stream.items[0]!.cursor });
    await next.until(({ news }) => news.length === 1);
    next.close();
  });
});

describe.runIf(server)('a notifier whose LISTEN connection was killed', () => {
  it('reports that notifications may have been missed when it listens again, and then receives them again', async () => {
    const made = await createDatabase(server);
    const db = await connect({ databaseUrl: made.url, poolSize: 2, log });
    const notifier = new Notifier(db.pool, db.connectionString, log);
    try {
      const notified: (readonly string[] | null)[] = [];
      notifier.onNotify((schools) => notified.push(schools));
      const notify = (text: string) => db.pool.query(`select pg_notify('sfera_events', $1)`, [text]);
      await expect.poll(() => notified).toEqual([null]);
      await notify('a,b');
      await expect.poll(() => notified).toEqual([null, ['a', 'b']]);
      await db.pool.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'sfera listen'`,
      );
      await expect.poll(() => notified).toEqual([null, ['a', 'b'], null]);
      await notify('c');
      await expect.poll(() => notified).toEqual([null, ['a', 'b'], null, ['c']]);
    } finally {
      await notifier.close();
      await db.close();
      await dropDatabase(server, made.name);
    }
  });
});
