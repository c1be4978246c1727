import type {
  Assignment, Chat, ChatMember, Class, Enrolment, Event, Invitation, RoleGrant, School, SchoolYear, Session, Subject, User,
} from '../domain/entities.ts';
import { builder } from './builder.ts';

/** Every object of the schema by name, so that nouns refer to one another without importing one another. */

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
  description: 'What a person is in a school.',
  values: {
    PLATFORM_ADMINISTRATOR: { description: 'Sets up the school, its classes, links and people (regulation 2.1).' },
    SCHOOL_ADMINISTRATION: { description: 'Leads the school: head and deputies (regulation 2.2).' },
    TEACHER: { description: 'Teaches; class teacher or subject teacher by assignment (regulation 2.3, 2.4).' },
    STUDENT: { description: 'A pupil of one class (regulation 2.5).' },
  } as const,
});

export const ChatKindEnum = builder.enumType('ChatKind', {
  description: 'What a chat is for. It decides who may make and moderate it, and whom a rule puts there.',
  values: {
    SCHOOL: { description: 'The whole school: everyone with a role in it.' },
    STAFF: { description: 'The staff: everyone with a role other than STUDENT.' },
    CLASS: { description: 'A class: its pupils and teachers.' },
    SUBJECT: { description: 'A subject in a class: the pupils and the teachers of the subject.' },
    EXTRACURRICULAR: { description: 'Anything beside lessons: whom its moderators add.' },
  } as const,
});

export const ChatRoleEnum = builder.enumType('ChatRole', {
  description: 'What a member may do in a chat.',
  values: {
    OWNER: { description: 'Above the moderators. The creator of the chat; when the owner leaves, the moderator who has been in it longest.' },
    MODERATOR: { description: 'Keeps order: renames, adds, removes.' },
    MEMBER: { description: 'Takes part.' },
  } as const,
});

export const ClassConnection = builder.connectionObject({ type: ClassRef, name: 'ClassConnection', description: 'A page of classes.' });
export const SubjectConnection = builder.connectionObject({ type: SubjectRef, name: 'SubjectConnection', description: 'A page of subjects.' });
export const UserConnection = builder.connectionObject({ type: UserRef, name: 'UserConnection', description: 'A page of people.' });
export const RoleGrantConnection = builder.connectionObject({ type: RoleGrantRef, name: 'RoleGrantConnection', description: 'A page of roles.' });
export const AssignmentConnection = builder.connectionObject({ type: AssignmentRef, name: 'AssignmentConnection', description: 'A page of assignments.' });
export const EnrolmentConnection = builder.connectionObject({ type: EnrolmentRef, name: 'EnrolmentConnection', description: 'A page of enrolments.' });
export const InvitationConnection = builder.connectionObject({ type: InvitationRef, name: 'InvitationConnection', description: 'A page of invitations.' });
export const ChatConnection = builder.connectionObject({ type: ChatRef, name: 'ChatConnection', description: 'A page of chats.' });
export const ChatMemberConnection = builder.connectionObject({ type: ChatMemberRef, name: 'ChatMemberConnection', description: 'A page of members.' });
export const SessionConnection = builder.connectionObject({ type: SessionRef, name: 'SessionConnection', description: 'A page of sessions.' });
export const EventConnection = builder.connectionObject({ type: EventRef, name: 'EventConnection', description: 'A page of the log.' });
