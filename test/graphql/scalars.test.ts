import fc from 'fast-check';
import { GraphQLError, type GraphQLScalarType } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { schema } from '../../src/graphql/schema.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
let classId: string;
let userId: string;
let schoolId: string;
let administrator: { id: string };
beforeAll(async () => {
  app = await openSfera();
  const built = await app.build.school();
  administrator = built.administrator;
  schoolId = app.id('School', built.school.id);
  const group = await app.build.class({ schoolId: built.school.id });
  await app.build.student({ classId: group.id });
  classId = app.id('Class', group.id);
  userId = app.id('User', administrator.id);
});
afterAll(() => app.close());

const codes = ['BAD_USER_INPUT', 'GRAPHQL_VALIDATION_FAILED', 'INVALID'];

const literal = (text: string) =>
  app
    .as(administrator)
    .send(`{ node(id: "${classId}") { ... on Class { enrolments(asOf: ${JSON.stringify(text)}) { edges { node { id } } } } } }`);
const variable = (asOf: unknown) =>
  app
    .as(administrator)
    .send(
      'query ($id: ID!, $asOf: DateTime) { node(id: $id) { ... on Class { enrolments(asOf: $asOf) { edges { node { id } } } assignments(asOf: $asOf) { edges { node { id } } } } } }',
      { id: classId, asOf },
    );

const scalar = (name: string) => schema.getType(name) as GraphQLScalarType;
const parse = (text: unknown): Date | undefined => {
  try {
    return scalar('DateTime').parseValue(text) as Date;
  } catch (error) {
    if (error instanceof GraphQLError) return undefined;
    throw error;
  }
};

/** Invalid instants: dates, times or offsets that do not exist, or that PostgreSQL cannot store. */
const impossible = [
  '0000-01-01T00:00:00Z',
  '0000-12-31T23:59:59Z',
  '0001-01-01T00:00:00+00:01',
  '9999-12-31T23:59:59-12:00',
  '9999-12-31T23:59:59.999-00:01',
  '2026-02-29T00:00:00Z',
  '2026-02-30T00:00:00Z',
  '2026-04-31T12:00:00+12:00',
  '1900-02-29T00:00:00Z',
  '2100-02-29T00:00:00Z',
  '2026-00-10T00:00:00Z',
  '2026-13-01T00:00:00Z',
  '2026-01-00T00:00:00Z',
  '2026-01-32T00:00:00Z',
  '2026-01-01T24:00:00Z',
  '2026-01-01T23:60:00Z',
  '2026-01-01T23:59:61Z',
  '2016-12-31T23:59:60Z',
  '2026-01-01T00:00:00+24:00',
  '2026-01-01T00:00:00+12:60',
  '2026-01-01T00:00:00',
  '2026-01-01',
  '2026-01-01 00:00:00Z',
  '2026-01-01T00:00Z',
  '2026-01-01T00:00:00.Z',
  '2026-01-01T00:00:00,5Z',
  '2026-01-01T00:00:00.1234567890Z',
  '+002026-01-01T00:00:00Z',
  '-000001-01-01T00:00:00Z',
  '12026-01-01T00:00:00Z',
  '2026-W01-1T00:00:00Z',
  '2026-1-1T00:00:00Z',
  '2026-01-01T00:00:00+0300',
  '2026-01-01T00:00:00+03',
  '2026-01-01T00:00:00Z\n',
  ' 2026-01-01T00:00:00Z',
  '２０２６-01-01T00:00:00Z',
  '2026-01-01T00:00:00\u0000Z',
  '2026-01-01T00:00:00\u2212 03:00',
  'now',
  'infinity',
  '-infinity',
  'epoch',
  '',
  'Invalid Date',
];

