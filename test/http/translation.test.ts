import { buildSchema, parse, specifiedRules, validate } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bounds } from '../../src/http/graphql/limits.ts';
import { translate } from '../../src/http/translation.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';
import { ask, json, openSignedIn, openSocket, type RawRequest } from './raw-http.ts';

/** A response is in one language: Russian, unless the request prefers English. */

let app: Sfera;
let token: string;
beforeAll(async () => {
  app = await openSfera({ ALLOWED_ORIGINS: 'https://front.example' });
  const { administrator } = await app.build.school();
  ({ token } = await app.token(administrator));
});
afterAll(() => app.close());

/** Removes quoted names, examples, and names of headers, types and settings from a message. */
const prose = (message: string): string =>
  message
    .replace(/«[^»]*»|"[^"]*"/g, '')
    .replace(
      /\b(application\/\S+|text\/\S+|[A-Z][\w]*(-[A-Za-z]\w*)+:?|[A-Z]{2,}[\w-]*|Authorization|Accept|Expect|UTF-8|JSON|GraphQL|Content-\w+|operationName|query|variables|extensions|true|false|null|gzip|deflate|br|100-continue|[\d-]+T[\d:]+Z|\$\w+)/g,
      '',
    );

const general = translate('Something that graphql-js does not say.')[0];

function expectRussian(message: string): void {
  expect(message).not.toBe(general);
  expect(prose(message), message).toMatch(/[а-яё]/i);
  expect(prose(message), message).not.toMatch(/[a-z]{2}/i);
}

function expectEnglish(message: string): void {
  expect(message).toMatch(/[a-z]{2}/i);
  expect(prose(message), message).not.toMatch(/[а-яё]/i);
}

const query = (text: string, variables?: object, operationName?: string): RawRequest => ({
  body: JSON.stringify({ query: text, variables, operationName }),
});

