import type {
  Assignment,
  Chat,
  ChatMember,
  Class,
  Enrolment,
  Event,
  Invitation,
  RoleGrant,
  School,
  SchoolYear,
  Session,
  Subject,
  User,
} from '../domain/entities.ts';
import { builder } from './builder.ts';

/** References to the types that several nouns use, so that the files of nouns need not import one another. */

export const SchoolRef = builder.objectRef<School>('School');
export const SchoolYearRef = builder.objectRef<SchoolYear>('SchoolYear');
export const ClassRef = builder.objectRef<Class>('Class');
export const SubjectRef = builder.objectRef<Subject>('Subject');
export const UserRef = builder.objectRef<User>('User');
export const RoleGrantRef = builder.objectRef<RoleGrant>('RoleGrant');
export const AssignmentRef = builder.objectRef<Assignment>('Assignment');
export const EnrolmentRef = builder.objectRef<Enrolment>('Enrolment');
export const InvitationRef = builder.objectRef<Invitation>('Invitation');
export const ChatRef = builder.objectRef<Chat>('Chat');
export const ChatMemberRef = builder.objectRef<ChatMember>('ChatMember');
export const SessionRef = builder.objectRef<Session>('Session');
export const EventRef = builder.objectRef<Event>('Event');

export const RoleEnum = builder.enumType('Role', {
  description: 'A role in a school. It decides what a person may see and do there.',
  values: {
    PLATFORM_ADMINISTRATOR: {
      description:
        'Manages the details, classes, people and invitations of the school (regulation 2.1). The last one of a school cannot be removed.',
    },
    SCHOOL_ADMINISTRATION: { description: 'Leads the school: the head and the deputies (regulation 2.2).' },
    TEACHER: { description: 'Teaches: as a class teacher (regulation 2.3) or in a subject (2.4), in the classes of their assignments.' },
    STUDENT: { description: 'A pupil, of at most one class at a time (regulation 2.5). Excludes the other roles in the same school.' },
  } as const,
});

export const ChatKindEnum = builder.enumType('ChatKind', {
  description: 'What a chat is for. It decides who may create the chat, who moderates it, and who is in it by rule.',
  values: {
    SCHOOL: { description: 'The whole school: everyone with a role in it. Its platform administrators moderate.' },
    STAFF: { description: 'The staff: everyone with a role other than STUDENT. The school administration moderates.' },
    CLASS: { description: 'A class: its pupils and teachers. The class teacher moderates.' },
    SUBJECT: { description: 'A subject in a class: the pupils of the class and the teachers of the subject, who moderate.' },
    EXTRACURRICULAR: { description: 'A chat about something other than lessons. Its members are the people whom its moderators add.' },
  } as const,
});

export const ChatRoleEnum = builder.enumType('ChatRole', {
  description: 'What a member may do in a chat.',
  values: {
    OWNER: {
      description:
        'Moderates, and ranks above the other moderators. At first the creator; when the owner leaves, the moderator who has been in the chat longest.',
    },
    MODERATOR: { description: 'Renames and archives the chat; adds, removes and promotes members.' },
    MEMBER: { description: 'Takes part without moderating.' },
  } as const,
});

export const ClassConnection = builder.connectionObject({ type: ClassRef, name: 'ClassConnection', description: 'A page of classes.' });
export const SubjectConnection = builder.connectionObject({
  type: SubjectRef,
  name: 'SubjectConnection',
  description: 'A page of subjects.',
});
export const UserConnection = builder.connectionObject({ type: UserRef, name: 'UserConnection', description: 'A page of people.' });
export const RoleGrantConnection = builder.connectionObject({
  type: RoleGrantRef,
  name: 'RoleGrantConnection',
  description: 'A page of role grants.',
});
export const AssignmentConnection = builder.connectionObject({
  type: AssignmentRef,
  name: 'AssignmentConnection',
  description: 'A page of assignments.',
});
export const EnrolmentConnection = builder.connectionObject({
  type: EnrolmentRef,
  name: 'EnrolmentConnection',
  description: 'A page of enrolments.',
});
export const InvitationConnection = builder.connectionObject({
  type: InvitationRef,
  name: 'InvitationConnection',
  description: 'A page of invitations.',
});
export const ChatConnection = builder.connectionObject({ type: ChatRef, name: 'ChatConnection', description: 'A page of chats.' });
export const ChatMemberConnection = builder.connectionObject({
  type: ChatMemberRef,
  name: 'ChatMemberConnection',
  description: 'A page of chat members.',
});
export const SessionConnection = builder.connectionObject({
  type: SessionRef,
  name: 'SessionConnection',
  description: 'A page of sessions.',
});
export const EventConnection = builder.connectionObject({ type: EventRef, name: 'EventConnection', description: 'A page of log entries.' });
