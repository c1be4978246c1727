import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectRefusal } from '../support/expect-refusal.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

const types = async (schoolId: string) => (await app.events(schoolId)).map((event) => event.type);

describe('deactivateUser', () => {
  it('ends roles, work, chats and sessions together', async () => {
    const { school, administrator } = await app.build.school();
    const group = await app.build.class({ schoolId: school.id });
    const teacher = await app.build.teacher({ schoolId: school.id, classTeacherOf: group.id });
    const chat = await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: group.id });
    expect(await app.as(teacher).viewer({})).toMatchObject({ id: app.id('User', teacher.id) });
    const input = { userId: app.id('User', teacher.id), schoolId: app.id('School', school.id) };
    const done = await app.as(administrator).deactivateUser(input);
    expect(done).toMatchObject({ __typename: 'User', id: input.userId, deactivatedAt: expect.any(String) });
    const current = { where: { userId: teacher.id, endedAt: null } };
    expect(await app.db.prisma.roleGrant.count(current)).toBe(0);
    expect(await app.db.prisma.assignment.count(current)).toBe(0);
    expect(await app.db.prisma.session.count(current)).toBe(0);
    expect(await app.db.prisma.chatMember.findMany({ where: { chatId: chat.id } })).toMatchObject([
      { userId: administrator.id, role: 'MODERATOR' },
    ]);
    expect(new Set(await types(school.id))).toEqual(
      new Set([
        'session.ended',
        'classTeacher.ended',
        'role.ended',
        'chatMember.removed',
        'chatMember.added',
        'chatMember.promoted',
        'user.deactivated',
      ]),
    );
    await expect(app.as(teacher).viewer({})).rejects.toMatchObject({ codes: ['UNAUTHENTICATED'] });
    const before = await types(school.id);
    expect(await app.as(administrator).deactivateUser(input)).toEqual(done);
    expect(await types(school.id)).toEqual(before);
  });

  it("ends a pupil's place in the class", async () => {
    const { school, administrator } = await app.build.school();
    const pupil = await app.build.student({ classId: (await app.build.class({ schoolId: school.id })).id });
    await app.as(administrator).deactivateUser({ userId: app.id('User', pupil.id), schoolId: app.id('School', school.id) });
    expect(await app.db.prisma.enrolment.count({ where: { studentId: pupil.id, endedAt: null } })).toBe(0);
    expect(await types(school.id)).toContain('student.withdrawn');
  });

  it('refuses the last administrator, people of other schools, and every caller but an administrator', async () => {
    const { school, administrator } = await app.build.school();
    const other = await app.build.school();
    const teacher = await app.build.teacher({ schoolId: school.id });
    await app.db.prisma.roleGrant.create({ data: { schoolId: other.school.id, userId: teacher.id, role: 'TEACHER' } });
    const input = (user: { id: string }, at = school) => ({ userId: app.id('User', user.id), schoolId: app.id('School', at.id) });
    await expectRefusal(app, school.id, { code: 'CONFLICT' }, () => app.as(administrator).deactivateUser(input(administrator)));
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['userId'] }, () => app.as(administrator).deactivateUser(input(teacher)));
    await expectRefusal(app, school.id, { code: 'FORBIDDEN', clause: '2.1 a' }, () => app.as(teacher).deactivateUser(input(administrator)));
    await expectRefusal(app, school.id, { code: 'NOT_FOUND', path: ['userId'] }, () =>
      app.as(administrator).deactivateUser(input(other.administrator)),
    );
    // The administrator is a teacher in the other school, and so cannot deactivate people there.
    await app.db.prisma.roleGrant.create({ data: { schoolId: other.school.id, userId: administrator.id, role: 'TEACHER' } });
    const moved = await app.build.teacher({ schoolId: other.school.id });
    await app.db.prisma.roleGrant.create({
      data: { schoolId: school.id, userId: moved.id, role: 'TEACHER', startedAt: new Date(0), endedAt: new Date() },
    });
    await expectRefusal(app, other.school.id, { code: 'FORBIDDEN' }, () =>
      app.as(administrator).deactivateUser(input(moved, other.school)),
    );
    expect(
      await app.db.prisma.user.count({ where: { id: { in: [administrator.id, teacher.id, moved.id] }, deactivatedAt: { not: null } } }),
    ).toBe(0);
  });
});

describe('reactivateUser', () => {
  async function deactivated() {
    const { school, administrator } = await app.build.school();
    const teacher = await app.build.teacher({ schoolId: school.id });
    const input = { userId: app.id('User', teacher.id), schoolId: app.id('School', school.id) };
    const by = app.as(administrator);
    await by.deactivateUser(input);
    return { school, teacher, input, by };
  }

  it('2.1 a — lets a person sign in again, without a role until one is granted', async () => {
    const { school, teacher, input, by } = await deactivated();
    expect(await by.reactivateUser(input)).toMatchObject({ deactivatedAt: null });
    expect((await types(school.id)).at(-1)).toBe('user.reactivated');
    const { token } = await app.token(teacher);
    expect(token).not.toBe('');
    expect(await app.db.prisma.roleGrant.count({ where: { userId: teacher.id, endedAt: null } })).toBe(0);
    expect(await by.grantRole({ ...input, role: 'TEACHER' })).toMatchObject({ __typename: 'RoleGrant' });
  });

  it('is refused to everyone but administrators of a school of the person', async () => {
    const { school, input, by } = await deactivated();
    const other = await deactivated();
    const colleague = await app.build.teacher({ schoolId: school.id });
    await expectRefusal(app, school.id, { code: 'NOT_FOUND', path: ['userId'] }, () => app.as(colleague).reactivateUser(input));
    await expectRefusal(app, other.school.id, { code: 'NOT_FOUND', path: ['userId'] }, () =>
      by.reactivateUser({ ...input, userId: other.input.userId }),
    );
    await expectRefusal(app, other.school.id, { code: 'NOT_FOUND', path: ['schoolId'] }, () => by.reactivateUser(other.input));
  });
});
