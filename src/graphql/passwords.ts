import { changePassword, resetPassword, type ResetPassword } from '../domain/passwords.ts';
import { builder, refs } from './builder.ts';
import { mutation } from './mutation.ts';
import { id } from './typed-id.ts';

const PasswordLinkRef = builder
  .objectRef<ResetPassword>('PasswordLink')
  .implement({
    description:
      'A one-time link by which a person sets a new password. Only the result of the mutation that creates the link contains it: it cannot be queried later.',
    fields: (t) => ({
      user: t.field({ type: refs.User, description: 'The person who sets the password.', resolve: ({ user }) => user }),
      link: t.exposeString('link', {
        description: 'The URL to hand over to the person. Show it to nobody else: the first person who uses it sets the password.',
      }),
      expiresAt: t.expose('expiresAt', {
        type: 'DateTime',
        description: 'When the link expires: 72 hours after it was created. A link that was used or replaced stops working earlier.',
      }),
    }),
  });

mutation('resetPassword', {
  description:
    'Resets the password of a person who has lost it, and returns a one-time link to hand over. The former password stops working at once, and all sessions of the person end. Repeating the mutation creates another link, and the former link stops working. CONFLICT for yourself (use `changePassword`), for a deactivated account, for a person who has no sign-in name yet (hand over the personal invitation instead), and for a person who has a role in another school too (only the operator of the server can reset that password).',
  returns: PasswordLinkRef,
  inputDescription: 'The person whose password is reset, and the school that resets it.',
  input: (t) => ({
    userId: id(t, 'User', { required: true, description: 'The person whose password is reset.' }),
    schoolId: id(t, 'School', {
      required: true,
      description: 'The school that resets the password. FORBIDDEN if the person never had a role in it.',
    }),
  }),
  run: resetPassword,
});

mutation('changePassword', {
  description:
    'Changes your own password, ends all of your other sessions, and returns the viewer. RATE_LIMITED after too many wrong passwords, with the same limits as the sign-in page. CONFLICT if you have no password on this server, because you sign in through another identity provider.',
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
