import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { User } from '../src/db/generated/client.ts';
import { createClient } from '../src/domain/clients.ts';
import { Browser } from './support/auth-server.ts';
import { openSfera, type Sfera } from './support/sfera.ts';
import { enrolmentsStream, eventsStream } from './http/live/streams.ts';

/** One test for each clause of the regulation that this version implements, by its number. */

let app: Sfera;
let schoolId: string;
let school: string;
let people: Record<'administrator' | 'leader' | 'classTeacher' | 'subjectTeacher' | 'pupil', User>;
let own: { id: string; raw: string };
let other: { id: string; raw: string };
let subject: string;

const user = (of: User) => app.id('User', of.id);
const everyone = () => Object.values(people);

type Answer = { __typename: string };
function done<T extends Answer>(answer: T): Exclude<T, { __typename: 'Refusal' }> {
  expect(answer).not.toMatchObject({ __typename: 'Refusal' });
  return answer as Exclude<T, { __typename: 'Refusal' }>;
}
const denied = (answer: Answer, clause: string) => expect(answer).toMatchObject({ __typename: 'Refusal', code: 'FORBIDDEN', clause });
/** Asserts that each of these people gets FORBIDDEN, or NOT_FOUND for an object that they may not see. */
async function deniedTo(whom: User[], act: (as: ReturnType<Sfera['as']>) => Promise<unknown>) {
  for (const person of whom)
    expect(await act(app.as(person))).toMatchObject({
      __typename: 'Refusal',
      code: expect.stringMatching(/^(FORBIDDEN|NOT_FOUND)$/) as string,
    });
}
const others = (...but: User[]) => everyone().filter((person) => !but.includes(person));

beforeAll(async () => {
  app = await openSfera();
  const built = await app.build.school({ name: 'Школа № 98' });
  schoolId = built.school.id;
  school = app.id('School', schoolId);
  const [a, b] = [await app.build.class({ schoolId, grade: 5, letter: 'А' }), await app.build.class({ schoolId, grade: 5, letter: 'Б' })];
  own = { raw: a.id, id: app.id('Class', a.id) };
  other = { raw: b.id, id: app.id('Class', b.id) };
  const taught = await app.build.subject({ schoolId });
  subject = app.id('Subject', taught.id);
  people = {
    administrator: built.administrator,
    leader: await app.build.user({ schoolId, role: 'SCHOOL_ADMINISTRATION' }),
    classTeacher: await app.build.teacher({ schoolId, classTeacherOf: a.id }),
    subjectTeacher: await app.build.teacher({ schoolId, teaches: [{ classId: a.id, subjectId: taught.id }] }),
    pupil: await app.build.student({ classId: a.id }),
  };
});
afterAll(() => app.close());

const link = async (role: 'SCHOOL_ADMINISTRATION' | 'TEACHER' | 'STUDENT', more: object = {}) =>
  done(await app.as(people.administrator).createInvitation({ schoolId: school, role, ...more }));
const codeOf = (address: string | null) => address!.split('/').at(-1)!;

/** Joins through a link as a new person in a browser. Returns the row of that person. */
async function joinBy(address: string): Promise<User> {
  const signInName = `new.${Math.random().toString(36).slice(2)}`;
  const browser = new Browser(app.config.publicUrl);
  const joined = await browser.submit(await browser.open(address), {
    surname: 'Новиков',
    givenName: 'Олег',
    patronymic: '',
    signInName,
    password: 'длинный и свой пароль',
  });
  expect(joined.url).toContain('/joined');
  return app.db.prisma.user.findUniqueOrThrow({ where: { signInName } });
}
const rolesOf = async (of: User) => (await app.as(of).viewer())!.roles.edges.map(({ node }) => node.role);

