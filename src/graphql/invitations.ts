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
  description: 'Whether an invitation link can be used. If several reasons apply, the status is the first of REVOKED, EXPIRED and USED_UP.',
  values: {
    ACTIVE: { description: 'People can join by the link.' },
    EXPIRED: { description: 'People can no longer join, because `expiresAt` has passed.' },
    USED_UP: { description: 'People can no longer join, because `maxUses` people have joined.' },
    REVOKED: {
      description: 'People can no longer join, because a person revoked the link, or because the class of the link was archived.',
    },
  } as const,
});

const HandOverRef = builder
  .objectRef<InvitationHandOver>('InvitationHandOver')
  .implement({
    description: 'A change of the holder of an invitation.',
    fields: (t) => ({
      at: t.expose('at', { type: 'DateTime', description: 'When the invitation was handed over.' }),
      from: t.field({
        type: refs.User,
        nullable: true,
        description:
          'The previous holder; null if the invitation had no holder because the operator of the server created it, or if you may not see this person.',
        resolve: loadBy('User', 'fromId'),
      }),
      to: t.field({
        type: refs.User,
        nullable: true,
        description: 'The new holder; null if you may not see this person.',
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
        description: 'The person who joined; null if you may not see this person.',
        resolve: loadBy('User', 'userId'),
      }),
    }),
  });

node('Invitation', {
  description:
    'A link by which people join a school in a role. Pupils also join a class. The link is limited in time and in the number of people. Platform administrators of the school see every invitation. Other staff see the invitations that they hold; they see an invitation for pupils only while they are the class teacher of its class.',
  plural: 'invitations',
  parents: {
    school: 'The school that people join; null if you may not see the school.',
    class: 'The class that pupils join; null for roles other than STUDENT, or if you may not see the class.',
    holder:
      'The person who holds the link and passes it on to others. At first this is the creator; `handOverInvitation` changes it. Null if the operator of the server created the invitation and nobody has handed it over, or if you may not see this person.',
    createdBy: 'The person who created the invitation; null if the operator of the server did, or if you may not see this person.',
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
      description: 'When `rotateInvitation` last replaced the link; null if the link was never replaced.',
    }),
    revokedAt: t.expose('revokedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the link was revoked; null if it has not been revoked.',
    }),
    status: t.field({ type: StatusEnum, description: 'Whether the link can be used now.', resolve: (invitation) => statusOf(invitation) }),
    link: t.string({
      nullable: true,
      description: 'The URL that people open to join; null unless `status` is ACTIVE.',
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
      description: 'Who has joined by this invitation and when, latest first.',
      resolve: (invitation, args, ctx) => usesOf(ctx, invitation, args),
    },
    { name: 'InvitationUseConnection', description: 'A page of invitation uses.', fields: countFields },
    { name: 'InvitationUseEdge' },
  ),
);

const InvitationOrder = orderInput('InvitationOrder', 'invitations', {
  CREATED_AT: 'By `Invitation.createdAt`.',
  EXPIRES_AT: 'By `Invitation.expiresAt`, whether or not it has passed.',
});

connection('School', 'invitations', {
  of: 'Invitation',
  description:
    'The invitations of the school that you may see, by default newest first. Does not include personal invitations: see `personalInvitations`.',
  args: (t) => ({
    status: t({ type: StatusEnum, description: 'Only invitations with this status. Default: any status.' }),
    role: t({ type: RoleEnum, description: 'Only invitations that give this role. Default: any role.' }),
    classId: id(t, 'Class', { description: 'Only invitations to this class. Default: all invitations, also those for staff.' }),
    orderBy: t({
      type: InvitationOrder,
      description: 'How to order the list. Default: by CREATED_AT, DESC; an order without `direction` is ASC.',
    }),
  }),
  list: invitationsOf,
});

