import { changePassword, resetPassword, type ResetPassword } from '../domain/passwords.ts';
import { builder, refs } from './builder.ts';
import { mutation } from './mutation.ts';
import { id } from './typed-id.ts';

const PasswordLinkRef = builder
  .objectRef<ResetPassword>('PasswordLink')
  .implement({
    description: 'A one-time link by which a person sets a new password. Only the answer that creates it has the link.',
    fields: (t) => ({
      user: t.field({ type: refs.User, description: 'The person who sets the password.', resolve: ({ user }) => user }),
      link: t.exposeString('link', {
        description:
          'The URL to hand over to the person, and to nobody else: whoever opens it first sets the password. It cannot be read again.',
      }),
      expiresAt: t.expose('expiresAt', {
        type: 'DateTime',
        description: 'When the link stops working: 72 hours after it was created, unless it is used or replaced before.',
      }),
    }),
  });

mutation('resetPassword', {
  description:
    'Resets the password of a person who has lost it, and returns a one-time link to hand over. The former password stops working at once, and all sessions of the person end. Sent again, it returns another link, and the former link stops working. CONFLICT for yourself, for a deactivated account, for a person who has no sign-in name yet (hand over the personal invitation instead), and for a person who has a role in another school too (the operator of the server resets that password).',
  returns: PasswordLinkRef,
  inputDescription: 'The person whose password is reset, and the school that resets it.',
  input: (t) => ({
    userId: id(t, 'User', { required: true, description: 'The person whose password is reset.' }),
    schoolId: id(t, 'School', {
      required: true,
      description: 'The school that resets the password: one where the person has or had a role.',
    }),
  }),
  run: resetPassword,
});

mutation('changePassword', {
  description:
    'Changes your own password, ends all of your other sessions, and returns the viewer. RATE_LIMITED after too many wrong passwords, as at the sign-in page. CONFLICT if you sign in without a password of this server.',
  returns: 'User',
  inputDescription: 'Your current and your new password.',
  input: (t) => ({
    currentPassword: t.string({ required: true, description: 'The password that you sign in with now; INVALID if it is wrong.' }),
    newPassword: t.string({
      required: true,
      description:
        'The new password: 8 to 200 characters. INVALID if it is your sign-in name, one of the most common passwords, or the current one.',
    }),
  }),
  run: changePassword,
});