describe('1. General', () => {
  it('1.2 i — one set of rules: permissions do not depend on settings of a person', async () => {
    done(await app.as(people.pupil).updateProfile({ locale: 'EN', email: 'pupil@example.org' }));
    denied(await app.as(people.pupil).updateSchool({ schoolId: school, name: 'Чужая' }), '2.1 a');
  });

  it('1.2 ii — everything works from anywhere: an allowed origin is answered, and no network address is required', async () => {
    const answer = await app.as(people.pupil).send('{ viewer { id } }', {}, { origin: app.config.publicUrl });
    expect(answer.data).toEqual({ viewer: { id: user(people.pupil) } });
  });

  it('1.3 — there are chats by subject and for extra-curricular activity', async () => {
    const bySubject = await app
      .as(people.subjectTeacher)
      .createChat({ schoolId: school, kind: 'SUBJECT', classId: own.id, subjectId: subject, name: 'Физика' });
    const club = await app.as(people.leader).createChat({ schoolId: school, kind: 'EXTRACURRICULAR', name: 'Шахматы' });
    expect([done(bySubject).kind, done(club).kind]).toEqual(['SUBJECT', 'EXTRACURRICULAR']);
  });

  it('1.4 — users are administration, teachers, class teachers and pupils; there is no role for parents', async () => {
    const { data } = await app.as(people.administrator).send('{ __type(name: "Role") { enumValues { name } } }');
    const names = (data!.__type as { enumValues: { name: string }[] }).enumValues.map(({ name }) => name).sort();
    expect(names).toEqual(['PLATFORM_ADMINISTRATOR', 'SCHOOL_ADMINISTRATION', 'STUDENT', 'TEACHER']);
  });

  it('1.5 — another system subscribes to the log of the school with its own account', async () => {
    const service = await app.asService(schoolId, ['read', 'events']);
    const stream = service.listen(eventsStream, { schoolId: school });
    await stream.until(({ items }) => items.length > 0);
    done(await app.as(people.administrator).createSubject({ schoolId: school, name: 'Астрономия' }));
    await stream.until(({ news }) => news.some(({ event }) => (event as { type: string }).type === 'SUBJECT_CREATED'));
    stream.close();
  });
});

describe('2.1 The platform administrator', () => {
  it('2.1 a — edits the details of the school, and nobody else does', async () => {
    expect(done(await app.as(people.administrator).updateSchool({ schoolId: school, address: 'пр. Науки, 1' })).name).toBe('Школа № 98');
    await deniedTo(others(people.administrator), (as) => as.updateSchool({ schoolId: school, name: 'Чужая' }));
  });

  it('2.1 b — creates, edits and archives classes, and nobody else does', async () => {
    const created = done(await app.as(people.administrator).createClass({ schoolId: school, grade: 9, letter: 'Г' }));
    expect(done(await app.as(people.administrator).updateClass({ classId: created.id, letter: 'Д' })).name).toBe('9Д');
    await deniedTo(others(people.administrator), (as) => as.archiveClass({ classId: created.id }));
    expect(done(await app.as(people.administrator).archiveClass({ classId: created.id })).archivedAt).not.toBeNull();
    await deniedTo(others(people.administrator), (as) => as.createClass({ schoolId: school, grade: 9, letter: 'Е' }));
  });

  it('2.1 c — creates invitation links for teachers and pupils, and nobody else does', async () => {
    expect((await link('TEACHER')).link).toContain('/join/');
    expect((await link('STUDENT', { classId: own.id })).link).toContain('/join/');
    await deniedTo(others(people.administrator), (as) => as.createInvitation({ schoolId: school, role: 'TEACHER' }));
  });

  it('2.1 d — hands a teachers’ link to a teacher, and it is on record to whom and when', async () => {
    const { id } = await link('TEACHER');
    const handed = done(await app.as(people.administrator).handOverInvitation({ invitationId: id, userId: user(people.subjectTeacher) }));
    expect(handed.handOvers).toEqual([
      { at: expect.any(String) as string, from: { id: user(people.administrator) }, to: { id: user(people.subjectTeacher) } },
    ]);
  });

  it('2.1 e — hands a pupils’ link to the class teacher, who then sees the link of the own class and no other', async () => {
    const [mine, elsewhere] = [await link('STUDENT', { classId: own.id }), await link('STUDENT', { classId: other.id })];
    done(await app.as(people.administrator).handOverInvitation({ invitationId: mine.id, userId: user(people.classTeacher) }));
    expect(
      await app.as(people.administrator).handOverInvitation({ invitationId: elsewhere.id, userId: user(people.classTeacher) }),
    ).toMatchObject({ __typename: 'Refusal', code: 'CONFLICT' });
    const held = (await app.as(people.classTeacher).heldInvitations())!.heldInvitations.edges.map(({ node }) => node.id);
    expect(held).toContain(mine.id);
    expect(held).not.toContain(elsewhere.id);
    expect(await app.as(people.classTeacher).invitationById({ id: elsewhere.id })).toBeNull();
  });

  it('2.1 f — enrols, transfers and withdraws pupils, and nobody else does', async () => {
    const pupil = await app.build.user({ schoolId, role: 'STUDENT' });
    const studentId = user(pupil);
    await deniedTo(others(people.administrator), (as) => as.enrolStudent({ studentId, classId: own.id }));
    done(await app.as(people.administrator).enrolStudent({ studentId, classId: own.id }));
    expect(done(await app.as(people.administrator).transferStudent({ studentId, classId: other.id })).class).toMatchObject({
      id: other.id,
    });
    await deniedTo(others(people.administrator), (as) => as.withdrawStudent({ studentId }));
    expect(done(await app.as(people.administrator).withdrawStudent({ studentId })).endedAt).not.toBeNull();
  });

  it('2.1 g — assigns class teachers and subject teachers to classes, and ends it', async () => {
    const teacher = user(await app.build.teacher({ schoolId }));
    await deniedTo(others(people.administrator), (as) => as.assignClassTeacher({ classId: other.id, userId: teacher }));
    done(await app.as(people.administrator).assignClassTeacher({ classId: other.id, userId: teacher }));
    done(await app.as(people.administrator).assignSubjectTeacher({ classId: other.id, subjectId: subject, userId: teacher }));
    done(await app.as(people.administrator).endSubjectTeacher({ classId: other.id, subjectId: subject, userId: teacher }));
    expect(done(await app.as(people.administrator).endClassTeacher({ classId: other.id })).endedAt).not.toBeNull();
  });

  it('2.1 h — creates and moderates chats of the whole school, and nobody else creates them', async () => {
    const chat = done(await app.as(people.administrator).createChat({ schoolId: school, kind: 'SCHOOL', name: 'Все' }));
    done(await app.as(people.administrator).renameChat({ chatId: chat.id, name: 'Вся школа' }));
    await deniedTo(others(people.administrator), (as) => as.createChat({ schoolId: school, kind: 'SCHOOL', name: 'Мой' }));
  });
});