connection('User', 'heldInvitations', {
  of: 'Invitation',
  description: 'The invitations that the person holds and that you may see, newest first.',
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
        description: 'The name of the class that pupils join, such as «5А»; null for roles other than STUDENT.',
      }),
      role: t.expose('role', { type: RoleEnum, description: 'The role that people get when they join.' }),
      expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When the link expires.' }),
      isPersonal: t.boolean({
        description:
          'Whether the link is a personal invitation. If true, only `acceptPersonalInvitation` and the join page accept the link; if false, `acceptInvitation` accepts it.',
        resolve: ({ givenName }) => givenName !== null,
      }),
    }),
  });

builder.queryField('invitationPreview', (t) =>
  t.field({
    type: PreviewRef,
    nullable: true,
    description:
      'Shows what an invitation link leads to. You need not be signed in. Null for an unknown code and for a link that can no longer be used. After 20 unknown codes from one network address in 15 minutes, further unknown codes are RATE_LIMITED.',
    args: { code: t.arg.string({ required: true, description: codeDescription }) },
    resolve: (_root, { code }, ctx) => previewInvitation(ctx, code),
  }),
);

mutation('createInvitation', {
  description: 'Creates an invitation link. You are its holder until `handOverInvitation`.',
  returns: 'Invitation',
  inputDescription: 'The invitation to create.',
  input: (t) => ({
    schoolId: id(t, 'School', { required: true, description: 'The school that people join.' }),
    role: t.field({ type: RoleEnum, required: true, description: 'The role that people get when they join.' }),
    classId: id(t, 'Class', {
      description: 'The class that pupils join: required for role STUDENT, INVALID for other roles. CONFLICT if it is archived.',
    }),
    label: t.string({ description: 'A note that tells this invitation from others, up to 100 characters; null or omitted for no note.' }),
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
    'Makes a person the holder of an invitation. The new holder sees the link. `Invitation.handOvers` records the hand-over. Handing an invitation to its present holder changes nothing.',
  returns: 'Invitation',
  inputDescription: 'The invitation, and the person who gets it.',
  input: (t) => ({
    invitationId: id(t, 'Invitation', { required: true, description: 'The invitation. CONFLICT if its `status` is not ACTIVE.' }),
    userId: id(t, 'User', {
      required: true,
      description:
        'The new holder. CONFLICT if the person does not work in the school. CONFLICT for an invitation for pupils, unless the person is the class teacher of its class.',
    }),
  }),
  run: handOverInvitation,
});

mutation('revokeInvitation', {
  description: 'Revokes an invitation for good: its link stops working. Revoking a revoked invitation changes nothing.',
  returns: 'Invitation',
  inputDescription: 'The invitation to revoke for good.',
  input: (t) => ({ invitationId: id(t, 'Invitation', { required: true, description: 'The invitation to revoke.' }) }),
  run: revokeInvitation,
});

mutation('rotateInvitation', {
  description:
    'Replaces the link of an invitation, for example after a leak. The old link stops working; the number of uses and the expiry do not change.',
  returns: 'Invitation',
  inputDescription: 'The invitation that gets a new link.',
  input: (t) => ({
    invitationId: id(t, 'Invitation', { required: true, description: 'The invitation. CONFLICT if its `status` is not ACTIVE.' }),
  }),
  run: rotateInvitation,
});

mutation('acceptInvitation', {
  description:
    'Joins the school of an invitation: gives you its role and, for pupils, enrols you in its class. Returns the viewer. If you have this role and are in this class already, the mutation changes nothing and does not count as a use. NOT_FOUND for an unknown code; RATE_LIMITED after 20 unknown codes from one network address in 15 minutes. CONFLICT for a link that is not ACTIVE, for a personal invitation, for a pupil of another class, for a role that you cannot have together with one of your roles, and if you joined by this link before and the school has ended your access since: ask for a new link.',
  returns: 'User',
  inputDescription: 'The invitation link by which you join.',
  input: (t) => ({ code: t.string({ required: true, description: codeDescription }) }),
  run: acceptInvitation,
});
