import { archiveClass } from '../domain/archive-class.ts';
import { classesOf, createClass, nameOfClass, studentCountOf, updateClass } from '../domain/classes.ts';
import { builder, idOf, mutation, optionalIdOf } from './builder.ts';
import { ClassConnection, ClassRef, SchoolRef, SchoolYearRef } from './refs.ts';

builder.node(ClassRef, {
  description: 'A class of a school in one school year.',
  id: { resolve: (found) => found.id, description: 'Global id.' },
  fields: (t) => ({
    name: t.string({ description: 'Grade and letter: 5А.', resolve: nameOfClass }),
    grade: t.exposeInt('grade', { description: '1 to 11.' }),
    letter: t.exposeString('letter', { description: '1 to 15 characters, Cyrillic in capitals.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    archivedAt: t.expose('archivedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'Since when it no longer changes; null while it is open.',
    }),
    school: t.field({
      type: SchoolRef,
      nullable: true,
      description: 'The school it belongs to.',
      resolve: (found, _args, ctx) => ctx.loaders.byId('School', found.schoolId),
    }),
    year: t.field({
      type: SchoolYearRef,
      nullable: true,
      description: 'The school year it is of.',
      resolve: (found, _args, ctx) => ctx.loaders.byId('SchoolYear', found.schoolYearId),
    }),
    studentCount: t.int({
      description: 'How many pupils are in it now.',
      resolve: (found, _args, ctx) => studentCountOf(ctx, found),
    }),
  }),
});

builder.objectField(SchoolRef, 'classes', (t) =>
  t.connection(
    {
      type: ClassRef,
      description: 'The classes that you may read, by grade and then by letter.',
      args: {
        schoolYearId: t.arg.id({ description: 'Only of this school year. Default: the one that contains today; null: all years.' }),
        grade: t.arg.int({ description: 'Only of this grade, 1 to 11.' }),
        includeArchived: t.arg.boolean({ description: 'The archived ones too. Default: false.' }),
      },
      resolve: (school, { schoolYearId, ...args }, ctx) =>
        classesOf(ctx, school, {
          ...args,
          ...(schoolYearId === undefined ? {} : { schoolYearId: optionalIdOf('SchoolYear', schoolYearId, 'schoolYearId') }),
        }),
    },
    ClassConnection,
  ),
);

const CreateClassInput = builder.inputType('CreateClassInput', {
  description: 'The class to make.',
  fields: (t) => ({
    schoolId: t.id({ required: true, description: 'The school.' }),
    grade: t.int({ required: true, description: '1 to 11.' }),
    letter: t.string({ required: true, description: '1 to 15 characters, among them a letter or a digit. Cyrillic letters are stored as capitals, and Latin letters that look Cyrillic as Cyrillic.' }),
    schoolYearId: t.id({ description: "The school year. Default: the one that contains today in the school's time zone." }),
    idempotencyKey: t.string({ description: 'Any text of yours, up to 100 characters; the same key makes one class, however often it is sent.' }),
  }),
});

mutation('createClass', {
  description: 'Creates a class. Grade and letter are unique in a school year, whatever the case, spaces, hyphens and look-alike letters.',
  returns: ClassRef,
  input: CreateClassInput,
  run: (ctx, input) =>
    createClass(ctx, {
      ...input,
      schoolId: idOf('School', input.schoolId, 'schoolId'),
      schoolYearId: optionalIdOf('SchoolYear', input.schoolYearId, 'schoolYearId'),
    }),
});

const UpdateClassInput = builder.inputType('UpdateClassInput', {
  description: 'The class and what to change; what is left out or null stays.',
  fields: (t) => ({
    classId: t.id({ required: true, description: 'The class.' }),
    grade: t.int({ description: '1 to 11.' }),
    letter: t.string({ description: '1 to 15 characters, among them a letter or a digit. Cyrillic letters are stored as capitals, and Latin letters that look Cyrillic as Cyrillic.' }),
  }),
});

mutation('updateClass', {
  description: 'Gives a class another grade or letter.',
  returns: ClassRef,
  input: UpdateClassInput,
  run: (ctx, input) => updateClass(ctx, { ...input, classId: idOf('Class', input.classId, 'classId') }),
});

const ArchiveClassInput = builder.inputType('ArchiveClassInput', {
  description: 'The class to archive.',
  fields: (t) => ({ classId: t.id({ required: true, description: 'The class; it must have no pupils left.' }) }),
});

mutation('archiveClass', {
  description: 'Ends a class for good: its chats become read-only, its links stop, its assignments end. Archiving it again changes nothing.',
  returns: ClassRef,
  input: ArchiveClassInput,
  run: (ctx, input) => archiveClass(ctx, { classId: idOf('Class', input.classId, 'classId') }),
});
