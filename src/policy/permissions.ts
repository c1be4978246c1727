import type { Column } from './actor.ts';
import type { FactsOf } from './scopes.ts';
import { chatScopes } from './scopes/chat.ts';
import { classScopes } from './scopes/class.ts';
import { enrolmentScopes } from './scopes/enrolment.ts';
import { eventScopes } from './scopes/event.ts';
import { invitationScopes } from './scopes/invitation.ts';
import { planScopes } from './scopes/plan.ts';
import { roleScopes } from './scopes/role.ts';
import { schoolScopes } from './scopes/school.ts';
import { sessionScopes } from './scopes/session.ts';
import { subjectScopes } from './scopes/subject.ts';
import { uploadScopes } from './scopes/upload.ts';
import { userScopes } from './scopes/user.ts';

/** The nouns that permissions are checked on, with their scopes. */
export const scopes = {
  school: schoolScopes,
  class: classScopes,
  subject: subjectScopes,
  user: userScopes,
  role: roleScopes,
  enrolment: enrolmentScopes,
  invitation: invitationScopes,
  chat: chatScopes,
  plan: planScopes,
  upload: uploadScopes,
  session: sessionScopes,
  event: eventScopes,
};

export type Noun = keyof typeof scopes;

/** For each noun, the data about an object that the scopes of the noun need to decide. */
export type Facts = { [N in Noun]: FactsOf<(typeof scopes)[N]> };

type ScopeOf<N extends Noun> = Extract<keyof (typeof scopes)[N], string>;

/**
 * The table of permissions. A row is an action. A cell names the scopes in which a role may perform the action,
 * joined by a slash; `-` means no scope. `clause` is the clause of the school's regulation that decides. Rules
 * about the state of a row, such as that an archived class takes no new chats, are in the operations of src/domain.
 */

type Cell<N extends Noun> =
  | '-'
  | ScopeOf<N>
  | `${ScopeOf<N>}/${ScopeOf<N>}`
  | `${ScopeOf<N>}/${ScopeOf<N>}/${ScopeOf<N>}`
  | `${ScopeOf<N>}/${ScopeOf<N>}/${ScopeOf<N>}/${ScopeOf<N>}`;

export interface PermissionRow<N extends Noun = Noun> {
  /** The noun of the object that the action is checked on. */
  on: N;
  clause: string;
  /** The description of the action in the GraphQL schema. */
  description: string;
  cells: Record<Column, readonly string[]>;
}

function row<const N extends Noun>(
  on: N,
  clause: string,
  ...cellsAndDescription: [Cell<N>, Cell<N>, Cell<N>, Cell<N>, Cell<N>, Cell<N>, string]
): PermissionRow<N> {
  const description = cellsAndDescription[6];
  const [administrator, leadership, classTeacher, subjectTeacher, student, service] = cellsAndDescription
    .slice(0, 6)
    .map((cell) => (cell === '-' ? [] : cell.split('/'))) as [string[], string[], string[], string[], string[], string[]];
  return { on, clause, description, cells: { administrator, leadership, classTeacher, subjectTeacher, student, service } };
}

