import { createBuild } from '../../test/support/build.ts';
import type { Opened } from '../../src/http/bootstrap.ts';
import type { User } from '../../src/db/generated/client.ts';

/** The school for the measures of subscriptions: three classes of thirty pupils, and subscribers of five roles. */

export const roles = ['administrator', 'leadership', 'classTeacher', 'subjectTeacher', 'student'] as const;
export type ListenerRole = (typeof roles)[number];

/** A person who can subscribe. */
export interface Account {
  userId: string;
  role: ListenerRole;
  /** The class whose enrolments the person receives; null means all classes. */
  classId: string | null;
}

/** An enrolment with the rows that an event refers to. */
export interface EnrolmentRows {
  enrolmentId: string;
  student: User;
  class: { id: string; grade: number; letter: string };
}

export interface LiveSchool {
  id: string;
  classIds: readonly string[];
  enrolments: readonly EnrolmentRows[];
  accounts: Record<ListenerRole, readonly Account[]>;
}

const administrators = 50;
const leaders = 20;
const pupilsOfClass = 30;
const subjectTeachersOfClass = 4;

export async function createLiveSchool(opened: Pick<Opened, 'db' | 'config'>): Promise<LiveSchool> {
  const build = createBuild(opened as Opened);
  const { school } = await build.school({ name: 'Школа № 98' });
  const accounts: Record<ListenerRole, Account[]> = {
    administrator: [],
    leadership: [],
    classTeacher: [],
    subjectTeacher: [],
    student: [],
  };
  const add = (role: ListenerRole, classId: string | null, user: User) => accounts[role].push({ userId: user.id, role, classId });
  const schoolId = school.id;
  const many = (count: number, make: () => Promise<User>) => Promise.all(Array.from({ length: count }, make));
  for (const user of await many(administrators, () => build.user({ schoolId, role: 'PLATFORM_ADMINISTRATOR' })))
    add('administrator', null, user);
  for (const user of await many(leaders, () => build.user({ schoolId, role: 'SCHOOL_ADMINISTRATION' }))) add('leadership', null, user);
  const subject = await build.subject({ schoolId });
  const classIds: string[] = [];
  for (const letter of ['А', 'Б', 'В']) {
    const { id: classId } = await build.class({ schoolId, grade: 5, letter });
    classIds.push(classId);
    add('classTeacher', classId, await build.teacher({ schoolId, classTeacherOf: classId }));
    const teaches = [{ classId, subjectId: subject.id }];
    for (const user of await many(subjectTeachersOfClass, () => build.teacher({ schoolId, teaches }))) add('subjectTeacher', classId, user);
    for (const user of await many(pupilsOfClass, () => build.student({ classId }))) add('student', classId, user);
    await build.chat({ schoolId, kind: 'CLASS', classId });
  }
  const allEnrolments = await opened.db.prisma.enrolment.findMany({ where: { schoolId }, include: { student: true, class: true } });
  // Alternates between the classes, so that a few events cover all of them.
  const ofClass = (classId: string) => allEnrolments.filter((enrolment) => enrolment.classId === classId);
  const enrolments = ofClass(classIds[0]!).flatMap((_first, n) =>
    classIds.map((classId) => {
      const {
        id,
        student,
        class: { grade, letter },
      } = ofClass(classId)[n]!;
      return { enrolmentId: id, student, class: { id: classId, grade, letter } };
    }),
  );
  return { id: schoolId, classIds, enrolments, accounts };
}