/** Requests that are refused before, during and after parsing of the operation. */
const wrong: [what: string, sent: () => RawRequest][] = [
  ['a foreign origin', () => ({ ...query('{ __typename }'), headers: { origin: 'https://foreign.example' } })],
  [
    'no header against CSRF',
    () => ({ method: 'GET', path: '/graphql?query={__typename}', headers: { authorization: '', 'content-type': 'text/plain' } }),
  ],
  ['another media type', () => ({ body: 'x', headers: { 'content-type': 'text/plain' } })],
  ['another charset', () => ({ body: '{}', headers: { 'content-type': 'application/json; charset=koi8-r' } })],
  ['an unknown coding', () => ({ body: '{}', headers: { 'content-encoding': 'zstd' } })],
  ['a coding that is not there', () => ({ body: '{}', headers: { 'content-encoding': 'gzip' } })],
  ['text that is no UTF-8', () => ({ body: Buffer.from([0x7b, 0xff, 0x7d]) })],
  ['a query string that is no UTF-8', () => ({ method: 'GET', path: '/graphql?query=%ff' })],
  ['variables that are no JSON', () => ({ method: 'GET', path: '/graphql?query={__typename}&variables={' })],
  ['a body that is too large', () => query('{ __typename }', { x: 'x'.repeat(bounds.body) })],
  ['another method', () => ({ method: 'PUT' })],
  ['an unknown path', () => ({ method: 'GET', path: '/nothing' })],
  ['nothing that is accepted', () => ({ ...query('{ __typename }'), headers: { accept: 'image/png' } })],
  ['a token that is wrong', () => ({ ...query('{ __typename }'), headers: { authorization: 'Bearer no.such.token' } })],
  ['no JSON', () => ({ body: '{' })],
  ['nothing', () => ({ body: '' })],
  ['a list', () => ({ body: '[]' })],
  ['a list of operations', () => ({ body: '[{"query":"{ __typename }"}]' })],
  ['null', () => ({ body: 'null' })],
  ['a number', () => ({ body: '1' })],
  ['no query', () => ({ body: '{}' })],
  ['a query that is a number', () => ({ body: '{"query":1}' })],
  ['variables that are a list', () => ({ body: '{"query":"{ __typename }","variables":[]}' })],
  ['an unknown parameter', () => ({ body: '{"query":"{ __typename }","what":1}' })],
  ['a mutation by GET', () => ({ method: 'GET', path: '/graphql?query=mutation{endOtherSessions(input:{}){__typename}}' })],
  ['an unknown operation', () => query('query A { __typename }', {}, 'B')],
  ['two operations and no name', () => query('query A { __typename } query B { __typename }')],
  ['no operation', () => query('fragment F on Query { __typename }')],
  ['too many aliases', () => query(`{${Array.from({ length: 31 }, (_, n) => ` a${n}:__typename`).join('')} }`)],
  ['a document that is too long', () => query('{ __typename }'.padEnd(20_001))],
  [
    'pages that are too costly',
    () =>
      query(
        '{ schools(first: 100) { edges { node { classes(first: 100) { edges { node { enrolments(first: 100) { edges { cursor } } } } } } } } }',
      ),
  ],
  ['a value that is too long', () => query('query ($id: ID!) { node(id: $id) { id } }', { id: 'x'.repeat(20_001) })],
  ['variables that are missing', () => query('query ($id: ID!) { node(id: $id) { id } }')],
  ['variables that are null', () => query('query ($id: ID!) { node(id: $id) { id } }', { id: null })],
  [
    'variables of another type',
    () => query('query ($id: ID!, $n: Int) { node(id: $id) { id } schools(first: $n) { edges { cursor } } }', { id: {}, n: 'x' }),
  ],
  [
    'an input without its fields',
    () => query('mutation ($input: CreateClassInput!) { createClass(input: $input) { __typename } }', { input: { more: 1 } }),
  ],
  [
    'an input that is a text',
    () => query('mutation ($input: CreateClassInput!) { createClass(input: $input) { __typename } }', { input: 'x' }),
  ],
  [
    'a value of no enum',
    () =>
      query('mutation ($input: CreateInvitationInput!) { createInvitation(input: $input) { __typename } }', {
        input: { schoolId: 'x', role: 'TSAR', expiresAt: 'tomorrow' },
      }),
  ],
  ['a page that is too large', () => query('{ schools(first: 1000) { edges { cursor } } }')],
  ['no subscriptions where results are JSON', () => query('subscription { enrolments(schoolId: "x") { __typename } }')],
  ...[
    '{',
    '{ viewer { id',
    '{ viewer { id } again',
    'query ($x: ) { a }',
    '{ a(b: 01) }',
    '{ a(b: "x) }',
    "{ a(b: 'x') }",
    '{ a(b: "\\q") }',
    '{ a(b: "\\ud800") }',
    '{ a ; b }',
    '{ a(b: $) }',
    'type A { a: Int }',
    '"x" { a }',
    '',
    'quer { a }',
  ].map((text): (typeof wrong)[number] => [`the document ${text}`, () => query(text)]),
];

