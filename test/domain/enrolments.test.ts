import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectRefusal } from '../support/expect-refusal.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

/** Creates a school with two classes and a pupil without a class. */
async function scene() {
  const { school, administrator } = await app.build.school();
  const a = await app.build.class({ schoolId: school.id, grade: 5, letter: 'А' });
  const b = await app.build.class({ schoolId: school.id, grade: 5, letter: 'Б' });
  const pupil = await app.build.user({ schoolId: school.id, role: 'STUDENT' });
  const [classId, otherId, studentId] = [app.id('Class', a.id), app.id('Class', b.id), app.id('User', pupil.id)];
  return { schoolId: school.id, administrator, a, b, pupil, classId, otherId, studentId };
}

const types = async (schoolId: string) => (await app.events(schoolId)).map((event) => event.type);
const placesOf = (studentId: string) => app.db.prisma.enrolment.findMany({ where: { studentId }, orderBy: { startedAt: 'asc' } });
const inChat = async (chatId: string, userId: string) => (await app.db.prisma.chatMember.count({ where: { chatId, userId } })) === 1;

describe('enrolStudent', () => {
  it('enrols the pupil, adds it to the chats of the class, and records both events', async () => {
    const { schoolId, administrator, a, pupil, classId, studentId } = await scene();
    const chat = await app.build.chat({ schoolId, kind: 'CLASS', classId: a.id });
    expect(await app.as(administrator).enrolStudent({ studentId, classId })).toMatchObject({
      __typename: 'Enrolment',
      endedAt: null,
      student: { id: studentId },
      class: { id: classId, name: '5А' },
    });
    const [place] = await placesOf(pupil.id);
    expect(await app.events(schoolId)).toMatchObject([
      { type: 'student.enrolled', payload: { schoolId, enrolmentId: place!.id, studentId: pupil.id, classId: a.id } },
      { type: 'chatMember.added', payload: { chatId: chat.id, userId: pupil.id } },
    ]);
    expect(await inChat(chat.id, pupil.id)).toBe(true);
  });

  it('changes nothing in the same class, with a key and without', async () => {
    const { schoolId, administrator, classId, studentId } = await scene();
    const input = { studentId, classId, idempotencyKey: 'one' };
    const first = await app.as(administrator).enrolStudent(input);
    for (const again of [input, { studentId, classId }, { ...input, idempotencyKey: 'two' }])
      expect(await app.as(administrator).enrolStudent(again)).toEqual(first);
    expect(await types(schoolId)).toEqual(['student.enrolled']);
  });

  it('refuses a second class and names the present one', async () => {
    const { schoolId, administrator, classId, otherId, studentId } = await scene();
    await app.as(administrator).enrolStudent({ studentId, classId });
    const { message } = await expectRefusal(app, schoolId, { code: 'CONFLICT', clause: '2.5 a', path: ['studentId'] }, () =>
      app.as(administrator).enrolStudent({ studentId, classId: otherId }),
    );
    expect(message).toContain('5А');
  });

  it('does not name the class of another school', async () => {
    const here = await scene();
    const there = await scene();
    await app.as(there.administrator).enrolStudent({ studentId: there.studentId, classId: there.classId });
    await app.db.prisma.roleGrant.create({ data: { schoolId: here.schoolId, userId: there.pupil.id, role: 'STUDENT' } });
    for (const act of ['enrolStudent', 'transferStudent'] as const) {
      const { message } = await expectRefusal(app, here.schoolId, { code: 'CONFLICT', clause: '2.5 a' }, () =>
        app.as(here.administrator)[act]({ studentId: there.studentId, classId: here.classId }),
      );
      expect(message).not.toContain('5А');
    }
  });

  it('refuses people who are not pupils, unknown people, an archived class, and every caller but the administrator', async () => {
    const { schoolId, administrator, a, classId, studentId } = await scene();
    const enrol = (user: { id: string }, input: object) => () => app.as(user).enrolStudent({ studentId, classId, ...input });
    const teacher = await app.build.teacher({ schoolId, classTeacherOf: a.id });
    await expectRefusal(
      app,
      schoolId,
      { code: 'CONFLICT', path: ['studentId'] },
      enrol(administrator, { studentId: app.id('User', teacher.id) }),
    );
    const foreign = await scene();
    await expectRefusal(app, schoolId, { code: 'NOT_FOUND', path: ['studentId'] }, enrol(administrator, { studentId: foreign.studentId }));
    await expectRefusal(app, schoolId, { code: 'NOT_FOUND', path: ['classId'] }, enrol(administrator, { classId: foreign.classId }));
    await expectRefusal(app, schoolId, { code: 'INVALID', path: ['classId'] }, enrol(administrator, { classId: studentId }));
    const old = await app.build.class({ schoolId, archivedAt: new Date() });
    await expectRefusal(app, schoolId, { code: 'CONFLICT', path: ['classId'] }, enrol(administrator, { classId: app.id('Class', old.id) }));
    const leader = await app.build.user({ schoolId, role: 'SCHOOL_ADMINISTRATION' });
    for (const person of [leader, teacher]) await expectRefusal(app, schoolId, { code: 'FORBIDDEN', clause: '2.1 f' }, enrol(person, {}));
  });

  it('is open to a service with the scope of the roster, and to no other', async () => {
    const { schoolId, classId, studentId } = await scene();
    const reader = await app.asService(schoolId, ['read']);
    await expectRefusal(app, schoolId, { code: 'FORBIDDEN' }, () => reader.enrolStudent({ studentId, classId }));
    const roster = await app.asService(schoolId, ['read', 'roster']);
    expect(await roster.enrolStudent({ studentId, classId })).toMatchObject({ __typename: 'Enrolment' });
  });
});

