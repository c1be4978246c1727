import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mutate } from '../../src/domain/context.ts';
import { grantAll } from '../../src/domain/roles.ts';
import { expectRefusal } from '../support/expect-refusal.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

const types = async (schoolId: string) => (await app.events(schoolId)).map((event) => event.type);

const grantOf = async (user: { id: string }) => {
  const { id } = await app.db.prisma.roleGrant.findFirstOrThrow({ where: { userId: user.id, endedAt: null } });
  return { grantId: app.id('RoleGrant', id) };
};

describe('grantRole', () => {
  it('grants a role, which takes effect at once and adds the person to the chats of its rule', async () => {
    const { school, administrator } = await app.build.school();
    const chat = await app.build.chat({ schoolId: school.id, kind: 'STAFF' });
    const former = await app.build.user({ schoolId: school.id, role: 'TEACHER' });
    await app.db.prisma.roleGrant.updateMany({ where: { userId: former.id }, data: { endedAt: new Date() } });
    await app.db.prisma.chatMember.deleteMany({ where: { userId: former.id } });
    const input = { schoolId: app.id('School', school.id), userId: app.id('User', former.id), role: 'SCHOOL_ADMINISTRATION' as const };
    const granted = await app.as(administrator).grantRole(input);
    expect(granted).toMatchObject({
      __typename: 'RoleGrant',
      role: 'SCHOOL_ADMINISTRATION',
      endedAt: null,
      user: { id: input.userId },
      grantedBy: { id: app.id('User', administrator.id) },
    });
    expect(await app.db.prisma.chatMember.findMany({ where: { chatId: chat.id, userId: former.id } })).toMatchObject([
      { role: 'MODERATOR', reason: 'RULE' },
    ]);
    expect(await types(school.id)).toEqual(['role.granted', 'chatMember.added']);
    expect(await app.as(former).schools({})).toMatchObject({ edges: [{ node: { id: input.schoolId } }] });
    expect(await app.as(administrator).grantRole(input)).toEqual(granted);
    expect(await types(school.id)).toHaveLength(2);
  });

  it('keeps pupils and staff of a school apart', async () => {
    const { school, administrator } = await app.build.school();
    const teacher = await app.build.teacher({ schoolId: school.id });
    const pupil = await app.build.student({ classId: (await app.build.class({ schoolId: school.id })).id });
    const grant = (user: { id: string }, role: 'STUDENT' | 'TEACHER') => () =>
      app.as(administrator).grantRole({ schoolId: app.id('School', school.id), userId: app.id('User', user.id), role });
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['role'] }, grant(teacher, 'STUDENT'));
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['role'] }, grant(pupil, 'TEACHER'));
    expect(await app.db.prisma.roleGrant.count({ where: { userId: { in: [teacher.id, pupil.id] } } })).toBe(2);
  });

  it('is allowed for an administrator, and for people whom they can see', async () => {
    const { school, administrator } = await app.build.school();
    const other = await app.build.school();
    const head = await app.build.user({ schoolId: school.id, role: 'SCHOOL_ADMINISTRATION' });
    const input = (user: { id: string }) => ({
      schoolId: app.id('School', school.id),
      userId: app.id('User', user.id),
      role: 'TEACHER' as const,
    });
    await expectRefusal(app, school.id, { code: 'FORBIDDEN', clause: '2.1 g' }, () => app.as(head).grantRole(input(head)));
    await expectRefusal(app, school.id, { code: 'NOT_FOUND', path: ['userId'] }, () =>
      app.as(administrator).grantRole(input(other.administrator)),
    );
    await expectRefusal(app, school.id, { code: 'NOT_FOUND', path: ['schoolId'] }, () =>
      app.as(other.administrator).grantRole(input(head)),
    );
  });

  it('ends the password links that another school handed over, and keeps those of the same school', async () => {
    const { school, administrator } = await app.build.school();
    const other = await app.build.school();
    const teacher = await app.build.teacher({ schoolId: school.id });
    const reset = () => app.as(administrator).resetPassword({ userId: app.id('User', teacher.id), schoolId: app.id('School', school.id) });
    const links = () => app.db.prisma.passwordLink.count({ where: { userId: teacher.id } });
    await reset();
    const grant = (schoolId: string) =>
      mutate(app.operator, (tx) =>
        grantAll(tx, schoolId, [{ userId: teacher.id, role: 'SCHOOL_ADMINISTRATION', grantedById: null, planId: null }]),
      );
    await grant(school.id);
    expect(await links()).toBe(1);
    await grant(other.school.id);
    expect(await links()).toBe(0);
  });
});

