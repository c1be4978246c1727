import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { schema } from '../../src/graphql/schema.ts';
import type { ChatRole, User } from '../../src/db/generated/client.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

/**
 * Mutations that are repeated, or sent in a state in which they have no effect. They succeed if the requested state
 * already holds, otherwise they are refused with the reason. Neither case writes anything.
 */

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

type Answer = { __typename?: string } & Record<string, unknown>;

async function world() {
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
  const put = (user: User, role: ChatRole) =>
    app.db.prisma.chatMember.create({ data: { schoolId: school.id, chatId: chat.id, userId: user.id, role, reason: 'PERSON' } });
  await put(administrator, 'OWNER');
  await put(classTeacher, 'MODERATOR');
  await put(pupil, 'MEMBER');
  const { invitation } = await app.build.invitation({
    schoolId: school.id,
    role: 'STUDENT',
    classId: group.id,
    maxUses: 5,
    holderId: classTeacher.id,
  });
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
  };
  return {
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
    id,
    by: app.as(administrator),
  };
}
type World = Awaited<ReturnType<typeof world>>;

interface Case {
  state: string;
  /** Creates the state. */
  before?: (w: World) => Promise<unknown>;
  act: (w: World) => Promise<unknown>;
  /** The expected result. */
  answer: object;
}
const is = (state: string, act: Case['act'], answer: object, before?: Case['before']): Case => ({
  state,
  act,
  answer,
  ...(before && { before }),
});
const twice = (state: string, act: Case['act'], answer: object): Case => is(state, act, answer, act);
const refusal = (code: string, path: string) => ({ __typename: 'Refusal', code, path: [path] });

const key = { idempotencyKey: 'once' };
const member = (w: World, user: string) => ({ chatId: w.id.chat, userId: user });

