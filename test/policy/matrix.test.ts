import { randomUUID } from 'node:crypto';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { can, clauseOf } from '../../src/policy/can.ts';
import type { Actor } from '../../src/policy/actor.ts';
import type { Action } from '../../src/policy/permissions.ts';
import type { ResourceType } from '../../src/domain/entities.ts';
import { schema } from '../../src/graphql/schema.ts';
import type { Person } from '../support/client.ts';
import { decodeId } from '../support/decode-id.ts';
import { allFixtures, buildSchool, collect } from '../support/fixtures.ts';
import type { MutationCase, NounFixture, SchoolFixture } from '../support/noun-fixture.ts';
import { personas, signedInAs, type SignedInPersona } from '../support/personas.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

/**
 * Every persona sends every root field over HTTP and WebSocket, for the persona's school and for a foreign school. The
 * answers agree with the permissions table.
 */

let app: Sfera;
let own: SchoolFixture;
let foreign: SchoolFixture;
let tables: Table[];
const signedIn = new Map<string, SignedInPersona>();
beforeAll(async () => {
  app = await openSfera();
  [own, foreign] = [await buildSchool(app), await buildSchool(app)];
  tables = await findTables();
  for (const name of personas) signedIn.set(name, await signedInAs(app, own, name));
});
afterAll(() => app.close());

const fixtures = await allFixtures();
const mutations = await collect<MutationCase>((fixture) => fixture.mutations);
/** The subscriptions to events, each with the action that allows a person to follow it. */
const events = { ...(await collect<Action>((fixture) => fixture.streams)), events: 'event.read' as const };
const signals = await collect<NonNullable<NounFixture['signals']>[string]>((fixture) => fixture.signals);
/** All subscriptions, each with who may follow it, and the type of its first item. */
const streams: Record<string, { isAllowed(actor: Actor, schoolId: string): boolean; first: string }> = {
  ...Object.fromEntries(
    Object.entries(events).map(([name, action]) => {
      // For a service, every stream of events requires `event.read`.
      const isAllowed = (actor: Actor, schoolId: string) => can(actor, actor.kind === 'service' ? 'event.read' : action, { schoolId });
      return [name, { isAllowed, first: 'Checkpoint' }];
    }),
  ),
  ...Object.fromEntries(Object.entries(signals).map(([name, isAllowed]) => [name, { isAllowed, first: 'SignalsStarted' }])),
};

interface Result {
  __typename: string;
  code?: string;
  clause?: string;
  message?: string;
}

const text = (name: string) => {
  const Name = name[0]!.toUpperCase() + name.slice(1);
  return `mutation ($input: ${Name}Input!) { ${name}(input: $input) { __typename ... on Refusal { code clause path message } } }`;
};

type Ask = (person: Person, query: string, variables: object) => Promise<Result>;

const overHttp: Ask = async (person, query, variables) => {
  const { data, errors } = await person.send(query, variables);
  expect(errors).toBeUndefined();
  return Object.values(data!)[0] as Result;
};

