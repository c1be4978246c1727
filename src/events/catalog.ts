import type { Topic } from '../policy/recipients.ts';

/**
 * The types of events. Each type defines the ids in its payload (never a name or a text of a person), the topics that
 * the event is published on, and whose cached rights it invalidates. src/policy/recipients.ts decides who receives a
 * topic.
 */

interface EventDefinition<K extends string> {
  payload: readonly K[];
  topics(payload: Record<K | 'schoolId', string>): Topic[];
  /** One or two sentences for docs/events.md. */
  description: string;
  invalidates(payload: Record<K | 'schoolId', string>): string | typeof everyone | null;
}

export const everyone = Symbol('everyone');

const event = <const K extends string>(
  description: string,
  payload: readonly K[],
  topics: EventDefinition<K>['topics'],
  invalidates: EventDefinition<K>['invalidates'] = () => null,
): EventDefinition<K> => ({ description, payload, topics, invalidates });

const rightsOfUser = (p: { userId: string }): string => p.userId;
const rightsOfStudent = (p: { studentId: string }): string => p.studentId;
const rightsOfEveryone = (): typeof everyone => everyone;

const school = (p: { schoolId: string }): Topic => `school:${p.schoolId}`;
const staff = (p: { schoolId: string }): Topic => `staff:${p.schoolId}`;

const enrolment = ['enrolmentId', 'studentId', 'classId'] as const;
const assignment = ['assignmentId', 'classId', 'userId'] as const;
const enrolmentTopics = (p: Record<(typeof enrolment)[number] | 'schoolId', string>): Topic[] => [
  school(p),
  `class:${p.classId}`,
  `user:${p.studentId}`,
];
const assignmentTopics = (p: Record<(typeof assignment)[number] | 'schoolId', string>): Topic[] => [
  school(p),
  staff(p),
  `class:${p.classId}`,
  `user:${p.userId}`,
];
const memberTopics = (p: Record<'schoolId' | 'chatId' | 'userId', string>): Topic[] => [school(p), `chat:${p.chatId}`, `user:${p.userId}`];

