import type { Topic } from '../policy/topics.ts';

/**
 * What happens in a school, and who hears it. For each event: the ids it carries (never a name or a text of a person)
 * and the topics it is told on, decided here once and not by each caller. `src/policy/topics.ts` says who hears a topic.
 * And whose rights it may change: rights that were read once count until the log says otherwise.
 */

/** Ids by name; every event carries its school's. */
export type Payload = { schoolId: string } & Record<string, string | null>;

interface Entry<K extends string> {
  payload: readonly K[];
  topics(payload: Record<K | 'schoolId', string>): Topic[];
  /** For people: what it means, in the printed catalogue. */
  description: string;
  /** Whose rights may be others after it: a person's id, everyone's, or nobody's. */
  invalidates(payload: Record<K | 'schoolId', string>): string | typeof everyone | null;
}

export const everyone = Symbol('everyone');

const event = <const K extends string>(
  description: string,
  payload: readonly K[],
  topics: Entry<K>['topics'],
  invalidates: Entry<K>['invalidates'] = () => null,
): Entry<K> => ({ description, payload, topics, invalidates });

const rightsOfUser = (p: { userId: string }): string => p.userId;
const rightsOfStudent = (p: { studentId: string }): string => p.studentId;
const rightsOfEveryone = (): typeof everyone => everyone;

const school = (p: { schoolId: string }): Topic => `school:${p.schoolId}`;
const staff = (p: { schoolId: string }): Topic => `staff:${p.schoolId}`;

const enrolment = ['enrolmentId', 'studentId', 'classId'] as const;
const assignment = ['assignmentId', 'classId', 'userId'] as const;
const ofStudent = (p: Record<(typeof enrolment)[number] | 'schoolId', string>): Topic[] => [
  school(p), `class:${p.classId}`, `user:${p.studentId}`,
];
const ofTeacher = (p: Record<(typeof assignment)[number] | 'schoolId', string>): Topic[] => [
  school(p), staff(p), `class:${p.classId}`, `user:${p.userId}`,
];
const ofMember = (p: Record<'schoolId' | 'chatId' | 'userId', string>): Topic[] => [
  school(p), `chat:${p.chatId}`, `user:${p.userId}`,
];

// prettier-ignore
export const catalog = {
  'school.created':         event('A school was set up.', [], (p) => [school(p)]),
  'school.updated':         event('What is said of the school changed.', [], (p) => [school(p), staff(p)]),

  'class.created':          event('A class was created.', ['classId'], (p) => [school(p), staff(p)]),
  'class.updated':          event('A class got another grade or letter.', ['classId'], (p) => [school(p), staff(p), `class:${p.classId}`]),
  'class.archived':         event('A class ended; its chats are read-only and its links stopped.', ['classId'], (p) => [school(p), staff(p), `class:${p.classId}`], rightsOfEveryone),

  'subject.created':        event('A subject was created.', ['subjectId'], (p) => [school(p), staff(p)]),

  'role.granted':           event('A person got a role.', ['grantId', 'userId'], (p) => [school(p), `user:${p.userId}`], rightsOfUser),
  'role.ended':             event('A role of a person ended.', ['grantId', 'userId'], (p) => [school(p), `user:${p.userId}`], rightsOfUser),
  'profile.updated':        event('A person changed their own particulars.', ['userId'], (p) => [school(p), `user:${p.userId}`]),
  'user.deactivated':       event('A person can no longer sign in.', ['userId'], (p) => [school(p), `user:${p.userId}`], rightsOfUser),
  'session.started':        event('A person signed in on a device or in a client.', ['sessionId', 'userId'], (p) => [`user:${p.userId}`]),
  'session.ended':          event('A sign-in of a person was ended.', ['sessionId', 'userId'], (p) => [`user:${p.userId}`], rightsOfUser),

  'classTeacher.assigned':  event('A teacher became the class teacher.', assignment, ofTeacher, rightsOfUser),
  'classTeacher.ended':     event('A teacher is no longer the class teacher.', assignment, ofTeacher, rightsOfUser),
  'subjectTeacher.assigned':event('A teacher got a subject in a class.', [...assignment, 'subjectId'], ofTeacher, rightsOfUser),
  'subjectTeacher.ended':   event('A teacher no longer has a subject in a class.', [...assignment, 'subjectId'], ofTeacher, rightsOfUser),

  'student.enrolled':       event('A pupil was enrolled in a class.', enrolment, ofStudent, rightsOfStudent),
  'student.transferred':    event('A pupil moved from one class to another.', [...enrolment, 'fromEnrolmentId', 'fromClassId'], (p) => [...ofStudent(p), `class:${p.fromClassId}`], rightsOfStudent),
  'student.withdrawn':      event('A pupil left a class.', enrolment, ofStudent, rightsOfStudent),

  'invitation.created':     event('An invitation link was made.', ['invitationId'], (p) => [school(p)]),
  'invitation.handedOver':  event('An invitation link was handed to a person.', ['invitationId', 'userId'], (p) => [school(p), `user:${p.userId}`]),
  'invitation.rotated':     event('An invitation got a new link; the old one stopped.', ['invitationId'], (p) => [school(p)]),
  'invitation.revoked':     event('An invitation link was stopped.', ['invitationId'], (p) => [school(p)]),
  'invitation.accepted':    event('A person joined by an invitation link.', ['invitationId', 'userId'], (p) => [school(p), `user:${p.userId}`]),

  'chat.created':           event('A chat was created, with those a rule puts there.', ['chatId'], (p) => [school(p), `chat:${p.chatId}`], rightsOfEveryone),
  'chat.renamed':           event('A chat got another name.', ['chatId'], (p) => [school(p), `chat:${p.chatId}`]),
  'chat.archived':          event('A chat became read-only.', ['chatId'], (p) => [school(p), `chat:${p.chatId}`]),
  'chatMember.added':       event('A person came into a chat.', ['chatId', 'userId'], ofMember, rightsOfUser),
  'chatMember.removed':     event('A person left a chat or was removed.', ['chatId', 'userId'], ofMember, rightsOfUser),
  'chatMember.promoted':    event('A member became a moderator, or a moderator the owner.', ['chatId', 'userId'], ofMember, rightsOfUser),
  'chatMember.demoted':     event('A moderator became a member, or the owner lost the ownership.', ['chatId', 'userId'], ofMember, rightsOfUser),
};

export type EventType = keyof typeof catalog;

/** The ids that an event of this type carries. */
export type PayloadOf<T extends EventType> = Record<'schoolId' | (typeof catalog)[T]['payload'][number], string>;

export const eventTypes = Object.keys(catalog) as EventType[];

/** The topics that an event is told on. */
export function topicsOf<T extends EventType>(type: T, payload: PayloadOf<T>): Topic[] {
  return (catalog[type].topics as (payload: PayloadOf<T>) => Topic[])(payload);
}

/** Whose rights in the school may be others after this event: a person's id, `everyone`, or null for nobody's. */
export function rightsChangedBy<T extends EventType>(type: T, payload: PayloadOf<T>): string | typeof everyone | null {
  return (catalog[type].invalidates as (payload: PayloadOf<T>) => string | typeof everyone | null)(payload);
}
