import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectRefusal } from '../support/expect-refusal.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

/** Creates a school with two classes, a chat of each class, and a pupil who is enrolled in the first class. */
async function scene() {
  const { school, administrator } = await app.build.school();
  const a = await app.build.class({ schoolId: school.id, grade: 5, letter: 'А' });
  const b = await app.build.class({ schoolId: school.id, grade: 5, letter: 'Б' });
  for (const { id } of [a, b]) await app.build.teacher({ schoolId: school.id, classTeacherOf: id });
  const chatA = await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: a.id });
  await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: b.id });
  const pupil = await app.build.user({ schoolId: school.id, role: 'STUDENT' });
  const [classId, otherId, studentId] = [app.id('Class', a.id), app.id('Class', b.id), app.id('User', pupil.id)];
  const by = app.as(administrator);
  const enrolled = (await by.enrolStudent({ studentId, classId })) as { id: string; startedAt: string };
  const rows = () => app.db.prisma.enrolment.findMany({ where: { studentId: pupil.id }, orderBy: { startedAt: 'asc' } });
  const chats = async () => {
    const members = await app.db.prisma.chatMember.findMany({ where: { userId: pupil.id } });
    return members.map(({ chatId }) => (chatId === chatA.id ? 'А' : 'Б'));
  };
  const transfer = async () => {
    // Waits, so that the transfer begins at least a millisecond later than the enrolment.
    await pause(2);
    return (await by.transferStudent({ studentId, classId: otherId })) as { id: string; startedAt: string };
  };
  return { schoolId: school.id, administrator, by, a, b, pupil, classId, otherId, studentId, enrolled, rows, chats, transfer };
}

const reason = 'Зачислен по ошибке';
const eventsAfter = async (schoolId: string, count: number) => (await app.events(schoolId)).slice(count);

