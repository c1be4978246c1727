import fc from 'fast-check';
import { execute, parse, validate, type ExecutionResult } from 'graphql';
import { createClient, type Client } from 'graphql-ws';
import { WebSocket } from 'ws';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadActors } from '../../../../src/auth/actors.ts';
import { transaction } from '../../../../src/db/transaction.ts';
import { eventItem } from '../../../../src/events/cursor.ts';
import { attribute, record } from '../../../../src/events/record.ts';
import { schema } from '../../../../src/graphql/schema.ts';
import { bounds } from '../../../../src/http/graphql/limits.ts';
import type { UserActor } from '../../../../src/policy/actor.ts';
import { openSfera, type Sfera } from '../../../support/sfera.ts';
import { until } from '../../../support/until.ts';

/**
 * Subscribers with the same document but different variables, directives and operation names. Each subscriber gets the
 * result of its own request.
 */

let app: Sfera;
let clients: Client[];
let place: { schoolId: string; chatId: string; classId: string };
let actor: UserActor;
beforeAll(async () => {
  app = await openSfera();
  const { school, administrator } = await app.build.school();
  const found = await app.build.class({ schoolId: school.id });
  const chat = await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: found.id });
  await app.build.chat({ schoolId: school.id, kind: 'SCHOOL' });
  place = { schoolId: school.id, chatId: chat.id, classId: found.id };
  for (let n = 0; n < 3; n += 1) {
    const pupil = await app.build.student({ classId: found.id });
    await app.db.prisma.chatMember.createMany({
      data: [{ schoolId: school.id, chatId: chat.id, userId: pupil.id, reason: 'PERSON' }],
      skipDuplicates: true,
    });
  }
  const tokens = [
    await app.token(administrator),
    await app.token(await app.build.user({ schoolId: school.id, role: 'PLATFORM_ADMINISTRATOR' })),
  ];
  const credential = (await app.tokens.verifyAccessToken(tokens[0]!.token))!;
  actor = (await loadActors(app.db, [credential]))[0] as UserActor;
  clients = tokens.map(({ token }) =>
    createClient({
      url: app.url.replace(/^http/, 'ws'),
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${token}` },
      retryAttempts: 0,
      lazy: false,
    }),
  );
});
afterAll(async () => {
  for (const client of clients) await client.dispose();
  await app.close();
});

interface SubscriptionRequest {
  operationName: string | undefined;
  variables: Record<string, unknown>;
}

const directives = [
  '',
  '',
  '@include(if: $a)',
  '@skip(if: $b)',
  '@include(if: $c)',
  '@skip(if: $a) @include(if: $c)',
  '@include(if: true)',
];
const directive = fc.constantFrom(...directives);

/** Selections of a chat change; variables control the directives and the page sizes. */
const selection = fc
  .uniqueArray(fc.tuple(fc.integer({ min: 0, max: 8 }), directive, directive), { minLength: 1, maxLength: 5, selector: ([which]) => which })
  .map((parts) =>
    parts.map(
      ([which, outer, inner]) =>
        [
          `kind ${outer}`,
          `other: kind ${outer}`,
          `chat ${outer} { name ${inner} kind }`,
          `chat ${outer} { members(first: $n) { edges { node { role ${inner} user { fullName } } } } }`,
          `chat ${outer} { school { chats(kind: $kind, classId: $classId) { edges { node { name } } } } }`,
          `chat ${outer} { school { events(first: 1, types: $types) { edges { node { type } } } } }`,
          `... ${outer} { chatId ${inner} }`,
          `... on ChatChange ${outer} { user { id } }`,
          `...F ${outer} ...F ${inner}`,
        ][which]!,
    ),
  );

const declared: Record<string, string> = {
  schoolId: 'ID!',
  after: 'String',
  a: 'Boolean!',
  b: 'Boolean! = true',
  c: 'Boolean = false',
  n: 'Int = 2',
  kind: 'ChatKind',
  classId: 'ID',
  types: '[EventType!] = [CHAT_RENAMED]',
};

/** Documents with one or two operations. The second operation has the selections of the first in reverse order. */
const document = fc
  .record({ own: selection, ofFragment: selection, outer: directive, two: fc.boolean() })
  .map(({ own, ofFragment, outer, two }) => {
    const fragment = ofFragment.filter((part) => !part.includes('...F'));
    const body = `fragment F on ChatChange { __typename ${fragment.join(' ')} }`;
    const operation = (name: string, parts: readonly string[]) => {
      const text = `chats(schoolId: $schoolId, after: $after) { __typename ... on ChatChange ${outer} { ${parts.join(' ')} } }`;
      const read = text.includes('...F') ? text + body : text;
      const variables = Object.keys(declared).filter((variable) => new RegExp(`\\$${variable}\\b`).test(read));
      return {
        text: `subscription ${name}(${variables.map((variable) => `$${variable}: ${declared[variable]}`).join(', ')}) { ${text} }`,
        variables,
      };
    };
    const operations = [operation('One', own), ...(two ? [operation('Two', [...own].reverse())] : [])];
    const query = [...operations.map(({ text }) => text), ...(own.some((part) => part.includes('...F')) ? [body] : [])].join('\n');
    return { query, variables: operations[0]!.variables, names: two ? ['One', 'Two'] : ['One', undefined] };
  })
  .filter(({ query }) => query.split('@').length <= bounds.directives);

const absent = Symbol('absent');
/** Values of each variable. Each variable has few values, so that subscribers often have equal values. */
const valuesOfVariables: Record<string, fc.Arbitrary<unknown>> = {
  a: fc.boolean(),
  b: fc.constantFrom(absent, true, false),
  c: fc.constantFrom(absent, null, true, false),
  n: fc.constantFrom(absent, null, 1, 2, 3),
  kind: fc.constantFrom(absent, null, 'CLASS', 'SCHOOL'),
  classId: fc.constantFrom(absent, null, 'its'),
  types: fc.constantFrom(absent, null, [], ['CHAT_RENAMED'], ['CHAT_CREATED'], ['CHAT_CREATED', 'CHAT_RENAMED'], 'CHAT_RENAMED'),
};

const subscribers = document.chain(({ query, variables, names }) =>
  fc.record({
    query: fc.constant(query),
    requests: fc.array(
      fc
        .record({ operationName: fc.constantFrom(...names), values: fc.record(valuesOfVariables) })
        .map(({ operationName, values }): SubscriptionRequest => {
          const entries = Object.entries(values).filter(([name, value]) => variables.includes(name) && value !== absent);
          const ofSchool = entries.map(([name, value]) => [name, value === 'its' ? app.id('Class', place.classId) : value]);
          return { operationName, variables: { schoolId: app.id('School', place.schoolId), ...Object.fromEntries(ofSchool) } };
        }),
      { minLength: 4, maxLength: 6 },
    ),
  }),
);

/** Returns the data and the paths of the errors. */
const resultText = ({ data, errors }: ExecutionResult) => JSON.stringify({ data, errors: errors?.map(({ path }) => path) });

function subscribe(client: Client, query: string, { operationName, variables }: SubscriptionRequest) {
  const results: ExecutionResult[] = [];
  const over: unknown[] = [];
  const unsubscribe = client.subscribe(
    { query, variables, ...(operationName !== undefined && { operationName }) },
    {
      next: (result) => void results.push(result as ExecutionResult),
      error: (error) => void over.push(error),
      complete: () => void over.push('complete'),
    },
  );
  return { results, over, unsubscribe };
}

/** Executes the operation with graphql-js. */
async function executeAlone(query: string, { operationName, variables }: SubscriptionRequest): Promise<ExecutionResult> {
  const head = (await app.liveEvents.reader.bounds(place.schoolId))!.head;
  const [event] = (await app.liveEvents.reader.read(place.schoolId, head - 1n, 1))!;
  const contextValue = app.operator.renew(actor);
  return execute({
    schema,
    document: parse(query),
    rootValue: eventItem(event!, actor),
    contextValue,
    variableValues: variables,
    operationName,
  });
}

/** Subscribes all requests, delivers an event and compares the results; returns the number of executions. */
async function compare(query: string, requests: readonly SubscriptionRequest[]): Promise<number> {
  expect(
    validate(schema, parse(query)).map(({ message }) => message),
    query,
  ).toEqual([]);
  const all = requests.map((each, n) => ({ each, ...subscribe(clients[n % 2]!, query, each) }));
  await until(() => {
    for (const { results, over } of all) expect([results.length, over], query).toEqual([1, []]);
    expect(app.liveEvents.broadcaster.stats().waiting).toBe(all.length);
  });
  const before = await executions();
  await transaction(app.db, (tx) => {
    attribute(tx, { actor: { kind: 'operator' }, causation: null, notify: (ids) => app.notifier.notify(ids) });
    record(tx, 'chat.renamed', { schoolId: place.schoolId, chatId: place.chatId });
    return Promise.resolve();
  });
  await until(() => expect(all.map(({ results }) => results.length)).toEqual(all.map(() => 2)));
  const executed = (await executions()) - before;
  for (const { each, results } of all)
    expect(resultText(results[1]!), `${query} ${JSON.stringify(each)}`).toBe(resultText(await executeAlone(query, each)));
  for (const { unsubscribe } of all) unsubscribe();
  await until(() => expect(app.liveEvents.rights.stats().subscribers).toBe(0));
  return executed;
}

const executions = async () =>
  Number(/^sfera_stream_executions_total (\d+)$/m.exec(await (await fetch(app.url.replace('/graphql', '/metrics'))).text())?.[1]);

it('delivers to each subscriber the same result as graphql-js', async () => {
  const before = app.liveEvents.broadcaster.stats().deliveredCount;
  await fc.assert(
    fc.asyncProperty(subscribers, async ({ query, requests }) => {
      await compare(query, requests);
    }),
    { numRuns: 40, endOnFailure: true },
  );
  expect(app.liveEvents.broadcaster.stats().deliveredCount - before).toBeGreaterThan(100);
});

it('executes separately for different values of directives directly under the stream', async () => {
  const query = `subscription ($schoolId: ID!, $x: Boolean!) {
    chats(schoolId: $schoolId) { __typename ... on ChatChange @include(if: $x) { chat { name } } ... @skip(if: $x) { kind: __typename } }
  }`;
  const schoolId = app.id('School', place.schoolId);
  expect(
    await compare(
      query,
      [true, false, true, false].map((x) => ({ operationName: undefined, variables: { schoolId, x } })),
    ),
  ).toBe(2);
});

it('shares one execution if variables differ only in the arguments of the stream', async () => {
  const query = `subscription ($schoolId: ID!, $after: String, $x: Boolean = true) {
    chats(schoolId: $schoolId, after: $after) { __typename ... on Checkpoint { cursor } ... on ChatChange @include(if: $x) { chat { name } } }
  }`;
  const schoolId = app.id('School', place.schoolId);
  // All four requests mean the same: `after` is null by default, and `x` is true by default.
  const requests = [{}, { after: null }, { x: true }, { after: null, x: true }].map((options) => ({
    operationName: undefined,
    variables: { schoolId, ...options },
  }));
  expect(await compare(query, requests)).toBe(1);
});
