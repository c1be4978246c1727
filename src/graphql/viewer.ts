import { actions, clauseOf, viewer, viewerCan, type Action, type Permission } from '../domain/viewer.ts';
import { builder, enumName, parseId, refs } from './builder.ts';
import { RefusalCode } from './mutation.ts';

/** For each action: the types of object that `viewerCan` takes, and what the action does. */
// prettier-ignore
const actionDescriptions: Record<Action, readonly [on: string, description: string]> = {
  'school.read':           ['School', 'See a school.'],
  'school.update':         ['School', 'Update the details of a school.'],

  'class.read':            ['Class', 'See a class and its assignments.'],
  'class.create':          ['School', 'Create a class in a school.'],
  'class.update':          ['Class', 'Change the grade or the letter of a class.'],
  'class.archive':         ['Class', 'Archive a class.'],

  'subject.read':          ['Subject', 'See a subject.'],
  'subject.create':        ['School', 'Create a subject in a school.'],

  'user.read':             ['User', 'See a person.'],
  'user.readContact':      ['User', 'See the contact details of a person.'],
  'user.deactivate':       ['User', 'Deactivate the account of a person.'],
  'profile.update':        ['User', 'Update the details of a person, who must be you.'],

  'role.read':             ['RoleGrant', 'See a role of a person.'],
  'role.grant':            ['School', 'Grant a person a role in a school.'],
  'role.end':              ['RoleGrant', 'End a role of a person.'],

  'classTeacher.assign':   ['Class', 'Assign a class teacher to a class.'],
  'classTeacher.end':      ['Class or Assignment', 'End the assignment of a class teacher.'],
  'subjectTeacher.assign': ['Class', 'Assign a subject teacher to a class.'],
  'subjectTeacher.end':    ['Class or Assignment', 'End the assignment of a subject teacher.'],

  'enrolment.read':        ['Enrolment', 'See an enrolment.'],
  'student.enrol':         ['Class', 'Enrol a pupil in a class.'],
  'student.transfer':      ['Class or Enrolment', 'Transfer a pupil into or out of a class.'],
  'student.withdraw':      ['Class or Enrolment', 'Withdraw a pupil from a class.'],

  'invitation.read':       ['Invitation', 'See an invitation and its link.'],
  'invitation.create':     ['School', 'Create an invitation to a school.'],
  'invitation.handOver':   ['Invitation', 'Hand an invitation over to a person.'],
  'invitation.revoke':     ['Invitation', 'Revoke an invitation.'],
  'invitation.rotate':     ['Invitation', 'Replace the link of an invitation.'],

  'chat.read':             ['Chat', 'See a chat and its members.'],
  'chat.create':           ['School or Class', 'Create a chat of at least one kind in a school or a class.'],
  'chat.rename':           ['Chat', 'Rename a chat.'],
  'chat.archive':          ['Chat', 'Archive a chat.'],
  'chatMember.add':        ['Chat', 'Add a person to a chat.'],
  'chatMember.remove':     ['Chat or ChatMember', 'Remove a member from a chat.'],
  'chatMember.promote':    ['Chat or ChatMember', 'Make a member a moderator.'],
  'chatMember.demote':     ['Chat or ChatMember', 'Make a moderator a member.'],

  'session.read':          ['Session', 'See a session, which must be yours.'],
  'session.end':           ['Session', 'End a session, which must be yours.'],

  'event.read':            ['School', 'Read the log of a school.'],
};

const descriptionOf = (action: Action): string => {
  const [on, description] = actionDescriptions[action];
  return `${description} \`on\`: ${on}. Clause ${clauseOf(action)} of the regulation.`;
};

const ActionEnum = builder.enumType('Action', {
  description: 'An action that the roles of a person allow or do not allow. `on` names the type of object that `viewerCan` takes for it.',
  values: Object.fromEntries(actions.map((action) => [enumName(action), { value: action, description: descriptionOf(action) }])),
});

const PermissionRef = builder
  .objectRef<Permission>('Permission')
  .implement({
    description: 'Whether you may perform an action on an object, and which rule decides.',
    fields: (t) => ({
      allowed: t.exposeBoolean('allowed', { description: 'Whether your roles allow the action.' }),
      clause: t.exposeString('clause', { description: "The clause of the school's regulation that decides, such as 2.2 e." }),
      code: t.field({
        type: RefusalCode,
        nullable: true,
        description: 'Why you may not; null if you may. INVALID means that the action does not apply to objects of this type.',
        resolve: (permission: Permission) => permission.code as never,
      }),
    }),
  });

builder.queryField('viewer', (t) =>
  t.field({
    type: refs.User,
    nullable: true,
    description: 'The signed-in person; null for an anonymous request and for a service.',
    resolve: (_root, _args, ctx) => viewer(ctx),
  }),
);

builder.queryField('viewerCan', (t) =>
  t.field({
    type: PermissionRef,
    description:
      'Whether you may perform `action` on `on`, and which clause of the regulation decides. The mutation may still be refused for the state of the object, such as an archived chat.',
    args: {
      action: t.arg({ type: ActionEnum, required: true, description: 'The action to check.' }),
      on: t.arg.id({
        required: true,
        description:
          'The global ID of the object, of the type that the description of the action names. For CHAT_CREATE: the school or the class in which the chat would be created.',
      }),
    },
    resolve: (_root, { action, on }, ctx) => viewerCan(ctx, action, parseId(on)),
  }),
);