describe('DateTime', () => {
  it('refuses instants that do not exist or cannot be stored, as variable and as literal, with a code', async () => {
    for (const text of impossible) {
      for (const answer of [await variable(text), await literal(text)]) {
        const [error] = answer.errors ?? [];
        expect(codes, `${JSON.stringify(text)}: ${JSON.stringify(answer)}`).toContain(error?.extensions.code);
        expect(error?.message).toContain('2026-09-01T08:00:00Z');
      }
    }
    for (const value of [1767225600000, true, ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'], {}])
      expect(codes).toContain((await variable(value)).errors?.[0]?.extensions.code);
  });

  it('parses every form of RFC 3339, and the limits of its range, like the database', async () => {
    for (const [text, at] of [
      ['2026-09-01T08:00:00Z', '2026-09-01T08:00:00.000Z'],
      ['2026-09-01t08:00:00z', '2026-09-01T08:00:00.000Z'],
      ['2024-02-29T23:59:59.987654321+03:00', '2024-02-29T20:59:59.987Z'],
      ['2000-02-29T00:00:00-23:59', '2000-02-29T23:59:00.000Z'],
      ['2026-01-01T00:00:00.5-00:00', '2026-01-01T00:00:00.500Z'],
      ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
      ['0001-01-01T12:00:00+12:00', '0001-01-01T00:00:00.000Z'],
      ['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
      ['9999-12-31T12:00:00-11:59', '9999-12-31T23:59:00.000Z'],
    ] as const) {
      expect(parse(text)?.toISOString(), text).toBe(at);
      for (const answer of [await variable(text), await literal(text)]) expect(answer.errors, text).toBeUndefined();
    }
  });

  it('equals what PostgreSQL parses, or is refused, for any text', async () => {
    const number = (most: number, digits: number) => fc.integer({ min: 0, max: most }).map((n) => String(n).padStart(digits, '0'));
    const texts = fc
      .tuple(
        fc.oneof(number(10_001, 4), fc.constantFrom('0000', '0001', '9999', '1900', '2000', '2024', '2026')),
        number(13, 2),
        fc.oneof(number(32, 2), fc.constantFrom('28', '29', '30', '31')),
        fc.constantFrom('T', 't', ' '),
        number(25, 2),
        number(61, 2),
        number(61, 2),
        fc.oneof(fc.constant(''), fc.stringMatching(/^\.\d{0,10}$/)),
        fc.oneof(fc.constantFrom('Z', 'z', ''), fc.stringMatching(/^[+-](0\d|1[0-5]):[0-5]\d$/)),
      )
      .map(
        ([year, month, date, t, hour, minute, second, fraction, zone]) =>
          `${year}-${month}-${date}${t}${hour}:${minute}:${second}${fraction}${zone}`,
      );
    const reads = fc.asyncProperty(fc.oneof(texts, fc.string()), async (text) => {
      const at = parse(text);
      if (at === undefined) return;
      const cut = text.replace(/(\.\d{3})\d+/, '$1');
      const { rows } = await app.db.pool.query<{ ms: string }>('select (extract(epoch from $1::timestamptz) * 1000)::bigint::text as ms', [
        cut,
      ]);
      expect(rows[0]?.ms, text).toBe(String(at.getTime()));
    });
    await fc.assert(reads, { numRuns: 1000 });
  });

  it('is serialised as it is parsed, to the millisecond', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true }),
        (date) => {
          expect(parse(scalar('DateTime').serialize(date))).toEqual(date);
        },
      ),
    );
  });

  it('never causes an internal error, for any input of the API', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom(...impossible), fc.json()), async (text) => {
        for (const { code } of ((await variable(text)).errors ?? []).map((error) => error.extensions)) expect(codes).toContain(code);
      }),
      { numRuns: 50 },
    );
  });

  it('of an invitation lies in the year to come', async () => {
    for (const expiresAt of ['0001-01-01T00:00:00Z', '9999-12-31T23:59:59Z', new Date(0).toISOString()])
      expect(await app.as(administrator).createInvitation({ schoolId, role: 'TEACHER', expiresAt })).toMatchObject({
        __typename: 'Refusal',
        code: 'INVALID',
        path: ['expiresAt'],
      });
  });
});

describe('Date', () => {
  const read = (text: unknown): unknown => scalar('Date').parseValue(text);

  it('accepts only existing days', () => {
    for (const text of ['0001-01-01', '9999-12-31', '2024-02-29', '2000-02-29']) expect(read(text)).toBe(text);
    for (const text of [
      '0000-01-01',
      '0000-02-29',
      '2026-02-29',
      '1900-02-29',
      '2026-04-31',
      '2026-13-01',
      '2026-00-01',
      '2026-01-00',
      '2026-1-1',
      '12026-01-01',
      '2026-01-01T00:00:00Z',
      '2026-01-01\n',
      '',
      5,
    ])
      expect(() => read(text), String(text)).toThrow(GraphQLError);
  });
});

describe('an argument out of range', () => {
  it('is refused with a code at every position', async () => {
    const ask = (field: string) => app.as(administrator).send(`{ node(id: "${schoolId}") { ... on School { ${field} } } }`);
    for (const grade of ['0', '12', '-1', '32768', '100000', '2147483647', '-2147483648', '2147483648', '9007199254740993', '1e3', '1.5'])
      expect(codes, grade).toContain((await ask(`classes(grade: ${grade}) { edges { node { id } } }`)).errors?.[0]?.extensions.code);
    for (const first of ['0', '-1', '101', '2147483647', '2147483648', '-2147483648'])
      for (const size of ['first', 'last']) {
        const code = (await ask(`classes(${size}: ${first}) { edges { node { id } } }`)).errors?.[0]?.extensions.code;
        expect([...codes, 'QUERY_TOO_COSTLY'], first).toContain(code);
      }
    expect((await ask('classes(grade: 11) { edges { node { id } } }')).errors).toBeUndefined();
    for (const maxUses of [0, 1001, 2147483647, -2147483648])
      expect(await app.as(administrator).createInvitation({ schoolId, role: 'TEACHER', maxUses })).toMatchObject({
        code: 'INVALID',
        path: ['maxUses'],
      });
    for (const grade of [0, 12, 2147483647, -2147483648])
      expect(await app.as(administrator).createClass({ schoolId, grade, letter: 'А' })).toMatchObject({ code: 'INVALID', path: ['grade'] });
  });

  it('is refused with a code if it is an id that this server did not create', async () => {
    const uuid = '01930000-0000-7000-8000-000000000000';
    const made = (text: string) => Buffer.from(text).toString('base64');
    for (const id of [
      '',
      ' ',
      '\u0000',
      '\ud800',
      'x',
      made(`User:${uuid}\u0000`),
      made('User:\u0000'),
      made(`User:${uuid.slice(1)}`),
      made(`User:${uuid.toUpperCase()}`.replace('0193', 'ABCD')),
      made(`Nobody:${uuid}`),
      made(`constructor:${uuid}`),
      `${userId}\n`,
      userId.replace(/=+$/, ''),
      'я'.repeat(100),
    ]) {
      expect(
        (await app.as(administrator).send('query ($id: ID!) { node(id: $id) { id } }', { id })).errors?.map(
          ({ extensions }) => extensions.code,
        ) ?? [],
      ).not.toContain('INTERNAL');
      const answer = await app
        .as(administrator)
        .send('mutation ($id: ID!) { archiveChat(input: { chatId: $id }) { __typename ... on Refusal { code path } } }', { id });
      if (answer.errors === undefined) expect(answer.data?.archiveChat).toMatchObject({ code: 'INVALID', path: ['chatId'] });
      else expect(codes).toContain(answer.errors[0]?.extensions.code);
    }
  });
});