describe.each([
  ['Russian', 'ru', expectRussian],
  ['Russian where nothing is asked for', undefined, expectRussian],
  ['English', 'en-GB, ru;q=0.5', expectEnglish],
] as const)('in %s', (_name, language, expectLanguage) => {
  const accept: Record<string, string> = language === undefined ? {} : { 'accept-language': language };

  it.each(wrong)('%s is refused', async (_what, sent) => {
    const { headers, ...rest } = sent();
    const all = { ...json(token), ...accept, ...headers } as Record<string, string>;
    if (all.authorization === '') delete all.authorization;
    const { errors, codes } = await ask(app.url, { ...rest, headers: all });
    expect(codes.length).toBeGreaterThan(0);
    for (const { message } of errors!) expectLanguage(message);
  });

  it('sockets use the language of the handshake or of connection_init', async () => {
    const byHeader = await openSignedIn(app.url, token, { headers: accept });
    const byPayload = await openSocket(app.url);
    byPayload.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}`, ...accept } });
    await byPayload.waitForMessage(({ type }) => type === 'connection_ack');
    for (const socket of [byHeader, byPayload]) {
      for (const [text, variables, operationName] of [
        ['{'],
        ['{ nothing }'],
        ['query ($id: ID!) { node(id: $id) { id } }'],
        ['query A { __typename }', {}, 'B'],
        ['{ schools(first: 1000) { edges { cursor } } }'],
      ] as [string, object?, string?][]) {
        const { errors } = await socket.run({ query: text, ...(variables && { variables }), ...(operationName && { operationName }) });
        expect(errors?.length).toBeGreaterThan(0);
        for (const { message } of errors!) expectLanguage(message);
      }
      socket.ws.terminate();
    }
  });

  it('an internal error is reported', async () => {
    await app.db.pool.query('alter table app_user add constraint broken check (phone is null or char_length(phone) < 13)');
    const { errors } = await app
      .as({ id: (await app.db.prisma.user.findFirstOrThrow()).id })
      .send('mutation { updateProfile(input: {phone: "+781255501019"}) { __typename } }', {}, accept);
    await app.db.pool.query('alter table app_user drop constraint broken');
    expect(errors!.map(({ extensions }) => extensions.code)).toEqual(['INTERNAL']);
    for (const { message } of errors!) expectLanguage(message);
  });
});

describe('every rule of validation', () => {
  const schema = buildSchema(`
    type Query { text(length: Int!): String pet: Pet cats(with: Where, one: One): [Cat] same(a: Int): String pets: [Pet] }
    interface Pet { name: String } type Cat implements Pet { name: String lives: Int } type Dog implements Pet { name: String barks: Boolean owner: Cat } type Fish { fins: Int }
    input Where { name: String! size: Int } input One @oneOf { a: Int b: Int } enum Colour { RED }
    type Subscription { a: Int b: Int } directive @once(x: Int!) on FIELD
  `);
  const documents = [
    'type T { a: Int }',
    '{ pet { name } } { pet { name } }',
    'subscription S { a b }',
    'subscription { a b }',
    'subscription { __typename }',
    '{ pet { ...F } } fragment F on Nothing { a }',
    '{ ...F } fragment F on Colour { a }',
    '{ pet { ... on Colour { a } } }',
    'query ($x: Cat) { pet { name } }',
    '{ text(length: 1) { a } }',
    '{ pet }',
    '{ pet { nothing } }',
    '{ pet { name } } fragment F on Cat { name } fragment F on Cat { name }',
    '{ pet { ...F } }',
    '{ pet { name } } fragment F on Cat { name }',
    '{ ...F } fragment F on Fish { fins }',
    '{ pet { ... on Fish { fins } } }',
    '{ pet { ...A } } fragment A on Pet { ...B } fragment B on Pet { ...A }',
    'query ($x: Int, $x: Int) { text(length: $x) }',
    '{ text(length: $x) }',
    'query Q { text(length: $x) }',
    'query ($x: Int) { pet { name } }',
    'query Q($x: Int) { pet { name } }',
    '{ pet { name @nothing } }',
    '{ pet @include(if: true) @include(if: true) { name } }',
    'query @include(if: true) { pet { name } }',
    '{ pet(age: 1) { name } }',
    '{ pet { name @include(if: true, x: 1) } }',
    '{ same(a: 1, a: 1) }',
    '{ text(length: "x") }',
    '{ text(length: 1.5) }',
    '{ text(length: 99999999999) }',
    '{ cats(with: { }) { name } }',
    '{ cats(with: { name: "x", more: 1 }) { name } }',
    '{ cats(one: { a: 1, b: 2 }) { name } }',
    '{ cats(one: { a: null }) { name } }',
    'query ($x: Int) { cats(one: { a: $x }) { name } }',
    '{ text }',
    '{ pet { name @once } }',
    'query ($x: String) { text(length: $x) }',
    '{ same(a: 1) same(a: 2) }',
    '{ a: same a: pet { name } }',
    '{ pets { ... on Cat { x: lives } ... on Dog { x: barks } } }',
    '{ a: pet { ... on Dog { owner { n: name } } } a: pet { ... on Dog { owner { n: lives } } } }',
    '{ cats(with: { name: "x", name: "y" }) { name } }',
    'query A { pet { name } } query A { pet { name } }',
    '{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }',
    'query ($x: Nothing) { pet { name } }',
    'query ($x: Int = "y") { text(length: $x) }',
    '{ text(length: null) }',
  ].map((text) => parse(text));
  it.each(specifiedRules.map((rule) => [rule.name, rule] as const))('%s is reported in Russian', (_name, rule) => {
    const messages = documents.flatMap((document) => validate(schema, document, [rule])).map(({ message }) => message);
    expect(messages.length, 'no document here breaks it').toBeGreaterThan(0);
    for (const message of messages) {
      const [russian, english] = translate(message);
      expectRussian(russian);
      expect(english).not.toMatch(/did you mean/i);
    }
  });
});