describe('endRole', () => {
  it("ends a teacher's work with the role, and the places in chats", async () => {
    const { school, administrator } = await app.build.school();
    const group = await app.build.class({ schoolId: school.id });
    const subject = await app.build.subject({ schoolId: school.id });
    const teacher = await app.build.teacher({
      schoolId: school.id,
      classTeacherOf: group.id,
      teaches: [{ classId: group.id, subjectId: subject.id }],
    });
    const chat = await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: group.id });
    const input = await grantOf(teacher);
    const ended = await app.as(administrator).endRole(input);
    expect(ended).toMatchObject({ __typename: 'RoleGrant', endedAt: expect.any(String) });
    expect(await app.db.prisma.assignment.count({ where: { userId: teacher.id, endedAt: null } })).toBe(0);
    expect(await app.db.prisma.chatMember.count({ where: { chatId: chat.id, userId: teacher.id } })).toBe(0);
    expect((await types(school.id)).sort()).toEqual([
      'chatMember.added',
      'chatMember.promoted',
      'chatMember.removed',
      'classTeacher.ended',
      'role.ended',
      'subjectTeacher.ended',
    ]);
    expect(await app.as(administrator).endRole(input)).toEqual(ended);
    expect(await types(school.id)).toHaveLength(6);
    expect(await app.as(teacher).schools({})).toMatchObject({ edges: [] });
  });

  it("ends a pupil's place in the class with the role", async () => {
    const { school, administrator } = await app.build.school();
    const pupil = await app.build.student({ classId: (await app.build.class({ schoolId: school.id })).id });
    await app.as(administrator).endRole(await grantOf(pupil));
    expect(await app.db.prisma.enrolment.count({ where: { studentId: pupil.id, endedAt: null } })).toBe(0);
    expect(await types(school.id)).toEqual(['student.withdrawn', 'role.ended']);
  });

  it('is refused for the last platform administrator', async () => {
    const { school, administrator } = await app.build.school();
    await expectRefusal(app, school.id, { code: 'CONFLICT' }, async () => app.as(administrator).endRole(await grantOf(administrator)));
    const second = await app.build.user({ schoolId: school.id, role: 'PLATFORM_ADMINISTRATOR' });
    expect(await app.as(second).endRole(await grantOf(administrator))).toMatchObject({ endedAt: expect.any(String) });
    await expectRefusal(app, school.id, { code: 'CONFLICT' }, async () => app.as(second).endRole(await grantOf(second)));
  });

  it('is allowed for an administrator of the school', async () => {
    const { school } = await app.build.school();
    const teacher = await app.build.teacher({ schoolId: school.id });
    const { administrator: stranger } = await app.build.school();
    await expectRefusal(app, school.id, { code: 'FORBIDDEN', clause: '2.1 g' }, async () =>
      app.as(teacher).endRole(await grantOf(teacher)),
    );
    await expectRefusal(app, school.id, { code: 'NOT_FOUND', path: ['grantId'] }, async () =>
      app.as(stranger).endRole(await grantOf(teacher)),
    );
    expect(await app.db.prisma.roleGrant.count({ where: { userId: teacher.id, endedAt: null } })).toBe(1);
  });
});

describe.runIf(process.env.TEST_DATABASE_URL)('concurrent endRole', () => {
  it('lets only one of two administrators end the role of the other', async () => {
    for (let round = 0; round < 10; round++) {
      const { school, administrator } = await app.build.school();
      const second = await app.build.user({ schoolId: school.id, role: 'PLATFORM_ADMINISTRATOR' });
      const [one, two] = [await grantOf(administrator), await grantOf(second)];
      await Promise.all([app.as(administrator).endRole(two), app.as(second).endRole(one)]);
      expect(await app.db.prisma.roleGrant.count({ where: { schoolId: school.id, role: 'PLATFORM_ADMINISTRATOR', endedAt: null } })).toBe(
        1,
      );
    }
  });
});

describe('User.roles', () => {
  it('are those that the viewer may read, and the ended ones when asked', async () => {
    const { school, administrator } = await app.build.school();
    const other = await app.build.school();
    const teacher = await app.build.teacher({ schoolId: school.id });
    await app.db.prisma.roleGrant.create({ data: { schoolId: other.school.id, userId: teacher.id, role: 'TEACHER' } });
    await app.db.prisma.roleGrant.create({
      data: { schoolId: school.id, userId: teacher.id, role: 'SCHOOL_ADMINISTRATION', startedAt: new Date(0), endedAt: new Date(1) },
    });
    const roles = async (user: { id: string }, includeEnded = false) => {
      const found = (await app.as(user).rolesOfUser({ id: app.id('User', teacher.id), includeEnded })) as {
        roles: { edges: { node: { role: string } }[] };
      };
      return found.roles.edges.map(({ node }) => node.role);
    };
    expect(await roles(administrator)).toEqual(['TEACHER']);
    expect(await roles(administrator, true)).toEqual(['TEACHER', 'SCHOOL_ADMINISTRATION']);
    expect(await roles(teacher)).toEqual(['TEACHER', 'TEACHER']);
  });
});
