import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectRefusal } from '../support/expect-refusal.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

/** Creates a school with a class, a subject and a teacher without assignments. */
async function scene() {
  const { school, administrator } = await app.build.school();
  const { id: classId } = await app.build.class({ schoolId: school.id });
  const { id: subjectId } = await app.build.subject({ schoolId: school.id });
  const teacher = await app.build.teacher({ schoolId: school.id });
  const ids = { classId: app.id('Class', classId), subjectId: app.id('Subject', subjectId), userId: app.id('User', teacher.id) };
  return { schoolId: school.id, administrator, classId, subjectId, teacher, ids, head: { classId: ids.classId, userId: ids.userId } };
}

const types = async (schoolId: string) => (await app.events(schoolId)).map((event) => event.type);

const memberOf = (chatId: string, userId: string) => app.db.prisma.chatMember.findUnique({ where: { chatId_userId: { chatId, userId } } });

describe('assignClassTeacher', () => {
  it('makes the teacher a moderator of the chat of the class, and records both events', async () => {
    const { schoolId, administrator, classId, teacher, ids, head } = await scene();
    const chat = await app.build.chat({ schoolId, kind: 'CLASS', classId });
    expect(await app.as(administrator).assignClassTeacher(head)).toMatchObject({
      __typename: 'Assignment',
      kind: 'CLASS_TEACHER',
      endedAt: null,
      teacher: { id: ids.userId },
      class: { id: ids.classId },
      subject: null,
    });
    const { id } = await app.db.prisma.assignment.findFirstOrThrow({ where: { classId } });
    expect(await app.events(schoolId)).toMatchObject([
      { type: 'classTeacher.assigned', payload: { schoolId, assignmentId: id, classId, userId: teacher.id } },
      { type: 'chatMember.added', payload: { chatId: chat.id, userId: teacher.id } },
    ]);
    expect(await memberOf(chat.id, teacher.id)).toMatchObject({ role: 'MODERATOR', reason: 'RULE' });
  });

  it('changes nothing for the current class teacher, and refuses a second one without naming the first', async () => {
    const { schoolId, administrator, teacher, head } = await scene();
    const first = await app.as(administrator).assignClassTeacher(head);
    expect(await app.as(administrator).assignClassTeacher(head)).toEqual(first);
    expect(await types(schoolId)).toEqual(['classTeacher.assigned']);
    const other = await app.build.teacher({ schoolId });
    const { message } = await expectRefusal(app, schoolId, { code: 'CONFLICT', path: ['classId'] }, () =>
      app.as(administrator).assignClassTeacher({ ...head, userId: app.id('User', other.id) }),
    );
    expect(message).not.toContain(teacher.surname);
  });

  it('assigns one class teacher of many concurrent requests', async () => {
    const { schoolId, administrator, classId, head } = await scene();
    const teachers = await Promise.all(Array.from({ length: 8 }, () => app.build.teacher({ schoolId })));
    const answers = await Promise.all(
      teachers.map(({ id }) => app.as(administrator).assignClassTeacher({ ...head, userId: app.id('User', id) })),
    );
    expect(answers.filter((answer) => answer.__typename === 'Assignment')).toHaveLength(1);
    expect(await app.db.prisma.assignment.count({ where: { classId, endedAt: null } })).toBe(1);
    expect(await types(schoolId)).toEqual(['classTeacher.assigned']);
  });

  it('refuses people who are not teachers of the school, an archived class, and every caller but the administrator', async () => {
    const { schoolId, administrator, teacher, head } = await scene();
    const assign = (user: { id: string }, input: object) => () => app.as(user).assignClassTeacher({ ...head, ...input });
    const leader = await app.build.user({ schoolId, role: 'SCHOOL_ADMINISTRATION' });
    await expectRefusal(
      app,
      schoolId,
      { code: 'CONFLICT', path: ['userId'] },
      assign(administrator, { userId: app.id('User', leader.id) }),
    );
    const former = await app.build.teacher({ schoolId });
    await app.db.prisma.roleGrant.updateMany({ where: { userId: former.id }, data: { endedAt: new Date() } });
    await expectRefusal(
      app,
      schoolId,
      { code: 'CONFLICT', path: ['userId'] },
      assign(administrator, { userId: app.id('User', former.id) }),
    );
    const foreign = await app.build.school();
    const stranger = await app.build.teacher({ schoolId: foreign.school.id });
    await expectRefusal(
      app,
      schoolId,
      { code: 'NOT_FOUND', path: ['userId'] },
      assign(administrator, { userId: app.id('User', stranger.id) }),
    );
    const old = await app.build.class({ schoolId, archivedAt: new Date() });
    await expectRefusal(
      app,
      schoolId,
      { code: 'CONFLICT', path: ['classId'] },
      assign(administrator, { classId: app.id('Class', old.id) }),
    );
    await expectRefusal(app, schoolId, { code: 'NOT_FOUND', path: ['classId'] }, assign(foreign.administrator, {}));
    for (const person of [leader, teacher]) await expectRefusal(app, schoolId, { code: 'FORBIDDEN', clause: '2.1 g' }, assign(person, {}));
  });
});

