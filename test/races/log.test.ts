import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFailed } from 'vitest';
import { connect, type Database } from '../../src/db/client.ts';
import { transaction, type Tx } from '../../src/db/transaction.ts';
import { eventTypes } from '../../src/events/catalog.ts';
import { follow } from '../../src/events/live/subscription.ts';
import { attribute, record } from '../../src/events/record.ts';
import type { LoggedEvent } from '../../src/events/log-reader.ts';
import { createLogger } from '../../src/logger.ts';
import { createRandom, type SeededRandom } from '../support/random.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

/** Tests the log with many concurrent sessions, so it needs a PostgreSQL server. */
describe.runIf(process.env.TEST_DATABASE_URL)('the log of a school', () => {
  const writers = 32;
  const changesEach = 40;

  let app: Sfera;
  /** A pool with a database session for each writer. */
  let wide: Database;
  beforeAll(async () => {
    app = await openSfera();
    wide = await connect({ databaseUrl: app.db.connectionString!, poolSize: writers, log: createLogger('silent') });
  });
  afterAll(async () => {
    await wide.close();
    await app.close();
  });

  function change<T>(causation: string, run: (tx: Tx) => Promise<T>): Promise<T> {
    return transaction(wide, (tx) => {
      attribute(tx, { actor: { kind: 'operator' }, causation, notify: (schools) => app.notifier.notify(schools) });
      return run(tx);
    });
  }

  /** Creates `count` subjects with their events in the transaction. Pauses `lull` ms after each subject. */
  async function addSubjects(tx: Tx, schoolId: string, count: number, lull: number): Promise<void> {
    for (let n = 0; n < count; n += 1) {
      const name = randomUUID();
      const { id } = await tx.prisma.subject.create({ data: { schoolId, name, sortKey: name } });
      record(tx, 'subject.created', { schoolId, subjectId: id });
      if (lull > 0) await pause(lull);
    }
  }

  interface Done {
    causation: string;
    count: number;
    begun: number;
    acknowledged: number;
  }

  /**
   * Makes `changesEach` changes. Rolls back 5 % of them, some before their events are written and some after. Appends
   * the committed changes to `done`.
   */
  async function write(schoolId: string, random: SeededRandom, done: Done[]): Promise<void> {
    for (let n = 0; n < changesEach; n += 1) {
      const causation = randomUUID();
      const count = random.integer(1, 4);
      const undone = random.next() < 0.05;
      const late = random.next() < 0.5;
      const lull = random.next() < 0.2 ? random.integer(1, 15) : 0;
      const begun = performance.now();
      const changing = change(causation, async (tx) => {
        await addSubjects(tx, schoolId, count, lull);
        if (undone && late) tx.beforeCommit('undo', () => Promise.reject(new Error('undone')));
        else if (undone) throw new Error('undone');
      });
      if (undone) await expect(changing).rejects.toThrow('undone');
      else {
        await changing;
        done.push({ causation, count, begun, acknowledged: performance.now() });
      }
    }
  }

  interface Reader {
    /** The sequence number after which the reader started. */
    after: bigint;
    seen: LoggedEvent[];
    reading: Promise<void>;
  }

  /** Reads page after page without pauses. Loads the rows of the events of each page. */
  function paging(schoolId: string, limit: number, stop: { at?: bigint }): Reader {
    const reader: Reader = { after: 0n, seen: [], reading: Promise.resolve() };
    const run = async () => {
      for (let seq = 0n; stop.at === undefined || seq < stop.at;) {
        const page = (await app.liveEvents.reader.read(schoolId, seq, limit))!;
        if (page.length === 0) {
          await pause(2);
          continue;
        }
        reader.seen.push(...page);
        seq = page.at(-1)!.seq;
        const ids = page.map(({ payload }) => payload.subjectId!);
        expect(await app.db.prisma.subject.count({ where: { id: { in: ids } } })).toBe(page.length);
      }
    };
    reader.reading = run();
    return reader;
  }

  async function following(schoolId: string, live: boolean, stop: { at?: bigint }): Promise<Reader> {
    const { administratorOf } = known.get(schoolId)!;
    const { token } = await app.token(administratorOf);
    const credential = (await app.tokens.verifyAccessToken(token))!;
    const after = live ? (await app.liveEvents.reader.bounds(schoolId))!.head : 0n;
    const reader: Reader = { after, seen: [], reading: Promise.resolve() };
    const items = follow(app.liveEvents, {
      schoolId,
      credential,
      after: { schoolId, seq: after },
      streamKey: 'all',
      types: new Set(eventTypes),
      rows: [],
      isAllowed: () => true,
    });
    const run = async () => {
      for await (const item of items) {
        if (item.kind === 'event') reader.seen.push(item.event);
        else expect(item.kind).toBe('checkpoint');
        if (stop.at !== undefined && (reader.seen.at(-1)?.seq ?? after) >= stop.at) return;
      }
    };
    reader.reading = run();
    return reader;
  }

  const known = new Map<string, { administratorOf: { id: string } }>();
  async function newSchool(): Promise<string> {
    const { school, administrator } = await app.build.school();
    known.set(school.id, { administratorOf: administrator });
    return school.id;
  }

  it('has no gaps under 32 writers with 5 % rolled back, and no reader misses or repeats an event', async () => {
    const random = createRandom();
    onTestFailed(() => console.error(`SEED=${random.seed}`));
    const schoolId = await newSchool();
    const done: Done[] = [];
    const stop: { at?: bigint } = {};
    const readers: Reader[] = [
      paging(schoolId, 3, stop),
      paging(schoolId, 11, stop),
      paging(schoolId, 100, stop),
      paging(schoolId, 500, stop),
    ];
    readers.push(await following(schoolId, false, stop), await following(schoolId, false, stop));
    const writing = Array.from({ length: writers }, (_, n) => write(schoolId, createRandom(random.seed + n + 1), done));
    await pause(200);
    readers.push(await following(schoolId, true, stop));
    await pause(200);
    readers.push(await following(schoolId, true, stop));
    await Promise.allSettled(writing);
    const log = await app.events(schoolId);
    stop.at = log.at(-1)!.seq;
    // Wakes the waiting followers once more.
    await change('last', (tx) => addSubjects(tx, schoolId, 1, 0));
    await Promise.all([...writing, ...readers.map(({ reading }) => reading)]);

    expect(log.map(({ seq }) => seq)).toEqual(log.map((_, n) => BigInt(n + 1)));
    expect((await app.liveEvents.reader.bounds(schoolId))!.head).toBe(stop.at + 1n);
    for (const { after, seen } of readers) {
      expect(seen.slice(0, Number(stop.at - after)).map(({ seq }) => seq)).toEqual(log.slice(Number(after)).map(({ seq }) => seq));
      for (const { seq, payload } of seen.slice(0, Number(stop.at - after))) expect(payload).toEqual(log[Number(seq) - 1]!.payload);
    }

    // Every acknowledged change is in the log, complete and contiguous. The log has no change that was rolled back.
    const places = new Map<string, number[]>();
    for (const { causation, seq } of log) places.set(causation!, [...(places.get(causation!) ?? []), Number(seq)]);
    expect([...places.keys()].sort()).toEqual(done.map(({ causation }) => causation).sort());
    for (const { causation, count } of done) {
      const [first = 0, ...rest] = places.get(causation)!;
      expect([first, ...rest]).toEqual(Array.from({ length: count }, (_, n) => first + n));
    }

    // If change A was acknowledged before change B started, the events of A come first in the log.
    const byEnd = [...done].sort((a, b) => a.acknowledged - b.acknowledged);
    let [before, latest] = [0, 0];
    for (const { causation, begun } of [...done].sort((a, b) => a.begun - b.begun)) {
      while (byEnd[before]!.acknowledged < begun) latest = Math.max(latest, places.get(byEnd[before++]!.causation)!.at(-1)!);
      expect(places.get(causation)![0]).toBeGreaterThan(latest);
    }
    console.info(`${log.length} events of ${done.length} changes, ${readers.length} readers`);
  });

  it('is numbered in the order of commits, not of recording: a slow change delays no other', async () => {
    const schoolId = await newSchool();
    let release!: () => void;
    const gate = new Promise<void>((resolve) => (release = resolve));
    let recorded!: () => void;
    const begun = new Promise<void>((resolve) => (recorded = resolve));
    const slow = change('slow', async (tx) => {
      await addSubjects(tx, schoolId, 2, 0);
      recorded();
      await gate;
    });
    await begun;
    await change('quick', (tx) => addSubjects(tx, schoolId, 1, 0));
    release();
    await slow;
    expect((await app.events(schoolId)).map(({ causation }) => causation)).toEqual(['quick', 'slow', 'slow']);
  });

  it('every read sees a prefix without gaps, and the rows of all its events', async () => {
    const random = createRandom();
    onTestFailed(() => console.error(`SEED=${random.seed}`));
    const schoolId = await newSchool();
    const writing = Promise.all(Array.from({ length: writers }, (_, n) => write(schoolId, createRandom(random.seed + n + 1), [])));
    let over = false;
    void writing.then(() => (over = true));
    let [looks, last] = [0, 0];
    while (!over) {
      const { rows } = await app.db.pool.query<{ count: string; last: string; rows: string; head: string }>(
        `select count(*), coalesce(max(seq), 0) as last, count(s.id) as rows, (select seq from event_head where school_id = $1) as head
         from event e left join subject s on s.id = (e.payload->>'subjectId')::uuid where e.school_id = $1`,
        [schoolId],
      );
      const [seen] = rows.map((row) => [row.last, row.count, row.rows, row.head].map(Number));
      expect(seen).toEqual([seen![0], seen![0], seen![0], seen![0]]);
      expect(seen![0]).toBeGreaterThanOrEqual(last);
      last = seen![0]!;
      looks += 1;
    }
    await writing;
    expect(looks).toBeGreaterThan(10);
  });

  it('changes of two schools never deadlock', async () => {
    const random = createRandom();
    onTestFailed(() => console.error(`SEED=${random.seed}`));
    const schools = [await newSchool(), await newSchool()];
    let runs = 0;
    const one = async (n: number) => {
      const order = random.next() < 0.5 ? schools : [...schools].reverse();
      for (let round = 0; round < 20; round += 1)
        await change(`${n} ${round}`, async (tx) => {
          runs += 1;
          for (const schoolId of order) record(tx, 'subject.created', { schoolId, subjectId: randomUUID() });
        });
    };
    await Promise.all(Array.from({ length: writers }, (_, n) => one(n)));
    // A deadlock would have made the transaction run again.
    expect(runs).toBe(writers * 20);
    const [a, b] = await Promise.all(schools.map(async (id) => (await app.events(id)).map(({ causation }) => causation)));
    expect(a).toHaveLength(writers * 20);
    expect(b).toEqual(a);
  });
});
