import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

describe('viewer', () => {
  it('is the signed-in person, with or without a role; null without a token and for a service', async () => {
    const { school, administrator } = await app.build.school();
    expect(await app.as(administrator).viewer({})).toMatchObject({
      id: app.id('User', administrator.id),
      roles: { edges: [{ node: { role: 'PLATFORM_ADMINISTRATOR', school: { name: school.name } } }] },
    });
    const newcomer = await app.build.user();
    expect(await app.as(newcomer).viewer({})).toMatchObject({ id: app.id('User', newcomer.id), roles: { edges: [] } });
    expect(await app.anonymous.viewer({})).toBeNull();
    expect(await (await app.asService(school.id)).viewer({})).toBeNull();
  });
});

describe('viewerCan', () => {
  it('answers from the permissions table, with the clause', async () => {
    const { school, administrator } = await app.build.school();
    const group = await app.build.class({ schoolId: school.id });
    const other = await app.build.class({ schoolId: school.id });
    const teacher = await app.build.teacher({ schoolId: school.id, classTeacherOf: group.id });
    const pupil = await app.build.student({ classId: group.id });
    const chat = await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: group.id });
    const { invitation } = await app.build.invitation({ schoolId: school.id });
    const yes = (clause: string) => ({ allowed: true, clause, code: null });
    const no = (clause: string, code = 'FORBIDDEN') => ({ allowed: false, clause, code });
    const asks = [
      [administrator, 'CLASS_CREATE', 'School', school, yes('2.1 b')],
      [teacher, 'CLASS_CREATE', 'School', school, no('2.1 b')],
      [teacher, 'CHAT_CREATE', 'Class', group, yes('2.2 e')],
      [teacher, 'CHAT_CREATE', 'Class', other, no('2.2 e')],
      [teacher, 'CHAT_RENAME', 'Chat', chat, yes('2.2 e')],
      [pupil, 'CHAT_RENAME', 'Chat', chat, no('2.2 e')],
      [pupil, 'CHAT_READ', 'Class', other, no('2.5 b', 'NOT_FOUND')],
      [teacher, 'USER_READ_CONTACT', 'User', pupil, yes('2.1 a')],
      [pupil, 'USER_READ_CONTACT', 'User', teacher, no('2.1 a')],
      [pupil, 'PROFILE_UPDATE', 'User', pupil, yes('1.4')],
      [administrator, 'INVITATION_REVOKE', 'Invitation', invitation, yes('2.1 c')],
      [teacher, 'INVITATION_REVOKE', 'Invitation', invitation, no('2.1 c', 'NOT_FOUND')],
      [administrator, 'CLASS_CREATE', 'Chat', chat, no('2.1 b', 'INVALID')],
      [administrator, 'STUDENT_ENROL', 'Class', group, yes('2.1 f')],
      [administrator, 'EVENT_READ', 'School', school, yes('2.2 c')],
    ] as const;
    for (const [user, action, thing, row, expected] of asks)
      expect(await app.as(user).viewerCan({ action, on: app.id(thing, row.id) }), `${action} on ${thing}`).toEqual(expected);
  });

  it('answers NOT_FOUND for invisible objects, and UNAUTHENTICATED without a token', async () => {
    const { school, administrator } = await app.build.school();
    const { administrator: stranger } = await app.build.school();
    const on = app.id('School', school.id);
    expect(await app.as(stranger).viewerCan({ action: 'SCHOOL_UPDATE', on })).toMatchObject({ allowed: false, code: 'NOT_FOUND' });
    expect(await app.anonymous.viewerCan({ action: 'SCHOOL_UPDATE', on })).toMatchObject({ allowed: false, code: 'UNAUTHENTICATED' });
    for (const nonsense of [
      '',
      'nonsense',
      Buffer.from(`constructor:${school.id}`).toString('base64'),
      Buffer.from('School:1').toString('base64'),
    ])
      expect(await app.as(administrator).viewerCan({ action: 'SCHOOL_UPDATE', on: nonsense })).toMatchObject({ allowed: false });
  });
});

describe('sessions', () => {
  it('are listed to their person alone, who can end one of them, or all but the current one', async () => {
    const { school, administrator } = await app.build.school();
    const teacher = await app.build.teacher({ schoolId: school.id });
    const others = [await app.token(teacher), await app.token(teacher)];
    const list = async () =>
      ((await app.as(teacher).sessions({})) as { sessions: { edges: { node: { id: string; current: boolean } }[] } }).sessions.edges.map(
        ({ node }) => node,
      );
    expect((await list()).filter((session) => session.current)).toHaveLength(1);
    expect(await list()).toHaveLength(3);
    expect(await app.as(administrator).sessionsOfUser({ id: app.id('User', teacher.id) })).toMatchObject({ sessions: { edges: [] } });
    const [first] = others.map(({ sessionId }) => app.id('Session', sessionId));
    expect(await app.as(administrator).endSession({ sessionId: first! })).toMatchObject({ code: 'NOT_FOUND' });
    expect(await app.as(teacher).endSession({ sessionId: first! })).toMatchObject({
      id: first,
      endedAt: expect.any(String),
      current: false,
    });
    expect(await app.as(teacher).endOtherSessions({ userId: app.id('User', administrator.id) })).toMatchObject({
      code: 'NOT_FOUND',
      path: ['userId'],
    });
    expect(await list()).toHaveLength(2);
    expect(await app.as(teacher).endOtherSessions({})).toMatchObject({ sessions: { edges: [{ node: { current: true } }] } });
    expect((await app.events(school.id)).map((event) => event.type)).toEqual(['session.ended', 'session.ended']);
    expect(await app.anonymous.endOtherSessions({})).toMatchObject({ code: 'UNAUTHENTICATED' });
  });
});
