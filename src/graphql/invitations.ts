import {
  acceptInvitation,
  createInvitation,
  handOverInvitation,
  handOversOf,
  heldBy,
  invitationsOf,
  linkOf,
  previewInvitation,
  revokeInvitation,
  rotateInvitation,
  statusOf,
  usesOf,
  type InvitationHandOver,
  type InvitationPreview,
  type InvitationUse,
} from '../domain/invitations.ts';
import { builder, descriptions, refs } from './builder.ts';
import { connection, countFields } from './connection.ts';
import { RoleEnum } from './enums.ts';
import { mutation } from './mutation.ts';
import { loadBy, node } from './node.ts';
import { orderInput } from './order-input.ts';
import { id } from './typed-id.ts';

const StatusEnum = builder.enumType('InvitationStatus', {
  description: 'Whether an invitation link can be used. REVOKED comes before EXPIRED, and EXPIRED before USED_UP, if several apply.',
  values: {
    ACTIVE: { description: 'People can join by the link.' },
    EXPIRED: { description: '`expiresAt` has passed.' },
    USED_UP: { description: 'All of its seats are taken.' },
    REVOKED: { description: 'A person revoked the link, or its class was archived.' },
  } as const,
});

const HandOverRef = builder
  .objectRef<InvitationHandOver>('InvitationHandOver')
  .implement({
    description: 'A hand-over of an invitation from one holder to the next.',
    fields: (t) => ({
      at: t.expose('at', { type: 'DateTime', description: 'When the invitation was handed over.' }),
      from: t.field({
        type: refs.User,
        nullable: true,
        description: 'The previous holder. Null for the first hand-over, and if you may not see the person.',
        resolve: loadBy('User', 'fromId'),
      }),
      to: t.field({
        type: refs.User,
        nullable: true,
        description: 'The new holder; null if you may not see them.',
        resolve: loadBy('User', 'toId'),
      }),
    }),
  });

const UseRef = builder
  .objectRef<InvitationUse>('InvitationUse')
  .implement({
    description: 'The use of an invitation by one person who joined.',
    fields: (t) => ({
      at: t.expose('at', { type: 'DateTime', description: 'When the person joined.' }),
      user: t.field({
        type: refs.User,
        nullable: true,
        description: 'The person who joined; null if you may not see them.',
        resolve: loadBy('User', 'userId'),
      }),
    }),
  });

node('Invitation', {
  description: 'A link by which people join a school in a role, and pupils a class too. It is limited in time and in the number of people.',
  plural: 'invitations',
  parents: {
    school: 'The school that people join; null if you may not see it.',
    class: 'The class that pupils join; null for other roles and if you may not see it.',
    holder:
      'The person who holds the link: its creator until it is handed over. Null if the operator created it and it was not handed over, or if you may not see the holder.',
    createdBy: 'The person who created the invitation; null if the operator did, or if you may not see them.',
  },
  fields: (t) => ({
    role: t.expose('role', { type: RoleEnum, description: 'The role that people get when they join.' }),
    label: t.exposeString('label', { nullable: true, description: 'A note by the creator, up to 100 characters; null without a note.' }),
    maxUses: t.exposeInt('maxUses', { description: 'The number of people who may join, 1 to 1000.' }),
    useCount: t.exposeInt('useCount', { description: 'The number of people who have joined.' }),
    seatsLeft: t.int({
      description: 'The number of people who may still join: `maxUses` minus `useCount`.',
      resolve: ({ maxUses, useCount }) => maxUses - useCount,
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the invitation was created.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When the invitation last changed, or a person last joined by it.' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When the link expires.' }),
    rotatedAt: t.expose('rotatedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the link was last replaced; null if it never was.',
    }),
    revokedAt: t.expose('revokedAt', { type: 'DateTime', nullable: true, description: 'When the link was revoked; null if it was not.' }),
    status: t.field({ type: StatusEnum, description: 'Whether the link can be used now.', resolve: (invitation) => statusOf(invitation) }),
    link: t.string({
      nullable: true,
      description: 'The URL to open; null unless `status` is ACTIVE. Only platform administrators and the holder see it.',
      resolve: (invitation, _args, ctx) => linkOf(ctx, invitation),
    }),
    handOvers: t.field({
      type: [HandOverRef],
      description: 'The hand-overs of this invitation, oldest first.',
      resolve: (invitation, _args, ctx) => handOversOf(ctx, invitation),
    }),
  }),
});

builder.objectField(refs.Invitation, 'uses', (t) =>
  t.connection(
    {
      type: UseRef,
      description: 'The uses of this invitation, latest first.',
      resolve: (invitation, args, ctx) => usesOf(ctx, invitation, args),
    },
    { name: 'InvitationUseConnection', description: 'A page of invitation uses.', fields: countFields },
    { name: 'InvitationUseEdge' },
  ),
);

const InvitationOrder = orderInput('InvitationOrder', 'invitations', {
  CREATED_AT: 'The time of creation.',
  EXPIRES_AT: 'The expiry, which may have passed.',
});