describe('voidEnrolment', () => {
  it('2.1 f — the enrolment was never, in lists, in reads as of a time, in figures and in chats', async () => {
    const { schoolId, administrator, by, a, pupil, classId, studentId, enrolled, rows, chats } = await scene();
    const before = (await app.events(schoolId)).length;
    expect(await by.voidEnrolment({ enrolmentId: enrolled.id, reason })).toMatchObject({
      __typename: 'User',
      id: studentId,
      enrolment: null,
      voidedEnrolments: {
        edges: [
          {
            node: {
              reason,
              startedAt: enrolled.startedAt,
              endedAt: null,
              voidedBy: { id: app.id('User', administrator.id) },
              class: { id: classId },
            },
          },
        ],
      },
    });
    expect(await rows()).toEqual([]);
    expect(await chats()).toEqual([]);
    expect(await by.enrolmentsOfClass({ id: classId })).toMatchObject({ studentCount: 0, enrolments: { edges: [] } });
    expect(await by.enrolmentsOfClass({ id: classId, asOf: enrolled.startedAt })).toMatchObject({ enrolments: { edges: [] } });
    expect(await by.enrolmentsOfUser({ id: studentId })).toMatchObject({ enrolment: null, enrolments: { edges: [] } });
    const events = await eventsAfter(schoolId, before);
    expect(events).toMatchObject([
      { type: 'enrolment.voided', payload: { schoolId, studentId: pupil.id, classId: a.id }, actor: `user:${administrator.id}` },
      { type: 'chatMember.removed', payload: { userId: pupil.id } },
    ]);
    expect(JSON.stringify(events.map(({ payload }) => payload))).not.toContain(reason);
  });

  it('takes the pupil out of the sight of a class teacher who saw them only by this enrolment', async () => {
    const { a, by, studentId, enrolled } = await scene();
    const teacher = await app.db.prisma.assignment.findFirstOrThrow({ where: { classId: a.id } });
    const see = () => app.as({ id: teacher.userId }).enrolmentsOfUser({ id: studentId });
    expect(await see()).not.toBeNull();
    await by.voidEnrolment({ enrolmentId: enrolled.id, reason });
    expect(await see()).toBeNull();
  });

  it('voids it once: a repeat changes nothing, and returns the same', async () => {
    const { schoolId, by, enrolled } = await scene();
    const first = await by.voidEnrolment({ enrolmentId: enrolled.id, reason });
    const events = await app.events(schoolId);
    expect(await by.voidEnrolment({ enrolmentId: enrolled.id, reason: 'Другая', restorePrevious: true })).toEqual(first);
    expect(await app.events(schoolId)).toEqual(events);
  });

  it('lets the pupil be enrolled again, for the same time too', async () => {
    const { by, classId, otherId, studentId, enrolled, rows } = await scene();
    await by.voidEnrolment({ enrolmentId: enrolled.id, reason });
    expect(await by.enrolStudent({ studentId, classId: otherId })).toMatchObject({ __typename: 'Enrolment', class: { id: otherId } });
    expect(await rows()).toHaveLength(1);
    expect(classId).not.toBe(otherId);
  });

  it('leaves the former enrolment ended if it voids the end of a transfer', async () => {
    const { by, enrolled, rows, chats, transfer } = await scene();
    const { id } = await transfer();
    expect(await by.voidEnrolment({ enrolmentId: id, reason })).toMatchObject({ enrolment: null });
    expect(await rows()).toMatchObject([{ endedAt: expect.any(Date) }]);
    expect(app.id('Enrolment', (await rows())[0]!.id)).toBe(enrolled.id);
    expect(await chats()).toEqual([]);
  });

  it('restores the former enrolment if it is told to, without a gap and in one transaction', async () => {
    const { schoolId, by, a, b, classId, enrolled, rows, chats, transfer } = await scene();
    const { id } = await transfer();
    expect(await chats()).toEqual(['Б']);
    const before = (await app.events(schoolId)).length;
    expect(await by.voidEnrolment({ enrolmentId: id, reason, restorePrevious: true })).toMatchObject({
      enrolment: { id: enrolled.id, class: { id: classId } },
    });
    expect(await rows()).toMatchObject([{ classId: a.id, endedAt: null }]);
    expect(await chats()).toEqual(['А']);
    const events = await eventsAfter(schoolId, before);
    expect(events).toMatchObject([
      { type: 'enrolment.voided', payload: { classId: b.id } },
      { type: 'enrolment.restored', payload: { classId: a.id } },
      { type: 'chatMember.removed' },
      { type: 'chatMember.added' },
    ]);
    expect(new Set(events.map(({ causation }) => causation)).size).toBe(1);
  });

  it('of a past enrolment lets the former one last until its end', async () => {
    const { by, a, studentId, rows, transfer } = await scene();
    const { id } = await transfer();
    await pause(2);
    await by.withdrawStudent({ studentId });
    const [, past] = await rows();
    await by.voidEnrolment({ enrolmentId: id, reason, restorePrevious: true });
    expect(await rows()).toMatchObject([{ classId: a.id, endedAt: past!.endedAt }]);
  });

  it('has nothing to restore if no transfer started the enrolment', async () => {
    const { schoolId, by, classId, studentId, enrolled } = await scene();
    const restore = (enrolmentId: string) =>
      expectRefusal(app, schoolId, { code: 'CONFLICT', path: ['restorePrevious'] }, () =>
        by.voidEnrolment({ enrolmentId, reason, restorePrevious: true }),
      );
    await restore(enrolled.id);
    await by.withdrawStudent({ studentId });
    await pause(2);
    const again = (await by.enrolStudent({ studentId, classId })) as { id: string };
    await restore(again.id);
    expect(await by.voidEnrolment({ enrolmentId: again.id, reason })).toMatchObject({ enrolment: null });
  });

  it('does not restore an enrolment in a class that was archived meanwhile, and names the class', async () => {
    const { schoolId, by, classId, rows, transfer } = await scene();
    const { id } = await transfer();
    await by.archiveClass({ classId });
    const { message } = await expectRefusal(app, schoolId, { code: 'CONFLICT', path: ['restorePrevious'] }, () =>
      by.voidEnrolment({ enrolmentId: id, reason, restorePrevious: true }),
    );
    expect(message).toContain('5А');
    await by.unarchiveClass({ classId });
    await by.voidEnrolment({ enrolmentId: id, reason, restorePrevious: true });
    expect(await rows()).toMatchObject([{ endedAt: null }]);
  });

  it('needs a reason, and is refused to everyone but the administrator of the school, and to services', async () => {
    const { schoolId, administrator, a, pupil, enrolled } = await scene();
    const voiding =
      (user: { id: string }, text = reason) =>
      () =>
        app.as(user).voidEnrolment({ enrolmentId: enrolled.id, reason: text });
    for (const text of ['', '  ', 'а'.repeat(301)])
      await expectRefusal(app, schoolId, { code: 'INVALID', path: ['reason'] }, voiding(administrator, text));
    const leader = await app.build.user({ schoolId, role: 'SCHOOL_ADMINISTRATION' });
    const teacher = await app.build.teacher({
      schoolId,
      teaches: [{ classId: a.id, subjectId: (await app.build.subject({ schoolId })).id }],
    });
    for (const person of [leader, teacher, pupil])
      await expectRefusal(app, schoolId, { code: 'FORBIDDEN', clause: '2.1 f' }, voiding(person));
    const service = await app.asService(schoolId, ['read', 'roster']);
    await expectRefusal(app, schoolId, { code: 'FORBIDDEN' }, () => service.voidEnrolment({ enrolmentId: enrolled.id, reason }));
    const foreign = await app.build.school();
    await expectRefusal(app, schoolId, { code: 'NOT_FOUND', path: ['enrolmentId'] }, voiding(foreign.administrator));
  });
});