// prettier-ignore
export const catalog = {
  'school.created':         event('A school was created.', [], (p) => [school(p)]),
  'school.updated':         event("A school's details changed.", [], (p) => [school(p), staff(p)]),

  'schoolYear.started':     event('A school year started. It is `School.currentYear` now, and `School.classes` lists its classes by default.', ['schoolYearId'], (p) => [school(p), staff(p)]),
  'terms.set':              event('The terms of a school year were set.', ['schoolYearId'], (p) => [school(p), staff(p)]),

  'class.created':          event('A class was created.', ['classId'], (p) => [school(p), staff(p)]),
  'class.updated':          event('The grade or the letter of a class changed.', ['classId'], (p) => [school(p), staff(p), `class:${p.classId}`]),
  'class.archived':         event('A class was archived. Its chats became read-only, its invitations were revoked, and the assignments of its teachers ended.', ['classId'], (p) => [school(p), staff(p), `class:${p.classId}`], rightsOfEveryone),
  'class.unarchived':       event('A class was unarchived. The chats that were archived with it are active again; its invitations stay revoked.', ['classId'], (p) => [school(p), staff(p), `class:${p.classId}`], rightsOfEveryone),

  'subject.created':        event('A subject was created.', ['subjectId'], (p) => [school(p), staff(p)]),

  'role.granted':           event('A person was granted a role.', ['grantId', 'userId'], (p) => [school(p), `user:${p.userId}`], rightsOfUser),
  'role.ended':             event("A person's role ended.", ['grantId', 'userId'], (p) => [school(p), `user:${p.userId}`], rightsOfUser),
  'profile.updated':        event('A person changed their own profile.', ['userId'], (p) => [school(p), `user:${p.userId}`]),
  'user.created':           event('A person was created. They choose a login and a password with their personal invitation.', ['userId'], (p) => [school(p), `user:${p.userId}`]),
  'user.updated':           event("An administrator corrected a person's names, contact details or IDs in other systems.", ['userId'], (p) => [school(p), `user:${p.userId}`]),
  'user.reactivated':       event("A person's account was reactivated. The person has no role until one is granted.", ['userId'], (p) => [school(p), `user:${p.userId}`], rightsOfUser),
  'user.deactivated':       event("A person's account was deactivated. Their roles and sessions ended.", ['userId'], (p) => [school(p), `user:${p.userId}`], rightsOfUser),
  'password.reset':         event("An administrator or the operator reset a person's password. The former password no longer works, and a one-time link was created.", ['userId'], (p) => [school(p), `user:${p.userId}`]),
  'password.changed':       event('A person set a new password, with the former password or by a one-time link.', ['userId'], (p) => [`user:${p.userId}`]),
  'passwordLink.mailed':    event("A one-time link for a new password was sent to the person's e-mail address.", ['userId'], (p) => [`user:${p.userId}`]),
  'session.started':        event('A person signed in on a device or in a client.', ['sessionId', 'userId'], (p) => [`user:${p.userId}`]),
  'session.ended':          event("A person's session was ended.", ['sessionId', 'userId'], (p) => [`user:${p.userId}`], rightsOfUser),

  'classTeacher.assigned':  event('A teacher became the class teacher of a class.', assignment, assignmentTopics, rightsOfUser),
  'classTeacher.ended':     event('A teacher is no longer the class teacher of a class.', assignment, assignmentTopics, rightsOfUser),
  'subjectTeacher.assigned':event('A teacher was assigned to a subject in a class.', [...assignment, 'subjectId'], assignmentTopics, rightsOfUser),
  'subjectTeacher.ended':   event('A teacher no longer teaches a subject in a class.', [...assignment, 'subjectId'], assignmentTopics, rightsOfUser),

  'student.enrolled':       event('A pupil was enrolled in a class.', enrolment, enrolmentTopics, rightsOfStudent),
  'student.transferred':    event('A pupil was transferred from one class to another.', [...enrolment, 'fromEnrolmentId', 'fromClassId'], (p) => [...enrolmentTopics(p), `class:${p.fromClassId}`], rightsOfStudent),
  'student.withdrawn':      event('A pupil was withdrawn from a class.', enrolment, enrolmentTopics, rightsOfStudent),
  'enrolment.voided':       event('An enrolment was voided as a mistake, and counts as if it had never been.', enrolment, enrolmentTopics, rightsOfStudent),
  'enrolment.restored':     event('The former enrolment of a transferred pupil lasts longer, because the new enrolment was voided as a mistake.', enrolment, enrolmentTopics, rightsOfStudent),

  'invitation.created':     event('An invitation link was created.', ['invitationId'], (p) => [school(p)]),
  'invitation.handedOver':  event('An invitation link was handed over to a person.', ['invitationId', 'userId'], (p) => [school(p), `user:${p.userId}`]),
  'invitation.rotated':     event('An invitation got a new link. The old link no longer works.', ['invitationId'], (p) => [school(p)]),
  'invitation.revoked':     event('An invitation link was revoked.', ['invitationId'], (p) => [school(p)]),
  'invitation.accepted':    event('A person joined the school through an invitation link.', ['invitationId', 'userId'], (p) => [school(p), `user:${p.userId}`]),

  'personalInvitation.reissued': event('A person who cannot sign in yet got a new personal invitation. The old link no longer works.', ['userId'], (p) => [school(p)]),
  'personalInvitation.accepted': event('A person chose a login and a password with their personal invitation.', ['userId'], (p) => [school(p), `user:${p.userId}`]),

  'upload.created':         event('A client announced a file. The bytes of the file follow.', ['uploadId'], (p) => [school(p)]),
  'plan.ready':             event('A plan was made and can be applied.', ['planId'], (p) => [school(p)]),
  'plan.failed':            event('The file of a planned import could not be read.', ['planId'], (p) => [school(p)]),
  'planRow.edited':         event('A person decided whether a row of a plan is applied.', ['planId', 'planRowId'], (p) => [school(p)]),
  'plan.scheduled':        event('The time at which the server applies a plan was set, changed or removed.', ['planId'], (p) => [school(p)]),
  'plan.refused':          event('The server could not apply a scheduled plan. `Plan.refusal` has the reason. The plan is no longer scheduled.', ['planId'], (p) => [school(p)]),
  'plan.applied':           event('A plan was applied. The changes have their own events, with the same causation.', ['planId'], (p) => [school(p)]),
  'plan.undone':            event('An applied plan was undone. The reversed changes have their own events, with the same causation.', ['planId'], (p) => [school(p)]),
  'roster.exported':        event('The people and classes of the school were downloaded as a file, or exported by the operator.', [], (p) => [school(p)]),

  'chat.created':           event('A chat was created. There are no separate events for its first members.', ['chatId'], (p) => [school(p), `chat:${p.chatId}`], rightsOfEveryone),
  'chat.renamed':           event('A chat was renamed.', ['chatId'], (p) => [school(p), `chat:${p.chatId}`]),
  'chat.archived':          event('A chat became read-only, by itself or together with its class.', ['chatId'], (p) => [school(p), `chat:${p.chatId}`]),
  'chat.unarchived':        event('A chat is active again, because its class was unarchived.', ['chatId'], (p) => [school(p), `chat:${p.chatId}`]),
  'chatMember.added':       event('A person became a member of a chat: another person added them, or they got a role, an enrolment or an assignment.', ['chatId', 'userId'], memberTopics, rightsOfUser),
  'chatMember.removed':     event('A person is no longer a member of a chat: they left, another person removed them, or their role, enrolment or assignment ended.', ['chatId', 'userId'], memberTopics, rightsOfUser),
  'chatMember.promoted':    event('A member became a moderator, or a moderator became the owner.', ['chatId', 'userId'], memberTopics, rightsOfUser),
  'chatMember.demoted':     event('A moderator became a member, or the owner lost the ownership.', ['chatId', 'userId'], memberTopics, rightsOfUser),
};

export type EventType = keyof typeof catalog;

export type PayloadOf<T extends EventType> = Record<'schoolId' | (typeof catalog)[T]['payload'][number], string>;

export const eventTypes = Object.keys(catalog) as EventType[];

export function topicsOf<T extends EventType>(type: T, payload: PayloadOf<T>): Topic[] {
  return (catalog[type].topics as (payload: PayloadOf<T>) => Topic[])(payload);
}

/**
 * Returns the id of the person whose rights the event may change. Returns `everyone` if it may change the rights of
 * many people, and null if it changes no rights.
 */
export function rightsChangedBy<T extends EventType>(type: T, payload: PayloadOf<T>): string | typeof everyone | null {
  return (catalog[type].invalidates as (payload: PayloadOf<T>) => string | typeof everyone | null)(payload);
}
