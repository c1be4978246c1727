import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectRefusal } from '../support/expect-refusal.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';
import { decodeId } from '../support/decode-id.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

const types = async (schoolId: string) => (await app.events(schoolId)).map((event) => event.type);

/** Creates a school with a class, its two pupils, its class teacher and a subject teacher. */
async function open() {
  const { school, administrator } = await app.build.school();
  const head = await app.build.user({ schoolId: school.id, role: 'SCHOOL_ADMINISTRATION' });
  const group = await app.build.class({ schoolId: school.id });
  const subject = await app.build.subject({ schoolId: school.id });
  const classTeacher = await app.build.teacher({ schoolId: school.id, classTeacherOf: group.id });
  const subjectTeacher = await app.build.teacher({ schoolId: school.id, teaches: [{ classId: group.id, subjectId: subject.id }] });
  const pupil = await app.build.student({ classId: group.id });
  const place = { schoolId: app.id('School', school.id), classId: app.id('Class', group.id), subjectId: app.id('Subject', subject.id) };
  return { school, administrator, head, group, subject, classTeacher, subjectTeacher, pupil, place };
}

describe('createChat', () => {
  it('fills a chat by the rule of its kind, with its maker as the owner', async () => {
    const { school, administrator, head, classTeacher, subjectTeacher, pupil, place } = await open();
    const { schoolId, classId, subjectId } = place;
    const members = async (id: string) => {
      const rows = await app.db.prisma.chatMember.findMany({ where: { chatId: decodeId(id).id } });
      return new Map(rows.map((row) => [row.userId, row.role]));
    };
    const made = async (by: { id: string }, input: object) => {
      const chat = await app.as(by).createChat({ schoolId, name: ' Чат ', ...input } as never);
      expect(chat).toMatchObject({ __typename: 'Chat', name: 'Чат', archivedAt: null, viewerRole: 'OWNER' });
      return members((chat as { id: string }).id);
    };
    const everyone = [administrator, head, classTeacher, subjectTeacher, pupil];
    expect([...(await made(administrator, { kind: 'SCHOOL' })).keys()].sort()).toEqual(everyone.map(({ id }) => id).sort());
    const staff = await made(head, { kind: 'STAFF' });
    expect([staff.size, staff.has(pupil.id), staff.get(head.id)]).toEqual([4, false, 'OWNER']);
    expect(await made(classTeacher, { kind: 'CLASS', classId })).toEqual(
      new Map([
        [pupil.id, 'MEMBER'],
        [classTeacher.id, 'OWNER'],
        [subjectTeacher.id, 'MEMBER'],
      ]),
    );
    expect(await made(subjectTeacher, { kind: 'SUBJECT', classId, subjectId })).toEqual(
      new Map([
        [pupil.id, 'MEMBER'],
        [subjectTeacher.id, 'OWNER'],
      ]),
    );
    expect(await made(head, { kind: 'CLASS', classId })).toEqual(
      new Map([
        [pupil.id, 'MEMBER'],
        [classTeacher.id, 'MODERATOR'],
        [subjectTeacher.id, 'MEMBER'],
        [head.id, 'OWNER'],
      ]),
    );
    expect(await made(head, { kind: 'EXTRACURRICULAR' })).toEqual(new Map([[head.id, 'OWNER']]));
    expect(await types(school.id)).toEqual(Array(6).fill('chat.created'));
  });

  it('is allowed for the roles in the regulation', async () => {
    const { school, administrator, head, classTeacher, subjectTeacher, pupil, place } = await open();
    const { schoolId, classId, subjectId } = place;
    const inputs = { SCHOOL: {}, STAFF: {}, CLASS: { classId }, SUBJECT: { classId, subjectId }, EXTRACURRICULAR: {} };
    const never: [{ id: string }, (keyof typeof inputs)[]][] = [
      [administrator, ['STAFF', 'CLASS', 'SUBJECT', 'EXTRACURRICULAR']],
      [head, ['SCHOOL']],
      [classTeacher, ['SCHOOL', 'STAFF', 'SUBJECT', 'EXTRACURRICULAR']],
      [subjectTeacher, ['SCHOOL', 'STAFF', 'CLASS', 'EXTRACURRICULAR']],
      [pupil, ['SCHOOL', 'STAFF', 'CLASS', 'EXTRACURRICULAR']],
    ];
    for (const [user, kinds] of never)
      for (const kind of kinds)
        await expectRefusal(app, school.id, { code: 'FORBIDDEN', clause: '2.2 e' }, () =>
          app.as(user).createChat({ schoolId, kind, name: 'Чат', ...inputs[kind] }),
        );
  });

  it('refuses a class or subject that does not match the kind, and an archived class', async () => {
    const { school, head, place } = await open();
    const { schoolId, classId, subjectId } = place;
    const archived = app.id('Class', (await app.build.class({ schoolId: school.id, archivedAt: new Date() })).id);
    const foreign = app.id('Class', (await open()).group.id);
    for (const [code, path, input] of [
      ['INVALID', 'classId', { kind: 'CLASS' }],
      ['INVALID', 'classId', { kind: 'STAFF', classId }],
      ['INVALID', 'subjectId', { kind: 'SUBJECT', classId }],
      ['INVALID', 'subjectId', { kind: 'CLASS', classId, subjectId }],
      ['INVALID', 'name', { kind: 'STAFF', name: '' }],
      ['INVALID', 'classId', { kind: 'CLASS', classId: subjectId }],
      ['NOT_FOUND', 'classId', { kind: 'CLASS', classId: foreign }],
      ['CONFLICT', 'classId', { kind: 'CLASS', classId: archived }],
    ] as const)
      await expectRefusal(app, school.id, { code, path: [path] }, () => app.as(head).createChat({ schoolId, name: 'Чат', ...input }));
  });

  it('makes one chat for one key', async () => {
    const { school, head, place } = await open();
    const input = { schoolId: place.schoolId, kind: 'STAFF' as const, name: 'Чат', idempotencyKey: 'once' };
    const first = await app.as(head).createChat(input);
    expect(await app.as(head).createChat(input)).toEqual(first);
    expect(await types(school.id)).toEqual(['chat.created']);
  });
});

