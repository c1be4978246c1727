import { can } from '../../src/policy/can.ts';
import type { Actor } from '../../src/policy/actor.ts';
import type { Facts, UserPlace } from '../../src/policy/scopes.ts';
import type { Action } from '../../src/policy/permissions.ts';
import type { Sfera } from '../support/sfera.ts';
import type { Asker, Whole } from './fixtures.ts';

/** A case for every mutation: its input, its action, the facts of the target, and whether the actor can see the target. */

export interface Field {
  action: Action | null;
  input(app: Sfera, whole: Whole, by: Asker): Record<string, unknown>;
  /** The facts that `can` decides the action on. */
  facts(whole: Whole, by: Asker): unknown;
  /** Whether the actor can read every object that the input names. */
  sees(whole: Whole, actor: Actor): boolean;
}

const place = (schoolId: string, more: Partial<UserPlace> = {}): UserPlace => ({ schoolId, staff: false, classId: null, current: true, ...more });

const inChats = (schoolId: string, ...ids: string[]) => ids.map((chatId) => ({ schoolId, chatId }));

const ofSchool = ({ schoolId }: Whole) => ({ schoolId });
const ofClass = ({ schoolId, own }: Whole) => ({ schoolId, classId: own.id });
const ofChat = ({ schoolId, chats: { CLUB } }: Whole): Facts['chat'] => ({ schoolId, chatId: CLUB.id, kind: CLUB.kind, classId: null, subjectId: null });
const ofLink = ({ unheld: { invitation } }: Whole): Facts['invitation'] => invitation;
/** The teacher without a class, a member of the chats of the staff. */
const teacherFacts = ({ schoolId, people, chats }: Whole): Facts['user'] => ({
  userId: people.teacher.id, places: [place(schoolId, { staff: true })], chats: inChats(schoolId, chats.SCHOOL.id, chats.STAFF.id, chats.CLUB.id),
});
const newcomerFacts = ({ schoolId, people, chats }: Whole): Facts['user'] => ({ userId: people.newcomer.id, places: [place(schoolId)], chats: inChats(schoolId, chats.SCHOOL.id) });
const pupilFacts = ({ schoolId, people, own, chats }: Whole): Facts['user'] => ({
  userId: people.pupil.id, places: [place(schoolId), place(schoolId, { classId: own.id })], chats: inChats(schoolId, chats.SCHOOL.id, chats.CLASS.id, chats.SUBJECT.id),
});

const seesSchool = (whole: Whole, actor: Actor) => can(actor, 'school.read', ofSchool(whole));
const seesClass = (whole: Whole, actor: Actor) => can(actor, 'class.read', ofClass(whole));
const seesChat = (whole: Whole, actor: Actor) => can(actor, 'chat.read', ofChat(whole));
const seesLink = (whole: Whole, actor: Actor) => can(actor, 'invitation.read', ofLink(whole));
const seesTeacher = (whole: Whole, actor: Actor) => can(actor, 'user.read', teacherFacts(whole));
const both = (...all: ((whole: Whole, actor: Actor) => boolean)[]) => (whole: Whole, actor: Actor) => all.every((each) => each(whole, actor));

const field = (action: Action | null, facts: Field['facts'], sees: Field['sees'], input: Field['input']): Field => ({ action, facts, sees, input });
const always = () => true;
const school = (app: Sfera, { schoolId }: Whole) => ({ schoolId: app.id('School', schoolId) });
const theClass = (app: Sfera, { own }: Whole) => ({ classId: app.id('Class', own.id) });
const theChat = (app: Sfera, { chats }: Whole) => ({ chatId: app.id('Chat', chats.CLUB.id) });
const theLink = (app: Sfera, { unheld }: Whole) => ({ invitationId: app.id('Invitation', unheld.invitation.id) });
const teacher = (app: Sfera, { people }: Whole) => ({ userId: app.id('User', people.teacher.id) });

const taught = (app: Sfera, whole: Whole) => ({ ...theClass(app, whole), subjectId: app.id('Subject', whole.subject.id) });
const subjectTeacher = (app: Sfera, whole: Whole) => ({ ...taught(app, whole), userId: app.id('User', whole.people.subjectTeacher.id) });
const subjectTeacherFacts = ({ schoolId, people, own, chats }: Whole): Facts['user'] => ({
  userId: people.subjectTeacher.id,
  places: [place(schoolId, { staff: true }), place(schoolId, { classId: own.id })],
  chats: inChats(schoolId, chats.SCHOOL.id, chats.STAFF.id, chats.CLASS.id, chats.SUBJECT.id),
});
const seesSubjectTeacher = (whole: Whole, actor: Actor) =>
  can(actor, 'subject.read', ofSchool(whole)) && can(actor, 'user.read', subjectTeacherFacts(whole));
