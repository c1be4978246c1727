import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { transaction } from '../../src/db/transaction.ts';
import { schoolYearOf } from '../../src/domain/school-years.ts';
import { expectRefusal } from '../support/expect-refusal.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

/** Creates a class with a class teacher, a chat and a link, and archives it. The teacher owns the chat. */
async function buildArchivedClass() {
  const { school, administrator } = await app.build.school();
  const own = await app.build.class({ schoolId: school.id, grade: 5, letter: 'А' });
  const teacher = await app.build.teacher({ schoolId: school.id, classTeacherOf: own.id });
  const classId = app.id('Class', own.id);
  const created = (await app
    .as(teacher)
    .createChat({ schoolId: app.id('School', school.id), kind: 'CLASS', classId, name: 'Наш класс' })) as { id: string };
  const chat = await app.db.prisma.chat.findFirstOrThrow({ where: { classId: own.id } });
  const { invitation } = await app.build.invitation({ schoolId: school.id, role: 'STUDENT', classId: own.id });
  await app.as(administrator).archiveClass({ classId });
  const archivedEvents = (await app.events(school.id)).length;
  const newEvents = async () => (await app.events(school.id)).slice(archivedEvents);
  return { school, schoolId: school.id, administrator, own, teacher, classId, chat, chatId: created.id, invitation, newEvents };
}

const membersOf = (chatId: string) => app.db.prisma.chatMember.findMany({ where: { chatId } });

