import { GraphQLString, getNamedType, isInputObjectType, isObjectType, isUnionType } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { schema } from '../../src/graphql/schema.ts';
import { buildSchool, collect } from '../support/fixtures.ts';
import type { SchoolFixture, TextCase } from '../support/noun-fixture.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';
import { visibleTexts, invisibleTexts } from '../support/texts.ts';

let app: Sfera;
let school: SchoolFixture;
let schoolId: string;
let administrator: { id: string };
beforeAll(async () => {
  app = await openSfera();
  school = await buildSchool(app);
  schoolId = app.id('School', school.schoolId);
  ({ administrator } = school.people);
});
afterAll(() => app.close());

const cases = await collect<TextCase>((fixture) => fixture.texts);
const opaque = await collect<string>((fixture) => fixture.opaqueTexts);

/** Returns the document of a mutation. It selects the stored text, or the fields of a refusal. */
function mutationQuery(name: string, selection: string): string {
  const Name = name[0]!.toUpperCase() + name.slice(1);
  const result = getNamedType(schema.getMutationType()!.getFields()[name]!.type);
  const type = isUnionType(result) ? result.getTypes().find((each) => each.name !== 'Refusal') : undefined;
  return `mutation ($input: ${Name}Input!) { ${name}(input: $input) { __typename ... on ${type!.name} { ${selection} } ... on Refusal { code path message } } }`;
}

/** Whether the argument is an idempotency key. The server compares these keys and never displays them. */
const isIdempotencyKey = (name: string) => name.endsWith('.idempotencyKey');

/** Returns the names of all text arguments of the schema except cursors. */
function texts(): string[] {
  const all = Object.values(schema.getTypeMap()).filter((type) => !type.name.startsWith('__'));
  return all.flatMap((type) => {
    if (isInputObjectType(type))
      return Object.values(type.getFields())
        .filter((field) => getNamedType(field.type) === GraphQLString)
        .map((field) => `${type.name}.${field.name}`);
    if (!isObjectType(type)) return [];
    return Object.values(type.getFields()).flatMap((field) =>
      field.args
        .filter((arg) => getNamedType(arg.type) === GraphQLString && !['after', 'before'].includes(arg.name))
        .map((arg) => `${type.name}.${field.name}(${arg.name})`),
    );
  });
}

/** Returns the value of the first property `stored` in an answer. */
function findStored(answer: unknown): unknown {
  if (typeof answer !== 'object' || answer === null) return undefined;
  if ('stored' in answer) return answer.stored;
  return Object.values(answer)
    .map(findStored)
    .find((found) => found !== undefined);
}

/** Returns the stored text, or the code of the refusal. */
async function send(name: string, text: string): Promise<{ code: string } | { text: unknown }> {
  const of = cases[name]!;
  const [query, variables] =
    'mutation' in of
      ? [mutationQuery(of.mutation, of.selection), { input: await of.input(text, app, school) }]
      : [of.query, of.variables(text, app, school)];
  const { data, errors } = await app.as(administrator).send(query, variables);
  if (errors !== undefined) return { code: errors[0]!.extensions.code };
  const answer = Object.values(data!)[0] as Record<string, unknown> | null;
  return answer?.__typename === 'Refusal' ? { code: String(answer.code) } : { text: findStored(answer) };
}

