import {
  acceptInvitation, createInvitation, handOverInvitation, handOversOf, heldBy, invitationsOf, linkOf, previewInvitation,
  revokeInvitation, rotateInvitation, statusOf, usesOf, type InvitationHandOver, type InvitationPreview, type InvitationUse,
} from '../domain/invitations.ts';
import { builder, idOf, mutation, optionalIdOf } from './builder.ts';
import { ClassRef, InvitationConnection, InvitationRef, RoleEnum, SchoolRef, UserRef } from './refs.ts';

const StatusEnum = builder.enumType('InvitationStatus', {
  description: 'Whether a link opens.',
  values: {
    ACTIVE: { description: 'It opens.' },
    EXPIRED: { description: 'Its time is over.' },
    USED_UP: { description: 'As many have joined by it as may.' },
    REVOKED: { description: 'It was stopped, by a person or with its class.' },
  } as const,
});

const HandOverRef = builder.objectRef<InvitationHandOver>('InvitationHandOver').implement({
  description: 'One handing over of a link.',
  fields: (t) => ({
    at: t.expose('at', { type: 'DateTime', description: 'When.' }),
    from: t.field({
      type: UserRef,
      nullable: true,
      description: 'Who held it before, where you may see them.',
      resolve: (act, _args, ctx) => (act.fromId === null ? null : ctx.loaders.byId('User', act.fromId)),
    }),
    to: t.field({
      type: UserRef,
      nullable: true,
      description: 'Who got it, where you may see them.',
      resolve: (act, _args, ctx) => ctx.loaders.byId('User', act.toId),
    }),
  }),
});

const UseRef = builder.objectRef<InvitationUse>('InvitationUse').implement({
  description: 'One joining by a link.',
  fields: (t) => ({
    at: t.expose('at', { type: 'DateTime', description: 'When.' }),
    user: t.field({
      type: UserRef,
      nullable: true,
      description: 'Who joined, where you may see them.',
      resolve: (use, _args, ctx) => ctx.loaders.byId('User', use.userId),
    }),
  }),
});