connection('School', 'invitations', {
  of: 'Invitation',
  description: 'The invitations that you may see, by default newest first, without personal ones.',
  args: (t) => ({
    status: t({ type: StatusEnum, description: 'Only invitations with this status.' }),
    role: t({ type: RoleEnum, description: 'Only invitations that give this role.' }),
    classId: id(t, 'Class', { description: 'Only invitations to this class.' }),
    orderBy: t({ type: InvitationOrder, description: 'The order. Default: CREATED_AT, DESC.' }),
  }),
  list: invitationsOf,
});

connection('User', 'heldInvitations', {
  of: 'Invitation',
  description: 'The invitations that the person holds and you may see, newest first.',
  list: heldBy,
});

const codeDescription = 'The code of the invitation: the part of its link after `/join/`.';

const PreviewRef = builder
  .objectRef<InvitationPreview>('InvitationPreview')
  .implement({
    description: 'What an invitation link leads to: the school, the class and the role, but no people.',
    fields: (t) => ({
      schoolName: t.exposeString('schoolName', { description: 'The short name of the school.' }),
      className: t.exposeString('className', {
        nullable: true,
        description: 'The name of the class that pupils join, such as «5А»; null for other roles.',
      }),
      role: t.expose('role', { type: RoleEnum, description: 'The role that people get when they join.' }),
      expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When the link expires.' }),
      isPersonal: t.boolean({
        description:
          'Whether the link is a personal invitation: `acceptPersonalInvitation` and the join page take it, `acceptInvitation` does not.',
        resolve: ({ givenName }) => givenName !== null,
      }),
    }),
  });

builder.queryField('invitationPreview', (t) =>
  t.field({
    type: PreviewRef,
    nullable: true,
    description:
      'Previews an invitation link by its code, with or without signing in. Null for an unknown code and for a link that can no longer be used. After 20 unknown codes from one address in 15 minutes, further unknown codes are RATE_LIMITED.',
    args: { code: t.arg.string({ required: true, description: codeDescription }) },
    resolve: (_root, { code }, ctx) => previewInvitation(ctx, code),
  }),
);

mutation('createInvitation', {
  description: 'Creates an invitation link, which you hold until you hand it over.',
  returns: 'Invitation',
  inputDescription: 'The invitation to create.',
  input: (t) => ({
    schoolId: id(t, 'School', { required: true, description: 'The school that people join.' }),
    role: t.field({ type: RoleEnum, required: true, description: 'The role that people get when they join.' }),
    classId: id(t, 'Class', {
      description: 'The class that pupils join: required for role STUDENT, INVALID for other roles. CONFLICT if it is archived.',
    }),
    label: t.string({ description: 'A note about the invitation, up to 100 characters.' }),
    maxUses: t.int({ description: 'The number of people who may join, 1 to 1000. Default: 40 for pupils, 1 for staff.' }),
    expiresAt: t.field({
      type: 'DateTime',
      description: 'When the link expires: in the future, at most 366 days ahead. Default: in 14 days.',
    }),
    idempotencyKey: t.string({ description: descriptions.idempotencyKey }),
  }),
  run: createInvitation,
});

mutation('handOverInvitation', {
  description:
    'Hands an invitation over to a person, who then sees its link. The hand-over is recorded. Handing it to its holder again changes nothing.',
  returns: 'Invitation',
  inputDescription: 'The invitation, and the person who gets it.',
  input: (t) => ({
    invitationId: id(t, 'Invitation', { required: true, description: 'The invitation. CONFLICT unless its `status` is ACTIVE.' }),
    userId: id(t, 'User', {
      required: true,
      description:
        "The new holder: a member of staff of the school or, for a pupils' link, the class teacher of its class; CONFLICT for others.",
    }),
  }),
  run: handOverInvitation,
});

mutation('revokeInvitation', {
  description: 'Revokes an invitation for good: its link stops working. Revoking it again changes nothing.',
  returns: 'Invitation',
  inputDescription: 'The invitation to revoke for good.',
  input: (t) => ({ invitationId: id(t, 'Invitation', { required: true, description: 'The invitation to revoke.' }) }),
  run: revokeInvitation,
});

mutation('rotateInvitation', {
  description: 'Replaces the link of an invitation, for example after a leak. The old link stops working; the uses and the expiry stay.',
  returns: 'Invitation',
  inputDescription: 'The invitation that gets a new link.',
  input: (t) => ({
    invitationId: id(t, 'Invitation', { required: true, description: 'The invitation. CONFLICT unless its `status` is ACTIVE.' }),
  }),
  run: rotateInvitation,
});

mutation('acceptInvitation', {
  description:
    'Joins the school of an invitation, with its role and its class. Returns the viewer. Changes nothing and takes no seat if you have both already. CONFLICT for a link that is not ACTIVE, for a personal invitation, for a pupil of another class, and if you lost what this link gave you before: ask for a new link.',
  returns: 'User',
  inputDescription: 'The invitation link by which you join.',
  input: (t) => ({ code: t.string({ required: true, description: codeDescription }) }),
  run: acceptInvitation,
});
