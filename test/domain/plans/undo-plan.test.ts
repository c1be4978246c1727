import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectRefusal } from '../../support/expect-refusal.ts';
import { importList, pupils, senderOf, upload, type ListRow, type Sender } from '../../support/import-lists.ts';
import { changed, oneRoster12, zipOf } from '../../support/roster-files.ts';
import { exported } from '../../support/school-year.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

async function scene() {
  const { school, administrator } = await app.build.school();
  return { school, administrator, by: await senderOf(app, administrator) };
}

const before: ListRow[] = [
  { name: 'Ёжиков Лев Петрович', class: '5А', birthDate: '01.02.2015' },
  { name: 'Вихрова Анна', class: '5А' },
  { name: 'Петров Пётр Ильич', class: '5Б', startedOn: '02.09.2026' },
  { name: 'Смирнова Ольга Павловна', class: '5А', role: 'Учитель' },
  ...pupils(6, ['5А', '5Б']),
];
/**
 * The list that is imported after the list `before`: class 6А is new, three people change class, one pupil joins, and the
 * other pupils leave.
 */
const after: ListRow[] = [
  { name: 'Ёжиков Лев Петрович', class: '6А', birthDate: '01.02.2015' },
  { name: 'Петров Пётр Ильич', class: '5А' },
  { name: 'Новиков Ян', class: '5Б' },
  { name: 'Смирнова Ольга Павловна', class: '6А', role: 'Учитель' },
];