builder.node(InvitationRef, {
  description: 'A link that lets people join the school in a role.',
  id: { resolve: (invitation) => invitation.id, description: 'Global id.' },
  fields: (t) => ({
    role: t.expose('role', { type: RoleEnum, description: 'The role that it gives.' }),
    label: t.exposeString('label', { nullable: true, description: "A note of its maker's; up to 100 characters." }),
    maxUses: t.exposeInt('maxUses', { description: 'How many may join by it, 1 to 1000.' }),
    useCount: t.exposeInt('useCount', { description: 'How many have joined by it.' }),
    seatsLeft: t.int({
      description: 'How many may still join by it.',
      resolve: ({ maxUses, useCount }) => maxUses - useCount,
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When its time is over.' }),
    rotatedAt: t.expose('rotatedAt', { type: 'DateTime', nullable: true, description: 'When it last got another link.' }),
    revokedAt: t.expose('revokedAt', { type: 'DateTime', nullable: true, description: 'When it was stopped.' }),
    status: t.field({ type: StatusEnum, description: 'Whether it opens now.', resolve: (invitation) => statusOf(invitation) }),
    link: t.string({
      nullable: true,
      description: 'The address to open; null when it opens no more. Administrators and its holder see it.',
      resolve: (invitation, _args, ctx) => linkOf(ctx, invitation),
    }),
    school: t.field({
      type: SchoolRef,
      nullable: true,
      description: 'The school to join.',
      resolve: (invitation, _args, ctx) => ctx.loaders.byId('School', invitation.schoolId),
    }),
    class: t.field({
      type: ClassRef,
      nullable: true,
      description: 'The class, for pupils.',
      resolve: (invitation, _args, ctx) => (invitation.classId === null ? null : ctx.loaders.byId('Class', invitation.classId)),
    }),
    holder: t.field({
      type: UserRef,
      nullable: true,
      description: 'Who holds it: its maker until it is handed over. Null for one made by the operator, or where you may not see them.',
      resolve: (invitation, _args, ctx) => (invitation.holderId === null ? null : ctx.loaders.byId('User', invitation.holderId)),
    }),
    createdBy: t.field({
      type: UserRef,
      nullable: true,
      description: 'Who made it, where you may see them.',
      resolve: (invitation, _args, ctx) =>
        invitation.createdById === null ? null : ctx.loaders.byId('User', invitation.createdById),
    }),
    handOvers: t.field({
      type: [HandOverRef],
      description: 'Through whose hands it went, the first first.',
      resolve: (invitation, _args, ctx) => handOversOf(ctx, invitation),
    }),
  }),
});

builder.objectField(InvitationRef, 'uses', (t) =>
  t.connection(
    {
      type: UseRef,
      description: 'Who has joined by it, the latest first.',
      resolve: (invitation, args, ctx) => usesOf(ctx, invitation, args),
    },
    { name: 'InvitationUseConnection', description: 'A page of joinings.' },
    { name: 'InvitationUseEdge', description: 'A joining of a page.' },
  ),
);

builder.objectField(SchoolRef, 'invitations', (t) =>
  t.connection(
    {
      type: InvitationRef,
      description: 'The invitations that you may read, the newest first.',
      args: {
        status: t.arg({ type: StatusEnum, description: 'Only in this state.' }),
        role: t.arg({ type: RoleEnum, description: 'Only for this role.' }),
        classId: t.arg.id({ description: 'Only for this class.' }),
      },
      resolve: (school, args, ctx) =>
        invitationsOf(ctx, school, { ...args, classId: optionalIdOf('Class', args.classId, 'classId') }),
    },
    InvitationConnection,
  ),
);

builder.objectField(UserRef, 'heldInvitations', (t) =>
  t.connection(
    {
      type: InvitationRef,
      description: 'The links that the person holds, where you may read them, the newest first.',
      resolve: (user, args, ctx) => heldBy(ctx, user, args),
    },
    InvitationConnection,
  ),
);

const PreviewRef = builder.objectRef<InvitationPreview>('InvitationPreview').implement({
  description: 'What a link leads to: the school and the class, no people.',
  fields: (t) => ({
    schoolName: t.exposeString('schoolName', { description: 'The short name of the school.' }),
    className: t.exposeString('className', { nullable: true, description: 'The name of the class, for pupils: «5А».' }),
    role: t.expose('role', { type: RoleEnum, description: 'The role that it gives.' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When its time is over.' }),
  }),
});

builder.queryField('invitationPreview', (t) =>
  t.field({
    type: PreviewRef,
    nullable: true,
    description:
      'The invitation of a link, by its code, signed in or not; null for an unknown code and for a link that no longer works. After 20 unknown codes from one address in 15 minutes, further unknown codes are RATE_LIMITED.',
    args: { code: t.arg.string({ required: true, description: 'The code: what follows /join/ in the link.' }) },
    resolve: (_root, { code }, ctx) => previewInvitation(ctx, code),
  }),
);

const CreateInvitationInput = builder.inputType('CreateInvitationInput', {
  description: 'The link to make.',
  fields: (t) => ({
    schoolId: t.id({ required: true, description: 'The school to join.' }),
    role: t.field({ type: RoleEnum, required: true, description: 'The role that it gives.' }),
    classId: t.id({ description: 'The class, for role STUDENT and for no other.' }),
    label: t.string({ description: 'A note, up to 100 characters.' }),
    maxUses: t.int({ description: 'How many may join by it, 1 to 1000; default 40 for pupils, 1 for staff.' }),
    expiresAt: t.field({ type: 'DateTime', description: 'When its time is over: at most a year from now, by default in 14 days.' }),
    idempotencyKey: t.string({ description: 'Any text of yours, up to 100 characters; the same key makes one link, however often it is sent.' }),
  }),
});

mutation('createInvitation', {
  description: 'Makes a link that lets people join the school in a role.',
  returns: InvitationRef,
  input: CreateInvitationInput,
  run: (ctx, input) =>
    createInvitation(ctx, {
      ...input,
      schoolId: idOf('School', input.schoolId, 'schoolId'),
      classId: optionalIdOf('Class', input.classId, 'classId'),
    }),
});

const HandOverInvitationInput = builder.inputType('HandOverInvitationInput', {
  description: 'Which link goes to whom.',
  fields: (t) => ({
    invitationId: t.id({ required: true, description: 'The invitation.' }),
    userId: t.id({ required: true, description: "Who gets it: staff of the school; for a pupils' link, the class teacher of its class." }),
  }),
});

mutation('handOverInvitation', {
  description: 'Hands a link to a person, who then sees it; the act is kept.',
  returns: InvitationRef,
  input: HandOverInvitationInput,
  run: (ctx, input) =>
    handOverInvitation(ctx, {
      invitationId: idOf('Invitation', input.invitationId, 'invitationId'),
      userId: idOf('User', input.userId, 'userId'),
    }),
});

const RevokeInvitationInput = builder.inputType('RevokeInvitationInput', {
  description: 'The link to stop.',
  fields: (t) => ({ invitationId: t.id({ required: true, description: 'The invitation.' }) }),
});

mutation('revokeInvitation', {
  description: 'Stops a link for good. Stopping it again changes nothing.',
  returns: InvitationRef,
  input: RevokeInvitationInput,
  run: (ctx, input) => revokeInvitation(ctx, { invitationId: idOf('Invitation', input.invitationId, 'invitationId') }),
});

const RotateInvitationInput = builder.inputType('RotateInvitationInput', {
  description: 'The invitation that gets another link.',
  fields: (t) => ({ invitationId: t.id({ required: true, description: 'The invitation.' }) }),
});

mutation('rotateInvitation', {
  description: 'Gives an invitation another link; the old one opens nothing.',
  returns: InvitationRef,
  input: RotateInvitationInput,
  run: (ctx, input) => rotateInvitation(ctx, { invitationId: idOf('Invitation', input.invitationId, 'invitationId') }),
});

const AcceptInvitationInput = builder.inputType('AcceptInvitationInput', {
  description: 'The link to join by.',
  fields: (t) => ({ code: t.string({ required: true, description: 'The code: what follows /join/ in the link.' }) }),
});

mutation('acceptInvitation', {
  description: 'Joins by a link, in its role and its class. Returns the viewer. Changes nothing and takes no seat for a viewer who has both already; a viewer who lost them after joining by this link needs a new link.',
  returns: UserRef,
  input: AcceptInvitationInput,
  run: (ctx, input) => acceptInvitation(ctx, input),
});
