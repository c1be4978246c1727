import { acceptPersonalInvitation } from '../domain/join-by-personal-invitation.ts';
import {
  invitationsPageOf,
  personalInvitationOf,
  personalInvitationsOf,
  reissuePersonalInvitation,
  type PersonalInvitation,
} from '../domain/personal-invitations.ts';
import { builder, refs } from './builder.ts';
import { countFields } from './connection.ts';
import { mutation } from './mutation.ts';
import { loadBy } from './node.ts';
import { id, parseIds } from './typed-id.ts';

const StatusEnum = builder.enumType('PersonalInvitationStatus', {
  description: 'Whether a person can join by their personal invitation.',
  values: {
    ACTIVE: { description: 'The person can join by the link.' },
    EXPIRED: { description: '`expiresAt` has passed. `reissuePersonalInvitation` gives a new link.' },
    NONE: { description: 'The person cannot sign in, and has no invitation. `reissuePersonalInvitation` gives one.' },
    JOINED: { description: 'The person has a way to sign in, so that there is nothing to hand over.' },
  } as const,
});

const PersonalInvitationRef = builder
  .objectRef<PersonalInvitation>('PersonalInvitation')
  .implement({
    description:
      'The invitation of one person who was created before they could sign in. By its link this person alone chooses a login and a password, once.',
    fields: (t) => ({
      user: t.field({
        type: refs.User,
        nullable: true,
        description: 'The person; null if you may not see them.',
        resolve: loadBy('User', 'userId'),
      }),
      status: t.expose('status', { type: StatusEnum, description: 'Whether the person can join by the link now.' }),
      link: t.exposeString('link', { nullable: true, description: 'The URL to open; null unless `status` is ACTIVE.' }),
      expiresAt: t.expose('expiresAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When the link expires, 90 days after it was issued; null for statuses NONE and JOINED.',
      }),
    }),
  });

builder.objectField(refs.User, 'personalInvitation', (t) =>
  t.field({
    type: PersonalInvitationRef,
    nullable: true,
    description: 'The personal invitation of the person. Only platform administrators of the school see it; null for others.',
    resolve: (user, _args, ctx) => personalInvitationOf(ctx, user),
  }),
);

builder.queryField('personalInvitations', (t) =>
  t.connection(
    {
      type: PersonalInvitationRef,
      nullable: true,
      description:
        'The personal invitations of the present pupils of a class, in Russian alphabetical order. Only platform administrators and the class teacher of the class see them; null for others.',
      args: {
        classId: id(t.arg, 'Class', { required: true, description: 'The class of the pupils.' }),
        joined: t.arg.boolean({ description: 'Only pupils who have joined (true) or have not (false). Default: all.' }),
      },
      resolve: (_root, args, ctx) => personalInvitationsOf(ctx, parseIds(args, [['classId', 'Class']])),
    },
    { name: 'PersonalInvitationConnection', description: 'A page of personal invitations.', fields: countFields },
    { name: 'PersonalInvitationEdge' },
  ),
);

builder.objectField(refs.Class, 'invitationsPage', (t) =>
  t.string({
    nullable: true,
    description:
      'The URL of a page to print, with a slip for each pupil who has not joined. Null unless you are a platform administrator or the class teacher of the class.',
    resolve: (schoolClass, _args, ctx) => invitationsPageOf(ctx, schoolClass),
  }),
);

mutation('reissuePersonalInvitation', {
  description:
    'Gives a person who cannot sign in yet a new personal invitation, valid for 90 days. The old link stops working. Returns the person.',
  returns: 'User',
  inputDescription: 'The person who gets a new invitation.',
  input: (t) => ({
    userId: id(t, 'User', {
      required: true,
      description: 'The person. CONFLICT if they have joined already, and if they have no role in the school now: grant one first.',
    }),
  }),
  run: reissuePersonalInvitation,
});

mutation('acceptPersonalInvitation', {
  description:
    'Chooses a login and a password by a personal invitation; needs no token. Returns the person, who can then sign in, and has the role, the class and the chats already. NOT_FOUND for every code but that of an open personal invitation. After 20 unknown codes from one address in 15 minutes, or too many failed attempts, RATE_LIMITED.',
  returns: 'User',
  inputDescription: 'The code of the invitation, and what the person chooses to sign in with.',
  input: (t) => ({
    code: t.string({ required: true, description: 'The code of the invitation: the part of its link after `/join/`.' }),
    signInName: t.string({
      required: true,
      description:
        'The login: 3 to 64 Latin or Russian letters, digits and `. _ - @`; case makes no difference. CONFLICT if it is taken, or looks like one that is.',
    }),
    password: t.string({
      required: true,
      description: 'The password, at least 8 characters. INVALID if it is common or contains the login.',
    }),
  }),
  run: acceptPersonalInvitation,
});
