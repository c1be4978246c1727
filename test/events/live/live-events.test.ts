import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFailed, vi } from 'vitest';
import type { Actor, UserActor } from '../../../src/policy/actor.ts';
import { canReceive } from '../../../src/policy/recipients.ts';
import { loadActors } from '../../../src/auth/actors.ts';
import type { Credential } from '../../../src/auth/tokens.ts';
import { transaction } from '../../../src/db/transaction.ts';
import { endClient } from '../../../src/domain/clients.ts';
import { catalog, eventTypes, topicsOf, type PayloadOf, type EventType } from '../../../src/events/catalog.ts';
import { encodeCursor } from '../../../src/events/cursor.ts';
import { createLiveEvents } from '../../../src/events/live/live-events.ts';
import { follow, type LogParts, type SubscriptionItem } from '../../../src/events/live/subscription.ts';
import { attribute, record } from '../../../src/events/record.ts';
import { maxRightsAgeMs, type EndReason } from '../../../src/events/live/rights-cache.ts';
import { trimLogs } from '../../../src/jobs/housekeeping.ts';
import { createLogger } from '../../../src/logger.ts';
import { createRandom, type SeededRandom } from '../../support/random.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';
import { until } from '../../support/until.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

const recordAll = (events: readonly { type: EventType; payload: { schoolId: string } }[]) =>
  transaction(app.db, (tx) => {
    attribute(tx, { actor: { kind: 'operator' }, causation: null, notify: (schools) => app.notifier.notify(schools) });
    for (const { type, payload } of events) record(tx, type, payload as PayloadOf<typeof type>);
    return Promise.resolve();
  });

const everything = { streamKey: 'everything', types: new Set(eventTypes), rows: [], isAllowed: () => true };

async function credentialOf(user: { id: string }): Promise<Credential> {
  return (await app.tokens.verifyAccessToken((await app.token(user, 3600)).token))!;
}

/** Loads the current actor of a credential from the database. */
const actorOf = async (credential: Credential) => (await loadActors(app.db, [credential]))[0] as Actor;

