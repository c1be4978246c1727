import { randomBytes } from 'node:crypto';
import { hashPassword } from '../auth/passwords.ts';
import type { Database } from '../db/client.ts';
import { mutate, type Context } from '../domain/context.ts';
import { createChat } from '../domain/chats.ts';
import { createClass } from '../domain/classes.ts';
import { assignClassTeacher, assignSubjectTeacher } from '../domain/assignments.ts';
import { enrolStudent } from '../domain/enrolments.ts';
import { grantRole } from '../domain/roles.ts';
import { createSchool } from '../domain/schools.ts';
import { createSubject } from '../domain/subjects.ts';
import { insertUser } from '../domain/users.ts';
import type { School, User } from '../domain/entities.ts';

/** Creates the demonstration school, once, in an empty embedded database, with the operations that the API uses. */

export interface DemoData {
  school: School;
  people: { role: string; user: User; signInName: string; password: string }[];
}

const people = [
  {
    role: 'PLATFORM_ADMINISTRATOR',
    about: 'platform administrator',
    signInName: 'admin',
    surname: 'Соколова',
    givenName: 'Анна',
    patronymic: 'Викторовна',
  },
  {
    role: 'SCHOOL_ADMINISTRATION',
    about: 'head of the school',
    signInName: 'director',
    surname: 'Фёдорова',
    givenName: 'Ирина',
    patronymic: 'Валентиновна',
  },
  { role: 'TEACHER', about: 'class teacher of 5А', signInName: 'teacher', surname: 'Егоров', givenName: 'Павел', patronymic: 'Сергеевич' },
  { role: 'TEACHER', about: 'mathematics teacher', signInName: 'math', surname: 'Ёлкина', givenName: 'Мария', patronymic: 'Петровна' },
  { role: 'STUDENT', about: 'pupil of 5А', signInName: 'pupil', surname: 'Иванов', givenName: 'Пётр', patronymic: null },
  { role: 'STUDENT', about: 'pupil of 5Б', signInName: 'pupil2', surname: 'Яковлева', givenName: 'Софья', patronymic: 'Ильинична' },
] as const;

export const isEmpty = async (db: Database): Promise<boolean> => (await db.prisma.school.count({ take: 1 })) === 0;

/** Creates the school and its people. Returns their random passwords. The database has only the hashes of the passwords. */
export async function createDemoData(ctx: Context): Promise<DemoData> {
  const school = await createSchool(ctx, {
    name: 'Школа № 1',
    fullName: 'Демонстрационная школа № 1',
    address: 'Санкт-Петербург, Невский проспект, 1',
    district: 'Центральный',
    region: 'Санкт-Петербург',
    timeZone: 'Europe/Moscow',
  });
  const schoolId = school.id;
  const created = await Promise.all(
    people.map(async ({ role, about, ...names }) => {
      const password = randomBytes(9).toString('base64url');
      const passwordHash = await hashPassword(password);
      const user = await mutate(ctx, (tx) => insertUser(tx, { ...names, passwordHash }));
      return { role, about, user, signInName: names.signInName, password };
    }),
  );
  for (const { role, user } of created) await grantRole(ctx, { schoolId, userId: user.id, role });
  const [, , teacher, math, first, second] = created.map(({ user }) => user) as [User, User, User, User, User, User];
  const class5A = await createClass(ctx, { schoolId, grade: 5, letter: 'А' });
  const class5B = await createClass(ctx, { schoolId, grade: 5, letter: 'Б' });
  const subject = await createSubject(ctx, { schoolId, name: 'Математика' });
  await assignClassTeacher(ctx, { classId: class5A.id, userId: teacher.id });
  for (const { id: classId } of [class5A, class5B]) await assignSubjectTeacher(ctx, { classId, subjectId: subject.id, userId: math.id });
  await enrolStudent(ctx, { studentId: first.id, classId: class5A.id });
  await enrolStudent(ctx, { studentId: second.id, classId: class5B.id });
  await createChat(ctx, { schoolId, kind: 'SCHOOL', name: 'Вся школа' });
  await createChat(ctx, { schoolId, kind: 'STAFF', name: 'Педсовет' });
  await createChat(ctx, { schoolId, kind: 'CLASS', classId: class5A.id, name: '5А' });
  await createChat(ctx, { schoolId, kind: 'SUBJECT', classId: class5A.id, subjectId: subject.id, name: '5А. Математика' });
  return { school, people: created.map(({ about, user, signInName, password }) => ({ role: about, user, signInName, password })) };
}
