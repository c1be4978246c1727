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
    description: 'The contact details of a person, and the name by which the person signs in.',
    fields: (t) => ({
      email: t.exposeString('email', { nullable: true, description: 'The e-mail address, up to 254 characters; null if not set.' }),
      phone: t.exposeString('phone', {
        nullable: true,
        description: 'The phone number: 5 to 15 digits, with or without a leading +; null if not set.',
      }),
      signInName: t.exposeString('signInName', {
        nullable: true,
        description:
          'The name that the person enters to sign in. Null for a person without a password on this server, who has not joined yet or signs in through another identity provider.',
      }),
    }),
  });

node('User', {
  description:
    'A person: a member of staff or a pupil. An administrator may create a person before they can sign in. Parents have no accounts. Platform administrators, the school administration and services with the scope `read` see everyone who has or had a role in the school. Teachers see the present staff, and the present and former people of their classes; pupils see the present people of their class. Everyone sees themselves, and the members of the chats that they are in.',
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
      description: 'When the person joined, that is, first got a way to sign in; null for a person who has not joined yet.',
    }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      description:
        'When the details, the account or the roles of the person last changed. Changes of their classes and chats do not count.',
    }),
    deactivatedAt: t.expose('deactivatedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the account was deactivated; null for an active account. The person of a deactivated account cannot sign in.',
    }),
    contact: t.field({
      type: ContactRef,
      nullable: true,
      description:
        'The contact details. Null unless you are this person, have the role PLATFORM_ADMINISTRATOR or SCHOOL_ADMINISTRATION in a school of this person, or are the class teacher of a class that this person is or was in.',
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
    'Creates a person with a role, an enrolment for a pupil, and a personal invitation. The person can sign in once they have chosen a login and a password by the link of the invitation: see `User.personalInvitation`.',
  returns: 'User',
  inputDescription: 'The person to create.',
  input: (t) => ({
    schoolId: id(t, 'School', { required: true, description: 'The school in which the person gets a role.' }),
    surname: t.string({ required: true, description: 'The surname, 1 to 100 characters.' }),
    givenName: t.string({ required: true, description: 'The given name, 1 to 100 characters.' }),
    patronymic: t.string({ description: 'The patronymic, up to 100 characters.' }),
    role: t.field({ type: RoleEnum, required: true, description: 'The role that the person gets in the school.' }),
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
    'Corrects the details of a person of a school. Omitted fields keep their values; `null` clears an optional field. Later imports do not overwrite corrected names and contact details. To change your own details, use `updateProfile`.',
  returns: 'User',
  inputDescription: 'The new details of a person. Omitted fields keep their values.',
  input: (t) => ({
    userId: id(t, 'User', { required: true, description: 'The person whose details are corrected.' }),
    schoolId: id(t, 'School', {
      required: true,
      description:
        'The school that corrects the details. FORBIDDEN if the person never had a role in it. CONFLICT for names if the person now has roles only in other schools, and for contact details if the person has a role in any other school.',
    }),
    surname: t.string({ description: 'The surname, 1 to 100 characters; null keeps it.' }),
    givenName: t.string({ description: 'The given name, 1 to 100 characters; null keeps it.' }),
    patronymic: t.string({ description: 'The patronymic, up to 100 characters; null clears it.' }),
    email: t.string({ description: `${email}; null clears it.` }),
    phone: t.string({ description: `${phone}; null clears it.` }),
    externalIds: t.field({
      type: [ExternalIdInputType],
      description:
        'The IDs of the person in other systems of this school: the complete new list, at most 20 items, which replaces the present list; null keeps the present list.',
    }),
  }),
  run: updateUser,
});

mutation('deactivateUser', {
  description:
    "Deactivates an account, so that the person cannot sign in until `reactivateUser`. Ends the person's roles, assignments, enrolment, chat memberships and sessions. CONFLICT for the last platform administrator of the school. Deactivating a deactivated account changes nothing.",
  returns: 'User',
  inputDescription: 'The account to deactivate, and the school that deactivates it.',
  input: (t) => ({
    userId: id(t, 'User', { required: true, description: 'The person whose account is deactivated.' }),
    schoolId: id(t, 'School', {
      required: true,
      description:
        'The school that deactivates the account. FORBIDDEN if the person never had a role in it. CONFLICT if the person has a role in another school too: use `endRole` in this school instead.',
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
    schoolId: id(t, 'School', {
      required: true,
      description: 'The school that reactivates the account. FORBIDDEN if the person never had a role in it.',
    }),
  }),
  run: reactivateUser,
});