const table: Record<string, Case[]> = {
  updateSchool: [
    is('nothing is given', (w) => w.by.updateSchool({ schoolId: w.id.school }), { __typename: 'School' }),
    twice(
      'it is so already',
      (w) => w.by.updateSchool({ schoolId: w.id.school, district: 'Новый', externalIds: [{ system: 'МЭШ', value: w.school.id }] }),
      { district: 'Новый' },
    ),
    is('the time zone is empty', (w) => w.by.updateSchool({ schoolId: w.id.school, timeZone: '' }), refusal('INVALID', 'timeZone')),
  ],
  createClass: [
    twice('the key is the same', (w) => w.by.createClass({ schoolId: w.id.school, grade: 9, letter: 'Я', ...key }), {
      name: '9Я',
      archivedAt: null,
    }),
    is(
      'the class of the key was archived',
      (w) => w.by.createClass({ schoolId: w.id.school, grade: 9, letter: 'Я', ...key }),
      refusal('CONFLICT', 'idempotencyKey'),
      async (w) => {
        const made = (await w.by.createClass({ schoolId: w.id.school, grade: 9, letter: 'Я', ...key })) as { id: string };
        await w.by.archiveClass({ classId: made.id });
      },
    ),
  ],
  updateClass: [
    is('nothing is given', (w) => w.by.updateClass({ classId: w.id.class }), { __typename: 'Class' }),
    is('it is so already', (w) => w.by.updateClass({ classId: w.id.class, grade: w.group.grade, letter: w.group.letter }), {
      __typename: 'Class',
    }),
    is(
      'the class is archived',
      (w) => w.by.updateClass({ classId: w.id.other }),
      refusal('CONFLICT', 'classId'),
      (w) => w.by.archiveClass({ classId: w.id.other }),
    ),
  ],
  archiveClass: [twice('it is archived', (w) => w.by.archiveClass({ classId: w.id.other }), { archivedAt: expect.any(String) })],
  createSubject: [
    is('there is such a subject', (w) => w.by.createSubject({ schoolId: w.id.school, name: w.subject.name }), refusal('CONFLICT', 'name')),
  ],
  updateProfile: [
    is('nothing is given', (w) => w.by.updateProfile({}), { __typename: 'User' }),
    is('it is so already', (w) => w.by.updateProfile({ surname: w.administrator.surname }), { surname: 'Иванова' }),
  ],
  deactivateUser: [
    twice('the account was ended', (w) => w.by.deactivateUser({ schoolId: w.id.school, userId: w.id.teacher }), {
      deactivatedAt: expect.any(String),
    }),
  ],
  grantRole: [
    is('the role is held', (w) => w.by.grantRole({ schoolId: w.id.school, userId: w.id.teacher, role: 'TEACHER' }), {
      role: 'TEACHER',
      endedAt: null,
    }),
    is(
      'the account was ended',
      (w) => w.by.grantRole({ schoolId: w.id.school, userId: w.id.teacher, role: 'TEACHER' }),
      refusal('CONFLICT', 'userId'),
      (w) => w.by.deactivateUser({ schoolId: w.id.school, userId: w.id.teacher }),
    ),
  ],
  endRole: [twice('the role ended', (w) => w.by.endRole({ grantId: w.id.grant }), { endedAt: expect.any(String) })],
  assignClassTeacher: [
    is('the teacher is it', (w) => w.by.assignClassTeacher({ classId: w.id.class, userId: w.id.classTeacher }), { endedAt: null }),
    is('another is', (w) => w.by.assignClassTeacher({ classId: w.id.class, userId: w.id.teacher }), refusal('CONFLICT', 'classId')),
    is('the role ended', (w) => w.by.assignClassTeacher({ classId: w.id.other, userId: w.id.former }), refusal('CONFLICT', 'userId')),
    is(
      'the class is archived',
      (w) => w.by.assignClassTeacher({ classId: w.id.other, userId: w.id.teacher }),
      refusal('CONFLICT', 'classId'),
      (w) => w.by.archiveClass({ classId: w.id.other }),
    ),
  ],
  endClassTeacher: [is('there is none', (w) => w.by.endClassTeacher({ classId: w.id.other }), refusal('CONFLICT', 'classId'))],
  assignSubjectTeacher: [
    is(
      'the teacher has it',
      (w) => w.by.assignSubjectTeacher({ classId: w.id.class, subjectId: w.id.subject, userId: w.id.classTeacher }),
      { endedAt: null },
    ),
    is(
      'the role ended',
      (w) => w.by.assignSubjectTeacher({ classId: w.id.class, subjectId: w.id.subject, userId: w.id.former }),
      refusal('CONFLICT', 'userId'),
    ),
  ],
  endSubjectTeacher: [
    is(
      'the teacher does not have it',
      (w) => w.by.endSubjectTeacher({ classId: w.id.class, subjectId: w.id.subject, userId: w.id.teacher }),
      refusal('CONFLICT', 'userId'),
    ),
  ],
  enrolStudent: [
    is('the pupil is in the class', (w) => w.by.enrolStudent({ classId: w.id.class, studentId: w.id.pupil }), {
      endedAt: null,
      class: { id: expect.any(String) },
    }),
    is(
      'the pupil is in another class',
      (w) => w.by.enrolStudent({ classId: w.id.other, studentId: w.id.pupil }),
      refusal('CONFLICT', 'studentId'),
    ),
    is(
      'the place of the key has ended',
      (w) => w.by.enrolStudent({ classId: w.id.other, studentId: w.id.pupil, ...key }),
      refusal('CONFLICT', 'idempotencyKey'),
      async (w) => {
        await w.by.withdrawStudent({ studentId: w.id.pupil });
        await w.by.enrolStudent({ classId: w.id.other, studentId: w.id.pupil, ...key });
        await w.by.withdrawStudent({ studentId: w.id.pupil });
      },
    ),
  ],
  transferStudent: [
    is('the pupil is in the class', (w) => w.by.transferStudent({ classId: w.id.class, studentId: w.id.pupil }), { endedAt: null }),
    is(
      'the pupil is in no class',
      (w) => w.by.transferStudent({ classId: w.id.class, studentId: w.id.pupil }),
      refusal('CONFLICT', 'studentId'),
      (w) => w.by.withdrawStudent({ studentId: w.id.pupil }),
    ),
    is(
      'the class is archived',
      (w) => w.by.transferStudent({ classId: w.id.other, studentId: w.id.pupil }),
      refusal('CONFLICT', 'classId'),
      (w) => w.by.archiveClass({ classId: w.id.other }),
    ),
  ],
  withdrawStudent: [
    is(
      'the pupil is in no class',
      (w) => w.by.withdrawStudent({ studentId: w.id.pupil }),
      refusal('CONFLICT', 'studentId'),
      (w) => w.by.withdrawStudent({ studentId: w.id.pupil }),
    ),
  ],
  createInvitation: [
    twice('the key is the same', (w) => w.by.createInvitation({ schoolId: w.id.school, role: 'TEACHER', ...key }), { status: 'ACTIVE' }),
    is(
      'the link of the key was stopped',
      (w) => w.by.createInvitation({ schoolId: w.id.school, role: 'TEACHER', ...key }),
      refusal('CONFLICT', 'idempotencyKey'),
      async (w) => {
        const made = (await w.by.createInvitation({ schoolId: w.id.school, role: 'TEACHER', ...key })) as { id: string };
        await w.by.revokeInvitation({ invitationId: made.id });
      },
    ),
  ],
  handOverInvitation: [
    is('the receiver holds it', (w) => w.by.handOverInvitation({ invitationId: w.id.invitation, userId: w.id.classTeacher }), {
      handOvers: [],
    }),
    is(
      'the holder is no longer the class teacher',
      (w) => w.by.handOverInvitation({ invitationId: w.id.invitation, userId: w.id.classTeacher }),
      { ...refusal('CONFLICT', 'userId'), clause: '2.1 e' },
      (w) => w.by.endClassTeacher({ classId: w.id.class }),
    ),
    is(
      'the holder has no role any more',
      (w) => w.by.handOverInvitation({ invitationId: w.id.invitation, userId: w.id.classTeacher }),
      { ...refusal('CONFLICT', 'userId'), clause: '2.1 d' },
      async (w) => {
        const { id } = await app.db.prisma.roleGrant.findFirstOrThrow({ where: { userId: w.classTeacher.id } });
        await w.by.endRole({ grantId: app.id('RoleGrant', id) });
      },
    ),
    is(
      'the link was stopped',
      (w) => w.by.handOverInvitation({ invitationId: w.id.invitation, userId: w.id.classTeacher }),
      refusal('CONFLICT', 'invitationId'),
      (w) => w.by.revokeInvitation({ invitationId: w.id.invitation }),
    ),
  ],
  revokeInvitation: [twice('it was stopped', (w) => w.by.revokeInvitation({ invitationId: w.id.invitation }), { status: 'REVOKED' })],
  rotateInvitation: [
    is(
      'it was stopped',
      (w) => w.by.rotateInvitation({ invitationId: w.id.invitation }),
      refusal('CONFLICT', 'invitationId'),
      (w) => w.by.revokeInvitation({ invitationId: w.id.invitation }),
    ),
  ],
  createChat: [
    twice('the key is the same', (w) => w.by.createChat({ schoolId: w.id.school, kind: 'SCHOOL', name: 'Чат', ...key }), {
      archivedAt: null,
    }),
    is(
      'the chat of the key was archived',
      (w) => w.by.createChat({ schoolId: w.id.school, kind: 'SCHOOL', name: 'Чат', ...key }),
      refusal('CONFLICT', 'idempotencyKey'),
      async (w) => {
        const made = (await w.by.createChat({ schoolId: w.id.school, kind: 'SCHOOL', name: 'Чат', ...key })) as { id: string };
        await w.by.archiveChat({ chatId: made.id });
      },
    ),
  ],
  renameChat: [
    is('it has the name', (w) => w.by.renameChat({ chatId: w.id.chat, name: ` ${w.chat.name} ` }), { name: 'Чат' }),
    is(
      'it is archived',
      (w) => w.by.renameChat({ chatId: w.id.chat, name: 'Чат' }),
      refusal('CONFLICT', 'chatId'),
      (w) => w.by.archiveChat({ chatId: w.id.chat }),
    ),
  ],
  archiveChat: [twice('it is archived', (w) => w.by.archiveChat({ chatId: w.id.chat }), { archivedAt: expect.any(String) })],
  addChatMember: [
    is('the person is in it', (w) => w.by.addChatMember(member(w, w.id.pupil)), { __typename: 'ChatMember', role: 'MEMBER' }),
    is('the role ended', (w) => w.by.addChatMember(member(w, w.id.former)), refusal('CONFLICT', 'userId')),
    is(
      'the account was ended',
      (w) => w.by.addChatMember(member(w, w.id.teacher)),
      refusal('CONFLICT', 'userId'),
      (w) => w.by.deactivateUser({ schoolId: w.id.school, userId: w.id.teacher }),
    ),
    is(
      'it is archived',
      (w) => w.by.addChatMember(member(w, w.id.pupil)),
      refusal('CONFLICT', 'chatId'),
      (w) => w.by.archiveChat({ chatId: w.id.chat }),
    ),
  ],
  removeChatMember: [
    is('the person is not in it', (w) => w.by.removeChatMember(member(w, w.id.teacher)), { __typename: 'Chat', memberCount: 3 }),
    is('the person left the school', (w) => w.by.removeChatMember(member(w, w.id.former)), { __typename: 'Chat', memberCount: 3 }),
    is(
      'there is no such person',
      (w) => w.by.removeChatMember(member(w, app.id('User', '01930000-0000-7000-8000-000000000000'))),
      refusal('NOT_FOUND', 'userId'),
    ),
    is(
      'the person is of another school',
      async (w) => w.by.removeChatMember(member(w, app.id('User', (await app.build.school()).administrator.id))),
      refusal('NOT_FOUND', 'userId'),
    ),
  ],
  promoteChatMember: [
    is('the person moderates it', (w) => w.by.promoteChatMember(member(w, w.id.classTeacher)), { role: 'MODERATOR' }),
    is('the person owns it', (w) => w.by.promoteChatMember(member(w, w.id.administrator)), { role: 'OWNER' }),
    is('the person is not in it', (w) => w.by.promoteChatMember(member(w, w.id.teacher)), refusal('NOT_FOUND', 'userId')),
  ],
  demoteChatMember: [
    is('the person is a member', (w) => w.by.demoteChatMember(member(w, w.id.pupil)), { role: 'MEMBER' }),
    is('the person is not in it', (w) => w.by.demoteChatMember(member(w, w.id.teacher)), refusal('NOT_FOUND', 'userId')),
  ],
  endSession: [is('it was ended', async (w) => w.by.endSession({ sessionId: await ended(w) }), { endedAt: expect.any(String) }, ended)],
  endOtherSessions: [
    is(
      'there are none',
      (w) => w.by.endOtherSessions({}),
      { sessions: { edges: [{ node: { current: true } }] } },
      (w) => w.by.endOtherSessions({}),
    ),
  ],
};

