import { GraphQLString, getNamedType, isInputObjectType, isObjectType } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inCyrillic } from '../../src/domain/confusables.ts';
import { schema } from '../../src/graphql/schema.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';
import { visibleTexts, invisibleTexts } from '../support/texts.ts';

let app: Sfera;
let ids: { school: string; class: string; chat: string };
let school: { id: string };
let administrator: { id: string };
let pupil: { id: string };
beforeAll(async () => {
  app = await openSfera();
  ({ school, administrator } = await app.build.school());
  const group = await app.build.class({ schoolId: school.id });
  pupil = await app.build.student({ classId: group.id });
  const chat = await app.build.chat({ schoolId: school.id, kind: 'SCHOOL' });
  ids = { school: app.id('School', school.id), class: app.id('Class', group.id), chat: app.id('Chat', chat.id) };
});
afterAll(() => app.close());

/** For each text argument of the schema: how to send it, and where the response contains it. */
const shown = 'shown';
type Given = (text: string) => [query: string, variables: object];
const changing = (name: string, input: (text: string) => object, selection: string): Given => {
  const Name = name[0]!.toUpperCase() + name.slice(1);
  const returns = schema.getMutationType()!.getFields()[name]!.type as unknown as { getTypes(): { name: string }[] };
  const thing = getNamedType(returns as never) as unknown as typeof returns;
  const of = thing
    .getTypes()
    .map((type) => type.name)
    .find((type) => type !== 'Refusal');
  const query = `mutation ($input: ${Name}Input!) { ${name}(input: $input) { __typename ... on ${of} { ${selection} } ... on Refusal { code path message } } }`;
  return (text) => [query, { input: input(text) }];
};
const profile = (field: string, selection = `${shown}: ${field}`) => changing('updateProfile', (text) => ({ [field]: text }), selection);
const details = (field: string) => changing('updateSchool', (text) => ({ schoolId: ids.school, [field]: text }), `${shown}: ${field}`);
let count = 0;

const places: Record<string, Given> = {
  'CreateChatInput.name': changing('createChat', (name) => ({ schoolId: ids.school, kind: 'SCHOOL', name }), `${shown}: name`),
  'RenameChatInput.name': changing('renameChat', (name) => ({ chatId: ids.chat, name }), `${shown}: name`),
  'CreateClassInput.letter': changing(
    'createClass',
    (letter) => ({ schoolId: ids.school, grade: ((count += 1) % 11) + 1, letter }),
    `${shown}: letter`,
  ),
  'UpdateClassInput.letter': changing('updateClass', (letter) => ({ classId: ids.class, letter }), `${shown}: letter`),
  'CreateInvitationInput.label': changing(
    'createInvitation',
    (label) => ({ schoolId: ids.school, role: 'TEACHER', label }),
    `${shown}: label`,
  ),
  'CreateSubjectInput.name': changing('createSubject', (name) => ({ schoolId: ids.school, name }), `${shown}: name`),
  'ExternalIdInput.system': changing(
    'updateSchool',
    (system) => ({ schoolId: ids.school, externalIds: [{ system, value: '98' }] }),
    `externalIds { ${shown}: system }`,
  ),
  'ExternalIdInput.value': changing(
    'updateSchool',
    (value) => ({ schoolId: ids.school, externalIds: [{ system: 'МЭШ', value }] }),
    `externalIds { ${shown}: value }`,
  ),
  'UpdateProfileInput.surname': profile('surname'),
  'UpdateProfileInput.givenName': profile('givenName'),
  'UpdateProfileInput.patronymic': profile('patronymic'),
  'UpdateProfileInput.email': profile('email', `contact { ${shown}: email }`),
  'UpdateProfileInput.phone': profile('phone', `contact { ${shown}: phone }`),
  'UpdateSchoolInput.name': details('name'),
  'UpdateSchoolInput.fullName': details('fullName'),
  'UpdateSchoolInput.address': details('address'),
  'UpdateSchoolInput.district': details('district'),
  'UpdateSchoolInput.region': details('region'),
  'UpdateSchoolInput.timeZone': details('timeZone'),
  'School.people(search)': (search) => [
    'query ($id: ID!, $search: String) { node(id: $id) { ... on School { people(search: $search) { edges { node { id } } } } } }',
    { id: ids.school, search },
  ],
};

