import { readFileSync } from 'node:fs';
import { buildSchema, GraphQLNonNull, getNamedType, isCompositeType, isObjectType, isUnionType, type GraphQLObjectType } from 'graphql';
import { createClient } from 'graphql-ws';
import pg from 'pg';
import { WebSocket } from 'ws';
import { afterAll, beforeAll, describe, expect, it, onTestFailed, vi } from 'vitest';
import type { UserActor } from '../../../src/policy/actor.ts';
import { scopesByRole } from '../../../src/policy/can.ts';
import { cohortActor } from '../../../src/policy/recipients.ts';
import { loadActors } from '../../../src/auth/actors.ts';
import { transaction } from '../../../src/db/transaction.ts';
import type { User } from '../../../src/db/generated/client.ts';
import type { EventType, PayloadOf } from '../../../src/events/catalog.ts';
import { attribute, record } from '../../../src/events/record.ts';
import { resourceTypes } from '../../../src/domain/resources.ts';
import { schema } from '../../../src/graphql/schema.ts';
import { buildSchool } from '../../support/fixtures.ts';
import { createRandom, type SeededRandom } from '../../support/random.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';
import { until } from '../../support/until.ts';

/**
 * The server executes an event once for many subscribers. Every subscriber gets the same result as from an execution of
 * its own.
 */

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

const write = (events: readonly { type: EventType; payload: { schoolId: string } }[]) =>
  transaction(app.db, (tx) => {
    attribute(tx, { actor: { kind: 'operator' }, causation: null, notify: (ids) => app.notifier.notify(ids) });
    for (const { type, payload } of events) record(tx, type, payload as PayloadOf<typeof type>);
    return Promise.resolve();
  });

/** Collects the raw messages of one subscription. */
async function follow(token: string, query: string, variables: object) {
  const texts: string[] = [];
  class Recording extends WebSocket {
    constructor(address: string, protocols: string) {
      super(address, protocols);
      this.on('message', (data: Buffer) => {
        const text = data.toString();
        if (text.includes('"type":"next"')) texts.push(text.slice(text.indexOf('"payload":')));
      });
    }
  }
  const client = createClient({
    url: app.url.replace(/^http/, 'ws'),
    webSocketImpl: Recording,
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: 0,
  });
  const problems: unknown[] = [];
  client.subscribe(
    { query, variables: variables as Record<string, unknown> },
    { next: () => undefined, error: (error) => problems.push(error), complete: () => undefined },
  );
  await until(() => expect(texts.length + problems.length).toBeGreaterThan(0));
  expect(problems).toEqual([]);
  return { texts, close: () => client.dispose() };
}

const counted = async () => {
  const text = await (await fetch(app.url.replace('/graphql', '/metrics'))).text();
  const read = (name: string) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
  return {
    executions: read('sfera_stream_executions_total'),
    serialisations: read('sfera_stream_serialisations_total'),
    messages: read('sfera_stream_shared_messages_total'),
  };
};

const enrolments = `subscription ($schoolId: ID!, $after: String) {
  enrolments(schoolId: $schoolId, after: $after) {
    __typename ... on EnrolmentChange { cursor kind student { fullName } class { name } enrolment { startedAt } } ... on Checkpoint { cursor }
  }
}`;

