import { endRole, grantRole, rolesOf } from '../domain/roles.ts';
import { builder, idOf, mutation } from './builder.ts';
import { RoleEnum, RoleGrantConnection, RoleGrantRef, SchoolRef, UserRef } from './refs.ts';

builder.node(RoleGrantRef, {
  description: 'A role of a person in a school, from its start to its end.',
  id: { resolve: (grant) => grant.id, description: 'Global id.' },
  fields: (t) => ({
    role: t.expose('role', { type: RoleEnum, description: 'What the person is in the school.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', description: 'Since when.' }),
    endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true, description: 'Until when; null while it lasts.' }),
    school: t.field({
      type: SchoolRef,
      nullable: true,
      description: 'The school, where you may see it.',
      resolve: (grant, _args, ctx) => ctx.loaders.byId('School', grant.schoolId),
    }),
    user: t.field({
      type: UserRef,
      nullable: true,
      description: 'The person, where you may see them.',
      resolve: (grant, _args, ctx) => ctx.loaders.byId('User', grant.userId),
    }),
    grantedBy: t.field({
      type: UserRef,
      nullable: true,
      description: 'Who gave it, or made the link that gave it, where you may see them.',
      resolve: (grant, _args, ctx) => (grant.grantedById === null ? null : ctx.loaders.byId('User', grant.grantedById)),
    }),
  }),
});

builder.objectField(UserRef, 'roles', (t) =>
  t.connection(
    {
      type: RoleGrantRef,
      description: 'The roles that you may read, the earliest first.',
      args: { includeEnded: t.arg.boolean({ description: 'Those that have ended too. Default: false.' }) },
      resolve: (user, args, ctx) => rolesOf(ctx, user, args),
    },
    RoleGrantConnection,
  ),
);

const GrantRoleInput = builder.inputType('GrantRoleInput', {
  description: 'The role to give.',
  fields: (t) => ({
    schoolId: t.id({ required: true, description: 'The school.' }),
    userId: t.id({ required: true, description: 'The person: one whom you can see.' }),
    role: t.field({ type: RoleEnum, required: true, description: 'The role. STUDENT and the others exclude each other in a school.' }),
  }),
});

mutation('grantRole', {
  description: 'Gives a person a role in the school; one that they hold changes nothing.',
  returns: RoleGrantRef,
  input: GrantRoleInput,
  run: (ctx, input) =>
    grantRole(ctx, {
      ...input,
      schoolId: idOf('School', input.schoolId, 'schoolId'),
      userId: idOf('User', input.userId, 'userId'),
    }),
});

const EndRoleInput = builder.inputType('EndRoleInput', {
  description: 'The role to end.',
  fields: (t) => ({ grantId: t.id({ required: true, description: 'The role, as `User.roles` lists it.' }) }),
});

mutation('endRole', {
  description:
    "Ends a role; a teacher's work in the classes of the school, a pupil's place in the class end with it. Ending it again changes nothing. The last platform administrator stays.",
  returns: RoleGrantRef,
  input: EndRoleInput,
  run: (ctx, input) => endRole(ctx, { grantId: idOf('RoleGrant', input.grantId, 'grantId') }),
});