/** Texts that are never displayed, and so may contain any character that the database can store. */
const opaque: Record<string, string> = {
  'AcceptInvitationInput.code': 'looked up by its hash',
  'Query.invitationPreview(code)': 'looked up by its hash',
  'CreateChatInput.idempotencyKey': 'compared, never shown',
  'CreateClassInput.idempotencyKey': 'compared, never shown',
  'CreateInvitationInput.idempotencyKey': 'compared, never shown',
  'EnrolStudentInput.idempotencyKey': 'compared, never shown',
};

/** Every text argument of the schema except cursors. */
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

/** Returns the stored text, or the code of the refusal. */
async function give(place: string, text: string): Promise<{ code: string } | { text: unknown }> {
  const [query, variables] = places[place]!(text);
  const { data, errors } = await app.as(administrator).send(query, variables);
  if (errors !== undefined) return { code: errors[0]!.extensions.code };
  const answer = Object.values(data!)[0] as Record<string, any>;
  if (answer.__typename === 'Refusal') return { code: String(answer.code) };
  return {
    text: JSON.stringify(answer).includes(`"${shown}"`)
      ? (answer[shown] ?? answer.contact?.[shown] ?? answer.externalIds?.[0]?.[shown])
      : undefined,
  };
}

describe('every text of the schema', () => {
  it('is covered by these tests', () => {
    expect(texts().sort()).toEqual([...Object.keys(places), ...Object.keys(opaque)].sort());
  });

  const corpus = invisibleTexts.filter(
    ([about]) => !/, (alone|before a letter|after a letter)$/.test(about) && !['nothing', 'spaces of every width'].includes(about),
  );

  it.each(Object.keys(places))(
    '%s refuses invisible characters and characters that reorder the line',
    async (place) => {
      for (const [about, text] of corpus) {
        const answer = await give(place, text);
        expect(['INVALID', 'BAD_USER_INPUT'], `${place}: ${about}: ${JSON.stringify(answer)}`).toContain(
          'code' in answer ? answer.code : answer,
        );
      }
    },
    60_000,
  );

  it.each(Object.keys(places))(
    '%s returns what it stores',
    async (place) => {
      for (const text of visibleTexts.filter((_, n) => n % 3 === 0)) {
        const answer = await give(place, text);
        // Letters of classes are converted to Cyrillic capitals.
        const written = place.endsWith('.letter') ? inCyrillic(text).toUpperCase() : text;
        if ('code' in answer) expect(['INVALID', 'CONFLICT']).toContain(answer.code);
        else if (!place.startsWith('School.'))
          expect(place.endsWith('.letter') ? String(answer.text).toUpperCase() : answer.text).toBe(written.normalize('NFC'));
      }
    },
    60_000,
  );

  it('that names a person, a chat, a school or a subject takes emoji and the names of all peoples', async () => {
    const own = [
      'CreateClassInput.letter',
      'UpdateClassInput.letter',
      'UpdateProfileInput.email',
      'UpdateProfileInput.phone',
      'UpdateSchoolInput.timeZone',
    ];
    for (const place of Object.keys(places).filter((name) => !own.includes(name)))
      for (const name of ['Сәгыйтьҗан', 'Nguyễn', 'علی‌رضا', 'श्री', '👩‍🏫'])
        expect(await give(place, `${name} 98`), `${place}: ${name}`).not.toHaveProperty('code');
    // The letter of a class accepts emoji too.
    expect(await give('CreateClassInput.letter', '👩‍🏫')).toEqual({ text: '👩‍🏫' });
  });

  it('that is opaque is compared unchanged', async () => {
    const create = (idempotencyKey: string, name: string) =>
      app.as(administrator).createChat({ schoolId: ids.school, kind: 'SCHOOL', name, idempotencyKey });
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

  it('that is a made-up cursor is refused', async () => {
    const lists = ['classes', 'subjects', 'people', 'chats', 'invitations', 'events'];
    for (const [, text] of invisibleTexts.filter((_, n) => n % 5 === 0))
      for (const list of lists) {
        const { errors } = await app
          .as(administrator)
          .send(
            `query ($id: ID!, $after: String) { node(id: $id) { ... on School { ${list}(after: $after) { pageInfo { endCursor } } } } }`,
            { id: ids.school, after: text },
          );
        expect(errors?.[0]?.extensions.code, `${list} ${JSON.stringify(text)}`).toMatch(/^(INVALID|BAD_USER_INPUT)$/);
      }
    const listening = app
      .as(administrator)
      .listen('subscription ($id: ID!) { events(schoolId: $id, after: "") { __typename } }', { id: ids.school });
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
    const update = (input: object) => app.as(pupil).updateProfile(input);
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
