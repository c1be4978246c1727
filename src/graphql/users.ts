import { createUser } from '../domain/create-user.ts';
import { deactivateUser, reactivateUser } from '../domain/deactivate-user.ts';
import { updateUser } from '../domain/update-user.ts';
import { contactOf, fullName, fullNameColumns, shortName, updateProfile } from '../domain/users.ts';
import type { User } from '../domain/entities.ts';
import type { RawColumns } from '../executor/raw-columns.ts';
import { builder, descriptions, refs } from './builder.ts';
import { RoleEnum } from './enums.ts';
import { ExternalIdInputType } from './external-id-types.ts';
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
  description:
    'A person: a member of staff or a pupil. An administrator may create them before they can sign in. Parents have no accounts.',
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
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the person was created.' }),
    joinedAt: t.expose('joinedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the person first got a way to sign in; null for a person who has not joined yet.',
    }),
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

const email = 'The e-mail address, up to 254 characters';
const phone = 'The phone number: 5 to 15 digits, with or without a leading +. Spaces, hyphens and brackets are removed';

mutation('createUser', {
  description:
    'Creates a person before they can sign in: with a role, a class for pupils, and a personal invitation by which this person alone chooses a login and a password.',
  returns: 'User',
  inputDescription: 'The person to create.',
  input: (t) => ({
    schoolId: id(t, 'School', { required: true, description: 'The school of the person.' }),
    surname: t.string({ required: true, description: 'The surname, 1 to 100 characters.' }),
    givenName: t.string({ required: true, description: 'The given name, 1 to 100 characters.' }),
    patronymic: t.string({ description: 'The patronymic, up to 100 characters.' }),
    role: t.field({ type: RoleEnum, required: true, description: 'The role of the person in the school.' }),
    classId: id(t, 'Class', {
      description:
        'The class in which the pupil is enrolled: required for role STUDENT, INVALID for other roles. CONFLICT if it is archived.',
    }),
    email: t.string({ description: `${email}.` }),
    phone: t.string({ description: `${phone}.` }),
    externalIds: t.field({ type: [ExternalIdInputType], description: 'The IDs of the person in other systems, at most 20.' }),
    idempotencyKey: t.string({ description: descriptions.idempotencyKey }),
  }),
  run: createUser,
});

mutation('updateUser', {
  description:
    'Corrects the details of a person of a school. Omitted fields keep their values; `null` clears an optional field. A later import keeps what was corrected. People change their own details by `updateProfile`.',
  returns: 'User',
  inputDescription: 'The new details of a person. Omitted fields keep their values.',
  input: (t) => ({
    userId: id(t, 'User', { required: true, description: 'The person whose details are corrected.' }),
    schoolId: id(t, 'School', {
      required: true,
      description:
        'The school that corrects them. CONFLICT for names of a person who has roles in other schools alone, and for contact details of one who has a role in another school too.',
    }),
    surname: t.string({ description: 'The surname, 1 to 100 characters; null keeps it.' }),
    givenName: t.string({ description: 'The given name, 1 to 100 characters; null keeps it.' }),
    patronymic: t.string({ description: 'The patronymic, up to 100 characters; null clears it.' }),
    email: t.string({ description: `${email}; null clears it.` }),
    phone: t.string({ description: `${phone}; null clears it.` }),
    externalIds: t.field({
      type: [ExternalIdInputType],
      description: 'The complete new list for this school, at most 20 items, which replaces the present one; null keeps it.',
    }),
  }),
  run: updateUser,
});

mutation('deactivateUser', {
  description:
    "Deactivates an account until `reactivateUser`, and ends the person's roles, assignments, enrolment, chat memberships and sessions. CONFLICT for the last platform administrator of the school. Deactivating it again changes nothing.",
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

mutation('reactivateUser', {
  description:
    'Lets a deactivated person sign in again. The person has no role until `grantRole`, and no class until `enrolStudent`. Reactivating an active account changes nothing.',
  returns: 'User',
  inputDescription: 'The account to reactivate, and the school that reactivates it.',
  input: (t) => ({
    userId: id(t, 'User', { required: true, description: 'The person whose account is reactivated.' }),
    schoolId: id(t, 'School', { required: true, description: 'A school in which the person has or had a role.' }),
  }),
  run: reactivateUser,
});
