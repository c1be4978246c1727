import { can } from '../../src/policy/can.ts';
import type { Actor } from '../../src/policy/actor.ts';
import type { Action, Facts } from '../../src/policy/permissions.ts';
import type { UserPlace } from '../../src/policy/scopes/user.ts';
import type { Sfera } from '../support/sfera.ts';
import type { SignedInPersona, SchoolFixture } from './fixtures.ts';

/**
 * A case for every mutation: its input, its action, the facts of the target, and whether the actor can see the target.
 */

export interface MutationCase {
  action: Action | null;
  input(app: Sfera, fixture: SchoolFixture, signedIn: SignedInPersona): Record<string, unknown>;
  /** The facts that `can` decides the action on. */
  facts(fixture: SchoolFixture, signedIn: SignedInPersona): unknown;
  /** Whether the actor can read every object that the input names. */
  canSee(fixture: SchoolFixture, actor: Actor): boolean;
}

const place = (schoolId: string, more: Partial<UserPlace> = {}): UserPlace => ({
  schoolId,
  staff: false,
  classId: null,
  current: true,
  ...more,
});

const inChats = (schoolId: string, ...ids: string[]) => ids.map((chatId) => ({ schoolId, chatId }));

const ofSchool = ({ schoolId }: SchoolFixture) => ({ schoolId });
const ofClass = ({ schoolId, own }: SchoolFixture) => ({ schoolId, classId: own.id });
const ofChat = ({ schoolId, chats: { CLUB } }: SchoolFixture): Facts['chat'] => ({
  schoolId,
  chatId: CLUB.id,
  kind: CLUB.kind,
  classId: null,
  subjectId: null,
});
const ofLink = ({ unheld: { invitation } }: SchoolFixture): Facts['invitation'] => invitation;
/** The teacher without a class, a member of the chats of the staff. */
const teacherFacts = ({ schoolId, people, chats }: SchoolFixture): Facts['user'] => ({
  userId: people.teacher.id,
  places: [place(schoolId, { staff: true })],
  chats: inChats(schoolId, chats.SCHOOL.id, chats.STAFF.id, chats.CLUB.id),
});
const newcomerFacts = ({ schoolId, people, chats }: SchoolFixture): Facts['user'] => ({
  userId: people.newcomer.id,
  places: [place(schoolId)],
  chats: inChats(schoolId, chats.SCHOOL.id),
});
const pupilFacts = ({ schoolId, people, own, chats }: SchoolFixture): Facts['user'] => ({
  userId: people.pupil.id,
  places: [place(schoolId), place(schoolId, { classId: own.id })],
  chats: inChats(schoolId, chats.SCHOOL.id, chats.CLASS.id, chats.SUBJECT.id),
});

const seesSchool = (fixture: SchoolFixture, actor: Actor) => can(actor, 'school.read', ofSchool(fixture));
const seesClass = (fixture: SchoolFixture, actor: Actor) => can(actor, 'class.read', ofClass(fixture));
const seesChat = (fixture: SchoolFixture, actor: Actor) => can(actor, 'chat.read', ofChat(fixture));
const seesLink = (fixture: SchoolFixture, actor: Actor) => can(actor, 'invitation.read', ofLink(fixture));
const seesTeacher = (fixture: SchoolFixture, actor: Actor) => can(actor, 'user.read', teacherFacts(fixture));
const allOf =
  (...all: ((fixture: SchoolFixture, actor: Actor) => boolean)[]) =>
  (fixture: SchoolFixture, actor: Actor) =>
    all.every((each) => each(fixture, actor));

const mutationCase = (
  action: Action | null,
  facts: MutationCase['facts'],
  canSee: MutationCase['canSee'],
  input: MutationCase['input'],
): MutationCase => ({ action, facts, canSee, input });
const always = () => true;
const school = (app: Sfera, { schoolId }: SchoolFixture) => ({ schoolId: app.id('School', schoolId) });
const theClass = (app: Sfera, { own }: SchoolFixture) => ({ classId: app.id('Class', own.id) });
const theChat = (app: Sfera, { chats }: SchoolFixture) => ({ chatId: app.id('Chat', chats.CLUB.id) });
const theLink = (app: Sfera, { unheld }: SchoolFixture) => ({ invitationId: app.id('Invitation', unheld.invitation.id) });
const teacher = (app: Sfera, { people }: SchoolFixture) => ({ userId: app.id('User', people.teacher.id) });

const taught = (app: Sfera, fixture: SchoolFixture) => ({ ...theClass(app, fixture), subjectId: app.id('Subject', fixture.subject.id) });
const subjectTeacher = (app: Sfera, fixture: SchoolFixture) => ({
  ...taught(app, fixture),
  userId: app.id('User', fixture.people.subjectTeacher.id),
});
const subjectTeacherFacts = ({ schoolId, people, own, chats }: SchoolFixture): Facts['user'] => ({
  userId: people.subjectTeacher.id,
  places: [place(schoolId, { staff: true }), place(schoolId, { classId: own.id })],
  chats: inChats(schoolId, chats.SCHOOL.id, chats.STAFF.id, chats.CLASS.id, chats.SUBJECT.id),
});
const seesSubjectTeacher = (fixture: SchoolFixture, actor: Actor) =>
  can(actor, 'subject.read', ofSchool(fixture)) && can(actor, 'user.read', subjectTeacherFacts(fixture));