describe('every text of the schema', () => {
  it('has a case in `texts` or `opaqueTexts` of a fixture', () => {
    const listed = [...Object.keys(cases), ...Object.keys(opaque)];
    expect(
      texts()
        .filter((name) => !isIdempotencyKey(name))
        .sort(),
    ).toEqual(listed.sort());
  });

  const corpus = invisibleTexts.filter(
    ([about]) => !/, (by itself|before a letter|after a letter)$/.test(about) && !['nothing', 'spaces of every width'].includes(about),
  );

  it.each(Object.keys(cases))(
    '%s refuses invisible characters and characters that reorder the line',
    async (name) => {
      for (const [about, text] of corpus) {
        const answer = await send(name, text);
        expect(['INVALID', 'BAD_USER_INPUT'], `${name}: ${about}: ${JSON.stringify(answer)}`).toContain(
          'code' in answer ? answer.code : answer,
        );
      }
    },
    60_000,
  );

  it.each(Object.keys(cases))(
    '%s returns what it stores',
    async (name) => {
      const { normalize, ...of } = cases[name]!;
      for (const text of visibleTexts.filter((_, n) => n % 3 === 0)) {
        const answer = await send(name, text);
        if ('code' in answer) expect(['INVALID', 'CONFLICT']).toContain(answer.code);
        else if (normalize !== undefined) expect(String(answer.text).toUpperCase()).toBe(normalize(text).normalize('NFC'));
        else if ('mutation' in of) expect(answer.text).toBe(text.normalize('NFC'));
      }
    },
    60_000,
  );

  it('that names a person, a chat, a school or a subject takes emoji and the names of all peoples', async () => {
    for (const [text, { hasOwnForm }] of Object.entries(cases))
      for (const name of hasOwnForm ? [] : ['Сәгыйтьҗан', 'Nguyễn', 'علی‌رضا', 'श्री', '👩‍🏫'])
        expect(await send(text, `${name} 98`), `${text}: ${name}`).not.toHaveProperty('code');
    // The loop above skips the letter of a class, because its fixture sets `hasOwnForm`. This argument takes emoji too.
    expect(await send('CreateClassInput.letter', '👩‍🏫')).toEqual({ text: '👩‍🏫' });
  });

  it('that is opaque is compared unchanged', async () => {
    const create = (idempotencyKey: string, name: string) =>
      app.as(administrator).createChat({ schoolId, kind: 'SCHOOL', name, idempotencyKey });
    const first = await create('a\u200b  b', 'Первый');
    expect(await create('a\u200b  b', 'Первый')).toEqual(first);
    for (const [n, key] of ['a\u200b b', 'a  b', 'a b'].entries())
      expect(await create(key, `Другой ${n}`)).toMatchObject({ __typename: 'Chat' });
    for (const key of ['', 'a\u0000', '\ud800', 'a'.repeat(101)])
      expect(await create(key, 'Чат')).toMatchObject({ code: 'INVALID', path: ['idempotencyKey'] });
    for (const [, code] of invisibleTexts.slice(0, 15))
      expect(await app.as(administrator).acceptInvitation({ code })).toMatchObject({
        code: expect.stringMatching(/NOT_FOUND|RATE_LIMITED/),
      });
  });

  it('that is an invalid cursor is refused', async () => {
    const type = schema.getType('School');
    const fields = isObjectType(type) ? Object.values(type.getFields()) : [];
    const lists = fields.filter(({ args }) => args.some(({ name }) => name === 'after')).map(({ name }) => name);
    expect(lists).toEqual(expect.arrayContaining(['classes', 'subjects', 'people', 'enrolments', 'chats', 'invitations', 'events']));
    for (const [, text] of invisibleTexts.filter((_, n) => n % 5 === 0))
      for (const list of lists) {
        const { errors } = await app
          .as(administrator)
          .send(
            `query ($id: ID!, $after: String) { node(id: $id) { ... on School { ${list}(after: $after) { pageInfo { endCursor } } } } }`,
            { id: schoolId, after: text },
          );
        expect(errors?.[0]?.extensions.code, `${list} ${JSON.stringify(text)}`).toMatch(/^(INVALID|BAD_USER_INPUT)$/);
      }
    const listening = app
      .as(administrator)
      .listen('subscription ($id: ID!) { events(schoolId: $id, after: "") { __typename } }', { id: schoolId });
    expect(JSON.stringify(await (await listening).over)).toContain('INVALID');
  }, 60_000);
});

