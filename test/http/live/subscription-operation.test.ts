import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import pg from 'pg';
import { transaction } from '../../../src/db/transaction.ts';
import type { PayloadOf, EventType } from '../../../src/events/catalog.ts';
import { attribute, record } from '../../../src/events/record.ts';
import type { OpenStream } from '../../support/client.ts';
import { server } from '../../support/database.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';
import { enrolmentsStream } from './streams.ts';
import { until } from '../../support/until.ts';

/**
 * The database fails during delivery. Every subscriber gets the complete event later, or its stream ends before the
 * event. A stream that ended delivers the event on resume.
 */

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
const opened: OpenStream[] = [];
afterEach(async () => {
  for (const stream of opened.splice(0)) stream.close();
  await until(() => expect(app.liveEvents.rights.stats().subscribers).toBe(0));
});
afterAll(() => app.close());

const write = (...events: { type: EventType; payload: Record<string, string> }[]) =>
  transaction(app.db, (tx) => {
    attribute(tx, { actor: { kind: 'operator' }, causation: null, notify: (ids) => app.notifier.notify(ids) });
    for (const { type, payload } of events) record(tx, type, payload as PayloadOf<typeof type>);
    return Promise.resolve();
  });

const chats = (fields: string) => `subscription ($schoolId: ID!, $after: String) {
  chats(schoolId: $schoolId, after: $after) {
    __typename ... on ChatChange { cursor kind chat { name ${fields} } } ... on Checkpoint { cursor } ... on Ended { reason cursor }
  }
}`;
const shared = chats('kind');
/** A field that depends on the viewer, so that the event is executed for each subscriber separately. */
const separate = chats('viewerRole');

async function follow(transport: 'listen' | 'listenSse', user: { id: string }, query: string, variables: object): Promise<OpenStream> {
  const stream = await app.as(user)[transport](query, variables);
  opened.push(stream);
  return stream;
}

/**
 * Creates a school with one chat and three subscribers. Two subscribers share an execution, and the third has one of
 * its own.
 */
async function scene(transport: 'listen' | 'listenSse') {
  const { school, administrator } = await app.build.school();
  const second = await app.build.user({ schoolId: school.id, role: 'PLATFORM_ADMINISTRATOR' });
  const chat = await app.build.chat({ schoolId: school.id, kind: 'SCHOOL' });
  const schoolId = app.id('School', school.id);
  const listen = async (user: { id: string }, query: string, after?: string) => {
    const stream = await follow(transport, user, query, { schoolId, after });
    if (after === undefined) await stream.until(({ items }) => items.length > 0);
    return stream;
  };
  const asked = [
    [administrator, shared],
    [second, shared],
    [administrator, separate],
  ] as const;
  const streams = await Promise.all(asked.map(([user, query]) => listen(user, query)));
  await until(() => expect(app.liveEvents.broadcaster.stats().waiting).toBeGreaterThanOrEqual(2));
  const renamed = { type: 'chat.renamed', payload: { schoolId: school.id, chatId: chat.id } } as const;
  const again = (after: readonly string[]) => Promise.all(asked.map(([user, query], n) => listen(user, query, after[n])));
  return { school, schoolId, administrator, chat, streams, renamed, again, listen };
}

const executions = async () =>
  Number(/^sfera_stream_executions_total (\d+)$/m.exec(await (await fetch(app.url.replace('/graphql', '/metrics'))).text())?.[1]);

/** Renames the table while `meanwhile` runs, so that every statement that uses the table fails. */
async function withoutTable<T>(table: string, meanwhile: () => Promise<T>): Promise<T> {
  await app.db.pool.query(`alter table "${table}" rename to "${table}_away"`);
  try {
    return await meanwhile();
  } finally {
    await app.db.pool.query(`alter table "${table}_away" rename to "${table}"`);
  }
}

const waitForNews = (stream: OpenStream, count: number) => stream.until(({ news }) => news.length >= count);
const codes = async ({ over }: OpenStream) => (await over).errors?.map(({ extensions }) => extensions?.code);
const lastCursor = ({ items }: OpenStream) => String(items.at(-1)!.cursor);