const pupil = (app: Sfera, { people }: SchoolFixture) => ({ studentId: app.id('User', people.pupil.id) });
const seesPupil = (fixture: SchoolFixture, actor: Actor) => can(actor, 'user.read', pupilFacts(fixture));
const seesNewcomer = (fixture: SchoolFixture, actor: Actor) => can(actor, 'user.read', newcomerFacts(fixture));
const ownFacts = (_whole: SchoolFixture, { user }: SignedInPersona): Facts['user'] => ({ userId: user?.id ?? '', places: [], chats: [] });

export const mutations: Record<string, MutationCase> = {
  updateSchool: mutationCase('school.update', ofSchool, seesSchool, (app, w) => ({ ...school(app, w), district: 'Новый' })),
  createClass: mutationCase('class.create', ofSchool, seesSchool, (app, w) => ({ ...school(app, w), grade: 3, letter: 'Ю' })),
  updateClass: mutationCase('class.update', ofClass, seesClass, (app, w) => ({ ...theClass(app, w), letter: 'Ы' })),
  archiveClass: mutationCase('class.archive', ofClass, seesClass, theClass),
  createSubject: mutationCase('subject.create', ofSchool, seesSchool, (app, w) => ({ ...school(app, w), name: 'Черчение' })),
  createInvitation: mutationCase('invitation.create', ofSchool, seesSchool, (app, w) => ({ ...school(app, w), role: 'TEACHER' })),
  handOverInvitation: mutationCase('invitation.handOver', ofLink, seesLink, (app, w) => ({ ...theLink(app, w), ...teacher(app, w) })),
  revokeInvitation: mutationCase('invitation.revoke', ofLink, seesLink, theLink),
  rotateInvitation: mutationCase('invitation.rotate', ofLink, seesLink, theLink),
  acceptInvitation: mutationCase(null, ofSchool, always, (_app, w) => ({ code: w.held.code })),
  assignClassTeacher: mutationCase('classTeacher.assign', ofClass, seesClass, (app, w) => ({ ...theClass(app, w), ...teacher(app, w) })),
  endClassTeacher: mutationCase('classTeacher.end', ofClass, seesClass, theClass),
  assignSubjectTeacher: mutationCase('subjectTeacher.assign', ofClass, seesClass, (app, w) => ({ ...taught(app, w), ...teacher(app, w) })),
  endSubjectTeacher: mutationCase('subjectTeacher.end', ofClass, allOf(seesClass, seesSubjectTeacher), subjectTeacher),
  grantRole: mutationCase('role.grant', ofSchool, allOf(seesSchool), (app, w) => ({
    ...school(app, w),
    ...teacher(app, w),
    role: 'SCHOOL_ADMINISTRATION',
  })),
  endRole: mutationCase(
    'role.end',
    ofSchool,
    (w, actor) => can(actor, 'role.read', { schoolId: w.schoolId, userId: w.people.teacher.id }),
    (app, w) => ({ grantId: app.id('RoleGrant', w.grant.id) }),
  ),
  enrolStudent: mutationCase(
    'student.enrol',
    ofClass,
    allOf(seesClass, (w, actor) => (can(actor, 'student.enrol', ofClass(w)) ? seesNewcomer(w, actor) : true)),
    (app, w) => ({ ...theClass(app, w), studentId: app.id('User', w.people.newcomer.id) }),
  ),
  transferStudent: mutationCase('student.transfer', ofClass, seesClass, (app, w) => ({ ...theClass(app, w), ...pupil(app, w) })),
  withdrawStudent: mutationCase('student.withdraw', ofClass, seesPupil, pupil),
  createChat: mutationCase(
    'chat.create',
    ({ schoolId, own }) => ({ schoolId, kind: 'CLASS', classId: own.id, subjectId: null }),
    allOf(seesSchool, seesClass),
    (app, w) => ({ ...school(app, w), ...theClass(app, w), kind: 'CLASS', name: 'Новый' }),
  ),
  renameChat: mutationCase('chat.rename', ofChat, seesChat, (app, w) => ({ ...theChat(app, w), name: 'Иначе' })),
  archiveChat: mutationCase('chat.archive', ofChat, seesChat, theChat),
  addChatMember: mutationCase('chatMember.add', ofChat, seesChat, (app, w) => ({
    ...theChat(app, w),
    userId: app.id('User', w.people.classTeacher.id),
  })),
  removeChatMember: mutationCase('chatMember.remove', ofChat, seesChat, (app, w, signedIn) => ({
    ...theChat(app, w),
    userId: app.id('User', signedIn.name === 'teacher' ? w.people.leader.id : w.people.teacher.id),
  })),
  promoteChatMember: mutationCase('chatMember.promote', ofChat, seesChat, (app, w) => ({ ...theChat(app, w), ...teacher(app, w) })),
  demoteChatMember: mutationCase('chatMember.demote', ofChat, seesChat, (app, w) => ({ ...theChat(app, w), ...teacher(app, w) })),
  updateProfile: mutationCase('profile.update', ownFacts, always, () => ({ phone: '+7 812 000-00-00' })),
  deactivateUser: mutationCase('user.deactivate', teacherFacts, allOf(seesSchool, seesTeacher), (app, w) => ({
    ...school(app, w),
    ...teacher(app, w),
  })),
  endSession: mutationCase(
    'session.end',
    (_w, { user }) => ({ userId: user?.id ?? '' }),
    (_w, actor) => actor.kind === 'user',
    (app, _w, signedIn) => ({ sessionId: app.id('Session', signedIn.sessionId ?? '00000000-0000-4000-8000-000000000000') }),
  ),
  endOtherSessions: mutationCase(null, ofSchool, always, () => ({})),
};
