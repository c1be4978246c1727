import { randomBytes, randomUUID } from 'node:crypto';
import type { AssignmentKind, Chat, ChatKind, Class, Role, School, Subject, User } from '../../src/db/generated/client.ts';
import { transaction } from '../../src/db/transaction.ts';
import { deriveCode, hashCode } from '../../src/auth/seal.ts';
import { fillByRule } from '../../src/domain/chat-membership-rules.ts';
import { schoolYearOf } from '../../src/domain/school-years.ts';
import { alphabeticalKey, searchable } from '../../src/domain/text.ts';
import type { Opened } from '../../src/http/bootstrap.ts';

/** Inserts rows for tests directly, together with the parent rows that they need. Records no event. */
export function createBuild({ db, config }: Opened) {
  const { prisma } = db;
  let count = 0;

  async function user(
    of: {
      schoolId?: string;
      role?: Role;
      surname?: string;
      givenName?: string;
      patronymic?: string | null;
      signInName?: string;
      passwordHash?: string;
    } = {},
  ): Promise<User> {
    const { schoolId, role = 'TEACHER', surname = 'Иванова', givenName = `Проба${(count += 1)}`, patronymic = null } = of;
    const parts = [surname, givenName, patronymic];
    return prisma.user.create({
      data: {
        surname,
        givenName,
        patronymic,
        signInName: of.signInName ?? `u${randomBytes(6).toString('hex')}`,
        passwordHash: of.passwordHash ?? null,
        joinedAt: new Date(),
        sortKey: alphabeticalKey(parts),
        searchText: searchable(parts.filter((part) => part !== null).join(' ')),
        ...(schoolId === undefined ? {} : { grants: { create: { schoolId, role } } }),
      },
    });
  }

  const letters = () => `Т${(count += 1)}`;

  async function yearOf(schoolId: string) {
    return transaction(db, (tx) => schoolYearOf(tx, schoolId, new Date()));
  }

  const build = {
    user,

    async school(data: Partial<Pick<School, 'name' | 'timeZone'>> = {}): Promise<{ school: School; administrator: User }> {
      const name = data.name ?? `Школа ${randomUUID().slice(0, 8)}`;
      const school = await prisma.school.create({ data: { ...data, name, fullName: name, head: { create: {} } } });
      return { school, administrator: await user({ schoolId: school.id, role: 'PLATFORM_ADMINISTRATOR' }) };
    },

    async class({
      schoolId,
      grade = 5,
      letter = letters(),
      archivedAt = null,
    }: {
      schoolId: string;
      grade?: number;
      letter?: string;
      archivedAt?: Date | null;
    }): Promise<Class> {
      const year = await yearOf(schoolId);
      return prisma.class.create({
        data: {
          schoolId,
          schoolYearId: year.id,
          grade,
          letter,
          archivedAt,
          sortKey: `${String(grade).padStart(2, '0')}${alphabeticalKey([letter])}`,
        },
      });
    },

    async subject({ schoolId, name = `Предмет ${(count += 1)}` }: { schoolId: string; name?: string }): Promise<Subject> {
      return prisma.subject.create({ data: { schoolId, name, sortKey: alphabeticalKey([name]) } });
    },

    async assignment(data: { schoolId: string; classId: string; userId: string; subjectId?: string }) {
      const kind: AssignmentKind = data.subjectId === undefined ? 'CLASS_TEACHER' : 'SUBJECT_TEACHER';
      return prisma.assignment.create({ data: { ...data, kind } });
    },

    async teacher({
      schoolId,
      classTeacherOf,
      teaches = [],
      ...rest
    }: Parameters<typeof user>[0] & {
      schoolId: string;
      classTeacherOf?: string;
      teaches?: { classId: string; subjectId: string }[];
    }): Promise<User> {
      const teacher = await user({ ...rest, schoolId, role: 'TEACHER' });
      if (classTeacherOf !== undefined) await build.assignment({ schoolId, classId: classTeacherOf, userId: teacher.id });
      for (const pair of teaches) await build.assignment({ schoolId, userId: teacher.id, ...pair });
      return teacher;
    },

    async student({ classId, ...rest }: Parameters<typeof user>[0] & { classId: string }): Promise<User> {
      const { schoolId } = await prisma.class.findUniqueOrThrow({ where: { id: classId } });
      const student = await user({ ...rest, schoolId, role: 'STUDENT' });
      await prisma.enrolment.create({ data: { schoolId, classId, studentId: student.id } });
      return student;
    },

    /**
     * Creates a chat and adds its automatic members. They follow from the kind of the chat and from the roles of
     * people.
     */
    async chat({
      name = 'Чат',
      ...data
    }: {
      schoolId: string;
      kind: ChatKind;
      classId?: string;
      subjectId?: string;
      name?: string;
    }): Promise<Chat> {
      return transaction(db, async (tx) => {
        const chat = await tx.prisma.chat.create({ data: { ...data, name } });
        await fillByRule(tx, chat);
        return chat;
      });
    },

    async invitation({
      schoolId,
      role = 'TEACHER',
      classId,
      maxUses = 1,
      expiresAt = new Date(Date.now() + 86_400_000),
      holderId,
      userId,
    }: {
      schoolId: string;
      role?: Role;
      classId?: string;
      maxUses?: number;
      expiresAt?: Date;
      holderId?: string;
      userId?: string;
    }) {
      const nonce = new Uint8Array(randomBytes(32));
      const code = deriveCode(config.secretKey, nonce);
      const data = {
        schoolId,
        role,
        classId: classId ?? null,
        maxUses,
        expiresAt,
        holderId: holderId ?? null,
        userId: userId ?? null,
        nonce,
        codeHash: hashCode(code),
      };
      return { invitation: await prisma.invitation.create({ data }), code };
    },

    /**
     * Creates a person with a role and a personal invitation, who cannot sign in yet. With `classId`, the person is a
     * pupil.
     */
    async invited({ schoolId, classId, ...names }: { schoolId: string; classId?: string; surname?: string; givenName?: string }) {
      const created = classId === undefined ? await user({ ...names, schoolId }) : await build.student({ ...names, classId });
      const data = { signInName: null, joinedAt: null };
      const invitedUser = await prisma.user.update({ where: { id: created.id }, data });
      const { invitation, code } = await build.invitation({
        schoolId,
        userId: created.id,
        role: classId === undefined ? 'TEACHER' : 'STUDENT',
      });
      return { user: invitedUser, invitation, code };
    },

    async service({ schoolId, scopes = ['read', 'events', 'roster'] }: { schoolId: string; scopes?: string[] }) {
      return prisma.oauthClient.create({
        data: { id: `svc-${randomUUID()}`, name: 'Проба', schoolId, scopes, secretHash: new Uint8Array(32) },
      });
    },
  };
  return build;
}

export type Build = ReturnType<typeof createBuild>;
