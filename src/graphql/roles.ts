import { endRole, grantRole, rolesOf } from '../domain/roles.ts';
import { builder, idOf, mutation } from './builder.ts';
import { RoleEnum, RoleGrantConnection, RoleGrantRef, SchoolRef, UserRef } from './refs.ts';

builder.node(RoleGrantRef, {
  description: 'A role that a person has or had in a school. Ended roles are kept.',
  id: { resolve: (grant) => grant.id },
  fields: (t) => ({
    role: t.expose('role', { type: RoleEnum, description: 'The role that was granted.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', description: 'When the role started.' }),
    endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true, description: 'When the role ended; null while it lasts.' }),
    school: t.field({
      type: SchoolRef,
      nullable: true,
      description: 'The school; null if you may not see it.',
      resolve: (grant, _args, ctx) => ctx.loaders.byId('School', grant.schoolId),
    }),
    user: t.field({
      type: UserRef,
      nullable: true,
      description: 'The person; null if you may not see them.',
      resolve: (grant, _args, ctx) => ctx.loaders.byId('User', grant.userId),
    }),
    grantedBy: t.field({
      type: UserRef,
      nullable: true,
      description:
        'The person who granted the role, or who created the invitation that granted it; null if the operator did, or if you may not see them.',
      resolve: (grant, _args, ctx) => (grant.grantedById === null ? null : ctx.loaders.byId('User', grant.grantedById)),
    }),
  }),
});

builder.objectField(UserRef, 'roles', (t) =>
  t.connection(
    {
      type: RoleGrantRef,
      description: 'The roles of the person that you may see, oldest first.',
      args: { includeEnded: t.arg.boolean({ description: 'Whether to include ended roles. Default: false.' }) },
      resolve: (user, args, ctx) => rolesOf(ctx, user, args),
    },
    RoleGrantConnection,
  ),
);

const GrantRoleInput = builder.inputType('GrantRoleInput', {
  description: 'The role to grant, and the person who gets it.',
  fields: (t) => ({
    schoolId: t.id({ required: true, description: 'The school in which the role counts.' }),
    userId: t.id({ required: true, description: 'The person, whom you must be able to see. CONFLICT if the account is deactivated.' }),
    role: t.field({
      type: RoleEnum,
      required: true,
      description: 'The role to grant. CONFLICT if STUDENT would meet another role in the same school.',
    }),
  }),
});

mutation('grantRole', {
  description: 'Grants a person a role in a school. Granting a role that they have changes nothing.',
  returns: RoleGrantRef,
  input: GrantRoleInput,
  run: (ctx, input) =>
    grantRole(ctx, { ...input, schoolId: idOf('School', input.schoolId, 'schoolId'), userId: idOf('User', input.userId, 'userId') }),
});

const EndRoleInput = builder.inputType('EndRoleInput', {
  description: 'The role to end.',
  fields: (t) => ({
    grantId: t.id({
      required: true,
      description: 'The role grant to end, from `User.roles`. CONFLICT for the last platform administrator of the school.',
    }),
  }),
});

mutation('endRole', {
  description:
    'Ends a role. With TEACHER, all assignments of the person in the school end; with STUDENT, their enrolment. Ending it again changes nothing.',
  returns: RoleGrantRef,
  input: EndRoleInput,
  run: (ctx, input) => endRole(ctx, { grantId: idOf('RoleGrant', input.grantId, 'grantId') }),
});