describe('transferStudent', () => {
  it('ends one enrolment and starts the next at the same instant, and moves the pupil between the chats', async () => {
    const { schoolId, administrator, a, b, pupil, classId, otherId, studentId } = await scene();
    for (const { id } of [a, b]) await app.build.teacher({ schoolId, classTeacherOf: id });
    const from = await app.build.chat({ schoolId, kind: 'CLASS', classId: a.id });
    const to = await app.build.chat({ schoolId, kind: 'CLASS', classId: b.id });
    await app.as(administrator).enrolStudent({ studentId, classId });
    expect(await app.as(administrator).transferStudent({ studentId, classId: otherId })).toMatchObject({
      __typename: 'Enrolment',
      endedAt: null,
      class: { id: otherId },
    });
    const [before, now] = await placesOf(pupil.id);
    expect(before!.endedAt).toEqual(now!.startedAt);
    const events = (await app.events(schoolId)).slice(2);
    expect(events).toMatchObject([
      { type: 'student.transferred', payload: { enrolmentId: now!.id, classId: b.id, fromEnrolmentId: before!.id, fromClassId: a.id } },
      { type: 'chatMember.removed', payload: { chatId: from.id } },
      { type: 'chatMember.added', payload: { chatId: to.id } },
    ]);
    expect(new Set(events.map((event) => event.causation)).size).toBe(1);
    expect([await inChat(from.id, pupil.id), await inChat(to.id, pupil.id)]).toEqual([false, true]);
  });

  it('changes nothing to the same class', async () => {
    const { schoolId, administrator, classId, studentId } = await scene();
    const first = await app.as(administrator).enrolStudent({ studentId, classId });
    expect(await app.as(administrator).transferStudent({ studentId, classId })).toEqual(first);
    expect(await types(schoolId)).toEqual(['student.enrolled']);
  });

  it('refuses a pupil without a class, a class of another school, an archived class, and every caller but the administrator', async () => {
    const { schoolId, administrator, a, classId, otherId, studentId } = await scene();
    const transfer = (user: { id: string }, input: object) => () => app.as(user).transferStudent({ studentId, classId: otherId, ...input });
    await expectRefusal(app, schoolId, { code: 'CONFLICT', path: ['studentId'] }, transfer(administrator, {}));
    await app.as(administrator).enrolStudent({ studentId, classId });
    const foreign = await scene();
    await expectRefusal(app, schoolId, { code: 'NOT_FOUND', path: ['classId'] }, transfer(administrator, { classId: foreign.classId }));
    await app.db.prisma.roleGrant.create({
      data: { schoolId: foreign.schoolId, userId: administrator.id, role: 'PLATFORM_ADMINISTRATOR' },
    });
    await expectRefusal(app, schoolId, { code: 'CONFLICT', clause: '2.5 a' }, transfer(administrator, { classId: foreign.classId }));
    const old = await app.build.class({ schoolId, archivedAt: new Date() });
    await expectRefusal(
      app,
      schoolId,
      { code: 'CONFLICT', path: ['classId'] },
      transfer(administrator, { classId: app.id('Class', old.id) }),
    );
    const teacher = await app.build.teacher({ schoolId, classTeacherOf: a.id });
    await expectRefusal(app, schoolId, { code: 'FORBIDDEN', clause: '2.1 f' }, transfer(teacher, {}));
  });
});