describe('renameChat', () => {
  it('renames the chat for its moderators', async () => {
    const { school, classTeacher, subjectTeacher, pupil, group } = await open();
    const chat = await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: group.id });
    const input = { chatId: app.id('Chat', chat.id), name: 'Класс' };
    expect(await app.as(classTeacher).renameChat(input)).toMatchObject({ name: 'Класс' });
    expect(await types(school.id)).toEqual(['chat.renamed']);
    for (const user of [subjectTeacher, pupil])
      await expectRefusal(app, school.id, { code: 'FORBIDDEN' }, () => app.as(user).renameChat(input));
    const { administrator: stranger } = await app.build.school();
    await expectRefusal(app, school.id, { code: 'NOT_FOUND', path: ['chatId'] }, () => app.as(stranger).renameChat(input));
  });
});

describe('archiveChat', () => {
  it('makes the chat read-only; again changes nothing', async () => {
    const { school, administrator } = await open();
    const chat = await app.build.chat({ schoolId: school.id, kind: 'SCHOOL' });
    const input = { chatId: app.id('Chat', chat.id) };
    const archived = await app.as(administrator).archiveChat(input);
    expect(archived).toMatchObject({ archivedAt: expect.any(String) });
    expect(await app.as(administrator).archiveChat(input)).toEqual(archived);
    expect(await types(school.id)).toEqual(['chat.archived']);
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['chatId'] }, () =>
      app.as(administrator).renameChat({ ...input, name: 'Другой' }),
    );
  });
});

describe('School.chats', () => {
  it('are those that the viewer may read, the newest first', async () => {
    const { school, administrator, pupil, group } = await open();
    const staff = await app.build.chat({ schoolId: school.id, kind: 'STAFF' });
    const own = await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: group.id });
    const other = await app.build.chat({
      schoolId: school.id,
      kind: 'CLASS',
      classId: (await app.build.class({ schoolId: school.id })).id,
    });
    const list = async (user: { id: string }, variables: object = {}) => {
      const found = (await app.as(user).chatsOfSchool({ id: app.id('School', school.id), ...variables })) as {
        chats: { edges: { node: { id: string } }[] };
      };
      return found.chats.edges.map(({ node }) => node.id);
    };
    const ids = (...chats: { id: string }[]) => chats.map((chat) => app.id('Chat', chat.id));
    expect(await list(administrator)).toEqual(ids(other, own, staff));
    expect(await list(administrator, { kind: 'STAFF' })).toEqual(ids(staff));
    expect(await list(pupil)).toEqual(ids(own));
    expect(await app.as(pupil).chatById({ id: app.id('Chat', other.id) })).toBeNull();
    expect(await app.as(pupil).chatById({ id: app.id('Chat', own.id) })).toMatchObject({ viewerRole: 'MEMBER', memberCount: 3 });
  });
});
