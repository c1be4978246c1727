import type { Actor } from '../../src/policy/actor.ts';
import { can } from '../../src/policy/can.ts';
import type { Facts } from '../../src/policy/permissions.ts';
import type { UserPlace } from '../../src/policy/scopes/user.ts';
import type { BaseSchool } from './base-school.ts';
import type { Sfera } from './sfera.ts';

/**
 * Objects of a school of `buildBaseSchool` to which tests send mutations. For each: its id as input, what the permission
 * checks need to know about it, and who can see it.
 */

export const schoolInput = (app: Sfera, { schoolId }: BaseSchool) => ({ schoolId: app.id('School', schoolId) });
export const classInput = (app: Sfera, { own }: BaseSchool) => ({ classId: app.id('Class', own.id) });
/** The extra-curricular chat. Its owner is the leader, and the teacher is a member. */
export const chatInput = (app: Sfera, { chats }: BaseSchool) => ({ chatId: app.id('Chat', chats.CLUB.id) });
/** The teacher without a class. */
export const teacherInput = (app: Sfera, { people }: BaseSchool) => ({ userId: app.id('User', people.teacher.id) });
export const pupilInput = (app: Sfera, { people }: BaseSchool) => ({ studentId: app.id('User', people.pupil.id) });
/** The class, and a subject that is taught in it. */
export const taughtInput = (app: Sfera, school: BaseSchool) => ({
  ...classInput(app, school),
  subjectId: app.id('Subject', school.subject.id),
});

export const schoolFacts = ({ schoolId }: BaseSchool): Facts['school'] => ({ schoolId });
export const classFacts = ({ schoolId, own }: BaseSchool): Facts['class'] => ({ schoolId, classId: own.id });
export const chatFacts = ({ schoolId, chats: { CLUB } }: BaseSchool): Facts['chat'] => ({
  schoolId,
  chatId: CLUB.id,
  kind: CLUB.kind,
  classId: null,
  subjectId: null,
});

const place = (schoolId: string, more: Partial<UserPlace> = {}): UserPlace => ({
  schoolId,
  staff: false,
  classId: null,
  current: true,
  ...more,
});
const inChats = (schoolId: string, ...ids: string[]) => ids.map((chatId) => ({ schoolId, chatId }));

export const teacherFacts = ({ schoolId, people, chats }: BaseSchool): Facts['user'] => ({
  userId: people.teacher.id,
  places: [place(schoolId, { staff: true })],
  chats: inChats(schoolId, chats.SCHOOL.id, chats.STAFF.id, chats.CLUB.id),
});
const subjectTeacherFacts = ({ schoolId, people, own, chats }: BaseSchool): Facts['user'] => ({
  userId: people.subjectTeacher.id,
  places: [place(schoolId, { staff: true }), place(schoolId, { classId: own.id })],
  chats: inChats(schoolId, chats.SCHOOL.id, chats.STAFF.id, chats.CLASS.id, chats.SUBJECT.id),
});
const newcomerFacts = ({ schoolId, people, chats }: BaseSchool): Facts['user'] => ({
  userId: people.newcomer.id,
  places: [place(schoolId)],
  chats: inChats(schoolId, chats.SCHOOL.id),
});
const pupilFacts = ({ schoolId, people, own, chats }: BaseSchool): Facts['user'] => ({
  userId: people.pupil.id,
  places: [place(schoolId), place(schoolId, { classId: own.id })],
  chats: inChats(schoolId, chats.SCHOOL.id, chats.CLASS.id, chats.SUBJECT.id),
});

type CanSee = (school: BaseSchool, actor: Actor) => boolean;

export const canSeeAnything: CanSee = () => true;
export const canSeeSchool: CanSee = (school, actor) => can(actor, 'school.read', schoolFacts(school));
export const canSeeClass: CanSee = (school, actor) => can(actor, 'class.read', classFacts(school));
export const canSeeChat: CanSee = (school, actor) => can(actor, 'chat.read', chatFacts(school));
export const canSeeTeacher: CanSee = (school, actor) => can(actor, 'user.read', teacherFacts(school));
export const canSeeNewcomer: CanSee = (school, actor) => can(actor, 'user.read', newcomerFacts(school));
export const canSeePupil: CanSee = (school, actor) => can(actor, 'user.read', pupilFacts(school));
export const canSeeSubjectTeacher: CanSee = (school, actor) =>
  can(actor, 'subject.read', schoolFacts(school)) && can(actor, 'user.read', subjectTeacherFacts(school));
