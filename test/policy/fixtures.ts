import type { User } from '../../src/db/generated/client.ts';
import type { Actor } from '../../src/policy/actor.ts';
import { loadActors } from '../../src/auth/actors.ts';
import { person, type Person } from '../support/client.ts';
import type { Sfera } from '../support/sfera.ts';

/** Builds a school with at least one row of every type, and a person for every persona. */
export async function buildSchoolFixture(app: Sfera, mark = '') {
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
  const enrolment = await db.prisma.enrolment.findFirstOrThrow({ where: { studentId: people.pupil.id } });
  const grant = await db.prisma.roleGrant.findFirstOrThrow({ where: { userId: people.teacher.id, schoolId } });
  const assignment = await db.prisma.assignment.findFirstOrThrow({ where: { classId: own.id, kind: 'SUBJECT_TEACHER' } });
  const member = await db.prisma.chatMember.findFirstOrThrow({ where: { chatId: chats.CLUB.id, userId: people.teacher.id } });
  const year = await db.prisma.schoolYear.findFirstOrThrow({ where: { id: own.schoolYearId } });
  return { school, schoolId, own, other, subject, people, chats, held, unheld, enrolment, grant, assignment, member, year };
}

export type SchoolFixture = Awaited<ReturnType<typeof buildSchoolFixture>>;

export const personas = [
  'administrator',
  'leader',
  'classTeacher',
  'subjectTeacher',
  'teacher',
  'pupil',
  'former',
  'service',
  'reader',
  'nobody',
] as const;
export type PersonaName = (typeof personas)[number];

export interface SignedInPersona {
  name: PersonaName;
  person: Person;
  actor: Actor;
  user: User | null;
  sessionId: string | null;
}

/** Signs in the persona of this school. */
export async function signedInAs(app: Sfera, fixture: SchoolFixture, name: PersonaName): Promise<SignedInPersona> {
  if (name === 'nobody') return { name, person: app.anonymous, actor: { kind: 'anonymous' }, user: null, sessionId: null };
  if (name === 'service' || name === 'reader') {
    const service = await app.asService(fixture.schoolId, name === 'reader' ? ['read'] : ['read', 'events', 'roster']);
    return { name, person: service, actor: await actorOf(app, service.token), user: null, sessionId: null };
  }
  const user = fixture.people[name];
  const { token, sessionId } = await app.token(user, 3600);
  return { name, person: person(app.url, token), actor: await actorOf(app, token), user, sessionId };
}

async function actorOf(app: Sfera, token: string): Promise<Actor> {
  const credential = await app.tokens.verifyAccessToken(token);
  const [actor] = await loadActors(app.db, [credential!]);
  return actor as Actor;
}