describe('2.2 The school administration', () => {
  it('2.2 a — joins by the administrator’s invitation', async () => {
    expect(await rolesOf(await joinBy((await link('SCHOOL_ADMINISTRATION')).link!))).toEqual(['SCHOOL_ADMINISTRATION']);
  });

  it('2.2 c — watches how the platform is used: reads the log of the school, which teachers and pupils do not', async () => {
    const query = 'query ($id: ID!) { node(id: $id) { ... on School { events(first: 1) { edges { node { type } } } } } }';
    const eventsFor = async (person: User) =>
      ((await app.as(person).send(query, { id: school })).data!.node as { events: { edges: unknown[] } }).events.edges;
    done(await app.as(people.administrator).createSubject({ schoolId: school, name: 'Логика' }));
    expect(await eventsFor(people.leader)).toHaveLength(1);
    for (const person of [people.classTeacher, people.subjectTeacher, people.pupil]) expect(await eventsFor(person)).toEqual([]);
  });

  it('2.2 e — creates and moderates chats on the educational process', async () => {
    const kinds = [
      { kind: 'STAFF' },
      { kind: 'CLASS', classId: own.id },
      { kind: 'SUBJECT', classId: own.id, subjectId: subject },
      { kind: 'EXTRACURRICULAR' },
    ] as const;
    for (const of of kinds) {
      const chat = done(await app.as(people.leader).createChat({ schoolId: school, name: 'Чат', ...of }));
      done(await app.as(people.leader).archiveChat({ chatId: chat.id }));
    }
    await deniedTo([people.classTeacher, people.subjectTeacher, people.pupil], (as) =>
      as.createChat({ schoolId: school, kind: 'STAFF', name: 'Мой' }),
    );
  });
});

describe('2.3 The class teacher', () => {
  it('2.3 a — joins by the administrator’s invitation', async () => {
    const teacher = await joinBy((await link('TEACHER')).link!);
    const free = await app.build.class({ schoolId });
    done(await app.as(people.administrator).assignClassTeacher({ classId: app.id('Class', free.id), userId: user(teacher) }));
    expect(await rolesOf(teacher)).toEqual(['TEACHER']);
  });

  it('2.3 b — receives from the administrator the links for pupils of the own class', async () => {
    const created = await link('STUDENT', { classId: own.id, label: 'новенькие' });
    done(await app.as(people.administrator).handOverInvitation({ invitationId: created.id, userId: user(people.classTeacher) }));
    const { edges } = (await app.as(people.classTeacher).heldInvitations())!.heldInvitations;
    expect(edges.map(({ node }) => node.link)).toContain(created.link);
  });

  it('2.3 c — creates and moderates chats of the own class, not of another', async () => {
    const chat = done(await app.as(people.classTeacher).createChat({ schoolId: school, kind: 'CLASS', classId: own.id, name: '5А' }));
    expect(chat.viewerRole).toBe('OWNER');
    done(await app.as(people.classTeacher).addChatMember({ chatId: chat.id, userId: user(people.leader) }));
    denied(await app.as(people.classTeacher).createChat({ schoolId: school, kind: 'CLASS', classId: other.id, name: '5Б' }), '2.2 e');
  });
});

