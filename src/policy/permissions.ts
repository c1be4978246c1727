import type { Column } from './actor.ts';
import type { FactsOf } from './scopes.ts';
import { chatScopes } from './scopes/chat.ts';
import { classScopes } from './scopes/class.ts';
import { enrolmentScopes } from './scopes/enrolment.ts';
import { eventScopes } from './scopes/event.ts';
import { invitationScopes } from './scopes/invitation.ts';
import { roleScopes } from './scopes/role.ts';
import { schoolScopes } from './scopes/school.ts';
import { sessionScopes } from './scopes/session.ts';
import { subjectScopes } from './scopes/subject.ts';
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
  session: sessionScopes,
  event: eventScopes,
};

export type Noun = keyof typeof scopes;

/** The facts by which the policy decides, for each noun. */
export type Facts = { [N in Noun]: FactsOf<(typeof scopes)[N]> };

type ScopeOf<N extends Noun> = Extract<keyof (typeof scopes)[N], string>;

/**
 * The table of permissions. A row is an action. A cell grants the action to a role within a scope of the noun, or within
 * several, joined by a slash; `-` grants nothing. `clause` is the clause of the school's regulation that decides. Rules
 * that are not rights are in the operations of src/domain.
 */

type Cell<N extends Noun> =
  | '-'
  | ScopeOf<N>
  | `${ScopeOf<N>}/${ScopeOf<N>}`
  | `${ScopeOf<N>}/${ScopeOf<N>}/${ScopeOf<N>}`
  | `${ScopeOf<N>}/${ScopeOf<N>}/${ScopeOf<N>}/${ScopeOf<N>}`;

export interface PermissionRow<N extends Noun = Noun> {
  /** The noun whose facts decide the action. */
  on: N;
  clause: string;
  cells: Record<Column, readonly string[]>;
}

function row<const N extends Noun>(
  on: N,
  clause: string,
  ...cells: [Cell<N>, Cell<N>, Cell<N>, Cell<N>, Cell<N>, Cell<N>]
): PermissionRow<N> {
  const [administrator, leadership, classTeacher, subjectTeacher, student, service] = cells.map((cell) =>
    cell === '-' ? [] : cell.split('/'),
  ) as [string[], string[], string[], string[], string[], string[]];
  return { on, clause, cells: { administrator, leadership, classTeacher, subjectTeacher, student, service } };
}