/** Returns `target` with the given methods replaced. */
const withMethods = <T extends object>(target: T, methods: Partial<T>): T =>
  new Proxy(target, {
    get(_target, name) {
      const value = (methods as T)[name as keyof T] ?? target[name as keyof T];
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });

/**
 * Subscribes to all events of a school. Also tracks the position of the stream, which advances over events for other
 * people too.
 */
function listener(schoolId: string, credential: Credential) {
  const received: SubscriptionItem[] = [];
  let [reached, over] = [-1n, false];
  let check = () => {};
  const { reader, rights, broadcaster } = app.liveEvents;
  const feed: LogParts = {
    rights,
    broadcaster,
    reader: withMethods(reader, {
      waitForAppend(id, seq, signal) {
        reached = seq;
        check();
        return reader.waitForAppend(id, seq, signal);
      },
    }),
  };
  let items = follow(feed, { schoolId, credential, after: null, ...everything });
  const run = async () => {
    for await (const item of items) if (item.kind !== 'checkpoint') received.push(item);
    over = true;
    check();
  };
  const until = (satisfied: () => boolean) =>
    new Promise<void>((resolve) => {
      check = () => satisfied() && resolve();
      check();
    });
  void run();
  return {
    schoolId,
    credential,
    received,
    /** Resolves when the subscriber has reached this position, or its stream has ended. */
    passed: (seq: bigint) => until(() => over || reached >= seq),
    ended: () => until(() => over),
    /** Subscribes again from the last cursor. */
    again() {
      [reached, over] = [-1n, false];
      items = follow(feed, { schoolId, credential, after: null, ...everything });
      void run();
    },
    close: () => items.return!(),
  };
}

/** Creates two schools with people of every role. Some people have roles in both schools. */
async function buildWorld() {
  const { build } = app;
  const make = async () => {
    const { school, administrator } = await build.school();
    const schoolId = school.id;
    const classes = [await build.class({ schoolId }), await build.class({ schoolId })];
    const subject = await build.subject({ schoolId });
    const classTeacher = await build.teacher({ schoolId, classTeacherOf: classes[0]!.id });
    const subjectTeacher = await build.teacher({ schoolId, teaches: [{ classId: classes[1]!.id, subjectId: subject.id }] });
    const people = [
      administrator,
      classTeacher,
      subjectTeacher,
      await build.user({ schoolId, role: 'SCHOOL_ADMINISTRATION' }),
      await build.teacher({ schoolId }),
      await build.student({ classId: classes[0]!.id }),
      await build.student({ classId: classes[1]!.id }),
      await build.user({ schoolId, role: 'STUDENT' }),
    ];
    const chats = [
      await build.chat({ schoolId, kind: 'CLASS', classId: classes[0]!.id }),
      await build.chat({ schoolId, kind: 'EXTRACURRICULAR' }),
    ];
    return { schoolId, classes: classes.map(({ id }) => id), chats: chats.map(({ id }) => id), subjectId: subject.id, people };
  };
  const schools = [await make(), await make()];
  const [one, other] = schools;
  // People of both schools: an administrator of the second school, and two teachers.
  const [leader, ...teachers] = [one!.people[3]!, one!.people[1]!, one!.people[2]!];
  const there = other!.schoolId;
  await app.db.prisma.roleGrant.create({ data: { schoolId: there, userId: leader.id, role: 'PLATFORM_ADMINISTRATOR' } });
  for (const { id: userId } of teachers) {
    await app.db.prisma.roleGrant.create({ data: { schoolId: there, userId, role: 'TEACHER' } });
    await build.assignment({ schoolId: there, classId: other!.classes[1]!, userId, subjectId: other!.subjectId });
  }
  return { schools, people: [...schools.flatMap(({ people }) => people), await build.user()] };
}

type World = Awaited<ReturnType<typeof buildWorld>>;

/** Returns a random event about random people, classes and chats. The event need not be plausible. */
function anyEvent(random: SeededRandom, { schools, people }: World) {
  const { schoolId, classes, chats } = random.pick(schools);
  const type = random.pick(eventTypes);
  const pools: Record<string, readonly string[]> = {
    classId: classes,
    fromClassId: classes,
    chatId: chats,
    userId: people.map(({ id }) => id),
    studentId: people.map(({ id }) => id),
  };
  const payload = Object.fromEntries(catalog[type].payload.map((name) => [name, random.pick(pools[name] ?? [randomUUID()])]));
  return { type, payload: { schoolId, ...payload } };
}

/** Grants a random right to a person or removes one from the person. Records the event of this change. */
const changeRights = (random: SeededRandom, { schools }: World, userId: string): Promise<void> =>
  transaction(app.db, async (tx) => {
    attribute(tx, { actor: { kind: 'operator' }, causation: null, notify: (ids) => app.notifier.notify(ids) });
    const { schoolId, classes, chats, subjectId } = random.pick(schools);
    const [classId, chatId] = [random.pick(classes), random.pick(chats)];
    const current = { endedAt: null };
    const over = { endedAt: new Date(Date.now() + 1000) };
    const kind = random.pick(['chat', 'work', 'role', 'place']);
    const lose = random.next() < 0.6;
    if (kind === 'chat') {
      const membership = { schoolId, chatId, userId };
      const { count } = await tx.prisma.chatMember.deleteMany({ where: membership });
      if (count === 0) await tx.prisma.chatMember.create({ data: { ...membership, reason: 'PERSON' } });
      record(tx, count === 0 ? 'chatMember.added' : 'chatMember.removed', membership);
    } else if (kind === 'work') {
      const held = await tx.prisma.assignment.findMany({ where: { userId, ...current }, orderBy: { id: 'asc' } });
      const payloadOf = (of: { id: string; schoolId: string; classId: string }) => ({
        schoolId: of.schoolId,
        assignmentId: of.id,
        classId: of.classId,
        userId,
        subjectId,
      });
      if (lose && held.length > 0) {
        const ended = await tx.prisma.assignment.update({ where: { id: random.pick(held).id }, data: over });
        record(tx, 'subjectTeacher.ended', payloadOf(ended));
      } else if (!held.some((each) => each.classId === classId)) {
        const created = await tx.prisma.assignment.create({ data: { schoolId, classId, userId, kind: 'SUBJECT_TEACHER', subjectId } });
        record(tx, 'subjectTeacher.assigned', payloadOf(created));
      }
    } else if (kind === 'role') {
      const held = await tx.prisma.roleGrant.findMany({ where: { userId, ...current }, orderBy: { id: 'asc' } });
      if (lose && held.length > 0) {
        const ended = await tx.prisma.roleGrant.update({ where: { id: random.pick(held).id }, data: over });
        record(tx, 'role.ended', { schoolId: ended.schoolId, grantId: ended.id, userId });
      } else if (!held.some((each) => each.schoolId === schoolId)) {
        const created = await tx.prisma.roleGrant.create({
          data: { schoolId, userId, role: random.pick(['TEACHER', 'STUDENT', 'SCHOOL_ADMINISTRATION']) },
        });
        record(tx, 'role.granted', { schoolId, grantId: created.id, userId });
      }
    } else {
      const [held] = await tx.prisma.enrolment.findMany({ where: { studentId: userId, ...current } });
      const payloadOf = (of: { id: string; schoolId: string; classId: string }) => ({
        schoolId: of.schoolId,
        enrolmentId: of.id,
        studentId: userId,
        classId: of.classId,
      });
      if (held !== undefined)
        record(tx, 'student.withdrawn', payloadOf(await tx.prisma.enrolment.update({ where: { id: held.id }, data: over })));
      else {
        const created = await tx.prisma.enrolment.create({
          data: { schoolId, classId, studentId: userId, startedAt: new Date(Date.now() + 1000) },
        });
        record(tx, 'student.enrolled', payloadOf(created));
      }
    }
  });

/**
 * Returns the rights that decide what a stream of this school delivers: the roles in the school, and the classes that a
 * person teaches or attends there.
 */
function claimsOf(actor: Actor, schoolId: string): Set<string> {
  if (actor.kind !== 'user') return new Set();
  const { grants, assignments, enrolment } = actor;
  const roles = grants.filter((grant) => grant.schoolId === schoolId).map(({ role }) => role);
  const work = assignments.filter((each) => each.schoolId === schoolId && roles.includes('TEACHER'));
  const place = enrolment?.schoolId === schoolId && roles.includes('STUDENT') ? [`pupil of ${enrolment.classId}`] : [];
  return new Set([
    ...roles,
    ...work.map(({ classId, subjectId }) => `${subjectId === null ? 'class' : 'subject'} teacher of ${classId}`),
    ...place,
  ]);
}

it('delivers to everyone exactly what their rights at that moment allow, and ends when a right from its start is lost', async () => {
  const random = createRandom();
  onTestFailed(() => console.error(`SEED=${random.seed}`));
  const all = await buildWorld();
  const schoolIds = all.schools.map(({ schoolId }) => schoolId);
  const services = await Promise.all(
    [['read', 'events'], ['read']].map((scopes) => app.build.service({ schoolId: schoolIds[0]!, scopes })),
  );
  const credentials: Credential[] = await Promise.all(all.people.map(credentialOf));
  for (const { id: clientId } of services)
    credentials.push({ kind: 'service', clientId, expiresAt: Date.now() / 1000 + 3600, scopes: ['read', 'events'] });
  const followers = credentials.flatMap((credential) =>
    schoolIds.map((schoolId) => ({ ...listener(schoolId, credential), began: new Set<string>() })),
  );
  await Promise.all(followers.map((each) => each.passed(0n)));
  const begin = async (each: (typeof followers)[number]) => (each.began = claimsOf(await actorOf(each.credential), each.schoolId));
  await Promise.all(followers.map(begin));
  let [delivered, endings] = [0, 0];

  for (let round = 0; round < 15; round += 1) {
    const events = Array.from({ length: random.integer(1, 20) }, () => anyEvent(random, all));
    const before = new Map(await Promise.all(schoolIds.map(async (id) => [id, (await app.liveEvents.reader.bounds(id))!.head] as const)));
    for (const each of followers) {
      await each.passed(before.get(each.schoolId)!);
      each.received.length = 0;
    }
    for (let at = 0, size; at < events.length; at += size) await recordAll(events.slice(at, at + (size = random.integer(1, 5))));
    // Checks only the events that were recorded just now, while no rights changed. The delivery of other events may follow
    // the rights before or after a change.
    const heads = new Map(await Promise.all(schoolIds.map(async (id) => [id, (await app.liveEvents.reader.bounds(id))!.head] as const)));
    for (const each of followers) {
      await each.passed(heads.get(each.schoolId)!);
      const actor = await actorOf(each.credential);
      const expected = events.filter(
        ({ type, payload }) =>
          payload.schoolId === each.schoolId && canReceive(actor, each.schoolId, topicsOf(type, payload as PayloadOf<typeof type>)),
      );
      expect(each.received.map((item) => (item.kind === 'event' ? { type: item.event.type, payload: item.event.payload } : item))).toEqual(
        expected,
      );
      delivered += expected.length;
    }

    // One change per person, so that no right is lost and regained before the server reads the log.
    for (const { id } of random.sample(all.people, 3)) await changeRights(random, all, id);
    for (const each of followers) {
      const now = claimsOf(await actorOf(each.credential), each.schoolId);
      if ([...each.began].every((claim) => now.has(claim))) continue;
      await each.ended();
      // Before it ends, the stream may deliver earlier events, about the rights of other people.
      expect(each.received.map(({ kind }) => kind)).toEqual([...each.received.slice(1).map(() => 'event'), 'ended']);
      endings += 1;
      each.again();
      await each.passed(0n);
      await begin(each);
    }
  }
  await Promise.all(followers.map((each) => each.close()));
  console.info(`${followers.length} followers received ${delivered} events; ${endings} streams ended`);
});

/** Creates a pupil who is a member of a chat. `items` subscribes the pupil to the school's log from its start. */
async function inChat() {
  const { school } = await app.build.school();
  const schoolId = school.id;
  const chat = await app.build.chat({ schoolId, kind: 'SCHOOL' });
  const pupil = await app.build.user({ schoolId, role: 'STUDENT' });
  const membership = { schoolId, chatId: chat.id, userId: pupil.id };
  await app.db.prisma.chatMember.create({ data: { ...membership, reason: 'PERSON' } });
  const credential = await credentialOf(pupil);
  const renamed = { type: 'chat.renamed', payload: { schoolId, chatId: chat.id } } as const;
  const ofPupil = { type: 'profile.updated', payload: { schoolId, userId: pupil.id } as { schoolId: string } } as const;
  const leave = () =>
    transaction(app.db, async (tx) => {
      attribute(tx, { actor: { kind: 'operator' }, causation: null, notify: (schools) => app.notifier.notify(schools) });
      await tx.prisma.chatMember.deleteMany({ where: membership });
      record(tx, 'chatMember.removed', { schoolId, chatId: chat.id, userId: pupil.id });
    });
  const items = (feed: LogParts) => follow(feed, { schoolId, credential, after: { schoolId, seq: 0n }, ...everything });
  return { schoolId, credential, items, renamed, ofPupil, leave, membership };
}

/** Resolves with the sequence number of the next delivered event, or null at the end of the stream. */
async function nextOf(items: AsyncIterableIterator<SubscriptionItem, void, undefined>): Promise<bigint | null> {
  for (;;) {
    const { value } = await items.next();
    if (value?.kind !== 'checkpoint') return value?.kind === 'event' ? value.event.seq : null;
  }
}

it('reloads the rights before each event of a slow subscriber', async () => {
  const { items, renamed, ofPupil, leave } = await inChat();
  const stream = items(app.liveEvents);
  await recordAll([renamed, renamed, renamed, ofPupil]);
  expect(await nextOf(stream)).toBe(1n);
  await leave();
  await pause(60);
  expect(await nextOf(stream)).toBe(4n);
  await stream.return!();
});

describe('rights that another process revoked without a notification here', () => {
  let feed: ReturnType<typeof createLiveEvents>;
  beforeAll(() => {
    // Creates live events like those of a second server process, but without timers. They reload rights only when the
    // rights are too old: `app` reads the log, but does not invalidate the rights that they cache.
    vi.useFakeTimers({ toFake: ['setInterval'] });
    feed = createLiveEvents(app.db, app.notifier, createLogger('silent'));
    vi.useRealTimers();
  });
  afterAll(() => feed.close());

  async function elsewhere(change: () => Promise<unknown>): Promise<void> {
    const wake = vi.spyOn(app.notifier, 'notify').mockImplementation(() => undefined);
    await change();
    wake.mockRestore();
    await pause(maxRightsAgeMs + 10);
  }

  it('are reloaded before the next event, and before an executed event is sent', async () => {
    const { schoolId, items, renamed, membership } = await inChat();
    await recordAll([renamed, renamed, renamed]);
    const stream = items(feed);
    expect(await nextOf(stream)).toBe(1n);
    expect(await stream.confirm()).toBe(true);
    expect(await nextOf(stream)).toBe(2n);
    await elsewhere(() =>
      app.db.prisma.roleGrant.updateMany({
        where: { schoolId, userId: membership.userId },
        data: { endedAt: new Date(Date.now() + 1000) },
      }),
    );
    expect(await stream.confirm()).toBe(false);
    stream.repeat();
    // The cursor is the position of the last delivered event, so that the client can resume from it.
    expect(await stream.next()).toMatchObject({
      value: { kind: 'ended', reason: 'ROLE_ENDED', cursor: encodeCursor({ schoolId, seq: 1n }) },
    });
  });

  it('are reloaded for a service that was ended, which the log does not record', async () => {
    const { school } = await app.build.school();
    const schoolId = school.id;
    const service = await app.build.service({ schoolId, scopes: ['read', 'events'] });
    const credential: Credential = {
      kind: 'service',
      clientId: service.id,
      expiresAt: Date.now() / 1000 + 3600,
      scopes: ['read', 'events'],
    };
    await recordAll([1, 2, 3].map(() => ({ type: 'school.updated', payload: { schoolId } }) as const));
    const stream = follow(feed, { schoolId, credential, after: { schoolId, seq: 0n }, ...everything });
    expect(await nextOf(stream)).toBe(1n);
    await elsewhere(() => endClient(app.operator, { clientId: service.id }));
    expect(await stream.next()).toMatchObject({ value: { kind: 'ended', reason: 'SESSION_ENDED' } });
  });

  it('of subscribers that share an execution are found by reading the log again', async () => {
    const { schoolId, credential, renamed, leave } = await inChat();
    const stream = follow(feed, { schoolId, credential, after: null, ...everything });
    expect(await stream.next()).toMatchObject({ value: { kind: 'checkpoint' } });
    const delivered: string[] = [];
    let late: (() => Promise<void>) | null = () => elsewhere(leave);
    stream.shareExecution(
      {
        groupKey: 'own',
        async executeFor({ event }, cohorts) {
          const first = late;
          late = null;
          await first?.();
          const result = { result: {}, bytes: Buffer.from(event.type) };
          return cohorts.map(({ members }) => ({ recipients: members, result: Promise.resolve(result) }));
        },
      },
      { send: (bytes) => delivered.push(bytes.toString()) > 0 },
    );
    const next = stream.next();
    await until(() => expect(feed.broadcaster.stats().waiting).toBe(1));
    await recordAll([renamed, renamed, renamed]);
    // While the server executes the first event, the pupil leaves the chat. So the stream delivers one event about the
    // chat: the pupil left.
    expect(await next).toMatchObject({ value: { kind: 'event', event: { type: 'chatMember.removed' } } });
    expect(delivered).toEqual([]);
    await stream.return!();
  });
});

it('loads separate rights for two tokens of one client with different scopes', async () => {
  const { school } = await app.build.school();
  const service = await app.build.service({ schoolId: school.id, scopes: ['read', 'events'] });
  const expiresAt = Math.floor(Date.now() / 1000) + 3600;
  const listeners = (['read', 'events'] as const).map((scope) =>
    app.liveEvents.rights.subscribe({
      schoolId: school.id,
      credential: { kind: 'service', clientId: service.id, expiresAt, scopes: [scope] },
      checkAccess: () => null,
      onRevoked: () => undefined,
    }),
  );
  const resolvedActors = await Promise.all(listeners.map((each) => each.resolve()));
  expect(resolvedActors).toMatchObject([{ scopes: ['read'] }, { scopes: ['events'] }]);
  for (const each of listeners) each.close();
});

describe('reads that fail', () => {
  const failing = (times: number): LogParts => {
    const { reader, rights, broadcaster } = app.liveEvents;
    let left = times;
    const maybe = <T>(read: () => Promise<T>): Promise<T> => ((left -= 1) >= 0 ? Promise.reject(new Error('no')) : read());
    return {
      rights,
      broadcaster,
      reader: withMethods(reader, { bounds: (id) => maybe(() => reader.bounds(id)), read: (...args) => maybe(() => reader.read(...args)) }),
    };
  };

  it('are retried, and nothing is missed', async () => {
    const { items, renamed, ofPupil } = await inChat();
    await recordAll([renamed, ofPupil]);
    const stream = items(failing(2));
    expect([await nextOf(stream), await nextOf(stream)]).toEqual([1n, 2n]);
    await stream.return!();
  });

  it('end the stream with their error, and not as if it were complete', async () => {
    const { items, renamed } = await inChat();
    await recordAll([renamed]);
    const stream = items(failing(Infinity));
    await expect(stream.next()).rejects.toThrow('no');
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });
});

it('never delivers an event with the rights from before it', async () => {
  const { schoolId, items, renamed, ofPupil, leave } = await inChat();
  const { reader, rights, broadcaster } = app.liveEvents;
  let meanwhile: (() => Promise<void>) | null = async () => {
    await leave();
    await recordAll([renamed, ofPupil]);
    await expect.poll(() => reader.read(schoolId, 0n, 10)).toHaveLength(3);
  };
  const stream = items({
    rights,
    broadcaster,
    reader: withMethods(reader, {
      async read(...args) {
        const first = meanwhile;
        meanwhile = null;
        await first?.();
        return reader.read(...args);
      },
    }),
  });
  // Event 1: the pupil left the chat. Event 2: the chat was renamed, which the pupil must not receive. Event 3 is about
  // the pupil. All three were written before the stream first read the log.
  expect(await nextOf(stream)).toBe(1n);
  expect(await nextOf(stream)).toBe(3n);
  await stream.return!();
});

it('ends for good once a periodic check finds the rights lost, even if they return', async () => {
  const { school, administrator } = await app.build.school();
  const credential = await credentialOf(administrator);
  const actor = (await actorOf(credential)) as UserActor;
  let revoke: (reason: EndReason) => void = () => {};
  const rights = withMethods(app.liveEvents.rights, {
    subscribe({ onRevoked }) {
      revoke = onRevoked;
      return { credential, resolve: () => Promise.resolve(actor), cached: () => actor, onChange: () => {}, close: () => {} };
    },
  });
  const items = follow({ ...app.liveEvents, rights }, { schoolId: school.id, credential, after: null, ...everything });
  expect(await items.next()).toMatchObject({ value: { kind: 'checkpoint' } });
  const ended = items.next();
  revoke('ROLE_ENDED');
  expect(await ended).toMatchObject({ value: { kind: 'ended', reason: 'ROLE_ENDED' } });
  expect(await items.next()).toEqual({ done: true, value: undefined });
});

it('sends ResyncRequired to a slow subscriber when old events are deleted before it has read them', async () => {
  const { school, administrator } = await app.build.school();
  const schoolId = school.id;
  const credential = await credentialOf(administrator);
  await recordAll(Array.from({ length: 250 }, () => ({ type: 'school.updated', payload: { schoolId } }) as const));
  const items = follow(app.liveEvents, { schoolId, credential, after: { schoolId, seq: 0n }, ...everything });
  const kinds: string[] = [];
  expect(await items.next()).toMatchObject({ value: { kind: 'event', event: { seq: 1n } } });
  await trimLogs(app.db, -1);
  for await (const item of items) kinds.push(item.kind);
  expect(kinds.at(-1)).toBe('resync');
  expect(kinds.filter((kind) => kind === 'event').length).toBeLessThan(250);
});