describe.each(['listen', 'listenSse'] as const)('by %s', (transport) => {
  it('delivers an event completely and once if it could not be read at first', async () => {
    const { chat, streams, renamed } = await scene(transport);
    const before = await executions();
    await withoutTable('chat', async () => {
      await write(renamed);
      // Four executions fail: the shared one, one for each of its two subscribers, and one for the third subscriber.
      await until(async () => expect((await executions()) - before).toBeGreaterThanOrEqual(4));
    });
    await Promise.all(streams.map((stream) => waitForNews(stream, 1)));
    await write(renamed);
    for (const stream of streams) {
      await waitForNews(stream, 2);
      expect(stream.news.map((item) => item.chat?.name)).toEqual([chat.name, chat.name]);
      expect(new Set(stream.news.map(({ cursor }) => cursor)).size).toBe(2);
    }
  });

  it('ends the stream before an event that cannot be read, and delivers it once on resume', async () => {
    const { chat, streams, renamed, again, listen, administrator } = await scene(transport);
    await write(renamed);
    await Promise.all(streams.map((stream) => waitForNews(stream, 1)));
    const cursors = streams.map(lastCursor);
    await withoutTable('chat', async () => {
      await write(renamed);
      for (const stream of streams) expect(await codes(stream)).toEqual(['UNAVAILABLE']);
      // A stream that resumes while the table is still missing ends again.
      const early = await listen(administrator, shared, cursors[0]);
      expect(await codes(early)).toEqual(['UNAVAILABLE']);
      expect(early.items).toEqual([]);
    });
    const back = await again(cursors);
    await write(renamed);
    for (const [n, stream] of streams.entries()) {
      await waitForNews(back[n]!, 2);
      const all = [...stream.news, ...back[n]!.news];
      expect(all.map((item) => item.chat?.name)).toEqual([chat.name, chat.name, chat.name]);
      expect(new Set(all.map(({ cursor }) => cursor)).size).toBe(3);
    }
  });

  it('delivers readable events as before, independent of the selections of others', async () => {
    const { school, schoolId, administrator, renamed, streams } = await scene(transport);
    const found = await app.build.class({ schoolId: school.id });
    const pupil = await app.build.student({ classId: found.id });
    const { id: enrolmentId } = await app.db.prisma.enrolment.findFirstOrThrow({ where: { studentId: pupil.id } });
    const enrolled = {
      type: 'student.enrolled',
      payload: { schoolId: school.id, enrolmentId, studentId: pupil.id, classId: found.id },
    } as const;
    const others = await follow(transport, administrator, enrolmentsStream, { schoolId });
    await others.until(({ items }) => items.length > 0);
    await withoutTable('chat', async () => {
      await write(enrolled, renamed, enrolled);
      await waitForNews(others, 2);
      for (const stream of streams) expect(await codes(stream)).toEqual(['UNAVAILABLE']);
      await write(renamed, enrolled);
      await waitForNews(others, 3);
    });
    expect(others.news.every(({ student }) => student !== null)).toBe(true);
  });

  it('delivers null for what the rights hide, and continues', async () => {
    const { school } = await app.build.school();
    // The event says that the pupil joined the chat. The pupil is no member, so the rights hide the chat.
    const pupil = await app.build.user({ schoolId: school.id, role: 'STUDENT' });
    const chat = await app.build.chat({ schoolId: school.id, kind: 'EXTRACURRICULAR' });
    const stream = await follow(transport, pupil, shared, { schoolId: app.id('School', school.id) });
    await stream.until(({ items }) => items.length > 0);
    const added = { type: 'chatMember.added', payload: { schoolId: school.id, chatId: chat.id, userId: pupil.id } } as const;
    await write(added, added);
    await waitForNews(stream, 2);
    expect(stream.news.map((item) => item.chat)).toEqual([null, null]);
  });

  it('delivers an event completely if the rights could not be read at first', async () => {
    const { streams, school, chat, administrator } = await scene(transport);
    await withoutTable('session', async () => {
      // The event invalidates the administrator's cached rights.
      await write({ type: 'chatMember.added', payload: { schoolId: school.id, chatId: chat.id, userId: administrator.id } });
      await until(() => expect(app.liveEvents.broadcaster.stats().waiting).toBeLessThan(2));
    });
    for (const stream of streams) {
      await waitForNews(stream, 1);
      expect(stream.news.map((item) => [item.kind, item.chat?.name])).toEqual([['MEMBER_ADDED', chat.name]]);
    }
  });
});

describe.runIf(server)('a lock that is held for longer than lock_timeout', () => {
  it.each(['listen', 'listenSse'] as const)('loses no event for subscribers by %s', async (transport) => {
    const { chat, streams, renamed, again } = await scene(transport);
    const holder = new pg.Client({ connectionString: app.db.connectionString! });
    await holder.connect();
    await holder.query('begin');
    await holder.query('lock table chat in access exclusive mode');
    const cursors = streams.map(lastCursor);
    await write(renamed);
    const over = streams.map((stream) => stream.over.then(() => stream));
    // Cancels every statement that waits for the lock. `lock_timeout` would cancel it too, but later and only once.
    let isOver = false;
    const cancel = async (): Promise<void> => {
      while (!isOver) {
        await holder.query(`select pg_cancel_backend(pid) from pg_locks where not granted and relation = 'chat'::regclass`);
        await pause(20);
      }
    };
    const cancelled = cancel();
    for (const stream of await Promise.all(over)) expect([await codes(stream), stream.news]).toEqual([['UNAVAILABLE'], []]);
    isOver = true;
    await cancelled;
    await holder.query('rollback');
    await holder.end();
    const back = await again(cursors);
    await write(renamed);
    for (const stream of back) {
      await waitForNews(stream, 2);
      expect(stream.news.map((item) => item.chat?.name)).toEqual([chat.name, chat.name]);
    }
  });
});