/** Creates a school with two classes, people of every role, and chats. */
async function buildWorld() {
  const { build } = app;
  const { school, administrator } = await build.school();
  const schoolId = school.id;
  const classes = [await build.class({ schoolId }), await build.class({ schoolId })];
  const subject = await build.subject({ schoolId });
  const pupils: User[] = [];
  for (const { id: classId } of classes) for (let n = 0; n < 3; n += 1) pupils.push(await build.student({ classId }));
  const staff = [
    administrator,
    await build.user({ schoolId, role: 'PLATFORM_ADMINISTRATOR' }),
    await build.user({ schoolId, role: 'SCHOOL_ADMINISTRATION' }),
    await build.teacher({ schoolId, classTeacherOf: classes[0]!.id }),
    await build.teacher({ schoolId, teaches: classes.map(({ id: classId }) => ({ classId, subjectId: subject.id })) }),
    await build.teacher({ schoolId, teaches: classes.map(({ id: classId }) => ({ classId, subjectId: subject.id })) }),
    await build.teacher({ schoolId }),
  ];
  const past = await build.student({ classId: classes[0]!.id });
  await app.db.prisma.enrolment.updateMany({ where: { studentId: past.id }, data: { endedAt: new Date(Date.now() + 1000) } });
  const chats = [
    await build.chat({ schoolId, kind: 'CLASS', classId: classes[0]!.id }),
    await build.chat({ schoolId, kind: 'STAFF' }),
    await build.chat({ schoolId, kind: 'EXTRACURRICULAR' }),
  ];
  // Some pairs of members of the extra-curricular chat share neither a class nor another chat.
  const members = [[...pupils.slice(0, 3), staff[3]!], staff.slice(2), [pupils[0]!, pupils[1]!, pupils[3]!, past, staff[6]!]];
  const rows = chats.flatMap(({ id: chatId }, n) =>
    members[n]!.map(({ id: userId }) => ({ schoolId, chatId, userId, reason: 'PERSON' as const })),
  );
  await app.db.prisma.chatMember.createMany({ data: rows, skipDuplicates: true });
  const places = await app.db.prisma.enrolment.findMany({ where: { schoolId } });
  const people = [...staff, ...pupils, past];
  return { schoolId, classes, subject, chats, people, places, administrator };
}

type World = Awaited<ReturnType<typeof buildWorld>>;

function anyEvent(
  random: SeededRandom,
  { schoolId, classes, chats, people, places }: World,
): { type: EventType; payload: { schoolId: string } } {
  const place = random.pick(places);
  const chatId = random.pick(chats).id;
  const userId = random.pick(people).id;
  const ofPlace = { schoolId, enrolmentId: place.id, studentId: place.studentId, classId: place.classId };
  return random.pick([
    { type: 'student.enrolled', payload: ofPlace },
    { type: 'student.withdrawn', payload: ofPlace },
    { type: 'student.transferred', payload: { ...ofPlace, fromEnrolmentId: random.pick(places).id, fromClassId: random.pick(classes).id } },
    { type: 'chat.created', payload: { schoolId, chatId } },
    { type: 'chat.renamed', payload: { schoolId, chatId } },
    { type: 'chatMember.added', payload: { schoolId, chatId, userId } },
    { type: 'class.updated', payload: { schoolId, classId: random.pick(classes).id } },
  ]);
}

/**
 * Returns a random selection of a type, `depth` levels deep, with pages of three rows. Excludes fields that depend on
 * the time.
 */
function anyFields(random: SeededRandom, type: GraphQLObjectType, depth: number): string {
  const fields = Object.values(type.getFields()).filter(
    (field) =>
      field.args.every((arg) => !(arg.type instanceof GraphQLNonNull)) &&
      !['asOf', 'events', 'lastSeenAt'].includes(field.name) &&
      (depth > 0 || !isCompositeType(getNamedType(field.type))),
  );
  const chosen = random.sample(fields, random.integer(1, 4)).map((field) => {
    const inner = getNamedType(field.type);
    const page = field.args.some(({ name }) => name === 'first') ? '(first: 3)' : '';
    if (!isCompositeType(inner)) return field.name;
    return isObjectType(inner)
      ? `${field.name}${page} { __typename ${anyFields(random, inner, inner.name.endsWith('Connection') || inner.name.endsWith('Edge') ? depth : depth - 1)} }`
      : `${field.name} { __typename }`;
  });
  return chosen.join(' ');
}

