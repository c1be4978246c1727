import { externalIdsOfRow, userByExternalId, type IdentifiedType } from '../domain/external-ids.ts';
import { builder, refs } from './builder.ts';
import { ExternalIdRef } from './external-id-types.ts';
import { id, parseIds } from './typed-id.ts';

const readers =
  'Only platform administrators of the school and services with the scope `read` see these IDs; for others the list is empty.';

builder.objectField(refs.User, 'externalIds', (t) => {
  const args = {
    schoolId: id(t.arg, 'School', {
      description: 'Only IDs of the person in this school. Default: the IDs in every school whose IDs you may see.',
    }),
  };
  return t.field({
    type: [ExternalIdRef],
    description: `The IDs of the person in other systems, at most 20 for each school, ordered by system. ${readers}`,
    args,
    resolve: (user, given, ctx) => externalIdsOfRow(ctx, 'User', user.id, parseIds(given, [['schoolId', 'School']]).schoolId),
  });
});

const ofSchoolNoun = (type: Exclude<IdentifiedType, 'User'>, noun: string): void =>
  builder.objectField(refs[type], 'externalIds', (t) =>
    t.field({
      type: [ExternalIdRef],
      description: `The IDs of the ${noun} in other systems, ordered by system. Imports set these IDs. ${readers}`,
      resolve: (row: { id: string }, _args, ctx) => externalIdsOfRow(ctx, type, row.id),
    }),
  );

ofSchoolNoun('Class', 'class');
ofSchoolNoun('Subject', 'subject');

builder.queryField('userByExternalId', (t) =>
  t.field({
    type: refs.User,
    nullable: true,
    description:
      'The person who has this ID in another system of the school; null if nobody has it. Only platform administrators of the school and services with the scope `read` can look people up; for others the result is null.',
    args: {
      schoolId: id(t.arg, 'School', {
        required: true,
        description: 'The school in which the person has this ID: two schools may use one ID for two people.',
      }),
      system: t.arg.string({ required: true, description: 'The name of the other system, 1 to 50 characters.' }),
      value: t.arg.string({ required: true, description: 'The ID in that system, 1 to 100 characters.' }),
    },
    resolve: (_root, args, ctx) => userByExternalId(ctx, parseIds(args, [['schoolId', 'School']])),
  }),
);
