import { contactOf, deactivateUser, fullName, fullNameColumns, shortName, updateProfile } from '../domain/users.ts';
import type { User } from '../domain/entities.ts';
import { builder, idOf, mutation } from './builder.ts';
import type { RawColumns } from '../executor/raw-columns.ts';
import { UserRef } from './refs.ts';

const ContactRef = builder.objectRef<User>('Contact').implement({
  description: 'How to reach a person, and the name they sign in with.',
  fields: (t) => ({
    email: t.exposeString('email', { nullable: true, description: 'The e-mail address; up to 254 characters.' }),
    phone: t.exposeString('phone', { nullable: true, description: 'The phone number: digits, with or without a + before them.' }),
    signInName: t.exposeString('signInName', { nullable: true, description: 'What the person types to sign in; null for one who signs in elsewhere.' }),
  }),
});

builder.node(UserRef, {
  description: 'A person.',
  id: { resolve: (user) => user.id, description: 'Global id.' },
  fields: (t) => ({
    surname: t.exposeString('surname', { description: 'Up to 100 characters.' }),
    givenName: t.exposeString('givenName', { description: 'Up to 100 characters.' }),
    patronymic: t.exposeString('patronymic', { nullable: true, description: 'Up to 100 characters; not everyone has one.' }),
    fullName: t.string({ description: 'Surname, given name, patronymic: «Иванова Мария Петровна».', resolve: fullName, extensions: { rawColumns: { columns: fullNameColumns } satisfies RawColumns } }),
    shortName: t.string({ description: 'Surname and initials: «Иванова М. П.».', resolve: shortName }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the account was made.' }),
    deactivatedAt: t.expose('deactivatedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'Since when the person can no longer sign in; null for everyone else.',
    }),
    contact: t.field({
      type: ContactRef,
      nullable: true,
      description: 'How to reach them; null where you may not know it.',
      resolve: (user, _args, ctx) => contactOf(ctx, user),
    }),
  }),
});

const LocaleEnum = builder.enumType('Locale', {
  description: 'A language of the server.',
  values: { RU: { value: 'ru', description: 'Russian.' }, EN: { value: 'en', description: 'English.' } } as const,
});

builder.objectField(UserRef, 'locale', (t) =>
  t.field({
    type: LocaleEnum,
    description: 'The language that the server writes to the person in.',
    resolve: (user) => (user.locale === 'en' ? 'en' : 'ru'),
  }),
);

const UpdateProfileInput = builder.inputType('UpdateProfileInput', {
  description: 'What to change of your own; what is left out stays.',
  fields: (t) => ({
    surname: t.string({ description: '1 to 100 characters; null leaves it.' }),
    givenName: t.string({ description: '1 to 100 characters; null leaves it.' }),
    patronymic: t.string({ description: 'Up to 100 characters; null empties it.' }),
    email: t.string({ description: 'An e-mail address, up to 254 characters; null empties it.' }),
    phone: t.string({ description: '5 to 15 digits, with or without a + before them; null empties it.' }),
    locale: t.field({ type: LocaleEnum, description: 'The language to be written to in; null leaves it.' }),
  }),
});

mutation('updateProfile', {
  description: 'Changes your own particulars.',
  returns: UserRef,
  input: UpdateProfileInput,
  run: (ctx, input) => updateProfile(ctx, input),
});

const DeactivateUserInput = builder.inputType('DeactivateUserInput', {
  description: 'Whose account to end.',
  fields: (t) => ({
    userId: t.id({ required: true, description: 'The person.' }),
    schoolId: t.id({ required: true, description: 'The school that ends it; the person has no role in any other.' }),
  }),
});

mutation('deactivateUser', {
  description: 'Ends an account: roles, work in classes, the place in a class, chats and sessions. Doing it again changes nothing.',
  returns: UserRef,
  input: DeactivateUserInput,
  run: (ctx, input) =>
    deactivateUser(ctx, {
      userId: idOf('User', input.userId, 'userId'),
      schoolId: idOf('School', input.schoolId, 'schoolId'),
    }),
});