// prettier-ignore
export const permissions = {
  //                          checked on    clause   administrator  leadership     classTeacher       subjectTeacher       student            service        in the schema
  'school.read':          row('school',     '1.4',   'school',      'school',      'school',          'school',            'school',          'read/events/roster', 'See a school, its years and its terms.'),
  'school.update':        row('school',     '2.1 a', 'school',      '-',           '-',               '-',                 '-',               '-',           'Update the name, the address and the other details of a school.'),
  'terms.set':            row('school',     '2.1 b', 'school',      '-',           '-',               '-',                 '-',               '-',           'Set the terms of a school year.'),

  'class.read':           row('class',      '1.4',   'school',      'school',      'school',          'school',            'class',           'read',        'See a class and its assignments.'),
  'class.create':         row('school',     '2.1 b', 'school',      '-',           '-',               '-',                 '-',               '-',           'Create a class in a school.'),
  'class.update':         row('class',      '2.1 b', 'school',      '-',           '-',               '-',                 '-',               '-',           'Change the grade or the letter of a class.'),
  'class.archive':        row('class',      '2.1 b', 'school',      '-',           '-',               '-',                 '-',               '-',           'Archive a class.'),
  'class.unarchive':      row('class',      '2.1 b', 'school',      '-',           '-',               '-',                 '-',               '-',           'Make an archived class active again; possible until its school year ends.'),

  'subject.read':         row('subject',    '1.3',   'school',      'school',      'school',          'school',            'school',          'read',        'See a subject.'),
  'subject.create':       row('school',     '2.1 g', 'school',      '-',           '-',               '-',                 '-',               '-',           'Create a subject in a school.'),

  'user.read':            row('user',       '1.4',   'school/own',  'school/own',  'staff/class/chatmates/own', 'staff/class/chatmates/own', 'classmates/chatmates/own', 'read','See a person.'),
  'user.readContact':     row('user',       '2.1 a', 'school/own',  'school/own',  'class/own',       'own',               'own',             '-',           'See the e-mail address, the phone number and the sign-in name of a person.'),
  'user.create':          row('school',     '2.1 f', 'school',      '-',           '-',               '-',                 '-',               '-',           'Create a person in a school, who can sign in once they accept their personal invitation.'),
  'user.update':          row('user',       '2.1 a', 'school',      '-',           '-',               '-',                 '-',               '-',           'Correct the names, the contact details and the external IDs of a person.'),
  'user.deactivate':      row('user',       '2.1 a', 'school',      '-',           '-',               '-',                 '-',               '-',           'Deactivate the account of a person, who then cannot sign in.'),
  'user.reactivate':      row('user',       '2.1 a', 'school',      '-',           '-',               '-',                 '-',               '-',           'Reactivate the account of a person, who can then sign in again.'),
  'user.readPersonalInvitation': row('user', '2.1 d', 'present',    '-',           '-',               '-',                 '-',               '-',           'See the personal invitation of a person and its link.'),
  'externalId.read':      row('school',     '1.5',   'school',      '-',           '-',               '-',                 '-',               'read',        'See the IDs of people, classes and subjects in other systems.'),
  'password.reset':       row('user',       '2.1 a', 'school',      '-',           '-',               '-',                 '-',               '-',           'Reset the password of a person, who gets a one-time link to set a new one.'),
  'password.change':      row('user',       '2.2 h', 'own',         'own',         'own',             'own',               'own',             '-',           'Change your own password; never allowed for another person.'),
  'profile.update':       row('user',       '1.4',   'own',         'own',         'own',             'own',               'own',             '-',           'Update your own details; never allowed for another person.'),

  'role.read':            row('role',       '1.4',   'school/own',  'school/own',  'school/own',      'school/own',        'own',             'read',        'See a role that a person has or had.'),
  'role.grant':           row('school',     '2.1 g', 'school',      '-',           '-',               '-',                 '-',               '-',           'Grant a person a role in a school.'),
  'role.end':             row('school',     '2.1 g', 'school',      '-',           '-',               '-',                 '-',               '-',           'End a role of a person.'),

  'classTeacher.assign':  row('class',      '2.1 g', 'school',      '-',           '-',               '-',                 '-',               '-',           'Assign a class teacher to a class.'),
  'classTeacher.end':     row('class',      '2.1 g', 'school',      '-',           '-',               '-',                 '-',               '-',           'End the assignment of a class teacher.'),
  'subjectTeacher.assign':row('class',      '2.1 g', 'school',      '-',           '-',               '-',                 '-',               '-',           'Assign a subject teacher to a class.'),
  'subjectTeacher.end':   row('class',      '2.1 g', 'school',      '-',           '-',               '-',                 '-',               '-',           'End the assignment of a subject teacher.'),

  'enrolment.read':       row('enrolment',  '2.1 f', 'school',      'school',      'class',           'class',             'classmates/own',  'read',        'See an enrolment.'),
  'student.enrol':        row('class',      '2.1 f', 'school',      '-',           '-',               '-',                 '-',               'roster',      'Enrol a pupil in a class.'),
  'student.transfer':     row('class',      '2.1 f', 'school',      '-',           '-',               '-',                 '-',               'roster',      'Transfer a pupil into or out of a class. `transferStudent` needs this permission for both classes.'),
  'student.withdraw':     row('class',      '2.1 f', 'school',      '-',           '-',               '-',                 '-',               'roster',      'Withdraw a pupil from a class.'),
  'enrolment.void':       row('class',      '2.1 f', 'school',      '-',           '-',               '-',                 '-',               '-',           'Void an enrolment that was a mistake. The enrolment then counts as if it had never been.'),

  'invitation.read':      row('invitation', '2.3 b', 'school',      'held',        'held',            'held',              '-',               '-',           'See an invitation and its link.'),
  'invitation.create':    row('school',     '2.1 c', 'school',      '-',           '-',               '-',                 '-',               '-',           'Create an invitation to a school, or to a class of it.'),
  'invitation.handOver':  row('invitation', '2.1 d', 'school',      '-',           '-',               '-',                 '-',               '-',           'Hand an invitation over to a person.'),
  'invitation.revoke':    row('invitation', '2.1 c', 'school',      '-',           '-',               '-',                 '-',               '-',           'Revoke an invitation, whose link then stops working for good.'),
  'invitation.rotate':    row('invitation', '2.1 c', 'school',      '-',           '-',               '-',                 '-',               '-',           'Replace the link of an invitation, whose old link then stops working.'),

  'personalInvitation.read':    row('class', '2.3 b', 'school',     '-',           'class',           '-',                 '-',               '-',           'See the personal invitations of the pupils of a class, and their links.'),
  'personalInvitation.reissue': row('user',  '2.1 c', 'school',     '-',           '-',               '-',                 '-',               '-',           'Give a new personal invitation to a person who cannot sign in yet.'),

  'chat.read':            row('chat',       '2.5 b', 'school',      'school',      'member',          'member',            'member',          'read',        'See a chat and its members.'),
  'chat.create':          row('chat',       '2.2 e', 'schoolWide',  'educational', 'ofClass',         'ofSubject',         '-',               '-',           'Create a chat in a school or a class; allowed if you may create a chat of at least one kind there.'),
  'chat.rename':          row('chat',       '2.2 e', 'schoolWide/moderated', 'educational/moderated', 'ofClass/moderated', 'ofSubject/moderated', '-', '-',  'Rename a chat.'),
  'chat.archive':         row('chat',       '2.2 e', 'schoolWide/moderated', 'educational/moderated', 'ofClass/moderated', 'ofSubject/moderated', '-', '-',  'Make a chat read-only for good.'),
  'chatMember.add':       row('chat',       '2.2 e', 'schoolWide/moderated', 'educational/moderated', 'ofClass/moderated', 'ofSubject/moderated', '-', '-',  'Add a person to a chat.'),
  'chatMember.remove':    row('chat',       '2.2 e', 'schoolWide/moderated', 'educational/moderated', 'ofClass/moderated', 'ofSubject/moderated', '-', '-',  'Remove a member from a chat.'),
  'chatMember.promote':   row('chat',       '2.2 e', 'schoolWide/moderated', 'educational/moderated', 'ofClass/moderated', 'ofSubject/moderated', '-', '-',  'Make a member a moderator.'),
  'chatMember.demote':    row('chat',       '2.2 e', 'schoolWide/moderated', 'educational/moderated', 'ofClass/moderated', 'ofSubject/moderated', '-', '-',  'Make a moderator a member.'),

  'session.read':         row('session',    '2.2 h', 'own',         'own',         'own',             'own',               'own',             '-',           'See one of your own sessions; never allowed for a session of another person.'),
  'session.end':          row('session',    '2.2 h', 'own',         'own',         'own',             'own',               'own',             '-',           'End one of your own sessions; never allowed for a session of another person.'),

  'upload.create':        row('school',     '2.1 f', 'school',      '-',           '-',               '-',                 '-',               'roster',      'Send a file to a school.'),
  'upload.read':          row('upload',     '2.1 f', 'own',         '-',           '-',               '-',                 '-',               'own',         'See an upload and send its bytes.'),
  'import.plan':          row('school',     '2.1 f', 'school',      '-',           '-',               '-',                 '-',               'roster',      'Plan the import of a roster file into a school.'),
  'year.plan':            row('school',     '2.1 b', 'school',      '-',           '-',               '-',                 '-',               '-',           'Plan the change to a new school year: the next grade of each class, graduation, and class teachers.'),
  'plan.read':            row('plan',       '2.1 f', 'school',      '-',           '-',               '-',                 '-',               'own',         'See a plan and its rows.'),
  'planRow.edit':         row('plan',       '2.1 f', 'school',      '-',           '-',               '-',                 '-',               'own',         'Exclude or include a row of a plan.'),
  'plan.apply':           row('plan',       '2.1 f', 'school',      '-',           '-',               '-',                 '-',               'own',         'Apply a plan.'),
  'plan.schedule':        row('plan',       '2.1 f', 'school',      '-',           '-',               '-',                 '-',               '-',           'Schedule a plan: set, change or remove the time at which the server applies it.'),
  'plan.undo':            row('plan',       '2.1 f', 'school',      '-',           '-',               '-',                 '-',               '-',           'Undo an applied plan.'),

  'roster.export':        row('school',     '1.5',   'school',      '-',           '-',               '-',                 '-',               'read',        'Download the roster of a school: its people with their birth dates, roles and classes. E-mail addresses are in it only for those who may see them.'),

  'event.read':           row('event',      '2.2 c', 'school',      'school',      '-',               '-',                 '-',               'events',      'Read the log of a school: its entries and the subscription `events`.'),
};

export type Action = keyof typeof permissions;

/** The noun of the object that an action is checked on. */
export type NounOf<A extends Action> = (typeof permissions)[A]['on'];

/**
 * Actions that have no row in the table. Everyone who is signed in may accept an invitation and end their own other
 * sessions. Everyone who has the code of a personal invitation may accept it.
 */
export const openActions = ['invitation.accept', 'personalInvitation.accept', 'otherSessions.end'] as const;

export const actions = Object.keys(permissions) as Action[];
