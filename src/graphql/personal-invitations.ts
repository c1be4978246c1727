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
    EXPIRED: { description: 'The link no longer works, because `expiresAt` has passed. `reissuePersonalInvitation` creates a new one.' },
    NONE: { description: 'The person cannot sign in, and has no personal invitation. `reissuePersonalInvitation` creates one.' },
    JOINED: { description: 'The person has joined and can sign in, and needs no invitation any more.' },
  } as const,
});

const PersonalInvitationRef = builder
  .objectRef<PersonalInvitation>('PersonalInvitation')
  .implement({
    description:
      'The invitation of a person whom an administrator or an import created. By its link the person chooses a login and a password. The link works once.',
    fields: (t) => ({
      user: t.field({
        type: refs.User,
        nullable: true,
        description: 'The person whom the invitation is for; null if you may not see this person.',
        resolve: loadBy('User', 'userId'),
      }),
      status: t.expose('status', { type: StatusEnum, description: 'Whether the person can join by the link now.' }),
      link: t.exposeString('link', {
        nullable: true,
        description:
          'The URL that the person opens to join; null unless `status` is ACTIVE, and null if another school issued the invitation.',
      }),
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
    description:
      'The personal invitation of the person. Its status is JOINED once the person has joined. Null unless you are a platform administrator of a school where the person has a role.',
    resolve: (user, _args, ctx) => personalInvitationOf(ctx, user),
  }),
);

builder.queryField('personalInvitations', (t) =>
  t.connection(
    {
      type: PersonalInvitationRef,
      nullable: true,
      description:
        'The personal invitations of the present pupils of a class, in Russian alphabetical order of the pupils. Null unless you are a platform administrator of the school or the class teacher of the class, and for an unknown class.',
      args: {
        classId: id(t.arg, 'Class', { required: true, description: 'The class of the pupils.' }),
        joined: t.arg.boolean({
          description: 'Only pupils who have joined (true), or only pupils who have not joined (false). Default: all pupils.',
        }),
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
      'The URL of a page to print: the personal invitations of the pupils who have not joined, to cut out and hand over. Null unless you are a platform administrator of the school or the class teacher of the class.',
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
      description:
        'The person. CONFLICT for a person who has joined already (use `resetPassword`), and for a person without a role in the school (use `grantRole` first).',
    }),
  }),
  run: reissuePersonalInvitation,
});

mutation('acceptPersonalInvitation', {
  description:
    'Lets the person of a personal invitation choose a login and a password. Needs no access token. Returns the person, who can now sign in, and who already has the role, the class and the chats. NOT_FOUND unless the code belongs to an ACTIVE personal invitation. RATE_LIMITED after 20 unknown codes from one network address in 15 minutes, or after too many failed attempts.',
  returns: 'User',
  inputDescription: 'The code of the invitation, and what the person chooses to sign in with.',
  input: (t) => ({
    code: t.string({ required: true, description: 'The code of the invitation: the part of its link after `/join/`.' }),
    signInName: t.string({
      required: true,
      description:
        'The login: 3 to 64 Latin or Russian letters, digits and `. _ - @`; case makes no difference. INVALID if one word mixes both alphabets. CONFLICT if the login, or one that looks the same, is taken.',
    }),
    password: t.string({
      required: true,
      description: 'The password: 8 to 200 characters. INVALID if it is the login, or one of the most common passwords.',
    }),
  }),
  run: acceptPersonalInvitation,
});