// prettier-ignore
export const permissions = {
  //                          checked on    clause   administrator  leadership     classTeacher       subjectTeacher       student            service
  'school.read':          row('school',     '1.4',   'school',      'school',      'school',          'school',            'school',          'read/events'),
  'school.update':        row('school',     '2.1 a', 'school',      '-',           '-',               '-',                 '-',               '-'),

  'class.read':           row('class',      '1.4',   'school',      'school',      'school',          'school',            'class',           'read'),
  'class.create':         row('school',     '2.1 b', 'school',      '-',           '-',               '-',                 '-',               '-'),
  'class.update':         row('class',      '2.1 b', 'school',      '-',           '-',               '-',                 '-',               '-'),
  'class.archive':        row('class',      '2.1 b', 'school',      '-',           '-',               '-',                 '-',               '-'),

  'subject.read':         row('subject',    '1.3',   'school',      'school',      'school',          'school',            'school',          'read'),
  'subject.create':       row('school',     '2.1 g', 'school',      '-',           '-',               '-',                 '-',               '-'),

  'user.read':            row('user',       '1.4',   'school/own',  'school/own',  'staff/class/chatmates/own', 'staff/class/chatmates/own', 'classmates/chatmates/own', 'read'),
  'user.readContact':     row('user',       '2.1 a', 'school/own',  'school/own',  'class/own',       'own',               'own',             '-'),
  'user.deactivate':      row('user',       '2.1 a', 'school',      '-',           '-',               '-',                 '-',               '-'),
  'profile.update':       row('user',       '1.4',   'own',         'own',         'own',             'own',               'own',             '-'),

  'role.read':            row('role',       '1.4',   'school/own',  'school/own',  'school/own',      'school/own',        'own',             'read'),
  'role.grant':           row('school',     '2.1 g', 'school',      '-',           '-',               '-',                 '-',               '-'),
  'role.end':             row('school',     '2.1 g', 'school',      '-',           '-',               '-',                 '-',               '-'),

  'classTeacher.assign':  row('class',      '2.1 g', 'school',      '-',           '-',               '-',                 '-',               '-'),
  'classTeacher.end':     row('class',      '2.1 g', 'school',      '-',           '-',               '-',                 '-',               '-'),
  'subjectTeacher.assign':row('class',      '2.1 g', 'school',      '-',           '-',               '-',                 '-',               '-'),
  'subjectTeacher.end':   row('class',      '2.1 g', 'school',      '-',           '-',               '-',                 '-',               '-'),

  'enrolment.read':       row('enrolment',  '2.1 f', 'school',      'school',      'class',           'class',             'classmates/own',  'read'),
  'student.enrol':        row('class',      '2.1 f', 'school',      '-',           '-',               '-',                 '-',               'roster'),
  'student.transfer':     row('class',      '2.1 f', 'school',      '-',           '-',               '-',                 '-',               'roster'),
  'student.withdraw':     row('class',      '2.1 f', 'school',      '-',           '-',               '-',                 '-',               'roster'),

  'invitation.read':      row('invitation', '2.3 b', 'school',      'held',        'held',            'held',              '-',               '-'),
  'invitation.create':    row('school',     '2.1 c', 'school',      '-',           '-',               '-',                 '-',               '-'),
  'invitation.handOver':  row('invitation', '2.1 d', 'school',      '-',           '-',               '-',                 '-',               '-'),
  'invitation.revoke':    row('invitation', '2.1 c', 'school',      '-',           '-',               '-',                 '-',               '-'),
  'invitation.rotate':    row('invitation', '2.1 c', 'school',      '-',           '-',               '-',                 '-',               '-'),

  'chat.read':            row('chat',       '2.5 b', 'school',      'school',      'member',          'member',            'member',          'read'),
  'chat.create':          row('chat',       '2.2 e', 'schoolWide',  'educational', 'ofClass',         'ofSubject',         '-',               '-'),
  'chat.rename':          row('chat',       '2.2 e', 'schoolWide/moderated', 'educational/moderated', 'ofClass/moderated', 'ofSubject/moderated', '-', '-'),
  'chat.archive':         row('chat',       '2.2 e', 'schoolWide/moderated', 'educational/moderated', 'ofClass/moderated', 'ofSubject/moderated', '-', '-'),
  'chatMember.add':       row('chat',       '2.2 e', 'schoolWide/moderated', 'educational/moderated', 'ofClass/moderated', 'ofSubject/moderated', '-', '-'),
  'chatMember.remove':    row('chat',       '2.2 e', 'schoolWide/moderated', 'educational/moderated', 'ofClass/moderated', 'ofSubject/moderated', '-', '-'),
  'chatMember.promote':   row('chat',       '2.2 e', 'schoolWide/moderated', 'educational/moderated', 'ofClass/moderated', 'ofSubject/moderated', '-', '-'),
  'chatMember.demote':    row('chat',       '2.2 e', 'schoolWide/moderated', 'educational/moderated', 'ofClass/moderated', 'ofSubject/moderated', '-', '-'),

  'session.read':         row('session',    '2.2 h', 'own',         'own',         'own',             'own',               'own',             '-'),
  'session.end':          row('session',    '2.2 h', 'own',         'own',         'own',             'own',               'own',             '-'),

  'event.read':           row('event',      '2.2 c', 'school',      'school',      '-',               '-',                 '-',               'events'),
};

export type Action = keyof typeof permissions;

/** The noun whose facts decide the action. */
export type NounOf<A extends Action> = (typeof permissions)[A]['on'];

/** Actions that need a signed-in actor but no right: to use an invitation link, and to end one's own other sessions. */
export const openActions = ['invitation.accept', 'otherSessions.end'] as const;

export const actions = Object.keys(permissions) as Action[];