describe('undoPlan', () => {
  it('restores the roster byte for byte, with the reverse events, and the same file can be imported again', async () => {
    const { school, by } = await scene();
    await app.build.chat({ schoolId: school.id, kind: 'SCHOOL' });
    await importList(app, by, school.id, before);
    const [roster, members] = [await exported(app, school.id), await memberships(school.id)];
    const plan = await importList(app, by, school.id, after, { threshold: 100 });
    expect(await exported(app, school.id)).not.toBe(roster);
    const applied = await app.events(school.id);
    expect(await by.as.undoPlan({ planId: plan.id })).toMatchObject({ __typename: 'Plan', state: 'UNDONE' });
    expect(await exported(app, school.id)).toBe(roster);
    expect(await memberships(school.id)).toEqual(members);
    const undone = (await app.events(school.id)).slice(applied.length);
    expect(new Set(undone.map(({ type }) => type))).toEqual(
      new Set([
        'student.transferred',
        'student.enrolled',
        'student.withdrawn',
        'role.granted',
        'role.ended',
        'classTeacher.ended',
        'chatMember.added',
        'chatMember.removed',
        'class.archived',
        'plan.undone',
      ]),
    );
    expect(new Set(undone.map(({ causation }) => causation)).size).toBe(1);
    await importList(app, by, school.id, after, { threshold: 100 });
    expect(await app.db.prisma.class.count({ where: { schoolId: school.id, grade: 6, archivedAt: null } })).toBe(1);
  });

  it('of an undone plan changes nothing, and neither can be applied nor undone what never was', async () => {
    const { school, by } = await scene();
    const plan = await importList(app, by, school.id, before);
    await by.as.undoPlan({ planId: plan.id });
    const events = await app.events(school.id);
    expect(await by.as.undoPlan({ planId: plan.id })).toMatchObject({ state: 'UNDONE' });
    expect(await app.events(school.id)).toEqual(events);
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['planId'] }, () => by.as.applyPlan({ planId: plan.id }));
  });

  it('refuses while something depends on a row, and names its line', async () => {
    const { school, administrator, by } = await scene();
    const plan = await importList(app, by, school.id, before);
    const undo = () => by.as.undoPlan({ planId: plan.id });
    const { prisma } = app.db;
    const of = (surname: string) => prisma.user.findFirstOrThrow({ where: { surname, grants: { some: { schoolId: school.id } } } });
    const anna = await of('Вихрова');
    await prisma.user.update({ where: { id: anna.id }, data: { joinedAt: new Date() } });
    expect((await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['planId'] }, undo)).message).toContain('строка 3');
    await prisma.user.update({ where: { id: anna.id }, data: { joinedAt: null } });
    const other = await app.build.class({ schoolId: school.id });
    await app.as(administrator).transferStudent({ studentId: app.id('User', anna.id), classId: app.id('Class', other.id) });
    expect((await expectRefusal(app, school.id, { code: 'CONFLICT' }, undo)).message).toContain('строка 3');
  });

  it('refuses a class that others have entered', async () => {
    const { school, by } = await scene();
    const plan = await importList(app, by, school.id, before);
    const ofPlan = await app.db.prisma.class.findFirstOrThrow({ where: { schoolId: school.id, letter: 'Б' } });
    await app.build.student({ classId: ofPlan.id });
    expect((await expectRefusal(app, school.id, { code: 'CONFLICT' }, () => by.as.undoPlan({ planId: plan.id }))).message).toContain(
      'строка 4',
    );
  });

  it('leaves no rights: the leadership does not see the person, and no ended enrolment, grant or assignment is left', async () => {
    const { school, by } = await scene();
    const leader = await app.build.user({ schoolId: school.id, role: 'SCHOOL_ADMINISTRATION' });
    const plan = await importList(app, by, school.id, before);
    const anna = await personOf('Вихрова', school.id);
    expect(await app.as(leader).userById({ id: app.id('User', anna.id) })).not.toBeNull();
    expect(await by.as.undoPlan({ planId: plan.id })).toMatchObject({ state: 'UNDONE' });
    const { prisma } = app.db;
    expect(await prisma.enrolment.count({ where: { schoolId: school.id } })).toBe(0);
    expect(await prisma.assignment.count({ where: { schoolId: school.id } })).toBe(0);
    expect(await prisma.roleGrant.count({ where: { userId: anna.id } })).toBe(0);
    const { node } = (await app.as(leader).send('query($id:ID!){node(id:$id){id}}', { id: app.id('User', anna.id) })).data as any;
    expect(node).toBeNull();
  });

  it('refuses when the work of a teacher who left has a successor, or its class is archived', async () => {
    const { school, administrator, by } = await scene();
    await importOneRoster(by, school.id, oneRoster12);
    const teacher = await personOf('Петрова', school.id);
    const { classId } = await app.db.prisma.assignment.findFirstOrThrow({ where: { userId: teacher.id, kind: 'CLASS_TEACHER' } });
    const left = changed('users.csv', ['t1,,,true,t1,Мария,Петрова,Ивановна,petrova@school.example\r\n', '']);
    const roles = changed('roles.csv', ['r1,,,t1,primary,teacher,,,s1\r\n', ''])['roles.csv']!;
    const work = changed('enrollments.csv', ['e4,,,c5a,s1,t1,teacher,true,,\r\n', ''], ['e5,,,m5a,s1,t1,teacher,true,,\r\n', '']);
    const plan = await importOneRoster(by, school.id, { ...left, 'roles.csv': roles, 'enrollments.csv': work['enrollments.csv']! });
    expect(await app.db.prisma.assignment.count({ where: { classId, endedAt: null } })).toBe(0);
    const undo = () => by.as.undoPlan({ planId: plan.id });
    const next = await app.build.teacher({ schoolId: school.id });
    const ids = { classId: app.id('Class', classId) };
    await app.as(administrator).assignClassTeacher({ ...ids, userId: app.id('User', next.id) });
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['planId'] }, undo);
    await app.as(administrator).endClassTeacher(ids);
    await app.db.prisma.class.update({ where: { id: classId }, data: { archivedAt: new Date() } });
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['planId'] }, undo);
    await app.db.prisma.class.update({ where: { id: classId }, data: { archivedAt: null } });
    expect(await undo()).toMatchObject({ state: 'UNDONE' });
    expect(await app.db.prisma.assignment.count({ where: { userId: teacher.id, endedAt: null } })).toBe(2);
  });

  it('refuses when somebody assigned the same work again, or the person is no teacher any more', async () => {
    const { school, administrator, by } = await scene();
    await importOneRoster(by, school.id, oneRoster12);
    const { prisma } = app.db;
    const ofSubject = await prisma.assignment.findFirstOrThrow({ where: { schoolId: school.id, kind: 'SUBJECT_TEACHER' } });
    const plan = await importOneRoster(by, school.id, changed('enrollments.csv', ['e5,,,m5a,s1,t1,teacher,true,,\r\n', '']));
    const undo = () => by.as.undoPlan({ planId: plan.id });
    await app
      .as(administrator)
      .assignSubjectTeacher({
        classId: app.id('Class', ofSubject.classId),
        userId: app.id('User', ofSubject.userId),
        subjectId: app.id('Subject', ofSubject.subjectId!),
      });
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['planId'] }, undo);
    const grant = await prisma.roleGrant.findFirstOrThrow({ where: { schoolId: school.id, userId: ofSubject.userId } });
    await app.as(administrator).endRole({ grantId: app.id('RoleGrant', grant.id) });
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['planId'] }, undo);
  });

  it('refuses to archive again a class that others use since the plan took it out of the archive', async () => {
    const { school, administrator, by } = await scene();
    const ofArchive = await app.build.class({ schoolId: school.id, grade: 5, letter: 'В' });
    await app.as(administrator).archiveClass({ classId: app.id('Class', ofArchive.id) });
    const plan = await importList(app, by, school.id, [{ name: 'Новиков Ян', class: '5В' }]);
    const teacher = await app.build.teacher({ schoolId: school.id });
    const ids = { classId: app.id('Class', ofArchive.id) };
    await app.as(administrator).assignClassTeacher({ ...ids, userId: app.id('User', teacher.id) });
    const undo = () => by.as.undoPlan({ planId: plan.id });
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['planId'] }, undo);
    await app.as(administrator).endClassTeacher(ids);
    expect(await undo()).toMatchObject({ state: 'UNDONE' });
    expect((await app.db.prisma.class.findUniqueOrThrow({ where: { id: ofArchive.id } })).archivedAt).not.toBeNull();
  });

  it('2.1 c — invites again a person who returns and has not joined', async () => {
    const { school, by } = await scene();
    await importList(app, by, school.id, before);
    const plan = await importList(app, by, school.id, before.slice(1), { threshold: 100 });
    const open = () => app.db.prisma.invitation.count({ where: { schoolId: school.id, user: { surname: 'Ёжиков' }, revokedAt: null } });
    expect(await open()).toBe(0);
    expect(await by.as.undoPlan({ planId: plan.id })).toMatchObject({ state: 'UNDONE' });
    expect(await open()).toBe(1);
  });

  it('is for administrators alone', async () => {
    const { school, by } = await scene();
    const plan = await importList(app, by, school.id, before);
    const service = await app.asService(school.id, ['read', 'events', 'roster']);
    await expectRefusal(app, school.id, { code: 'NOT_FOUND' }, () => service.undoPlan({ planId: plan.id }));
  });
});

const personOf = (surname: string, schoolId: string) =>
  app.db.prisma.user.findFirstOrThrow({ where: { surname, grants: { some: { schoolId } } } });

/** Imports a set of OneRoster files. With a threshold of 100 per cent, any number of people may leave the school. */
async function importOneRoster(by: Sender, schoolId: string, files: Readonly<Record<string, string>>): Promise<{ id: string }> {
  const uploadId = await upload(app, by, { schoolId, body: await zipOf(files) });
  const plan = (await by.as.planImport({ uploadId })) as any;
  expect(await by.as.applyPlan({ planId: plan.id, threshold: 100 })).toMatchObject({ state: 'APPLIED' });
  return plan;
}

/** Returns the members of the school's chats as texts: the id of the chat, the role in the chat, and the surname. */
async function memberships(schoolId: string): Promise<string[]> {
  const members = await app.db.prisma.chatMember.findMany({ where: { schoolId }, include: { user: true } });
  return members.map(({ chatId, role, user }) => `${chatId} ${role} ${user.surname}`).sort();
}