describe('endClassTeacher', () => {
  it('ends the assignment, removes the teacher from the chat, and allows a successor', async () => {
    const { schoolId, administrator, classId, teacher, head } = await scene();
    const chat = await app.build.chat({ schoolId, kind: 'CLASS', classId });
    await app.as(administrator).assignClassTeacher(head);
    const ended = await app.as(administrator).endClassTeacher({ classId: head.classId });
    expect(ended).toMatchObject({ __typename: 'Assignment', endedAt: expect.any(String) });
    expect(await memberOf(chat.id, teacher.id)).toBeNull();
    expect((await types(schoolId)).slice(2)).toEqual([
      'classTeacher.ended',
      'chatMember.removed',
      'chatMember.added',
      'chatMember.promoted',
    ]);
    const other = await app.build.teacher({ schoolId });
    expect(await app.as(administrator).assignClassTeacher({ ...head, userId: app.id('User', other.id) })).toMatchObject({
      __typename: 'Assignment',
    });
  });

  it('refuses a class without a class teacher, and every caller but the administrator', async () => {
    const { schoolId, administrator, teacher, head } = await scene();
    const end = (user: { id: string }) => () => app.as(user).endClassTeacher({ classId: head.classId });
    await expectRefusal(app, schoolId, { code: 'CONFLICT', path: ['classId'] }, end(administrator));
    await expectRefusal(app, schoolId, { code: 'FORBIDDEN', clause: '2.1 g' }, end(teacher));
  });
});

describe('assignSubjectTeacher', () => {
  it('makes the teacher a moderator of the chat of the subject, once', async () => {
    const { schoolId, administrator, classId, subjectId, teacher, ids } = await scene();
    const chat = await app.build.chat({ schoolId, kind: 'SUBJECT', classId, subjectId });
    const first = await app.as(administrator).assignSubjectTeacher(ids);
    expect(first).toMatchObject({
      __typename: 'Assignment',
      kind: 'SUBJECT_TEACHER',
      subject: { id: ids.subjectId },
      teacher: { id: ids.userId },
    });
    expect(await app.as(administrator).assignSubjectTeacher(ids)).toEqual(first);
    expect(await types(schoolId)).toEqual(['subjectTeacher.assigned', 'chatMember.added']);
    expect((await app.events(schoolId))[0]).toMatchObject({ payload: { classId, subjectId, userId: teacher.id } });
    expect(await memberOf(chat.id, teacher.id)).toMatchObject({ role: 'MODERATOR', reason: 'RULE' });
    const other = await app.build.teacher({ schoolId });
    expect(await app.as(administrator).assignSubjectTeacher({ ...ids, userId: app.id('User', other.id) })).toMatchObject({
      __typename: 'Assignment',
    });
  });

  it('refuses a subject of another school, people who are not teachers, an archived class, and every caller but the administrator', async () => {
    const { schoolId, administrator, teacher, ids } = await scene();
    const assign = (user: { id: string }, input: object) => () => app.as(user).assignSubjectTeacher({ ...ids, ...input });
    const foreign = await scene();
    await expectRefusal(
      app,
      schoolId,
      { code: 'NOT_FOUND', path: ['subjectId'] },
      assign(administrator, { subjectId: foreign.ids.subjectId }),
    );
    await expectRefusal(app, schoolId, { code: 'NOT_FOUND', path: ['userId'] }, assign(administrator, { userId: foreign.ids.userId }));
    await app.db.prisma.roleGrant.create({
      data: { schoolId: foreign.schoolId, userId: administrator.id, role: 'PLATFORM_ADMINISTRATOR' },
    });
    await expectRefusal(
      app,
      schoolId,
      { code: 'NOT_FOUND', path: ['subjectId'] },
      assign(administrator, { subjectId: foreign.ids.subjectId }),
    );
    await expectRefusal(app, schoolId, { code: 'CONFLICT', path: ['userId'] }, assign(administrator, { userId: foreign.ids.userId }));
    const old = await app.build.class({ schoolId, archivedAt: new Date() });
    await expectRefusal(
      app,
      schoolId,
      { code: 'CONFLICT', path: ['classId'] },
      assign(administrator, { classId: app.id('Class', old.id) }),
    );
    await expectRefusal(app, schoolId, { code: 'FORBIDDEN', clause: '2.1 g' }, assign(teacher, {}));
  });
});

