import { contactOf, deactivateUser, fullName, fullNameColumns, shortName, updateProfile } from '../domain/users.ts';
import type { User } from '../domain/entities.ts';
import type { RawColumns } from '../executor/raw-columns.ts';
import { builder, refs } from './builder.ts';
import { mutation } from './mutation.ts';
import { node } from './node.ts';
import { id } from './typed-id.ts';

const ContactRef = builder
  .objectRef<User>('Contact')
  .implement({
    description: 'The contact details of a person, and the name that they sign in with.',
    fields: (t) => ({
      email: t.exposeString('email', { nullable: true, description: 'The e-mail address, up to 254 characters; null if not set.' }),
      phone: t.exposeString('phone', {
        nullable: true,
        description: 'The phone number: 5 to 15 digits, with or without a leading +; null if not set.',
      }),
      signInName: t.exposeString('signInName', {
        nullable: true,
        description: 'The name that the person enters to sign in; null if they sign in without a password here.',
      }),
    }),
  });

node('User', {
  description: 'A person with an account: a member of staff or a pupil. Parents have no accounts.',
  plural: 'people',
  fields: (t) => ({
    surname: t.exposeString('surname', { description: 'The surname, 1 to 100 characters.' }),
    givenName: t.exposeString('givenName', { description: 'The given name, 1 to 100 characters.' }),
    patronymic: t.exposeString('patronymic', {
      nullable: true,
      description: 'The patronymic, up to 100 characters; null for a person without one.',
    }),
    fullName: t.string({
      description: 'The surname, the given name and any patronymic: «Иванова Мария Петровна».',
      resolve: fullName,
      extensions: { rawColumns: { columns: fullNameColumns } satisfies RawColumns },
    }),
    shortName: t.string({ description: 'The surname and initials: «Иванова М. П.».', resolve: shortName }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the account was created.' }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      description: 'When the details, the account or the roles of the person last changed. Classes and chats do not count.',
    }),
    deactivatedAt: t.expose('deactivatedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the account was deactivated, after which the person cannot sign in; null for an active account.',
    }),
    contact: t.field({
      type: ContactRef,
      nullable: true,
      description: 'The contact details; null if you may not see them.',
      resolve: (user, _args, ctx) => contactOf(ctx, user),
    }),
  }),
});

const LocaleEnum = builder.enumType('Locale', {
  description: 'A language in which the server writes to people.',
  values: { RU: { value: 'ru', description: 'Russian.' }, EN: { value: 'en', description: 'English.' } } as const,
});

builder.objectField(refs.User, 'locale', (t) =>
  t.field({
    type: LocaleEnum,
    description: 'The language in which the server writes to the person.',
    resolve: (user) => (user.locale === 'en' ? 'en' : 'ru'),
  }),
);

mutation('updateProfile', {
  description: 'Updates your own details and returns the viewer. Omitted fields keep their values; `null` clears an optional field.',
  returns: 'User',
  inputDescription: 'Your new details. Omitted fields keep their values.',
  input: (t) => ({
    surname: t.string({ description: 'The surname, 1 to 100 characters; null keeps it.' }),
    givenName: t.string({ description: 'The given name, 1 to 100 characters; null keeps it.' }),
    patronymic: t.string({ description: 'The patronymic, up to 100 characters; null clears it.' }),
    email: t.string({ description: 'The e-mail address, up to 254 characters; null clears it.' }),
    phone: t.string({
      description:
        'The phone number: 5 to 15 digits, with or without a leading +. Spaces, hyphens and brackets are removed; null clears it.',
    }),
    locale: t.field({ type: LocaleEnum, description: 'The language in which the server writes to you; null keeps it.' }),
  }),
  run: updateProfile,
});

mutation('deactivateUser', {
  description:
    "Deactivates an account for good, and ends the person's roles, assignments, enrolment, chat memberships and sessions. CONFLICT for the last platform administrator of the school. Deactivating it again changes nothing.",
  returns: 'User',
  inputDescription: 'The account to deactivate, and the school that deactivates it.',
  input: (t) => ({
    userId: id(t, 'User', { required: true, description: 'The person whose account is deactivated.' }),
    schoolId: id(t, 'School', {
      required: true,
      description:
        'The school that deactivates the account. CONFLICT if the person has a role in another school: end the role in this one instead.',
    }),
  }),
  run: deactivateUser,
});
