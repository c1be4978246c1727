import { asOf, externalIdsOf, schoolsOf, updateSchool, type ExternalIdInput } from '../domain/schools.ts';
import { peopleOf } from '../domain/users.ts';
import { builder, idOf, mutation, optionalIdOf } from './builder.ts';
import { RoleEnum, SchoolRef, UserConnection, UserRef } from './refs.ts';

const ExternalIdRef = builder.objectRef<ExternalIdInput>('ExternalId').implement({
  description: 'What another system calls the school.',
  fields: (t) => ({
    system: t.exposeString('system', { description: 'The other system, such as «Моя школа»; 1 to 50 characters.' }),
    value: t.exposeString('value', { description: 'Its id there; 1 to 100 characters.' }),
  }),
});

builder.node(SchoolRef, {
  description: 'A school.',
  id: { resolve: (school) => school.id, description: 'Global id.' },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The short name; up to 100 characters.' }),
    fullName: t.exposeString('fullName', { description: 'The name in full, as in the charter; up to 300 characters.' }),
    address: t.exposeString('address', { nullable: true, description: 'The postal address; up to 300 characters.' }),
    district: t.exposeString('district', { nullable: true, description: 'The district; up to 100 characters.' }),
    region: t.exposeString('region', { nullable: true, description: 'The region of the federation; up to 100 characters.' }),
    timeZone: t.exposeString('timeZone', { description: 'The IANA time zone that its days are counted in, such as Europe/Moscow.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was set up.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
    externalIds: t.field({
      type: [ExternalIdRef],
      description: 'What other systems call it, by system.',
      resolve: (school, _args, ctx) => externalIdsOf(ctx, school),
    }),
    asOf: t.string({
      description:
        'The cursor of the log for this answer: pass it as `after` to a subscription, and every later change is told. A change made in the same moment may show here and be told again; none is missed.',
      resolve: (school, _args, ctx) => asOf(ctx, school),
    }),
  }),
});

builder.queryField('schools', (t) =>
  t.connection({
    type: SchoolRef,
    description: 'The schools that you may read.',
    resolve: (_root, args, ctx) => schoolsOf(ctx, args),
  }, { name: 'SchoolConnection', description: 'A page of schools.' }, { name: 'SchoolEdge', description: 'A school of a page.' }),
);

builder.objectField(SchoolRef, 'people', (t) =>
  t.connection(
    {
      type: UserRef,
      description: 'The people with a role in the school whom you may read, in the order of the Russian alphabet.',
      args: {
        role: t.arg({ type: RoleEnum, description: 'Only with this role.' }),
        classId: t.arg.id({ description: 'Only the present pupils and teachers of this class.' }),
        search: t.arg.string({
          description: 'Words of a name, up to 100 characters together; each must be found somewhere in it. Case does not matter, ё is е.',
        }),
      },
      resolve: (school, args, ctx) =>
        peopleOf(ctx, school, { ...args, classId: optionalIdOf('Class', args.classId, 'classId') }),
    },
    UserConnection,
  ),
);

const ExternalIdInputType = builder.inputType('ExternalIdInput', {
  description: 'What another system calls the school.',
  fields: (t) => ({
    system: t.string({ required: true, description: '1 to 50 characters; each system once.' }),
    value: t.string({ required: true, description: '1 to 100 characters; no other school has it in this system.' }),
  }),
});

const UpdateSchoolInput = builder.inputType('UpdateSchoolInput', {
  description: 'What to change; what is left out stays.',
  fields: (t) => ({
    schoolId: t.id({ required: true, description: 'The school.' }),
    name: t.string({ description: '1 to 100 characters; null leaves it.' }),
    fullName: t.string({ description: '1 to 300 characters; null leaves it.' }),
    address: t.string({ description: 'Up to 300 characters; null empties it.' }),
    district: t.string({ description: 'Up to 100 characters; null empties it.' }),
    region: t.string({ description: 'Up to 100 characters; null empties it.' }),
    timeZone: t.string({ description: 'An IANA time zone, such as Asia/Yekaterinburg; null leaves it.' }),
    externalIds: t.field({ type: [ExternalIdInputType], description: 'All of them, at most 20: they replace those there were. Null leaves them.' }),
  }),
});

mutation('updateSchool', {
  description: 'Changes what is said of the school.',
  returns: SchoolRef,
  input: UpdateSchoolInput,
  run: (ctx, input) => updateSchool(ctx, { ...input, schoolId: idOf('School', input.schoolId, 'schoolId') }),
});