/** Subscriptions whose results depend on the viewer. */
const viewerDependent = [
  'enrolments(schoolId: $schoolId, after: $after) { __typename ... on EnrolmentChange { cursor student { fullName sessions(first: 3) { edges { node { id } } } roles(first: 3) { edges { node { role } } } } } ... on Checkpoint { cursor } }',
  'enrolments(schoolId: $schoolId, after: $after) { __typename ... on EnrolmentChange { cursor class { enrolments(first: $size) { edges { node { student { fullName } } } } } fromClass { name } } ... on Checkpoint { cursor } }',
  'chats(schoolId: $schoolId, after: $after) { __typename ... on ChatChange { cursor user { fullName } chat { name viewerRole } } ... on Checkpoint { cursor } }',
  'chats(schoolId: $schoolId, after: $after) { __typename ... on ChatChange { cursor user { fullName enrolment { class { name } } } chat { name members(first: 3) { edges { node { user { fullName } } } } } } ... on Checkpoint { cursor } }',
  'chats(schoolId: $schoolId, after: $after) { __typename ... on ChatChange { cursor chat { name } user { fullName } } ... on Checkpoint { cursor } }',
].map((body) => `subscription ($schoolId: ID!, $after: String${body.includes('$size') ? ', $size: Int' : ''}) { ${body} }`);

const contract = buildSchema(readFileSync('schema.graphql', 'utf8'));

function anySubscription(random: SeededRandom): string {
  // Leaves out subscriptions to signals, which have no cursor: the server executes them for each subscriber alone.
  const streams = Object.values(contract.getSubscriptionType()!.getFields()).filter(({ args }) =>
    args.some(({ name }) => name === 'after'),
  );
  const { name: stream, type } = random.pick(streams);
  const item = getNamedType(type);
  const news = isUnionType(item)
    ? item.getTypes().find(({ name }) => !['Checkpoint', 'Ended', 'ResyncRequired'].includes(name))
    : undefined;
  return `subscription ($schoolId: ID!, $after: String) { ${stream}(schoolId: $schoolId, after: $after) { __typename ... on ${news!.name} { cursor ${anyFields(random, news!, 3)} } ... on Checkpoint { cursor } } }`;
}

/**
 * Delivers an enrolment to these subscribers. Returns the number of statements, executions, serialisations and
 * messages.
 */
async function deliver(
  listeners: Awaited<ReturnType<typeof follow>>[],
  schoolId: string,
  { id: enrolmentId, studentId, classId }: World['places'][number],
) {
  await until(() => expect(app.liveEvents.broadcaster.stats().waiting).toBe(listeners.length));
  const before = await counted();
  const received = listeners.map(({ texts }) => texts.length);
  const sent = vi.spyOn(pg.Client.prototype, 'query');
  await write([{ type: 'student.enrolled', payload: { schoolId, enrolmentId, studentId, classId } as { schoolId: string } }]);
  await until(() => expect(listeners.map(({ texts }) => texts.length)).toEqual(received.map((count) => count + 1)));
  const statements = sent.mock.calls.map(([first]) => (typeof first === 'string' ? first : (first as unknown as { text: string }).text));
  sent.mockRestore();
  const after = await counted();
  return {
    executions: after.executions - before.executions,
    serialisations: after.serialisations - before.serialisations,
    messages: after.messages - before.messages,
    // Four statements: the pupil; the facts that decide who sees the pupil; the class; the enrolment. Reads of the log
    // are not counted, because their number depends on poll and NOTIFY.
    statements: statements.filter((text) => /^\s*select/i.test(text) && !/from event|from session|pg_notify/.test(text)).length,
  };
}

