import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSfera, type Sfera } from '../support/sfera.ts';

/** Needs a PostgreSQL server: the embedded database runs one transaction at a time. */
describe.runIf(process.env.TEST_DATABASE_URL)('corrections at the same time as other changes', () => {
  let app: Sfera;
  beforeAll(async () => {
    app = await openSfera();
  });
  afterAll(() => app.close());

  const reason = 'Ошибка';

  async function scene() {
    const { school, administrator } = await app.build.school();
    const classes = [await app.build.class({ schoolId: school.id }), await app.build.class({ schoolId: school.id })] as const;
    const chats = await Promise.all(classes.map(({ id }) => app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: id })));
    const pupil = await app.build.user({ schoolId: school.id, role: 'STUDENT' });
    const [classId, otherId] = [app.id('Class', classes[0].id), app.id('Class', classes[1].id)];
    const studentId = app.id('User', pupil.id);
    const by = app.as(administrator);
    await by.enrolStudent({ studentId, classId });
    const { id: enrolmentId } = (await by.transferStudent({ studentId, classId: otherId })) as { id: string };
    return { schoolId: school.id, administrator, by, classes, chats, pupil, classId, otherId, studentId, enrolmentId };
  }

  /**
   * Asserts that the pupil is in at most one class, and only in the chat of that class. Returns the id of the class, or
   * null.
   */
  async function settled({ pupil, chats }: Awaited<ReturnType<typeof scene>>): Promise<string | null> {
    const present = await app.db.prisma.enrolment.findMany({ where: { studentId: pupil.id, endedAt: null } });
    expect(present.length).toBeLessThanOrEqual(1);
    const members = await app.db.prisma.chatMember.findMany({ where: { userId: pupil.id } });
    const expected = chats.filter(({ classId }) => classId === present[0]?.classId).map(({ id }) => id);
    expect(members.map(({ chatId }) => chatId)).toEqual(expected);
    return present[0]?.classId ?? null;
  }

  const count = async (schoolId: string, type: string) => (await app.events(schoolId)).filter((event) => event.type === type).length;

  it('an enrolment that is voided 50 times is voided once', async () => {
    const all = await scene();
    const { by, schoolId, enrolmentId, studentId, classes } = all;
    const voiding = Array.from({ length: 50 }, () => by.voidEnrolment({ enrolmentId, reason, restorePrevious: true }));
    for (const answer of await Promise.all(voiding)) expect(answer).toMatchObject({ __typename: 'User', id: studentId });
    expect([await count(schoolId, 'enrolment.voided'), await count(schoolId, 'enrolment.restored')]).toEqual([1, 1]);
    expect(await settled(all)).toBe(classes[0].id);
  });

  it('a former enrolment is restored or the pupil enrolled elsewhere, never both', async () => {
    for (let round = 0; round < 20; round += 1) {
      const all = await scene();
      const { by, enrolmentId, studentId, classId, otherId } = all;
      const answers = await Promise.all([
        by.voidEnrolment({ enrolmentId, reason, restorePrevious: true }),
        by.transferStudent({ studentId, classId: round % 2 === 0 ? classId : otherId }),
        by.enrolStudent({ studentId, classId }),
        by.withdrawStudent({ studentId }),
      ]);
      for (const answer of answers) expect((answer as { code?: string }).code ?? 'CONFLICT').toBe('CONFLICT');
      await settled(all);
    }
  });

  it('a former enrolment is restored or its class archived, never both', async () => {
    for (let round = 0; round < 20; round += 1) {
      const all = await scene();
      const { by, enrolmentId, classId, classes } = all;
      await Promise.all([by.archiveClass({ classId }), by.voidEnrolment({ enrolmentId, reason, restorePrevious: true })]);
      const { archivedAt } = await app.db.prisma.class.findUniqueOrThrow({ where: { id: classes[0].id } });
      expect(await app.db.prisma.enrolment.count({ where: { classId: classes[0].id, endedAt: null } })).toBe(archivedAt === null ? 1 : 0);
    }
  });

  it('a pupil is in no new chat of the class whose enrolment is voided meanwhile', async () => {
    for (let round = 0; round < 20; round += 1) {
      const { by, schoolId, classes, pupil, enrolmentId, otherId } = await scene();
      const leader = await app.build.user({ schoolId, role: 'SCHOOL_ADMINISTRATION' });
      await Promise.all([
        by.voidEnrolment({ enrolmentId, reason }),
        app.as(leader).createChat({ schoolId: app.id('School', schoolId), kind: 'CLASS', classId: otherId, name: 'Новый' }),
      ]);
      expect(await app.db.prisma.chat.count({ where: { classId: classes[1].id } })).toBe(2);
      expect(await app.db.prisma.chatMember.count({ where: { userId: pupil.id } })).toBe(0);
    }
  });

  it('nobody who loses their role meanwhile stays in a chat that is unarchived with its class', async () => {
    for (let round = 0; round < 20; round += 1) {
      const { school, administrator } = await app.build.school();
      const { id } = await app.build.class({ schoolId: school.id });
      const chat = await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: id });
      const teacher = await app.build.teacher({ schoolId: school.id });
      await app.db.prisma.chatMember.create({ data: { schoolId: school.id, chatId: chat.id, userId: teacher.id, reason: 'PERSON' } });
      const grant = await app.db.prisma.roleGrant.findFirstOrThrow({ where: { userId: teacher.id } });
      const by = app.as(administrator);
      await by.archiveClass({ classId: app.id('Class', id) });
      await Promise.all([by.unarchiveClass({ classId: app.id('Class', id) }), by.endRole({ grantId: app.id('RoleGrant', grant.id) })]);
      expect((await app.db.prisma.chat.findUniqueOrThrow({ where: { id: chat.id } })).archivedAt).toBeNull();
      expect(await app.db.prisma.chatMember.count({ where: { chatId: chat.id, userId: teacher.id } })).toBe(0);
    }
  });
});
