import { createSubject, subjectsOf } from '../domain/subjects.ts';
import { builder, idOf, mutation } from './builder.ts';
import { SchoolRef, SubjectConnection, SubjectRef } from './refs.ts';

builder.node(SubjectRef, {
  description: 'A subject that a school teaches, such as physics.',
  id: { resolve: (subject) => subject.id },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The name, 1 to 100 characters, unique in the school.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the subject was created.' }),
    school: t.field({
      type: SchoolRef,
      nullable: true,
      description: 'The school that teaches the subject; null if you may not see it.',
      resolve: (subject, _args, ctx) => ctx.loaders.byId('School', subject.schoolId),
    }),
  }),
});

builder.objectField(SchoolRef, 'subjects', (t) =>
  t.connection(
    {
      type: SubjectRef,
      description: 'The subjects of the school, in alphabetical order.',
      resolve: (school, args, ctx) => subjectsOf(ctx, school, args),
    },
    SubjectConnection,
  ),
);

const CreateSubjectInput = builder.inputType('CreateSubjectInput', {
  description: 'The subject to create.',
  fields: (t) => ({
    schoolId: t.id({ required: true, description: 'The school that teaches the subject.' }),
    name: t.string({ required: true, description: 'The name, 1 to 100 characters.' }),
  }),
});

mutation('createSubject', {
  description:
    'Creates a subject, so that teachers can be assigned to it in classes. CONFLICT if the school has a subject of this name; case, spaces, hyphens and look-alike letters make no difference.',
  returns: SubjectRef,
  input: CreateSubjectInput,
  run: (ctx, input) => createSubject(ctx, { ...input, schoolId: idOf('School', input.schoolId, 'schoolId') }),
});
