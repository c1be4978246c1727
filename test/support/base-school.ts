import { knownPasswordHash } from './passwords.ts';
import type { Sfera } from './sfera.ts';

/**
 * Builds a school with classes, chats and invitations, and a person for every persona of test/support/personas.ts.
 * `buildSchool` of test/support/fixtures.ts adds a row of every other type.
 * @param mark a text that is added to every name. With it, a test recognises data of this school in answers to people of
 * another school.
 */
export async function buildBaseSchool(app: Sfera, mark = '') {
  const { build, db } = app;
  const { school, administrator } = await build.school({ name: `Школа${mark}` });
  const schoolId = school.id;
  const own = await build.class({ schoolId, letter: `А${mark}`.slice(0, 15) });
  const other = await build.class({ schoolId, letter: `Б${mark}`.slice(0, 15) });
  const subject = await build.subject({ schoolId, name: `Предмет${mark}` });
  const surname = `Фамилия${mark}`;
  const of = { schoolId, surname };
  const people = {
    administrator,
    leader: await build.user({ ...of, role: 'SCHOOL_ADMINISTRATION' }),
    classTeacher: await build.teacher({ ...of, classTeacherOf: own.id }),
    subjectTeacher: await build.teacher({ ...of, teaches: [{ classId: own.id, subjectId: subject.id }] }),
    teacher: await build.teacher(of),
    pupil: await build.student({ classId: own.id, surname }),
    otherPupil: await build.student({ classId: other.id, surname }),
    newcomer: await build.user({ ...of, role: 'STUDENT' }),
    former: await build.user(of),
  };
  await db.prisma.user.updateMany({
    where: { id: { in: Object.values(people).map(({ id }) => id) } },
    data: { passwordHash: knownPasswordHash },
  });
  await db.prisma.roleGrant.create({
    data: { schoolId, userId: people.former.id, role: 'TEACHER', startedAt: new Date(0), endedAt: new Date(1) },
  });
  await db.prisma.roleGrant.updateMany({ where: { userId: people.former.id, endedAt: null }, data: { endedAt: new Date() } });
  const chats = {
    SCHOOL: await build.chat({ schoolId, kind: 'SCHOOL', name: `Школа${mark}` }),
    STAFF: await build.chat({ schoolId, kind: 'STAFF', name: `Педсовет${mark}` }),
    CLASS: await build.chat({ schoolId, kind: 'CLASS', classId: own.id, name: `Класс${mark}` }),
    OTHER: await build.chat({ schoolId, kind: 'CLASS', classId: other.id, name: `Другой класс${mark}` }),
    SUBJECT: await build.chat({ schoolId, kind: 'SUBJECT', classId: own.id, subjectId: subject.id, name: `Предмет${mark}` }),
    CLUB: await build.chat({ schoolId, kind: 'EXTRACURRICULAR', name: `Кружок${mark}` }),
  };
  await db.prisma.chatMember.createMany({
    data: [
      { schoolId, chatId: chats.CLUB.id, userId: people.leader.id, role: 'OWNER', reason: 'PERSON' },
      { schoolId, chatId: chats.CLUB.id, userId: people.teacher.id, reason: 'PERSON' },
    ],
  });
  const held = await build.invitation({ schoolId, role: 'STUDENT', classId: own.id, maxUses: 9, holderId: people.classTeacher.id });
  const unheld = await build.invitation({ schoolId, role: 'TEACHER', maxUses: 9 });
  // `people` does not contain this person, because everyone in `people` can sign in.
  const invited = await build.invited({ schoolId, surname });
  const enrolment = await db.prisma.enrolment.findFirstOrThrow({ where: { studentId: people.pupil.id } });
  const grant = await db.prisma.roleGrant.findFirstOrThrow({ where: { userId: people.teacher.id, schoolId } });
  const assignment = await db.prisma.assignment.findFirstOrThrow({ where: { classId: own.id, kind: 'SUBJECT_TEACHER' } });
  const member = await db.prisma.chatMember.findFirstOrThrow({ where: { chatId: chats.CLUB.id, userId: people.teacher.id } });
  const year = await db.prisma.schoolYear.findFirstOrThrow({ where: { id: own.schoolYearId } });
  return { mark, school, schoolId, own, other, subject, people, chats, held, unheld, invited, enrolment, grant, assignment, member, year };
}

export type BaseSchool = Awaited<ReturnType<typeof buildBaseSchool>>;
