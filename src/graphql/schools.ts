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
  description: 'A school, set up by the operator of the server. It has its own log, and counts days in its own time zone.',
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
        'The position in the log that this response reflects. Pass it as `after` to a subscription to receive every later change: a change committed at the same moment may be in both, and none is missed.',
      resolve: (school, _args, ctx) => asOf(ctx, school),
    }),
  }),
});

builder.queryField('schools', (t) =>
  t.connection(
    {
      type: refs.School,
      description: 'The schools that you may see, in the order in which they were set up.',
      resolve: (_root, args, ctx) => schoolsOf(ctx, args),
    },
    { name: 'SchoolConnection', description: 'A page of schools.', fields: countFields },
    { name: 'SchoolEdge' },
  ),
);

const PeopleOrder = orderInput('PeopleOrder', 'the people of a school', {
  NAME: 'The name, in Russian alphabetical order.',
  UPDATED_AT: '`User.updatedAt`.',
});

connection('School', 'people', {
  of: 'User',
  description:
    'The people with a role in the school whom you may see, by default those with a current role, in Russian alphabetical order. Each appears once, whatever the number of their roles.',
  args: (t) => ({
    role: t({ type: RoleEnum, description: 'Only people with this role.' }),
    classId: id(t, 'Class', { description: 'Only the current pupils and teachers of this class. INVALID together with `withoutClass`.' }),
    withoutClass: t.boolean({ description: 'Whether to return only pupils who are in no class. Default: false.' }),
    hasLogin: t.boolean({
      description:
        'Only people who can sign in, by a sign-in name or by an identity of another issuer (true), or only those who cannot yet (false). With either, only people whose `contact` you may see. Default: both.',
    }),
    active: t.boolean({
      description:
        'Only people with a current role in the school (true), or only those who had a role and have none now, such as former pupils and deactivated accounts (false). Default: true; `null` means both.',
    }),
    search: t.string({
      description:
        'Only people whose name contains each of these words, or parts of words; up to 100 characters in total. Case is ignored, and ё equals е.',
    }),
    updatedSince: t({ type: 'DateTime', description: 'Only people whose `updatedAt` is this time or later.' }),
    orderBy: t({ type: PeopleOrder, description: 'The order. Default: NAME, ASC.' }),
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
    timeZone: t.string({ description: 'The IANA time zone, such as Asia/Yekaterinburg; null keeps it.' }),
    externalIds: t.field({
      type: [ExternalIdInputType],
      description: 'The complete new list, at most 20 items, which replaces the present one; null keeps it.',
    }),
  }),
  run: updateSchool,
});