const overSocket: Ask = async (person, query, variables) => {
  const client = createClient({
    url: app.url.replace(/^http/, 'ws'),
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${person.token}` },
    retryAttempts: 0,
  });
  try {
    const { value } = await client.iterate<Record<string, Result>>({ query, variables: variables as Record<string, unknown> }).next();
    return Object.values(value.data)[0] as Result;
  } finally {
    await client.dispose();
  }
};

interface Table {
  name: string;
  hasSchoolId: boolean;
}

/** Returns the tables that mutations write, except `rate_limit`, which also counts refused mutations. */
async function findTables(): Promise<Table[]> {
  const { rows } = await app.db.pool.query<Table>(
    `select table_name as name, bool_or(column_name = 'school_id') as "hasSchoolId" from information_schema.columns
      where table_schema = 'public' and table_name not in ('rate_limit', '_prisma_migrations') group by table_name order by table_name`,
  );
  return rows;
}

/** Returns the number of rows of every table, and checksums of the rows of both schools and of the people in them. */
async function readChecksums(): Promise<unknown> {
  const statements = tables.map(({ name, hasSchoolId }) => {
    const ofSchools =
      name === 'app_user'
        ? 'id in (select user_id from role_grant where school_id = any($1))'
        : hasSchoolId
          ? 'school_id = any($1)'
          : 'false';
    const checksum = `(select md5(string_agg(t::text, '' order by t::text)) from ${name} t where ${ofSchools})`;
    return `select '${name}' as name, (select count(*) from ${name}) as count, ${checksum} as checksum`;
  });
  const { rows } = await app.db.pool.query(statements.join(' union all '), [[own.schoolId, foreign.schoolId]]);
  return rows;
}

/** Returns the input with each global id replaced by the id of an object that does not exist. */
const withUnknownIds = (input: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries(input).map(([key, value]) => {
      const { type, id } = decodeId(typeof value === 'string' && key.endsWith('Id') ? value : '');
      return [key, id === '' ? value : app.id(type as ResourceType, randomUUID())];
    }),
  );

it('covers every root field of the schema', () => {
  const inFixtures = (entry: string) => `the property \`${entry}\` of the fixtures in test/fixtures/`;
  expect(Object.keys(mutations).sort(), inFixtures('mutations')).toEqual(Object.keys(schema.getMutationType()!.getFields()).sort());
  expect(Object.keys(schema.getQueryType()!.getFields()).sort()).toEqual([
    'invitationPreview',
    'node',
    'nodes',
    'personalInvitations',
    'schools',
    'userByExternalId',
    'viewer',
    'viewerCan',
  ]);
  expect(Object.keys(streams).sort(), inFixtures('streams` or `signals')).toEqual(
    Object.keys(schema.getSubscriptionType()!.getFields()).sort(),
  );
});

it('reads a row of every type by its id', () => {
  // `User` has no `nodes`, because a test below reads people together with their contact details. `Session` has none,
  // because only the person who signed in may read the session.
  const types = fixtures.filter(({ nodes }) => nodes(own).length === 0).map(({ type }) => type);
  expect(types, 'types without `nodes` in their fixture').toEqual(['User', 'Session']);
});

const cells = Object.keys(mutations).flatMap((name) => personas.map((persona) => ({ name, persona })));

describe('mutations', () => {
  it.each(cells)('$name by $persona', async ({ name, persona }) => {
    const mutationCase = mutations[name]!;
    const caller = signedIn.get(persona)!;
    const { action } = mutationCase;
    const query = text(name);
    if (action === 'anyone') {
      const school = await buildSchool(app);
      const input = mutationCase.input(app, school, { ...caller, sessionId: null });
      expect(await overHttp(caller.person, query, { input })).not.toMatchObject({ __typename: 'Refusal' });
      return;
    }
    const allowed = action === null ? caller.actor.kind === 'user' : can(caller.actor, action, mutationCase.facts(own, caller) as never);
    const nobody = caller.actor.kind === 'anonymous';
    if (nobody) {
      const before = await readChecksums();
      expect(await overHttp(caller.person, query, { input: mutationCase.input(app, own, caller) })).toMatchObject({
        code: 'UNAUTHENTICATED',
      });
      expect(await readChecksums()).toEqual(before);
      return;
    }
    if (!allowed) {
      const before = await readChecksums();
      const expected = mutationCase.canSee(own, caller.actor)
        ? { code: 'FORBIDDEN', ...(action === null ? {} : { clause: clauseOf(action) }) }
        : { code: 'NOT_FOUND' };
      for (const ask of [overHttp, overSocket])
        expect(await ask(caller.person, query, { input: mutationCase.input(app, own, caller) })).toMatchObject({
          __typename: 'Refusal',
          ...expected,
        });
      expect(await readChecksums()).toEqual(before);
    } else {
      // Every allowed mutation runs on a new school.
      const school = await buildSchool(app);
      const changer = await signedInAs(app, school, persona);
      const ask = persona === 'leader' ? overSocket : overHttp;
      const answer = await ask(changer.person, query, { input: mutationCase.input(app, school, changer) });
      expect(['FORBIDDEN', 'NOT_FOUND', 'UNAUTHENTICATED', 'INVALID']).not.toContain(answer.code);
    }
    // Objects of a foreign school are NOT_FOUND for every persona.
    const input = mutationCase.input(app, foreign, { ...caller, sessionId: null });
    if (!Object.keys(input).some((key) => key.endsWith('Id'))) return;
    const before = await readChecksums();
    for (const ask of [overHttp, overSocket]) {
      const there = await ask(caller.person, query, { input });
      expect(there).toMatchObject({ __typename: 'Refusal', code: 'NOT_FOUND' });
      expect(await ask(caller.person, query, { input: withUnknownIds(input) })).toEqual(there);
    }
    expect(await readChecksums()).toEqual(before);
  });
});

describe('queries', () => {
  it.each(personas)('node and nodes show %s what the table allows, and nothing of another school', async (persona) => {
    const { person, actor } = signedIn.get(persona)!;
    for (const school of [own, foreign]) {
      const all = fixtures.flatMap(({ type, nodes }) => nodes(school).map(({ id, ...node }) => ({ ...node, id: app.id(type, id) })));
      const ids = all.map(({ id }) => id);
      const { data } = await person.send('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids });
      const expected = all.map(({ id, action, facts }) => (can(actor, action, facts as never) ? { id } : null));
      expect(data!.nodes).toEqual(expected);
      if (school === foreign) expect(expected.every((each) => each === null)).toBe(true);
      for (const [n, id] of ids.entries())
        expect((await person.send('query ($id: ID!) { node(id: $id) { id } }', { id })).data!.node).toEqual(expected[n]);
    }
  });

  it.each(personas)('people are visible to %s as the table says', async (persona) => {
    const { person, actor } = signedIn.get(persona)!;
    for (const { people } of [own, foreign])
      for (const user of Object.values(people)) {
        const { data } = await person.send('query ($id: ID!) { node(id: $id) { ... on User { id contact { signInName } } } }', {
          id: app.id('User', user.id),
        });
        const facts = await factsOf(user.id);
        const seen = can(actor, 'user.read', facts);
        const contact = can(actor, 'user.readContact', facts) ? { signInName: user.signInName } : null;
        expect(data!.node).toEqual(seen ? { id: app.id('User', user.id), contact } : null);
      }
  });

  const factsOf = async (userId: string) => {
    const user = await app.db.prisma.user.findUniqueOrThrow({
      where: { id: userId },
      include: { grants: true, enrolments: true, assignments: true, memberships: true },
    });
    const at = (row: { schoolId: string; endedAt: Date | null }, staff: boolean, classId: string | null) => ({
      schoolId: row.schoolId,
      staff,
      classId,
      current: row.endedAt === null,
    });
    return {
      userId,
      chats: user.memberships.map(({ schoolId, chatId }) => ({ schoolId, chatId })),
      places: [
        ...user.grants.map((row) => at(row, row.role !== 'STUDENT', null)),
        ...[...user.enrolments, ...user.assignments].map((row) => at(row, false, row.classId)),
      ],
    };
  };

  it.each(personas)('schools, viewer, viewerCan and invitationPreview answer %s', async (persona) => {
    const { person, actor, user } = signedIn.get(persona)!;
    // An anonymous operation may have at most two root fields.
    const fields = [
      'schools { edges { node { id } } } viewer { id }',
      'mine: viewerCan(action: SCHOOL_UPDATE, on: $own) { allowed } theirs: viewerCan(action: SCHOOL_UPDATE, on: $foreign) { allowed code }',
      'invitationPreview(code: $code) { schoolName }',
    ];
    const variables = { own: app.id('School', own.schoolId), foreign: app.id('School', foreign.schoolId), code: foreign.unheld.code };
    const types = { own: 'ID!', foreign: 'ID!', code: 'String!' };
    const answers = await Promise.all(
      fields.map((selection) => {
        const used = Object.entries(types).filter(([name]) => selection.includes(`$${name}`));
        const declared = used.length === 0 ? '' : `(${used.map(([name, type]) => `$${name}: ${type}`).join(', ')})`;
        return person.send(
          `query ${declared} { ${selection} }`,
          Object.fromEntries(used.map(([name]) => [name, variables[name as keyof typeof variables]])),
        );
      }),
    );
    const data = Object.assign({}, ...answers.map((each) => each.data)) as Record<string, unknown>;
    const seen = can(actor, 'school.read', { schoolId: own.schoolId });
    expect(data.schools).toEqual({ edges: seen ? [{ node: { id: app.id('School', own.schoolId) } }] : [] });
    expect(data.viewer).toEqual(user === null ? null : { id: app.id('User', user.id) });
    expect(data.mine).toEqual({ allowed: can(actor, 'school.update', { schoolId: own.schoolId }) });
    expect(data.theirs).toEqual({ allowed: false, code: persona === 'nobody' ? 'UNAUTHENTICATED' : 'NOT_FOUND' });
    expect(data.invitationPreview).toEqual({ schoolName: foreign.school.name });
  });

  it.each(personas)('personal invitations and external ids answer %s as the table says, and nothing of another school', async (persona) => {
    const { person, actor } = signedIn.get(persona)!;
    for (const school of [own, foreign]) {
      await app.db.prisma.userExternalId.createMany({
        data: [{ schoolId: school.schoolId, userId: school.people.pupil.id, system: 'Реестр', value: '1' }],
        skipDuplicates: true,
      });
      const [schoolId, classId] = [app.id('School', school.schoolId), app.id('Class', school.own.id)];
      const list = await person.send('query ($classId: ID!) { personalInvitations(classId: $classId) { edges { node { status } } } }', {
        classId,
      });
      const facts = { schoolId: school.schoolId, classId: school.own.id };
      expect(list.data!.personalInvitations).toEqual(
        can(actor, 'personalInvitation.read', facts) ? { edges: [{ node: { status: 'JOINED' } }] } : null,
      );
      const found = await person.send(
        'query ($schoolId: ID!) { userByExternalId(schoolId: $schoolId, system: "Реестр", value: "1") { externalIds { value } } }',
        { schoolId },
      );
      expect(found.data!.userByExternalId).toEqual(can(actor, 'externalId.read', facts) ? { externalIds: [{ value: '1' }] } : null);
      for (const user of [...Object.values(school.people), school.invited.user]) {
        const { data } = await person.send('query ($id: ID!) { node(id: $id) { ... on User { personalInvitation { status } } } }', {
          id: app.id('User', user.id),
        });
        const status = user.id === school.invited.user.id ? 'ACTIVE' : 'JOINED';
        const userFacts = await factsOf(user.id);
        const seen = can(actor, 'user.readPersonalInvitation', userFacts) ? { status } : null;
        expect(data!.node).toEqual(can(actor, 'user.read', userFacts) ? { personalInvitation: seen } : null);
      }
    }
  });
});

describe('subscriptions', () => {
  it.each(Object.keys(streams).flatMap((name) => personas.map((persona) => ({ name, persona }))))(
    '$name for $persona',
    async ({ name, persona }) => {
      const { person, actor } = signedIn.get(persona)!;
      const { isAllowed, first } = streams[name]!;
      const query = `subscription ($schoolId: ID!) { ${name}(schoolId: $schoolId) { __typename } }`;
      for (const transport of ['listen', 'listenSse'] as const)
        for (const school of [own, foreign]) {
          const stream = person[transport](query, { schoolId: app.id('School', school.schoolId) });
          const { schoolId } = school;
          if (isAllowed(actor, schoolId)) {
            await stream.until(({ items }) => items.length > 0);
            expect(stream.items[0]!.__typename).toBe(first);
          } else {
            const { errors, code } = await stream.over;
            const seen = can(actor, 'school.read', { schoolId });
            if (persona !== 'nobody') expect(errors?.[0]?.extensions?.code).toBe(seen ? 'FORBIDDEN' : 'NOT_FOUND');
            else
              expect(transport === 'listen' ? code : errors?.[0]?.extensions?.code).toBe(transport === 'listen' ? 4401 : 'UNAUTHENTICATED');
            expect(stream.items).toEqual([]);
          }
          stream.close();
        }
    },
  );
});