const sessions = new WeakMap<World, Promise<string>>();
function ended(w: World): Promise<string> {
  let session = sessions.get(w);
  if (session === undefined)
    sessions.set(
      w,
      (session = app.db.prisma.session
        .create({
          data: { userId: w.administrator.id, clientId: 'tests', expiresAt: new Date(Date.now() + 86_400_000), endedAt: new Date() },
        })
        .then(({ id }) => app.id('Session', id))),
    );
  return session;
}

/** Reads the rows that mutations write. */
async function written({ school, administrator }: World) {
  const { prisma } = app.db;
  const all = { where: { schoolId: school.id }, orderBy: { id: 'asc' } } as const;
  return [
    (await app.events(school.id)).map(({ type }) => type),
    await prisma.school.findUnique({ where: { id: school.id } }),
    await prisma.class.findMany(all),
    await prisma.subject.findMany(all),
    await prisma.roleGrant.findMany(all),
    await prisma.assignment.findMany(all),
    await prisma.enrolment.findMany(all),
    await prisma.invitation.findMany(all),
    await prisma.chat.findMany(all),
    await prisma.chatMember.findMany(all),
    await prisma.user.findUnique({ where: { id: administrator.id } }),
  ];
}

describe.each(Object.entries(table))('%s', (_name, cases) => {
  it.each(cases)('where $state', async ({ before, act, answer }) => {
    const w = await world();
    // Signs in before the comparison.
    await w.by.viewer({});
    const first = (await before?.(w)) as Answer | undefined;
    const rows = await written(w);
    const given = (await act(w)) as Answer;
    expect(given).toMatchObject(answer);
    if (before === act) expect(given).toEqual(first);
    expect(await written(w)).toEqual(rows);
  });
});

describe('the table', () => {
  it('has every mutation of the schema', () => {
    // For invitation links see test/domain/join-by-invitation.test.ts.
    expect([...Object.keys(table), 'acceptInvitation'].sort()).toEqual(Object.keys(schema.getMutationType()!.getFields()).sort());
  });
});
