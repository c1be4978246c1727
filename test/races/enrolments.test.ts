import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSfera, type Sfera } from '../support/sfera.ts';

/** Needs a PostgreSQL server: the embedded database runs one transaction at a time. */
describe.runIf(process.env.TEST_DATABASE_URL)('one class for a pupil (regulation 2.5 a)', () => {
  let app: Sfera;
  beforeAll(async () => {
    app = await openSfera();
  });
  afterAll(() => app.close());

  const many = 200;

  async function scene() {
    const { school, administrator } = await app.build.school();
    const classes = await Promise.all(Array.from({ length: 5 }, () => app.build.class({ schoolId: school.id })));
    const chats = await Promise.all(classes.map(({ id }) => app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: id })));
    const pupil = await app.build.user({ schoolId: school.id, role: 'STUDENT' });
    return { schoolId: school.id, administrator, classes, chats, pupil, studentId: app.id('User', pupil.id) };
  }

  /**
   * Asserts that the pupil is in exactly one class and only in the chat of that class. Asserts that the past enrolments
   * have no gaps or overlaps.
   */
  async function settled({ pupil, chats }: Awaited<ReturnType<typeof scene>>) {
    const places = await app.db.prisma.enrolment.findMany({
      where: { studentId: pupil.id },
      orderBy: [{ startedAt: 'asc' }, { endedAt: 'asc' }],
    });
    const present = places.filter((place) => place.endedAt === null);
    expect(present).toHaveLength(1);
    for (const [index, place] of places.slice(1).entries()) expect(place.startedAt).toEqual(places[index]!.endedAt);
    const memberships = await app.db.prisma.chatMember.findMany({ where: { userId: pupil.id } });
    expect(memberships.map(({ chatId }) => chatId)).toEqual(
      chats.filter((chat) => chat.classId === present[0]!.classId).map(({ id }) => id),
    );
    return places;
  }

  const counted = (answers: { __typename?: string; code?: string }[]) => ({
    done: answers.filter((answer) => answer.__typename === 'Enrolment').length,
    conflicts: answers.filter((answer) => answer.code === 'CONFLICT').length,
  });

  it('200 concurrent enrolments in five classes result in one enrolment', async () => {
    const all = await scene();
    const answers = await Promise.all(
      Array.from({ length: many }, (_, index) =>
        app.as(all.administrator).enrolStudent({ studentId: all.studentId, classId: app.id('Class', all.classes[index % 5]!.id) }),
      ),
    );
    expect(counted(answers as [])).toEqual({ done: many / 5, conflicts: many - many / 5 });
    expect(await settled(all)).toHaveLength(1);
    expect((await app.events(all.schoolId)).map((event) => event.type)).toEqual(['student.enrolled', 'chatMember.added']);
  });

  it('200 concurrent transfers between five classes never result in two enrolments or none', async () => {
    const all = await scene();
    await app.as(all.administrator).enrolStudent({ studentId: all.studentId, classId: app.id('Class', all.classes[0]!.id) });
    const answers = await Promise.all(
      Array.from({ length: many }, (_, index) =>
        app.as(all.administrator).transferStudent({ studentId: all.studentId, classId: app.id('Class', all.classes[index % 5]!.id) }),
      ),
    );
    expect(counted(answers as [])).toEqual({ done: many, conflicts: 0 });
    const places = await settled(all);
    const moves = (await app.events(all.schoolId)).filter((event) => event.type === 'student.transferred');
    expect(moves).toHaveLength(places.length - 1);
  });

  it('transfers concurrent with new chats of the classes keep the pupil in the right chat', async () => {
    const all = await scene();
    await app.as(all.administrator).enrolStudent({ studentId: all.studentId, classId: app.id('Class', all.classes[0]!.id) });
    const leader = await app.build.user({ schoolId: all.schoolId, role: 'SCHOOL_ADMINISTRATION' });
    await Promise.all(
      Array.from({ length: 60 }, (_, index) => {
        const classId = app.id('Class', all.classes[index % 5]!.id);
        if (index % 2 === 0) return app.as(all.administrator).transferStudent({ studentId: all.studentId, classId });
        return app.as(leader).createChat({ schoolId: app.id('School', all.schoolId), kind: 'CLASS', classId, name: `Чат ${index}` });
      }),
    );
    const chats = await app.db.prisma.chat.findMany({ where: { schoolId: all.schoolId } });
    const { classId } = await app.db.prisma.enrolment.findFirstOrThrow({ where: { studentId: all.pupil.id, endedAt: null } });
    const memberships = await app.db.prisma.chatMember.findMany({ where: { userId: all.pupil.id } });
    expect(memberships.map(({ chatId }) => chatId).sort()).toEqual(
      chats
        .filter((chat) => chat.classId === classId)
        .map(({ id }) => id)
        .sort(),
    );
  });

  it('a class is archived or accepts the pupil, never both', async () => {
    for (let round = 0; round < 20; round += 1) {
      const { administrator, classes, studentId, pupil } = await scene();
      const { id } = classes[0]!;
      const classId = app.id('Class', id);
      await Promise.all([app.as(administrator).archiveClass({ classId }), app.as(administrator).enrolStudent({ studentId, classId })]);
      const { archivedAt } = await app.db.prisma.class.findUniqueOrThrow({ where: { id } });
      const places = await app.db.prisma.enrolment.count({ where: { studentId: pupil.id, endedAt: null } });
      expect([archivedAt === null, places]).toEqual(archivedAt === null ? [true, 1] : [false, 0]);
    }
  });
});