describe('2.4 The subject teacher', () => {
  it('2.4 a — joins by the administrator’s invitation', async () => {
    expect(await rolesOf(await joinBy((await link('TEACHER')).link!))).toEqual(['TEACHER']);
  });

  it('2.4 c — creates and moderates chats of the own subject, and no chat of the class', async () => {
    const chat = done(
      await app
        .as(people.subjectTeacher)
        .createChat({ schoolId: school, kind: 'SUBJECT', classId: own.id, subjectId: subject, name: 'Физика' }),
    );
    done(await app.as(people.subjectTeacher).renameChat({ chatId: chat.id, name: 'Физика, 5А' }));
    denied(await app.as(people.subjectTeacher).createChat({ schoolId: school, kind: 'CLASS', classId: own.id, name: 'Мой' }), '2.2 e');
  });
});

describe('2.5 The pupil', () => {
  it('2.5 a — joins by the link that the class teacher hands on, and is in one class only', async () => {
    const [mine, second] = [await link('STUDENT', { classId: own.id }), await link('STUDENT', { classId: other.id })];
    const pupil = await joinBy(mine.link!);
    expect(await app.as(pupil).acceptInvitation({ code: codeOf(second.link) })).toMatchObject({
      __typename: 'Refusal',
      code: 'CONFLICT',
      clause: '2.5 a',
      message: expect.stringContaining('5А') as string,
    });
    done(await app.as(pupil).acceptInvitation({ code: codeOf(mine.link) }));
    expect(await app.db.prisma.enrolment.findMany({ where: { studentId: pupil.id } })).toMatchObject([{ classId: own.raw, endedAt: null }]);
  });

  it('2.5 b — is in the chats of the own school and class, sees no others, and creates none', async () => {
    const [ofSchool, ofClass, ofOther, ofStaff] = [
      await app.build.chat({ schoolId, kind: 'SCHOOL' }),
      await app.build.chat({ schoolId, kind: 'CLASS', classId: own.raw }),
      await app.build.chat({ schoolId, kind: 'CLASS', classId: other.raw }),
      await app.build.chat({ schoolId, kind: 'STAFF' }),
    ];
    const seen = await Promise.all(
      [ofSchool, ofClass, ofOther, ofStaff].map(({ id }) => app.as(people.pupil).chatById({ id: app.id('Chat', id) })),
    );
    expect(seen.map((chat) => chat !== null)).toEqual([true, true, false, false]);
    denied(await app.as(people.pupil).createChat({ schoolId: school, kind: 'CLASS', classId: own.id, name: 'Наш' }), '2.2 e');
    denied(await app.as(people.leader).createChat({ schoolId: school, kind: 'SCHOOL', name: 'Наш' }), '2.2 e');
  });
});

describe('2.2 h, 2.3 h, 2.4 f, 2.5 d — credentials stay secret', () => {
  it.each(['2.2 h', '2.3 h', '2.4 f', '2.5 d'] as const)(
    '%s — sessions are listed and ended by the person alone, and no secret is kept in clear',
    async (number) => {
      const person = { '2.2 h': people.leader, '2.3 h': people.classTeacher, '2.4 f': people.subjectTeacher, '2.5 d': people.pupil }[
        number
      ];
      const { sessionId } = await app.token(person);
      const id = app.id('Session', sessionId);
      const listed = (await app.as(person).sessions({}))!.sessions.edges.map(({ node }) => node.id);
      expect(listed).toContain(id);
      for (const somebody of others(person))
        expect(await app.as(somebody).endSession({ sessionId: id })).toMatchObject({ code: 'NOT_FOUND' });
      done(await app.as(person).endSession({ sessionId: id }));
      const { secret } = await createClient(app.operator, { kind: 'service', name: 'Проба', schoolId, scopes: ['read'] });
      const invitation = await link('TEACHER');
      const kept = JSON.stringify(
        [await app.db.prisma.oauthClient.findMany(), await app.db.prisma.invitation.findMany()],
        (_key, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString('base64url') : value),
      );
      for (const clear of [secret!, codeOf(invitation.link)]) expect(kept).not.toContain(clear);
    },
  );
});

describe('3. Rights', () => {
  it('3.1 — round the clock: events from an interruption are delivered on resume', async () => {
    const stream = await app.as(people.administrator).listen(enrolmentsStream, { schoolId: school });
    await stream.until(({ items }) => items.length > 0);
    stream.close();
    const pupil = await app.build.user({ schoolId, role: 'STUDENT' });
    done(await app.as(people.administrator).enrolStudent({ studentId: user(pupil), classId: own.id }));
    const again = await app.as(people.administrator).listen(enrolmentsStream, { schoolId: school, after: stream.items[0]!.cursor });
    await again.until(({ news }) => news.some(({ studentId }) => studentId === user(pupil)));
    again.close();
  });
});