describe('User.voidedEnrolments', () => {
  it('are for the administrators of the school: others see an empty list, and a voided enrolment is gone for them', async () => {
    const { schoolId, administrator, by, pupil, studentId, enrolled } = await scene();
    await by.voidEnrolment({ enrolmentId: enrolled.id, reason });
    const leader = await app.build.user({ schoolId, role: 'SCHOOL_ADMINISTRATION' });
    const read = async (user: { id: string }) =>
      ((await app.as(user).voidedEnrolmentsOfUser({ id: studentId })) as { voidedEnrolments: { edges: object[] } }).voidedEnrolments.edges;
    expect(await read(administrator)).toEqual([{ node: { reason } }]);
    for (const person of [leader, pupil]) expect(await read(person)).toEqual([]);
    for (const person of [leader, pupil])
      await expectRefusal(app, schoolId, { code: 'NOT_FOUND', path: ['enrolmentId'] }, () =>
        app.as(person).voidEnrolment({ enrolmentId: enrolled.id, reason }),
      );
  });
});

it('the stream of enrolments tells of the correction', async () => {
  const { schoolId, by, administrator, classId, otherId, transfer } = await scene();
  const { id } = await transfer();
  const stream = await app
    .as(administrator)
    .listen(
      'subscription ($id: ID!) { enrolments(schoolId: $id) { __typename ... on Checkpoint { cursor } ... on EnrolmentChange { cursor kind studentId class { id } enrolment { endedAt } } } }',
      { id: app.id('School', schoolId) },
    );
  await stream.until(({ items }) => items.length > 0);
  await by.voidEnrolment({ enrolmentId: id, reason, restorePrevious: true });
  await stream.until(({ news }) => news.length === 2);
  expect(stream.news).toMatchObject([
    { kind: 'VOIDED', class: { id: otherId }, enrolment: null },
    { kind: 'RESTORED', class: { id: classId }, enrolment: { endedAt: null } },
  ]);
  stream.close();
});