describe('classes', () => {
  it('with look-alike names are the same', async () => {
    const { school: own, administrator: by } = await app.build.school();
    const make = (letter: string, grade = 7) => app.as(by).createClass({ schoolId: app.id('School', own.id), grade, letter });
    expect(await make('C')).toMatchObject({ __typename: 'Class', name: '7С' });
    for (const letter of ['С', 'C', 'c', 'с', 'Ｃ', '𝐂', 'ᴄ', '-С', '«С»', 'С.', ' С '])
      expect(await make(letter), letter).toMatchObject({ code: 'CONFLICT', path: ['letter'] });
    for (const letter of ['С\u200b', 'С\u00ad', '\u202eС', 'С\u034f', 'С\ufe0f'])
      expect(await make(letter)).toMatchObject({ code: 'INVALID', path: ['letter'] });
    for (const letter of ['-', '«»', '. .', 'ㅤ']) expect(await make(letter)).toMatchObject({ code: 'INVALID', path: ['letter'] });
    for (const letter of ['Д', 'CAD', 'С1', 'Ё', 'Е']) expect(await make(letter), letter).toMatchObject({ __typename: 'Class' });
    expect(await make('С', 8)).toMatchObject({ __typename: 'Class', name: '8С' });
  });

  it('that were stored in Latin letters before are still found, and stay as they are until they are renamed', async () => {
    const { school: own, administrator: by } = await app.build.school();
    const old = await app.build.class({ schoolId: own.id, grade: 7, letter: 'C' });
    const input = { schoolId: app.id('School', own.id), grade: 7, letter: 'С' };
    expect(await app.as(by).createClass(input)).toMatchObject({ code: 'CONFLICT', path: ['letter'] });
    expect(await app.as(by).updateClass({ classId: app.id('Class', old.id) })).toMatchObject({ letter: 'C' });
    expect(await app.as(by).updateClass({ classId: app.id('Class', old.id), letter: 'С' })).toMatchObject({ letter: 'С' });
    const other = await app.build.class({ schoolId: own.id, grade: 7, letter: 'Д' });
    expect(await app.as(by).updateClass({ classId: app.id('Class', other.id), letter: 'c' })).toMatchObject({
      code: 'CONFLICT',
      path: ['letter'],
    });
  });

  it('are created once if two look-alikes are sent concurrently', async () => {
    const { school: own, administrator: by } = await app.build.school();
    const forms = ['A', 'А', 'a', 'Ａ', 'ᴀ', 'а', '-А', 'А.'];
    const answers = (await Promise.all(
      forms.map((letter) => app.as(by).createClass({ schoolId: app.id('School', own.id), grade: 1, letter })),
    )) as { __typename: string }[];
    expect(answers.map(({ __typename }) => __typename).sort()).toEqual(['Class', ...forms.slice(1).map(() => 'Refusal')]);
  });
});

describe('subjects', () => {
  it('with look-alike names are the same', async () => {
    const { school: own, administrator: by } = await app.build.school();
    const make = (name: string) => app.as(by).createSubject({ schoolId: app.id('School', own.id), name });
    await make('Физика');
    for (const name of ['Физикa', 'ФИЗИКА', 'Фи зика', '«Физика»', 'Физика.'])
      expect(await make(name), name).toMatchObject({ code: 'CONFLICT', path: ['name'] });
    for (const name of ['Физика 2', 'C++', 'C#', 'Программирование на C'])
      expect(await make(name), name).toMatchObject({ __typename: 'Subject' });
    const both = (await Promise.all(['Опера', 'Oпepa'].map(make))) as { __typename: string }[];
    expect(both.map(({ __typename }) => __typename).sort()).toEqual(['Refusal', 'Subject']);
  });
});

describe('contacts', () => {
  it('accept only addresses and numbers in one script', async () => {
    const update = (input: object) => app.as(school.people.pupil).updateProfile(input);
    for (const email of [
      'a@шкoла.рф',
      'a@gооgle.com',
      'a@b.ru,c@d.ru',
      'a <a@b.ru>',
      '"a"@b.ru',
      'a@b..ru',
      'a@-',
      'a@b.ru\u200b',
      'a@\u202eb.ru',
      'a@b\u3002ru',
      'a@1.2.3.256',
    ])
      expect(await update({ email }), email).toMatchObject({ code: 'INVALID', path: ['email'] });
    for (const email of ['a@b.ru', 'иванова@школа98.рф', 'a+b@xn--80aswg.xn--p1ai', "o'hara@b.co.uk"])
      expect(await update({ email }), email).toMatchObject({ contact: { email } });
    for (const phone of ['+７８１２５５５', '٠١٢٣٤٥', '+7812555\u200b1234', '1234', '+7 812 555 12 34 доб 5'])
      expect(await update({ phone }), phone).toMatchObject({ code: 'INVALID', path: ['phone'] });
    expect(await update({ phone: '+7 (812) 555\u201112\u201334' })).toMatchObject({ contact: { phone: '+78125551234' } });
  });
});