describe('an event for many subscribers with the same selection', () => {
  it('is read, executed and serialised once for subscribers with equivalent rights', async () => {
    const { schoolId, people, places } = await buildWorld();
    const [first, second, , classTeacher] = people;
    const variables = { schoolId: app.id('School', schoolId) };
    const pupils = people.filter((user) =>
      places.some((place) => place.studentId === user.id && place.classId === places[0]!.classId && place.endedAt === null),
    );
    const listeners: Awaited<ReturnType<typeof follow>>[] = [];
    for (const user of [first!, first!, second!, second!, classTeacher!, ...pupils])
      listeners.push(await follow((await app.token(user)).token, enrolments, variables));
    // The subscribers are two administrators with two sockets each, the class teacher and the pupils of the class. All
    // of them see the pupil, the class and the enrolment.
    expect(await deliver(listeners, schoolId, places[0]!)).toEqual({
      executions: 1,
      serialisations: 1,
      messages: listeners.length,
      statements: 4,
    });
    for (const { close } of listeners) await close();
    await until(() => expect(app.liveEvents.broadcaster.stats().waiting).toBe(0));
  });

  it('is read once for all subscribers, with any selections and start times', async () => {
    const { schoolId, people, places } = await buildWorld();
    const variables = { schoolId: app.id('School', schoolId) };
    const listeners: Awaited<ReturnType<typeof follow>>[] = [];
    const come = async (user: User) => {
      const { token } = await app.token(user);
      for (const query of [enrolments, enrolments.replace('cursor', 'at cursor')]) listeners.push(await follow(token, query, variables));
    };
    await come(people[0]!);
    for (const next of [people[1]!, people[1]!]) {
      await come(next);
      expect(await deliver(listeners, schoolId, places[0]!)).toEqual({
        executions: 2,
        serialisations: 2,
        messages: listeners.length,
        statements: 4,
      });
    }
    for (const { close } of listeners) await close();
  });

  it('has the same content as objects and as bytes', async () => {
    const { schoolId, administrator, places } = await buildWorld();
    const { token } = await app.token(administrator);
    const variables = { schoolId: app.id('School', schoolId) };
    const { id: enrolmentId, studentId, classId } = places[0]!;
    const person = app.as(administrator);
    // Subscribes three times: over server-sent events, over a socket, and again over server-sent events. For server-sent
    // events the server passes on objects; for sockets it passes on bytes.
    const streams = [await person.listenSse(enrolments, variables)];
    await streams[0]!.until(({ items }) => items.length === 1);
    const socket = await follow(token, enrolments, variables);
    streams.push(await person.listenSse(enrolments, variables));
    await streams[1]!.until(({ items }) => items.length === 1);
    await until(() => expect(app.liveEvents.broadcaster.stats().waiting).toBe(3));
    const before = await counted();
    await write([{ type: 'student.enrolled', payload: { schoolId, enrolmentId, studentId, classId } as { schoolId: string } }]);
    for (const stream of streams) await stream.until(({ news }) => news.length === 1);
    await until(() => expect(socket.texts).toHaveLength(2));
    const { payload } = JSON.parse(`{${socket.texts[1]!}`) as { payload: { data: { enrolments: { student: object } } } };
    expect(payload.data.enrolments.student).not.toBeNull();
    expect(streams.map(({ news }) => news[0])).toEqual([payload.data.enrolments, payload.data.enrolments]);
    expect((await counted()).executions - before.executions).toBe(1);
    for (const { close } of [...streams, socket]) await close();
  });

  it('waits until the log reader has reached the start of a subscriber', async () => {
    const { schoolId, administrator, places } = await buildWorld();
    const { token } = await app.token(administrator);
    const variables = { schoolId: app.id('School', schoolId) };
    const first = await follow(token, enrolments, variables);
    const { id: enrolmentId, studentId, classId } = places[0]!;
    const enrolled = { type: 'student.enrolled', payload: { schoolId, enrolmentId, studentId, classId } as { schoolId: string } } as const;
    // Commits like another process: this process gets no notification, and its poll has not run yet.
    const wake = vi.spyOn(app.notifier, 'notify').mockImplementation(() => undefined);
    await write([enrolled]);
    wake.mockRestore();
    const second = await follow(token, enrolments, variables);
    await write([enrolled]);
    await until(() => expect([first.texts.length, second.texts.length]).toEqual([3, 2]));
    await Promise.all([first.close(), second.close()]);
  });

  it('delivers to each, byte for byte, what a single subscriber gets', async () => {
    const random = createRandom();
    onTestFailed(() => console.error(`SEED=${random.seed}`));
    const all = await buildWorld();
    const schoolId = app.id('School', all.schoolId);
    const tokens = new Map(await Promise.all(all.people.map(async (user) => [user.id, (await app.token(user)).token] as const)));
    let messages = 0;
    const before = await counted();
    for (const query of [...viewerDependent, ...Array.from({ length: 6 }, () => anySubscription(random))]) {
      const asking = (n: number) => ({ schoolId, ...(query.includes('$size') ? { size: 1 + (n % 2) } : {}) });
      const may = query.includes('events(') ? all.people.slice(0, 3) : all.people;
      const listeners: { user: User; asks: object; texts: string[]; close(): unknown }[] = await Promise.all(
        [...may, ...may].map(async (user, n) => ({ user, asks: asking(n), ...(await follow(tokens.get(user.id)!, query, asking(n))) })),
      );
      const [started] = Object.values(
        (JSON.parse(`{${listeners[0]!.texts[0]!}`) as { payload: { data: Record<string, { cursor: string }> } }).payload.data,
      );
      for (let n = 0; n < 8; n += 1) await write([anyEvent(random, all)]);
      for (const { user, asks, texts } of listeners) {
        // Subscribes the same person again from an older cursor. The server executes the events for this subscriber alone.
        // So the items that it gets are the expected ones.
        const single = await follow(tokens.get(user.id)!, query, { ...asks, after: started!.cursor });
        await until(() => {
          const [expected, delivered] = [single.texts, texts].map((all) => all.filter((text) => !text.includes('"Checkpoint"')));
          expect(delivered, query).toEqual(expected);
          expect(single.texts.length).toBeGreaterThan(0);
        });
        messages += texts.length - 1;
        await single.close();
      }
      await Promise.all(listeners.map((each) => each.close()));
    }
    expect(messages).toBeGreaterThan(100);
    expect((await counted()).messages).toBeGreaterThan(before.messages);
  });
});

