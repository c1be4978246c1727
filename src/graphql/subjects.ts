import { createSubject, subjectsOf } from '../domain/subjects.ts';
import { builder, idOf, mutation } from './builder.ts';
import { SchoolRef, SubjectConnection, SubjectRef } from './refs.ts';

builder.node(SubjectRef, {
  description: 'A subject that a school teaches.',
  id: { resolve: (subject) => subject.id, description: 'Global id.' },
  fields: (t) => ({
    name: t.exposeString('name', { description: '1 to 100 characters, unique in the school.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    school: t.field({
      type: SchoolRef,
      nullable: true,
      description: 'The school it belongs to.',
      resolve: (subject, _args, ctx) => ctx.loaders.byId('School', subject.schoolId),
    }),
  }),
});

builder.objectField(SchoolRef, 'subjects', (t) =>
  t.connection(
    {
      type: SubjectRef,
      description: 'The subjects of the school, in the order of the alphabet.',
      resolve: (school, args, ctx) => subjectsOf(ctx, school, args),
    },
    SubjectConnection,
  ),
);

const CreateSubjectInput = builder.inputType('CreateSubjectInput', {
  description: 'The subject to make.',
  fields: (t) => ({
    schoolId: t.id({ required: true, description: 'The school.' }),
    name: t.string({ required: true, description: '1 to 100 characters; unique in the school, whatever the case, spaces, hyphens and look-alike letters.' }),
  }),
});

mutation('createSubject', {
  description: 'Makes a subject, so that teachers can be assigned to it in classes.',
  returns: SubjectRef,
  input: CreateSubjectInput,
  run: (ctx, input) => createSubject(ctx, { ...input, schoolId: idOf('School', input.schoolId, 'schoolId') }),
});
