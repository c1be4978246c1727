import { endRole, grantRole, rolesOf } from '../domain/roles.ts';
import { connection } from './connection.ts';
import { RoleEnum } from './enums.ts';
import { mutation } from './mutation.ts';
import { node } from './node.ts';
import { id } from './typed-id.ts';

node('RoleGrant', {
  description: 'A role that a person has or had in a school. Ended roles are kept.',
  plural: 'role grants',
  parents: {
    school: 'The school; null if you may not see it.',
    user: 'The person; null if you may not see them.',
    grantedBy:
      'The person who granted the role, or who created the invitation that granted it; null if the operator did, or if you may not see them.',
  },
  fields: (t) => ({
    role: t.expose('role', { type: RoleEnum, description: 'The role that was granted.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', description: 'When the role started.' }),
    endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true, description: 'When the role ended; null while it lasts.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When the role last changed: was added, or ended.' }),
  }),
});

connection('User', 'roles', {
  of: 'RoleGrant',
  description: 'The roles of the person that you may see, oldest first.',
  // In one school a person has at most three current roles.
  cost: { maxItems: 4, unless: 'includeEnded' },
  args: (t) => ({ includeEnded: t.boolean({ description: 'Whether to include ended roles. Default: false.' }) }),
  list: rolesOf,
});

mutation('grantRole', {
  description: 'Grants a person a role in a school. Granting a role that they have changes nothing.',
  returns: 'RoleGrant',
  inputDescription: 'The role to grant, and the person who gets it.',
  input: (t) => ({
    schoolId: id(t, 'School', { required: true, description: 'The school in which the role counts.' }),
    userId: id(t, 'User', {
      required: true,
      description: 'The person. NOT_FOUND if you may not see the person. CONFLICT if the account is deactivated.',
    }),
    role: t.field({
      type: RoleEnum,
      required: true,
      description: 'The role to grant. CONFLICT if STUDENT would meet another role in the same school.',
    }),
  }),
  run: grantRole,
});

mutation('endRole', {
  description:
    'Ends a role. With TEACHER, all assignments of the person in the school end; with STUDENT, their enrolment. Ending it again changes nothing.',
  returns: 'RoleGrant',
  inputDescription: 'The role to end.',
  input: (t) => ({
    grantId: id(t, 'RoleGrant', {
      required: true,
      description: 'The role grant to end, from `User.roles`. CONFLICT for the last platform administrator of the school.',
    }),
  }),
  run: endRole,
});
