import { getIntrospectionQuery } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Class, School, User } from '../../../src/db/generated/client.ts';
import { expectRefusal } from '../../support/expect-refusal.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';
import { overHttp, overSocket, type Outcome, type Payload } from '../raw-http.ts';

/** Invalid operations. Each gets an error with a code, the same over HTTP and WebSocket, and changes no data. */

let app: Sfera;
let school: School;
let schoolId: string;
let administrator: User;
let first: Class;
const tokens = { administrator: '', pupil: '' };
beforeAll(async () => {
  app = await openSfera();
  ({ school, administrator } = await app.build.school());
  schoolId = app.id('School', school.id);
  first = await app.build.class({ schoolId: school.id });
  const pupil = await app.build.student({ classId: first.id });
  tokens.administrator = (await app.token(administrator)).token;
  tokens.pupil = (await app.token(pupil)).token;
});
afterAll(() => app.close());

const transports = [
  ['HTTP', overHttp],
  ['a socket', overSocket],
] as const;
const pages = (innermost: string) =>
  `schools(first: 100) { edges { node { classes(first: 100) { edges { node { enrolments(first: ${innermost}) { edges { node { id } } } } } } } } }`;
const ids = (count: number) => Array.from({ length: count }, () => schoolId);
const nested = (depth: number) => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`) as unknown;

/** The fragments F0 to F3 on a user. F3 selects 192 fields through the other fragments. */
const scalars = 'id __typename fullName shortName surname givenName patronymic createdAt deactivatedAt locale';
const manyFields = [1, 2, 3]
  .map(
    (n) =>
      `fragment F${n} on User { ${scalars} enrolment { student { ...F${n - 1} } } enrolments(first: 1) { edges { node { student { ...F${n - 1} } } } } }`,
  )
  .concat(`fragment F0 on User { ${scalars} }`)
  .join(' ');

/** Documents and variables that exceed a limit, each with the code of the expected error. */
const bombs: [what: string, code: string, payload: () => Payload][] = [
  ['10,000 open braces', 'NESTED_TOO_DEEP', () => ({ query: '{'.repeat(10_000) })],
  ['10,000 braces that close', 'NESTED_TOO_DEEP', () => ({ query: `${'{'.repeat(5000)}${'}'.repeat(5000)}` })],
  ['10,000 square brackets', 'NESTED_TOO_DEEP', () => ({ query: `{ nodes(ids: ${'['.repeat(10_000)}` })],
  ['10,000 round brackets', 'NESTED_TOO_DEEP', () => ({ query: `{ viewer${'('.repeat(10_000)}` })],
  ['fields nested 5,000 deep', 'NESTED_TOO_DEEP', () => ({ query: `${'{a'.repeat(5000)}${'}'.repeat(5000)}` })],
  [
    '1,000 brackets among the variables',
    'NESTED_TOO_DEEP',
    () => ({ query: 'query ($x: [ID!]!) { nodes(ids: $x) { id } }', variables: { x: nested(1000) } }),
  ],
  ['10,000 aliases', 'DOCUMENT_TOO_LONG', () => ({ query: `{viewer{${'a:id '.repeat(10_000)}}}` })],
  ['31 aliases', 'TOO_MANY_ALIASES', () => ({ query: `{${Array.from({ length: 31 }, (_, n) => `a${n}:__typename`).join(' ')}}` })],
  [
    '31 aliases in fragments',
    'TOO_MANY_ALIASES',
    () => ({ query: `{...F} fragment F on Query {${Array.from({ length: 31 }, (_, n) => `a${n}:__typename`).join(' ')}}` }),
  ],
  ['2,001 tokens', 'TOO_MANY_TOKENS', () => ({ query: `{viewer{${'id '.repeat(1996)}}}` })],
  ['20,001 characters', 'DOCUMENT_TOO_LONG', () => ({ query: `{ viewer { id } }`.padEnd(20_001) })],
  ['20,001 characters of a comment', 'DOCUMENT_TOO_LONG', () => ({ query: `{ viewer { id } } #`.padEnd(20_001, 'x') })],
  [
    'fields 16 deep',
    'QUERY_TOO_DEEP',
    () => ({ query: `{ viewer { enrolment { class ${'{ school { currentYear '.repeat(6)}{ id }${' } }'.repeat(6)} } } }` }),
  ],
  [
    'fields 16 deep through fragments',
    'QUERY_TOO_DEEP',
    () => ({
      query: `{ viewer { enrolment { class { school { ...A } } } } } ${['A', 'B', 'C'].map((name, n) => `fragment ${name} on School { currentYear { school { currentYear { school { ${'BCD'[n] === 'D' ? 'id' : `...${'BCD'[n]}`} } } } } }`).join(' ')}`,
    }),
  ],
  ['21 directives', 'TOO_MANY_DIRECTIVES', () => ({ query: `{viewer{${'id @include(if:true) '.repeat(21)}}}` })],
  ['21 directives on one field', 'TOO_MANY_DIRECTIVES', () => ({ query: `{viewer{id ${'@include(if:true) '.repeat(21)}}}` })],
  ['pages of 100 in pages of 100', 'QUERY_TOO_COSTLY', () => ({ query: `{ ${pages('100')} }` })],
  ['pages whose size is a variable', 'QUERY_TOO_COSTLY', () => ({ query: `query ($n: Int) { ${pages('$n')} }`, variables: { n: 100 } })],
  ["pages whose size is a variable's default", 'QUERY_TOO_COSTLY', () => ({ query: `query ($n: Int = 100) { ${pages('$n')} }` })],
  [
    'pages whose size is the default of a variable that every object knows',
    'QUERY_TOO_COSTLY',
    () => ({ query: `query ($constructor: Int = 100) { ${pages('$constructor').replace('100', '10')} }` }),
  ],
  [
    'pages of 5,000 objects that have no plan, since a directive is given null',
    'QUERY_TOO_COSTLY',
    () => ({
      query: `query ($x: Boolean = true) { ${pages('30').replace('100', '1')} viewer { id @include(if: $x) } }`,
      variables: { x: null },
    }),
  ],
  [
    'pages of 5,000 objects that have no plan, since there are 5,000 fields',
    'QUERY_TOO_COSTLY',
    () => ({
      query: `{ ${pages('30').replace('100', '1')} ${Array.from({ length: 29 }, (_, n) => `a${n}: viewer { ...F3 }`).join(' ')} } ${manyFields}`,
    }),
  ],
  [
    'types of fields of types, by several names',
    'QUERY_TOO_COSTLY',
    () => ({
      query: `{ __schema { types { ${Array.from({ length: 25 }, (_, n) => `a${n}: fields { type { fields { args { name } } } }`).join(' ')} } } }`,
    }),
  ],
  [
    'fields of one type, by several names',
    'QUERY_TOO_COSTLY',
    () => ({
      query: `{ ${[1, 2, 3].map((n) => `b${n}: __type(name: "User") { ...F }`).join(' ')} } fragment F on __Type { ${Array.from({ length: 9 }, (_, n) => `a${n}: fields { ...H }`).join(' ')} } fragment H on __Field { c: type { ...G } type { ...G } } fragment G on __Type { ${Array.from({ length: 15 }, (_, n) => `d${n}: fields { args { type { enumValues { name } } } }`).join(' ')} }`,
    }),
  ],
  [
    'pages whose edges stand in fragments',
    'QUERY_TOO_COSTLY',
    () => ({
      query: `{ schools(first: 100) { ...S } } fragment S on SchoolConnection { edges { node { classes(first: 100) { ...C } } } }
      fragment C on ClassConnection { edges { node { enrolments(first: 100) { ... { edges { node { id } } } } } } }`,
    }),
  ],
  ['pages of the usual size in pages of 100', 'QUERY_TOO_COSTLY', () => ({ query: `{ ${pages('100').replace('(first: 100)', '')} }` })],
  [
    'a change whose answer holds more than 5,000 objects',
    'QUERY_TOO_COSTLY',
    () => ({
      query: `mutation { endOtherSessions(input: {}) { ... on User { ${['a', 'b'].map((name) => `${name}: enrolments(first: 100) { edges { node { class { enrolments(first: 100) { edges { node { id } } } } } } }`).join(' ')} } } }`,
    }),
  ],
  ['101 ids', 'LIST_TOO_LONG', () => ({ query: `{ nodes(ids: ${JSON.stringify(ids(101))}) { id } }` })],
  [
    '101 ids in a variable',
    'LIST_TOO_LONG',
    () => ({ query: 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', variables: { ids: ids(101) } }),
  ],
  [
    "101 ids in a variable's default",
    'LIST_TOO_LONG',
    () => ({ query: `query ($ids: [ID!]! = ${JSON.stringify(ids(101))}) { nodes(ids: $ids) { id } }` }),
  ],
  [
    'a value of 20,001 characters',
    'VALUE_TOO_LONG',
    () => ({ query: 'query ($id: ID!) { node(id: $id) { id } }', variables: { id: 'x'.repeat(20_001) } }),
  ],
  [
    '5,001 values among the variables, declared or not',
    'TOO_MANY_VALUES',
    () => ({ query: '{ viewer { id } }', variables: Object.fromEntries(Array.from({ length: 5001 }, (_, n) => [`v${n}`, 0])) }),
  ],
  [
    'an operation that is not there',
    'OPERATION_RESOLUTION_FAILURE',
    () => ({ query: 'query A { viewer { id } } query B { viewer { id } }', operationName: 'C' }),
  ],
  ['no operation at all', 'OPERATION_RESOLUTION_FAILURE', () => ({ query: 'fragment F on User { id }' })],
  ['what is no token', 'GRAPHQL_PARSE_FAILED', () => ({ query: '{ 8x }' })],
  ['half a document', 'GRAPHQL_PARSE_FAILED', () => ({ query: '{ viewer { id }' })],
  [
    'fragments in a circle',
    'GRAPHQL_VALIDATION_FAILED',
    () => ({ query: '{ viewer { ...A } } fragment A on User { ...B } fragment B on User { ...A }' }),
  ],
];

describe.each(transports)('by %s', (_name, over) => {
  const as = (payload: Payload, token = tokens.administrator): Promise<Outcome> => over(app.url, token, payload);

  // With EXECUTOR=graphql-js operations need no plan. So `refused` omits the requests that the server refuses only
  // because they have no plan.
  const refused = bombs.filter(([what]) => process.env.EXECUTOR !== 'graphql-js' || !what.includes('have no plan'));

  it.each(refused)('%s: %s', async (_what, code, payload) => {
    const { codes, data } = await as(payload());
    expect(codes).toContain(code);
    expect(data ?? null).toBeNull();
    expect((await as({ query: '{ viewer { id } }' })).data).toEqual({ viewer: { id: app.id('User', administrator.id) } });
  });

  it('accepts documents just within the bounds', async () => {
    for (const query of [
      // 2,000 tokens: the outer braces, 17 fields of 112 tokens, and one field of 94 tokens.
      `{${[...Array<number>(17).fill(100), 82].map((count, n) => `a${n}:nodes(ids:[${'"x" '.repeat(count)}]){id}`).join(' ')}}`,
      `{${Array.from({ length: 30 }, (_, n) => `a${n}:__typename`).join(' ')}}`,
      `{ viewer { id } }`.padEnd(20_000),
      `{viewer{${'id @include(if:true) '.repeat(20)}}}`,
      `{ nodes(ids: ${JSON.stringify(ids(100))}) { id } }`,
      '{ schools(first: 100) { edges { node { classes(first: 99) { edges { cursor } } } } } }',
    ])
      expect((await as({ query })).errors).toBeUndefined();
  });

  it('shows the schema to staff and services only', async () => {
    const query = getIntrospectionQuery({
      descriptions: true,
      specifiedByUrl: true,
      directiveIsRepeatable: true,
      schemaDescription: true,
      inputValueDeprecation: true,
    });
    expect((await as({ query })).data).toHaveProperty('__schema.queryType.name', 'Query');
    const service = await app.asService(school.id, ['read']);
    expect((await as({ query }, service.token)).data).toHaveProperty('__schema');
    for (const asked of [query, '{ __type(name: "User") { name } }', '{ ...F } fragment F on Query { __schema { queryType { name } } }'])
      expect((await as({ query: asked }, tokens.pupil)).codes).toEqual(['INTROSPECTION_FORBIDDEN']);
    expect((await as({ query: '{ __typename }' }, tokens.pupil)).errors).toBeUndefined();
  });

  it('gives no suggestions for names', async () => {
    for (const query of [
      '{ vewer { id } }',
      '{ viewer { surnam } }',
      '{ node(idd: "x") { id } }',
      '{ viewer { id @inclde(if: true) } }',
      '{ viewerCan(action: CHAT_CREAT, on: "x") { allowed } }',
      '{ viewer { ... on Usr { id } } }',
      'mutation { createSubject(input: { schoolID: "x", name: "y" }) { __typename } }',
    ]) {
      const { codes, errors } = await as({ query });
      expect(codes[0]).toBe('GRAPHQL_VALIDATION_FAILED');
      expect(JSON.stringify(errors)).not.toMatch(/mean|viewer"|surname|CHAT_CREATE|"User"|schoolId"/);
    }
    const { errors } = await as({
      query: 'mutation ($input: CreateSubjectInput!) { createSubject(input: $input) { __typename } }',
      variables: { input: { schoolID: 'x', name: 'y' } },
    });
    expect(JSON.stringify(errors)).not.toMatch(/mean/);
  });

  it.each([
    'Иванова',
    'Иванова; Мария',
    'Иванова "Мария"; Int',
    'Иванова cannot represent Мария: x',
    '\\"; Иванова',
    'Иванова at "input.x"; Мария',
    'Ива\nнова; Мария',
  ])('does not quote an invalid value: %j', async (name) => {
    const type = 'mutation ($x: CreateClassInput!) { createClass(input: $x) { __typename } }';
    const literal = JSON.stringify(name);
    for (const payload of [
      { query: type, variables: { x: name } },
      { query: type, variables: { x: { schoolId: { name }, grade: name, letter: [name] } } },
      { query: type, variables: { x: [{ grade: name }] } },
      { query: 'query ($x: Action!) { viewerCan(action: $x, on: "x") { allowed } }', variables: { x: name } },
      {
        query: 'query ($x: DateTime, $id: ID!) { node(id: $id) { ... on Class { enrolments(asOf: $x) { edges { cursor } } } } }',
        variables: { x: name, id: app.id('Class', first.id) },
      },
      { query: 'query ($x: ID!) { node(id: $x) { id } }', variables: { x: { name } } },
      { query: 'query ($x: [ID!]!) { nodes(ids: $x) { id } }', variables: { x: [{ name }] } },
      { query: 'query ($x: Int) { schools(first: $x) { edges { cursor } } }', variables: { x: name } },
      { query: `{ schools(first: ${literal}) { edges { cursor } } }` },
      { query: `{ viewerCan(action: ${literal}, on: "x") { allowed } }` },
      { query: `mutation { createClass(input: { schoolId: "x", letter: "y", grade: ${literal} }) { __typename } }` },
      { query: `mutation { createClass(input: ${literal}) { __typename } }` },
      { query: `mutation { createInvitation(input: { schoolId: "x", role: TEACHER, expiresAt: ${literal} }) { __typename } }` },
      { query: `{ viewer ${literal} }` },
      { query: `{ viewer { id } } """${name}"""` },
      { query: `{ viewer "${name}` },
    ]) {
      const { errors } = await as(payload);
      expect(errors).toBeDefined();
      expect(JSON.stringify(errors), JSON.stringify(payload)).not.toMatch(/Ива|нова|Мария/);
    }
  });

  it('reports the path of an invalid value in the variables', async () => {
    const { errors } = await as({
      query: 'mutation ($input: CreateClassInput!) { createClass(input: $input) { __typename } }',
      variables: { input: { schoolId, grade: 'пять', letter: 'А' } },
    });
    expect(errors?.map(({ message }) => message)).toEqual([
      'Значение переменной «$input» в «input.grade» не подходит. Здесь нужно целое число.',
    ]);
  });

  it('refuses invalid page sizes with the argument as path', async () => {
    for (const [args, path] of [
      ['first: 0', 'first'],
      ['first: 101', 'first'],
      ['first: -1', 'first'],
      ['last: 0', 'last'],
      ['last: 101', 'last'],
      ['last: -1', 'last'],
      ['first: 1, last: 1', 'last'],
    ] as const)
      for (const query of [
        `{ schools(${args}) { edges { cursor } } }`,
        `{ node(id: "${schoolId}") { ... on School { classes(${args}) { edges { cursor } } } } }`,
      ]) {
        const { errors } = await as({ query });
        expect(errors?.map(({ extensions }) => extensions)).toEqual([{ code: 'INVALID', path: [path] }]);
      }
    expect((await as({ query: '{ schools(first: 99999999999) { edges { cursor } } }' })).codes).toEqual(['GRAPHQL_VALIDATION_FAILED']);
  });

  it('refuses made-up cursors with the argument as path', async () => {
    const listed =
      'query ($id: ID!, $after: String, $before: String) { node(id: $id) { ... on School { classes(after: $after, before: $before) { edges { cursor } } } } }';
    const { data } = await as({ query: listed, variables: { id: schoolId } });
    const good = (data!.node as { classes: { edges: { cursor: string }[] } }).classes.edges[0]!.cursor;
    const made = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
    const [tag, ...keys] = JSON.parse(Buffer.from(good, 'base64url').toString()) as string[];
    for (const cursor of [
      'x',
      '',
      '\u0000',
      '\ud800',
      `${good}=`,
      `${good} `,
      good.slice(1),
      made('null'),
      made('{}'),
      made([tag]),
      made(['person', ...keys]),
      made([tag, ...keys, 1]),
      made([tag, keys[0], 'x']),
      made([tag, keys[0], 5]),
      made([tag, null, keys[1]]),
      made([tag, '\u0000', keys[1]]),
      made(`["${tag}","\\ud800","${keys[1]}"]`),
      made('['.repeat(5000)),
    ])
      for (const name of ['after', 'before']) {
        const { errors } = await as({ query: listed, variables: { id: schoolId, [name]: cursor } });
        expect(
          errors?.map(({ extensions }) => extensions),
          cursor,
        ).toEqual([{ code: 'INVALID', path: [name] }]);
      }
  });

  it('continues from the cursor of a deleted row', async () => {
    const kept = await app.build.school();
    const subjects = [];
    for (const name of ['Алгебра', 'Биология', 'Химия']) subjects.push(await app.build.subject({ schoolId: kept.school.id, name }));
    const query =
      'query ($id: ID!, $after: String) { node(id: $id) { ... on School { subjects(first: 1, after: $after) { edges { cursor node { name } } } } } }';
    const { token } = await app.token(kept.administrator);
    const next = async (after?: string) => {
      const { data } = await as({ query, variables: { id: app.id('School', kept.school.id), after } }, token);
      return (data!.node as { subjects: { edges: { cursor: string; node: { name: string } }[] } }).subjects.edges[0]!;
    };
    const { cursor } = await next((await next()).cursor);
    await app.db.prisma.subject.delete({ where: { id: subjects[1]!.id } });
    expect((await next(cursor)).node.name).toBe('Химия');
  });

  it('answers null for any unknown or invalid id, without affecting the others of the list', async () => {
    const query = 'query ($id: ID!, $ids: [ID!]!) { node(id: $id) { id } nodes(ids: $ids) { id } }';
    for (const id of wrongIds()) {
      const { data, errors } = await as({ query, variables: { id, ids: [id, schoolId] } });
      expect(errors, id).toBeUndefined();
      expect(data, id).toEqual({ node: null, nodes: [null, { id: schoolId }] });
    }
  });

  it('returns the errors of queries and subscriptions in the requested language', async () => {
    const query = '{ schools(first: 0) { edges { cursor } } }';
    const subscription = 'subscription ($id: ID!) { chats(schoolId: $id, after: "x") { __typename } }';
    for (const [language, said] of [
      ['en', /^[\x20-\x7e]+$/],
      ['ru', /[а-я]/],
      ['en-GB,ru;q=0.5', /^[\x20-\x7e]+$/],
      ['de', /[а-я]/],
    ] as const)
      for (const payload of [{ query }, { query: subscription, variables: { id: schoolId } }]) {
        const { errors } = await over(app.url, tokens.administrator, payload, {
          'accept-language': language,
          ...(payload.query === query ? {} : { accept: 'text/event-stream' }),
        });
        expect(errors?.map(({ message }) => message)).toEqual([expect.stringMatching(said)]);
        expect(errors![0]!.extensions.code).toBe('INVALID');
      }
  });
});

/** Invalid global ids, each for a different reason. */
function wrongIds(): string[] {
  const plain = (text: string) => Buffer.from(text).toString('base64');
  return [
    '',
    'x',
    '42',
    school.id,
    '\u0000',
    '\ud800',
    'Школа',
    plain('School'),
    plain(`School:`),
    plain(':'),
    plain(`School:${school.id}:`),
    plain(`School:${school.id} `),
    plain(`School:${school.id.toUpperCase()}`),
    plain(`School:{${school.id}}`),
    plain(`school:${school.id}`),
    plain('School:1'),
    plain("School:' or 1=1"),
    plain('School:\u0000'),
    plain(`Nothing:${school.id}`),
    plain(`__proto__:${school.id}`),
    plain(`Refusal:${school.id}`),
    ` ${schoolId}`,
    `${schoolId}\n`,
    `${schoolId}=`,
    schoolId.replace(/=+$/, ''),
    `School:${school.id}`,
    Buffer.from(`School:${school.id}`, 'utf16le').toString('base64'),
    Buffer.from(`School:${school.id}`).toString('hex'),
    encodeURIComponent(`${schoolId}==`),
    // Ids that are well-formed, but name an object that does not exist. Three of them have another type than `School`.
    plain('School:00000000-0000-0000-0000-000000000000'),
    plain(`User:${school.id}`),
    plain(`Chat:${school.id}`),
    plain(`Session:${school.id}`),
  ];
}

describe('the input of a mutation', () => {
  const letter = 'Ж';
  type TextInput = [mutation: string, path: string[], input: (text: string) => object];
  const people = ['surname', 'givenName', 'patronymic', 'email', 'phone'];
  const newUser = () => ({ schoolId, surname: 'Ёлкина', givenName: 'Анна', role: 'TEACHER' });
  const sameUser = () => ({ schoolId, userId: app.id('User', administrator.id) });
  /**
   * Text fields of the inputs. The other fields of each input are valid. `elsewhere` below lists the text fields that
   * are missing here.
   */
  const texts: TextInput[] = [
    ['createSubject', ['name'], (name) => ({ schoolId, name })],
    ['createClass', ['letter'], (text) => ({ schoolId, grade: 5, letter: text })],
    ['createClass', ['idempotencyKey'], (idempotencyKey) => ({ schoolId, grade: 5, letter, idempotencyKey })],
    ['updateClass', ['letter'], (text) => ({ classId: app.id('Class', first.id), letter: text })],
    ['createChat', ['name'], (name) => ({ schoolId, kind: 'SCHOOL', name })],
    ['createChat', ['idempotencyKey'], (idempotencyKey) => ({ schoolId, kind: 'SCHOOL', name: 'Чат', idempotencyKey })],
    ['createInvitation', ['label'], (label) => ({ schoolId, role: 'TEACHER', label })],
    ['createInvitation', ['idempotencyKey'], (idempotencyKey) => ({ schoolId, role: 'TEACHER', idempotencyKey })],
    ...['name', 'fullName', 'address', 'district', 'region', 'timeZone'].map(
      (field) => ['updateSchool', [field], (text: string) => ({ schoolId, [field]: text })] as [string, string[], (text: string) => object],
    ),
    ['updateSchool', ['externalIds'], (text) => ({ schoolId, externalIds: [{ system: text, value: '1' }] })],
    ['updateSchool', ['externalIds'], (text) => ({ schoolId, externalIds: [{ system: 'x', value: text }] })],
    ...people.map((field) => ['updateProfile', [field], (text: string) => ({ [field]: text })] as TextInput),
    ...[...people, 'idempotencyKey'].map(
      (field) => ['createUser', [field], (text: string) => ({ ...newUser(), [field]: text })] as TextInput,
    ),
    ['createUser', ['externalIds'], (text) => ({ ...newUser(), externalIds: [{ system: 'x', value: text }] })],
    ...people.map((field) => ['updateUser', [field], (text: string) => ({ ...sameUser(), [field]: text })] as TextInput),
    ['updateUser', ['externalIds'], (text) => ({ ...sameUser(), externalIds: [{ system: text, value: '1' }] })],
    ['createUpload', ['name'], (name) => ({ schoolId, name, size: 1 })],
    ['exportRoster', ['system'], (system) => ({ schoolId, format: 'LIST', system })],
    ['planYear', ['newClasses', '0', 'letter'], (letter) => ({ schoolId, newClasses: [{ grade: 1, letter }] })],
    [
      'planYear',
      ['successors', '0', 'from', 'letter'],
      (letter) => ({ schoolId, successors: [{ from: { grade: 1, letter }, to: { grade: 2, letter: 'А' } }] }),
    ],
  ];
  const send = async (over: typeof overHttp, mutation: string, input: object, headers: Record<string, string> = {}) => {
    const Name = mutation[0]!.toUpperCase() + mutation.slice(1);
    const query = `mutation ($input: ${Name}Input!) { ${mutation}(input: $input) { __typename ... on Refusal { code message path } } }`;
    const { data, errors } = await over(app.url, tokens.administrator, { query, variables: { input } }, headers);
    expect(errors).toBeUndefined();
    return data![mutation] as { __typename: string; message: string };
  };

  it.each(transports)(
    'refuses U+0000 and lone surrogates in every text by %s, with the field as path, and writes nothing',
    async (_name, over) => {
      for (const [mutation, path, input] of texts)
        for (const text of ['Проба\u0000', '\u0000', 'Про\ud800ба', '\udfff', '\ud800\ud800'])
          await expectRefusal(app, school.id, { code: 'INVALID' }, async () => {
            const answer = (await send(over, mutation, input(text))) as unknown as { path: string[] };
            expect(answer.path?.slice(0, path.length), `${mutation} ${path.join('.')}`).toEqual(path);
            return answer;
          });
      expect(await app.db.prisma.user.findUniqueOrThrow({ where: { id: administrator.id } })).toMatchObject({
        surname: 'Иванова',
        email: null,
        phone: null,
      });
      expect((await app.db.prisma.school.findUniqueOrThrow({ where: { id: school.id } })).name).toBe(school.name);
    },
  );

  it('covers every text of every input', async () => {
    const { schema } = await import('../../../src/graphql/schema.ts');
    const inputs = Object.values(schema.getMutationType()!.getFields()).flatMap((field) => {
      const type = schema.getType(`${field.name[0]!.toUpperCase()}${field.name.slice(1)}Input`) as import('graphql').GraphQLInputObjectType;
      return Object.values(type.getFields())
        .filter(({ type }) => /\b(String|ExternalIdInput|ClassNameInput|ClassSuccessorInput)\b/.test(String(type)))
        .map(({ name }) => `${field.name}.${name}`);
    });
    // `texts` does not list these fields. The codes, the passwords and the sign-in name are `opaqueTexts` in
    // test/fixtures/, each with the reason. Idempotency keys are tested with the mutations in `texts`. `editPlanRow.class` is
    // checked like the classes of `planYear`. Tests of the other three fields are in test/graphql/texts.test.ts.
    const elsewhere = [
      'acceptInvitation.code',
      'acceptPersonalInvitation.code',
      'acceptPersonalInvitation.signInName',
      'acceptPersonalInvitation.password',
      'changePassword.currentPassword',
      'changePassword.newPassword',
      'planImport.system',
      'editPlanRow.class',
      'enrolStudent.idempotencyKey',
      'renameChat.name',
      'voidEnrolment.reason',
    ];
    const covered = [...texts.map(([mutation, [field]]) => `${mutation}.${field}`), ...elsewhere];
    expect(inputs.filter((input) => !covered.includes(input))).toEqual([]);
  });

  it.each(transports)('refuses texts of 20,000 characters by %s, with the field as path', async (_name, over) => {
    for (const [mutation, path, input] of texts)
      await expectRefusal(app, school.id, { code: 'INVALID', ...(path[0] === 'externalIds' ? {} : { path }) }, () =>
        send(over, mutation, input('я'.repeat(20_000))),
      );
  });

  it.each(transports)('refuses unknown and odd codes by %s without an internal error', async (_name, over) => {
    for (const code of ['', 'x', '\u0000', '\ud800', '../../..', 'я'.repeat(1000)])
      expect(await send(over, 'acceptInvitation', { code })).toMatchObject({ __typename: 'Refusal', code: 'NOT_FOUND' });
  });

  it.each(transports)('refuses invalid ids and ids of other types by %s, with the field as path', async (_name, over) => {
    const classId = app.id('Class', first.id);
    const cases: [mutation: string, path: string, input: (id: string) => object][] = [
      ['createSubject', 'schoolId', (id) => ({ schoolId: id, name: 'Физика' })],
      ['createClass', 'schoolYearId', (id) => ({ schoolId, grade: 1, letter, schoolYearId: id })],
      ['archiveClass', 'classId', (id) => ({ classId: id })],
      ['enrolStudent', 'studentId', (id) => ({ studentId: id, classId })],
      ['createChat', 'subjectId', (id) => ({ schoolId, kind: 'SUBJECT', classId, subjectId: id, name: 'Чат' })],
      ['endRole', 'grantId', (id) => ({ grantId: id })],
      ['endSession', 'sessionId', (id) => ({ sessionId: id })],
      ['revokeInvitation', 'invitationId', (id) => ({ invitationId: id })],
      ['archiveChat', 'chatId', (id) => ({ chatId: id })],
    ];
    const odd = wrongIds();
    for (const [mutation, path, input] of cases)
      // Sends six malformed ids, and a well-formed id of another type.
      for (const id of [odd[4]!, odd[5]!, odd[9]!, odd[12]!, odd.at(-8)!, odd.at(-6)!, app.id('Assignment', school.id)])
        await expectRefusal(app, school.id, { code: 'INVALID', path: [path] }, () => send(over, mutation, input(id)));
    await expectRefusal(app, school.id, { code: 'NOT_FOUND', path: ['schoolId'] }, () =>
      send(over, 'createSubject', { schoolId: app.id('School', '00000000-0000-0000-0000-000000000000'), name: 'Физика' }),
    );
  });

  it.each(transports)('is refused in the requested language by %s', async (_name, over) => {
    for (const [language, said] of [
      ['en', /^[\x20-\x7e]+$/],
      ['ru', /[а-я]/],
      ['de', /[а-я]/],
    ] as const)
      expect((await send(over, 'createSubject', { schoolId, name: ' ' }, { 'accept-language': language })).message).toMatch(said);
  });

  it.each(transports)('refuses the same in the arguments of a query by %s', async (_name, over) => {
    const people = 'query ($id: ID!, $search: String) { node(id: $id) { ... on School { people(search: $search) { edges { cursor } } } } }';
    for (const search of ['\u0000', 'Ива\ud800', 'я'.repeat(101)]) {
      const { errors } = await over(app.url, tokens.administrator, { query: people, variables: { id: schoolId, search } });
      expect(errors?.map(({ extensions }) => extensions)).toEqual([{ code: 'INVALID', path: ['search'] }]);
    }
    for (const code of ['\u0000', '\ud800', ''])
      expect(
        await over(app.url, tokens.administrator, {
          query: 'query ($code: String!) { invitationPreview(code: $code) { schoolName } }',
          variables: { code },
        }),
      ).toMatchObject({ codes: [], data: { invitationPreview: null } });
  });
});
