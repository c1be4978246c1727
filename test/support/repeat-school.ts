import type { ChatRole, User } from '../../src/db/generated/client.ts';
import type { Sfera } from './sfera.ts';

/** Builds a school for test/domain/repeats.test.ts. It has an object for each mutation that an administrator may send. */
export async function buildRepeatSchool(app: Sfera) {
  const { school, administrator } = await app.build.school();
  const group = await app.build.class({ schoolId: school.id });
  const other = await app.build.class({ schoolId: school.id });
  const subject = await app.build.subject({ schoolId: school.id });
  const classTeacher = await app.build.teacher({
    schoolId: school.id,
    classTeacherOf: group.id,
    teaches: [{ classId: group.id, subjectId: subject.id }],
  });
  const teacher = await app.build.teacher({ schoolId: school.id });
  const former = await app.build.teacher({ schoolId: school.id });
  await app.db.prisma.roleGrant.updateMany({ where: { userId: former.id }, data: { endedAt: new Date() } });
  const pupil = await app.build.student({ classId: group.id });
  const chat = await app.build.chat({ schoolId: school.id, kind: 'EXTRACURRICULAR' });
  const addMember = (user: User, role: ChatRole) =>
    app.db.prisma.chatMember.create({ data: { schoolId: school.id, chatId: chat.id, userId: user.id, role, reason: 'PERSON' } });
  await addMember(administrator, 'OWNER');
  await addMember(classTeacher, 'MODERATOR');
  await addMember(pupil, 'MEMBER');
  const { invitation } = await app.build.invitation({
    schoolId: school.id,
    role: 'STUDENT',
    classId: group.id,
    maxUses: 5,
    holderId: classTeacher.id,
  });
  const invited = await app.build.invited({ schoolId: school.id });
  const grant = await app.db.prisma.roleGrant.findFirstOrThrow({ where: { userId: teacher.id } });
  const id = {
    school: app.id('School', school.id),
    class: app.id('Class', group.id),
    other: app.id('Class', other.id),
    subject: app.id('Subject', subject.id),
    chat: app.id('Chat', chat.id),
    invitation: app.id('Invitation', invitation.id),
    grant: app.id('RoleGrant', grant.id),
    administrator: app.id('User', administrator.id),
    classTeacher: app.id('User', classTeacher.id),
    teacher: app.id('User', teacher.id),
    former: app.id('User', former.id),
    pupil: app.id('User', pupil.id),
    invited: app.id('User', invited.user.id),
  };
  return {
    app,
    school,
    administrator,
    group,
    other,
    subject,
    classTeacher,
    teacher,
    former,
    pupil,
    chat,
    invitation,
    invited,
    id,
    by: app.as(administrator),
  };
}

export type RepeatSchool = Awaited<ReturnType<typeof buildRepeatSchool>>;