const pupil = (app: Sfera, { people }: Whole) => ({ studentId: app.id('User', people.pupil.id) });
const seesPupil = (whole: Whole, actor: Actor) => can(actor, 'user.read', pupilFacts(whole));
const seesNewcomer = (whole: Whole, actor: Actor) => can(actor, 'user.read', newcomerFacts(whole));
const ownFacts = (_whole: Whole, { user }: Asker): Facts['user'] => ({ userId: user?.id ?? '', places: [], chats: [] });

export const mutations: Record<string, Field> = {
  updateSchool: field('school.update', ofSchool, seesSchool, (app, w) => ({ ...school(app, w), district: 'Новый' })),
  createClass: field('class.create', ofSchool, seesSchool, (app, w) => ({ ...school(app, w), grade: 3, letter: 'Ю' })),
  updateClass: field('class.update', ofClass, seesClass, (app, w) => ({ ...theClass(app, w), letter: 'Ы' })),
  archiveClass: field('class.archive', ofClass, seesClass, theClass),
  createSubject: field('subject.create', ofSchool, seesSchool, (app, w) => ({ ...school(app, w), name: 'Черчение' })),
  createInvitation: field('invitation.create', ofSchool, seesSchool, (app, w) => ({ ...school(app, w), role: 'TEACHER' })),
  handOverInvitation: field('invitation.handOver', ofLink, seesLink, (app, w) => ({ ...theLink(app, w), ...teacher(app, w) })),
  revokeInvitation: field('invitation.revoke', ofLink, seesLink, theLink),
  rotateInvitation: field('invitation.rotate', ofLink, seesLink, theLink),
  acceptInvitation: field(null, ofSchool, always, (_app, w) => ({ code: w.held.code })),
  assignClassTeacher: field('classTeacher.assign', ofClass, seesClass, (app, w) => ({ ...theClass(app, w), ...teacher(app, w) })),
  endClassTeacher: field('classTeacher.end', ofClass, seesClass, theClass),
  assignSubjectTeacher: field('subjectTeacher.assign', ofClass, seesClass, (app, w) => ({ ...taught(app, w), ...teacher(app, w) })),
  endSubjectTeacher: field('subjectTeacher.end', ofClass, both(seesClass, seesSubjectTeacher), subjectTeacher),
  grantRole: field('role.grant', ofSchool, both(seesSchool), (app, w) => ({ ...school(app, w), ...teacher(app, w), role: 'SCHOOL_ADMINISTRATION' })),
  endRole: field('role.end', ofSchool, (w, actor) => can(actor, 'role.read', { schoolId: w.schoolId, userId: w.people.teacher.id }), (app, w) => ({ grantId: app.id('RoleGrant', w.grant.id) })),
  enrolStudent: field('student.enrol', ofClass, both(seesClass, (w, actor) => can(actor, 'student.enrol', ofClass(w)) ? seesNewcomer(w, actor) : true), (app, w) => ({ ...theClass(app, w), studentId: app.id('User', w.people.newcomer.id) })),
  transferStudent: field('student.transfer', ofClass, seesClass, (app, w) => ({ ...theClass(app, w), ...pupil(app, w) })),
  withdrawStudent: field('student.withdraw', ofClass, seesPupil, pupil),
  createChat: field('chat.create', ({ schoolId, own }) => ({ schoolId, kind: 'CLASS', classId: own.id, subjectId: null }), both(seesSchool, seesClass), (app, w) => ({ ...school(app, w), ...theClass(app, w), kind: 'CLASS', name: 'Новый' })),
  renameChat: field('chat.rename', ofChat, seesChat, (app, w) => ({ ...theChat(app, w), name: 'Иначе' })),
  archiveChat: field('chat.archive', ofChat, seesChat, theChat),
  addChatMember: field('chatMember.add', ofChat, seesChat, (app, w) => ({ ...theChat(app, w), userId: app.id('User', w.people.classTeacher.id) })),
  removeChatMember: field('chatMember.remove', ofChat, seesChat, (app, w, by) => ({ ...theChat(app, w), userId: app.id('User', by.name === 'teacher' ? w.people.leader.id : w.people.teacher.id) })),
  promoteChatMember: field('chatMember.promote', ofChat, seesChat, (app, w) => ({ ...theChat(app, w), ...teacher(app, w) })),
  demoteChatMember: field('chatMember.demote', ofChat, seesChat, (app, w) => ({ ...theChat(app, w), ...teacher(app, w) })),
  updateProfile: field('profile.update', ownFacts, always, () => ({ phone: '+7 812 000-00-00' })),
  deactivateUser: field('user.deactivate', teacherFacts, both(seesSchool, seesTeacher), (app, w) => ({ ...school(app, w), ...teacher(app, w) })),
  endSession: field('session.end', (_w, { user }) => ({ userId: user?.id ?? '' }), (_w, actor) => actor.kind === 'user', (app, _w, by) => ({ sessionId: app.id('Session', by.sessionId ?? '00000000-0000-4000-8000-000000000000') })),
  endOtherSessions: field(null, ofSchool, always, () => ({})),
};