describe('unarchiveClass', () => {
  it('2.1 b — unarchives the class and its chats, and leaves invitations revoked and teachers unassigned', async () => {
    const { own, administrator, teacher, classId, chat, chatId, invitation, newEvents } = await buildArchivedClass();
    expect(await app.as(administrator).unarchiveClass({ classId })).toMatchObject({ __typename: 'Class', name: '5А', archivedAt: null });
    const { prisma } = app.db;
    expect(await prisma.chat.findUniqueOrThrow({ where: { id: chat.id } })).toMatchObject({ archivedAt: null, archivedWithClass: false });
    expect((await prisma.invitation.findUniqueOrThrow({ where: { id: invitation.id } })).revokedAt).not.toBeNull();
    expect(await prisma.assignment.count({ where: { classId: own.id, endedAt: null } })).toBe(0);
    // The class teacher owned the chat. But the assignment to the class has ended, so the teacher leaves the chat. The
    // administrator becomes the owner, because a chat must always have an owner or a moderator.
    expect(await membersOf(chat.id)).toMatchObject([{ userId: administrator.id, role: 'OWNER' }]);
    const events = await newEvents();
    expect(events).toMatchObject([
      { type: 'class.unarchived', payload: { classId: own.id } },
      { type: 'chat.unarchived', payload: { chatId: chat.id } },
      { type: 'chatMember.removed', payload: { chatId: chat.id, userId: teacher.id } },
      { type: 'chatMember.added', payload: { chatId: chat.id, userId: administrator.id } },
      { type: 'chatMember.promoted', payload: { chatId: chat.id, userId: administrator.id } },
    ]);
    expect(new Set(events.map(({ causation }) => causation)).size).toBe(1);
    expect(await app.as(administrator).renameChat({ chatId, name: 'Снова наш класс' })).toMatchObject({ __typename: 'Chat' });
  });

  it('takes pupils and teachers again, who come into its chats', async () => {
    const { schoolId, administrator, teacher, classId, chat } = await buildArchivedClass();
    await app.as(administrator).unarchiveClass({ classId });
    const pupil = await app.build.user({ schoolId, role: 'STUDENT' });
    expect(await app.as(administrator).enrolStudent({ classId, studentId: app.id('User', pupil.id) })).toMatchObject({ endedAt: null });
    await app.as(administrator).assignClassTeacher({ classId, userId: app.id('User', teacher.id) });
    const roles = new Map((await membersOf(chat.id)).map(({ userId, role }) => [userId, role]));
    expect(roles).toEqual(
      new Map([
        [administrator.id, 'OWNER'],
        [pupil.id, 'MEMBER'],
        [teacher.id, 'MODERATOR'],
      ]),
    );
  });

  it('keeps the members whom a person added, if they still have a role in the school', async () => {
    const { schoolId, administrator, classId, chat } = await buildArchivedClass();
    const guest = await app.build.teacher({ schoolId });
    const former = await app.build.user({ schoolId });
    for (const { id: userId } of [guest, former])
      await app.db.prisma.chatMember.create({ data: { schoolId, chatId: chat.id, userId, role: 'MODERATOR', reason: 'PERSON' } });
    await app.db.prisma.roleGrant.updateMany({ where: { userId: former.id }, data: { endedAt: new Date() } });
    await app.as(administrator).unarchiveClass({ classId });
    expect(await membersOf(chat.id)).toMatchObject([{ userId: guest.id, role: 'OWNER' }]);
  });

  it('leaves chats archived that were archived before their class', async () => {
    const { school, administrator } = await app.build.school();
    const { id } = await app.build.class({ schoolId: school.id });
    const classId = app.id('Class', id);
    const old = await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: id });
    const leader = await app.build.user({ schoolId: school.id, role: 'SCHOOL_ADMINISTRATION' });
    await app.as(leader).archiveChat({ chatId: app.id('Chat', old.id) });
    await app.as(administrator).archiveClass({ classId });
    await app.as(administrator).unarchiveClass({ classId });
    expect((await app.db.prisma.chat.findUniqueOrThrow({ where: { id: old.id } })).archivedAt).not.toBeNull();
    expect((await app.events(school.id)).map(({ type }) => type)).toEqual(['chat.archived', 'class.archived', 'class.unarchived']);
  });

  it('keeps the name of an archived class for it: createClass says where the class is', async () => {
    const { schoolId, administrator, classId } = await buildArchivedClass();
    const { message } = await expectRefusal(app, schoolId, { code: 'CONFLICT', path: ['letter'] }, () =>
      app.as(administrator).createClass({ schoolId: app.id('School', schoolId), grade: 5, letter: 'A' }),
    );
    expect(message).toContain('архив');
    expect(await app.as(administrator).unarchiveClass({ classId })).toMatchObject({ name: '5А' });
  });

  it('leaves the pupils in the classes to which they were transferred', async () => {
    const { school, administrator } = await app.build.school();
    const [own, other] = [await app.build.class({ schoolId: school.id }), await app.build.class({ schoolId: school.id })];
    const pupil = await app.build.student({ classId: own.id });
    await app.as(administrator).transferStudent({ studentId: app.id('User', pupil.id), classId: app.id('Class', other.id) });
    await app.as(administrator).archiveClass({ classId: app.id('Class', own.id) });
    await app.as(administrator).unarchiveClass({ classId: app.id('Class', own.id) });
    expect(await app.db.prisma.enrolment.findMany({ where: { endedAt: null, studentId: pupil.id } })).toMatchObject([
      { classId: other.id },
    ]);
  });

  it('is refused after the school year of the class, and names the year', async () => {
    const { school, administrator } = await app.build.school();
    const past = await transaction(app.db, (tx) => schoolYearOf(tx, school.id, new Date('2020-10-01T00:00:00Z')));
    const { id } = await app.db.prisma.class.create({
      data: { schoolId: school.id, schoolYearId: past.id, grade: 4, letter: 'А', sortKey: '04а', archivedAt: new Date() },
    });
    const { message } = await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['classId'] }, () =>
      app.as(administrator).unarchiveClass({ classId: app.id('Class', id) }),
    );
    expect(message).toContain('2020/2021');
  });

  it('is refused to everyone but the administrator, and hidden from another school', async () => {
    const { schoolId, teacher, classId } = await buildArchivedClass();
    const leader = await app.build.user({ schoolId, role: 'SCHOOL_ADMINISTRATION' });
    for (const person of [leader, teacher])
      await expectRefusal(app, schoolId, { code: 'FORBIDDEN', clause: '2.1 b' }, () => app.as(person).unarchiveClass({ classId }));
    const foreign = await app.build.school();
    await expectRefusal(app, schoolId, { code: 'NOT_FOUND', path: ['classId'] }, () =>
      app.as(foreign.administrator).unarchiveClass({ classId }),
    );
  });
});
