import { endRole, grantRole, rolesOf } from '../domain/roles.ts';
import { connection } from './connection.ts';
import { RoleEnum } from './enums.ts';
import { mutation } from './mutation.ts';
import { node } from './node.ts';
import { id } from './typed-id.ts';

node('RoleGrant', {
  description:
    'A role that a person has or had in a school, from `startedAt` to `endedAt`. Ended roles are kept. Everyone who works in the school and services with the scope `read` see all roles in the school. Pupils see only their own roles.',
  plural: 'role grants',
  parents: {
    school: 'The school in which the role counts; null if you may not see the school.',
    user: 'The person who has or had the role; null if you may not see this person.',
    grantedBy:
      'The person who granted the role, or who created the invitation that gave it; null if the operator of the server did, or if you may not see this person.',
  },
  fields: (t) => ({
    role: t.expose('role', { type: RoleEnum, description: 'The role that was granted.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', description: 'When the role started.' }),
    endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true, description: 'When the role ended; null while it lasts.' }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      description: 'When the role was last changed: when it ended or, if it lasts, when it was granted.',
    }),
  }),
});

connection('User', 'roles', {
  of: 'RoleGrant',
  description: 'The current roles of the person in all schools that you may see, oldest first. With `includeEnded`, ended roles too.',
  // Estimates that a person has at most four current roles: three in one school, and one in another school.
  cost: { maxItems: 4, unless: 'includeEnded' },
  args: (t) => ({ includeEnded: t.boolean({ description: 'Whether to return ended roles too. Default: false.' }) }),
  list: rolesOf,
});

mutation('grantRole', {
  description: 'Grants a person a role in a school. Granting a present role again changes nothing.',
  returns: 'RoleGrant',
  inputDescription: 'The role to grant, and the person who gets it.',
  input: (t) => ({
    schoolId: id(t, 'School', { required: true, description: 'The school in which the role counts.' }),
    userId: id(t, 'User', {
      required: true,
      description: 'The person. NOT_FOUND if you may not see this person. CONFLICT if the account is deactivated.',
    }),
    role: t.field({
      type: RoleEnum,
      required: true,
      description:
        'The role to grant. CONFLICT for STUDENT if the person works in the school, and for another role if the person is a pupil of it.',
    }),
  }),
  run: grantRole,
});

mutation('endRole', {
  description:
    'Ends a role. With the role TEACHER, all assignments of the person in the school end too. With the role STUDENT, the enrolment in the school ends too. With the last role in the school, the person also leaves the chats of the school. Ending an ended role changes nothing.',
  returns: 'RoleGrant',
  inputDescription: 'The role to end.',
  input: (t) => ({
    grantId: id(t, 'RoleGrant', {
      required: true,
      description:
        'The ID of the `RoleGrant` to end, from `User.roles`. CONFLICT if it is the role of the last platform administrator of the school.',
    }),
  }),
  run: endRole,
});