describe('a field that depends on the viewer', () => {
  it('is marked as such in the schema', async () => {
    const { people, rows } = await buildSchool(app);
    const credential = await app.tokens.verifyAccessToken((await app.token(people.administrator)).token);
    const [loaded] = await loadActors(app.db, [credential!]);
    const actor = loaded as UserActor;
    const marked: string[] = [];
    const dependent: string[] = [];
    for (const type of resourceTypes) {
      const row = await app.operator.loaders.byId(type, rows[type].id);
      expect(row, type).not.toBeNull();
      for (const field of Object.values((schema.getType(type) as GraphQLObjectType).getFields())) {
        if (field.extensions.ofViewer === true) marked.push(`${type}.${field.name}`);
        let hasReadActor = false;
        const who = cohortActor(actor, () => (hasReadActor = true));
        // `cohortActor` reports each access to the actor. Permission checks would report one too, by the callback
        // `onPersonalAccess`. Only the accesses of the resolver itself count here, so this removes the callback.
        for (const place of Object.values(scopesByRole(who))) Object.assign(place, { onPersonalAccess: undefined });
        const context = { ...app.operator.renew(actor), actor: who };
        await Promise.resolve(field.resolve?.(row, {}, context, { fieldName: field.name } as never)).catch(() => undefined);
        if (hasReadActor) dependent.push(`${type}.${field.name}`);
      }
    }
    expect(marked).toEqual(dependent);
    // If the loop detected nothing, `dependent` would be empty and the comparison above would prove nothing.
    expect(dependent).toEqual(expect.arrayContaining(['Chat.viewerRole', 'Session.current']));
  });
});
