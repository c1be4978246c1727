import { asOf, externalIdsOf, schoolsOf, updateSchool } from '../domain/schools.ts';
import { peopleOf } from '../domain/people.ts';
import { builder, refs } from './builder.ts';
import { connection, countFields } from './connection.ts';
import { RoleEnum } from './enums.ts';
import { ExternalIdInputType, ExternalIdRef } from './external-id-types.ts';
import type { FieldCost } from './field-cost.ts';
import { mutation } from './mutation.ts';
import { node } from './node.ts';
import { orderInput } from './order-input.ts';
import { id } from './typed-id.ts';

node('School', {
  description:
    'A school, set up by the operator of the server. It has its own log, and counts days in its own time zone. Everyone who has a role in the school and services with the scope `read` or `events` may see the school.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The short name, 1 to 100 characters.' }),
    fullName: t.exposeString('fullName', { description: 'The full name, as in the charter; 1 to 300 characters.' }),
    address: t.exposeString('address', { nullable: true, description: 'The postal address, up to 300 characters; null if not set.' }),
    district: t.exposeString('district', {
      nullable: true,
      description: 'The district of the city or region, up to 100 characters; null if not set.',
    }),
    region: t.exposeString('region', {
      nullable: true,
      description: 'The region of the Russian Federation, up to 100 characters; null if not set.',
    }),
    timeZone: t.exposeString('timeZone', { description: 'The IANA time zone in which the school counts days, such as Europe/Moscow.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the operator set up the school.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When the details of the school last changed.' }),
    externalIds: t.field({
      type: [ExternalIdRef],
      extensions: { cost: { maxItems: 20 } satisfies FieldCost },
      description: 'The IDs of the school in other systems, at most 20, ordered by system.',
      resolve: (school, _args, ctx) => externalIdsOf(ctx, school),
    }),
    asOf: t.string({
      description:
        "The cursor of the school's log at the start of this request. Query the data together with `asOf`, then pass it as `after` to a subscription: you miss no later change. A change that was committed during the request may be both in the response and in the stream.",
      resolve: (school, _args, ctx) => asOf(ctx, school),
    }),
  }),
});

builder.queryField('schools', (t) =>
  t.connection(
    {
      type: refs.School,
      description: 'The schools that you may see, in the order in which they were set up. Empty without an access token.',
      resolve: (_root, args, ctx) => schoolsOf(ctx, args),
    },
    { name: 'SchoolConnection', description: 'A page of schools.', fields: countFields },
    { name: 'SchoolEdge' },
  ),
);

const PeopleOrder = orderInput('PeopleOrder', 'the people of a school', {
  NAME: 'By name, in Russian alphabetical order.',
  UPDATED_AT: 'By `User.updatedAt`.',
});

connection('School', 'people', {
  of: 'User',
  description:
    'The people of the school whom you may see, by default people with a current role, in Russian alphabetical order. A person with several roles appears once.',
  args: (t) => ({
    role: t({
      type: RoleEnum,
      description: 'Only people with this role in the school; with `active: false`, people who had it. Default: all roles.',
    }),
    classId: id(t, 'Class', {
      description: 'Only the current pupils and teachers of this class. INVALID together with `withoutClass: true`. Default: everyone.',
    }),
    withoutClass: t.boolean({ description: 'Whether to return only pupils who are in no class. Default: false.' }),
    hasLogin: t.boolean({
      description:
        'True: only people who can sign in, with a password or through another identity provider. False: only people who cannot sign in yet. Either value leaves out people whose `contact` you may not see. Default: everyone.',
    }),
    active: t.boolean({
      description:
        'True: only people with a current role in the school. False: only people who had a role and have no role now, such as former pupils and deactivated accounts. Roles that ended count only if you may see them. Default: true; `null` means both.',
    }),
    search: t.string({
      description:
        'Only people whose full name contains each of these words or parts of words, in any order; up to 100 characters in total. Case is ignored, and ё equals е. Default: everyone.',
    }),
    updatedSince: t({
      type: 'DateTime',
      description: 'Only people whose `updatedAt` is this time or later, for example since the last synchronisation. Default: everyone.',
    }),
    orderBy: t({ type: PeopleOrder, description: 'How to order the list. Default: by NAME, ASC.' }),
  }),
  list: peopleOf,
});

mutation('updateSchool', {
  description: 'Updates the details of a school. Omitted fields keep their values; `null` clears an optional field.',
  returns: 'School',
  inputDescription: 'The new details of a school. Omitted fields keep their values.',
  input: (t) => ({
    schoolId: id(t, 'School', { required: true, description: 'The school to update.' }),
    name: t.string({ description: 'The short name, 1 to 100 characters; null keeps it.' }),
    fullName: t.string({ description: 'The full name, 1 to 300 characters; null keeps it.' }),
    address: t.string({ description: 'The postal address, up to 300 characters; null clears it.' }),
    district: t.string({ description: 'The district of the city or region, up to 100 characters; null clears it.' }),
    region: t.string({ description: 'The region of the Russian Federation, up to 100 characters; null clears it.' }),
    timeZone: t.string({
      description:
        'The IANA time zone, such as Asia/Yekaterinburg; INVALID for an unknown time zone, or for an offset such as +05:00. Null keeps the present time zone. Plans that are scheduled for the start of their school year are scheduled for that start in the new time zone.',
    }),
    externalIds: t.field({
      type: [ExternalIdInputType],
      description:
        'The IDs of the school in other systems: the complete new list, at most 20 items, which replaces the present list; null keeps the present list.',
    }),
  }),
  run: updateSchool,
});