describe('withdrawStudent', () => {
  it('ends the enrolment and keeps the role', async () => {
    const { schoolId, administrator, a, pupil, classId, studentId } = await scene();
    await app.build.teacher({ schoolId, classTeacherOf: a.id });
    const chat = await app.build.chat({ schoolId, kind: 'CLASS', classId: a.id });
    await app.as(administrator).enrolStudent({ studentId, classId });
    expect(await app.as(administrator).withdrawStudent({ studentId })).toMatchObject({
      __typename: 'Enrolment',
      endedAt: expect.any(String),
    });
    expect((await types(schoolId)).slice(2)).toEqual(['student.withdrawn', 'chatMember.removed']);
    expect(await inChat(chat.id, pupil.id)).toBe(false);
    expect(await app.db.prisma.roleGrant.count({ where: { userId: pupil.id, role: 'STUDENT', endedAt: null } })).toBe(1);
    await expectRefusal(app, schoolId, { code: 'CONFLICT', path: ['studentId'] }, () =>
      app.as(administrator).withdrawStudent({ studentId }),
    );
    expect(await app.as(administrator).enrolStudent({ studentId, classId })).toMatchObject({ __typename: 'Enrolment' });
    expect(await placesOf(pupil.id)).toHaveLength(2);
  });

  it('is refused to all but the administrator, the pupil too, and to the administrator of another school', async () => {
    const { schoolId, administrator, a, pupil, classId, studentId } = await scene();
    await app.as(administrator).enrolStudent({ studentId, classId });
    const teacher = await app.build.teacher({ schoolId, classTeacherOf: a.id });
    for (const person of [teacher, pupil])
      await expectRefusal(app, schoolId, { code: 'FORBIDDEN', clause: '2.1 f' }, () => app.as(person).withdrawStudent({ studentId }));
    const foreign = await app.build.school();
    const withdraw = () => app.as(foreign.administrator).withdrawStudent({ studentId });
    await expectRefusal(app, schoolId, { code: 'NOT_FOUND', path: ['studentId'] }, withdraw);
    await app.db.prisma.roleGrant.create({ data: { schoolId: foreign.school.id, userId: pupil.id, role: 'STUDENT' } });
    await expectRefusal(app, schoolId, { code: 'CONFLICT', path: ['studentId'] }, withdraw);
  });
});

describe('enrolments of a class and of a pupil', () => {
  it('are sorted alphabetically, page by page, also with namesakes', async () => {
    const { administrator, a, classId } = await scene();
    for (const surname of ['Жуков', 'Ёлкин', 'Иванов', 'Егоров', 'Иванов', 'Абрамов'])
      await app.build.student({ classId: a.id, surname, givenName: 'Пётр' });
    const surnames: string[] = [];
    for (let after: string | undefined, more = true; more;) {
      const page = (await app.as(administrator).enrolmentsOfClass({ id: classId, first: 2, ...(after ? { after } : {}) })) as any;
      surnames.push(...page.enrolments.edges.map((edge: any) => edge.node.student.surname));
      ({ endCursor: after, hasNextPage: more } = page.enrolments.pageInfo);
    }
    expect(surnames).toEqual(['Абрамов', 'Егоров', 'Ёлкин', 'Жуков', 'Иванов', 'Иванов']);
  });

  it('are those in force now, or at an instant', async () => {
    const { administrator, classId, otherId, studentId } = await scene();
    const { startedAt } = (await app.as(administrator).enrolStudent({ studentId, classId })) as any;
    const pupils = async (id: string, asOf?: string) => {
      const found = (await app.as(administrator).enrolmentsOfClass({ id, ...(asOf ? { asOf } : {}) })) as any;
      return found.enrolments.edges.map((edge: any) => edge.node.student.id);
    };
    // Waits for the next millisecond, because the transfer must begin later than the enrolment.
    while (new Date().toISOString() <= startedAt) await Promise.resolve();
    await app.as(administrator).transferStudent({ studentId, classId: otherId });
    expect([await pupils(classId), await pupils(otherId)]).toEqual([[], [studentId]]);
    expect([await pupils(classId, startedAt), await pupils(otherId, startedAt)]).toEqual([[studentId], []]);
    expect(await pupils(classId, '2000-01-01T00:00:00Z')).toEqual([]);
    const history = (await app.as(administrator).enrolmentsOfUser({ id: studentId, first: 1 })) as any;
    expect(history).toMatchObject({ enrolment: { class: { id: otherId } }, enrolments: { edges: [{ node: { class: { id: otherId } } }] } });
    const earlier = (await app.as(administrator).enrolmentsOfUser({ id: studentId, after: history.enrolments.pageInfo.endCursor })) as any;
    expect(earlier.enrolments.edges).toMatchObject([{ node: { class: { id: classId } } }]);
  });

  it('are hidden from teachers of other classes, but the size of the class is not', async () => {
    const { schoolId, administrator, a, pupil, classId, otherId, studentId } = await scene();
    await app.as(administrator).enrolStudent({ studentId, classId });
    const other = await app.build.teacher({ schoolId });
    const seen = (await app.as(other).enrolmentsOfClass({ id: classId })) as any;
    expect(seen).toMatchObject({ studentCount: 1, enrolments: { edges: [] } });
    const own = await app.build.teacher({ schoolId, classTeacherOf: a.id });
    expect(((await app.as(own).enrolmentsOfClass({ id: classId })) as any).enrolments.edges).toHaveLength(1);
    expect(((await app.as(pupil).enrolmentsOfClass({ id: classId })) as any).enrolments.edges).toHaveLength(1);
    expect(await app.as(pupil).enrolmentsOfClass({ id: otherId })).toBeNull();
  });
});