describe('endSubjectTeacher', () => {
  it('ends the assignment and removes the teacher from the chat', async () => {
    const { schoolId, administrator, classId, subjectId, teacher, ids } = await scene();
    await app.as(administrator).assignSubjectTeacher(ids);
    const chat = await app.build.chat({ schoolId, kind: 'SUBJECT', classId, subjectId });
    expect(await app.as(administrator).endSubjectTeacher(ids)).toMatchObject({ __typename: 'Assignment', endedAt: expect.any(String) });
    expect((await types(schoolId)).slice(1)).toEqual([
      'subjectTeacher.ended',
      'chatMember.removed',
      'chatMember.added',
      'chatMember.promoted',
    ]);
    expect(await memberOf(chat.id, teacher.id)).toBeNull();
    await expectRefusal(app, schoolId, { code: 'CONFLICT', path: ['userId'] }, () => app.as(administrator).endSubjectTeacher(ids));
    await expectRefusal(app, schoolId, { code: 'FORBIDDEN', clause: '2.1 g' }, () => app.as(teacher).endSubjectTeacher(ids));
  });
});

describe('assignments of a class and of a teacher', () => {
  it('are those in force now, or at an instant', async () => {
    const { administrator, ids, head } = await scene();
    const start = new Date(Date.now() - 1000).toISOString();
    const assigned = (await app.as(administrator).assignClassTeacher(head)) as any;
    await app.as(administrator).assignSubjectTeacher(ids);
    await app.as(administrator).endClassTeacher({ classId: ids.classId });
    const kinds = async (asOf?: string) => {
      const ofClass = (await app.as(administrator).assignmentsOfClass({ id: ids.classId, ...(asOf ? { asOf } : {}) })) as any;
      const ofUser = (await app.as(administrator).assignmentsOfUser({ id: ids.userId, ...(asOf ? { asOf } : {}) })) as any;
      const [one, other] = [ofClass, ofUser].map((of) => of.assignments.edges.map((edge: any) => edge.node.kind));
      expect(one).toEqual(other);
      return one;
    };
    expect(await kinds()).toEqual(['SUBJECT_TEACHER']);
    expect(await kinds(start)).toEqual([]);
    expect(await kinds(assigned.startedAt)).toContain('CLASS_TEACHER');
    expect(((await app.as(administrator).assignmentsOfClass({ id: ids.classId })) as any).classTeacher).toBeNull();
  });

  it('are hidden if the class is', async () => {
    const { administrator, schoolId, teacher, ids, head } = await scene();
    await app.as(administrator).assignClassTeacher(head);
    const foreign = await app.build.school();
    await app.db.prisma.roleGrant.create({ data: { schoolId: foreign.school.id, userId: teacher.id, role: 'TEACHER' } });
    const seen = (await app.as(foreign.administrator).assignmentsOfUser({ id: ids.userId })) as any;
    expect(seen.assignments.edges).toEqual([]);
    const colleague = await app.build.teacher({ schoolId });
    expect(((await app.as(colleague).assignmentsOfUser({ id: ids.userId })) as any).assignments.edges).toHaveLength(1);
  });
});
