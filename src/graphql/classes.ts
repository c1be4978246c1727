import { archiveClass } from '../domain/archive-class.ts';
import { classesOf, createClass, nameOfClass, studentCountOf, updateClass } from '../domain/classes.ts';
import { builder, descriptions, idOf, mutation, optionalIdOf } from './builder.ts';
import { ClassConnection, ClassRef, SchoolRef, SchoolYearRef } from './refs.ts';

builder.node(ClassRef, {
  description: 'A class of a school in one school year, such as 5А. Classes are archived, never deleted.',
  id: { resolve: (schoolClass) => schoolClass.id },
  fields: (t) => ({
    name: t.string({ description: 'The grade and the letter, such as 5А.', resolve: nameOfClass }),
    grade: t.exposeInt('grade', { description: 'The grade, 1 to 11.' }),
    letter: t.exposeString('letter', {
      description: 'The letter that tells the class from others of its grade, 1 to 15 characters; Cyrillic letters are capitals.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the class was created.' }),
    archivedAt: t.expose('archivedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the class was archived, after which it no longer changes; null for an active class.',
    }),
    school: t.field({
      type: SchoolRef,
      nullable: true,
      description: 'The school of the class; null if you may not see it.',
      resolve: (schoolClass, _args, ctx) => ctx.loaders.byId('School', schoolClass.schoolId),
    }),
    year: t.field({
      type: SchoolYearRef,
      nullable: true,
      description: 'The school year of the class; null if you may not see it.',
      resolve: (schoolClass, _args, ctx) => ctx.loaders.byId('SchoolYear', schoolClass.schoolYearId),
    }),
    studentCount: t.int({
      description: 'The number of pupils enrolled now, including any that you may not see.',
      resolve: (schoolClass, _args, ctx) => studentCountOf(ctx, schoolClass),
    }),
  }),
});

builder.objectField(SchoolRef, 'classes', (t) =>
  t.connection(
    {
      type: ClassRef,
      description: 'The classes that you may see, ordered by grade and then by letter.',
      args: {
        schoolYearId: t.arg.id({ description: 'Only classes of this school year. Default: the current year; `null` means all years.' }),
        grade: t.arg.int({ description: 'Only classes of this grade, 1 to 11.' }),
        includeArchived: t.arg.boolean({ description: descriptions.includeArchived }),
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

const letterDescription =
  'The letter, 1 to 15 characters with at least one letter or digit. Cyrillic letters are stored as capitals, and Latin letters that look Cyrillic as Cyrillic.';

const CreateClassInput = builder.inputType('CreateClassInput', {
  description: 'The class to create.',
  fields: (t) => ({
    schoolId: t.id({ required: true, description: 'The school of the new class.' }),
    grade: t.int({ required: true, description: 'The grade, 1 to 11.' }),
    letter: t.string({ required: true, description: letterDescription }),
    schoolYearId: t.id({ description: "The school year. Default: the one that contains today in the school's time zone." }),
    idempotencyKey: t.string({ description: descriptions.idempotencyKey }),
  }),
});

mutation('createClass', {
  description:
    'Creates a class. CONFLICT if the school year has a class of this grade and letter; case, spaces, hyphens and look-alike letters make no difference.',
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
  description: 'The class to update, and its new grade or letter.',
  fields: (t) => ({
    classId: t.id({ required: true, description: 'The class to update. CONFLICT if it is archived.' }),
    grade: t.int({ description: 'The grade, 1 to 11.' }),
    letter: t.string({ description: letterDescription }),
  }),
});

mutation('updateClass', {
  description:
    'Changes the grade or the letter of a class. Omitted and null fields keep their values. CONFLICT if the school year has another class of this grade and letter.',
  returns: ClassRef,
  input: UpdateClassInput,
  run: (ctx, input) => updateClass(ctx, { ...input, classId: idOf('Class', input.classId, 'classId') }),
});

const ArchiveClassInput = builder.inputType('ArchiveClassInput', {
  description: 'The class to archive for good.',
  fields: (t) => ({ classId: t.id({ required: true, description: 'The class to archive. CONFLICT while pupils are enrolled in it.' }) }),
});

mutation('archiveClass', {
  description:
    'Archives a class for good: archives its chats, revokes its invitations and ends its assignments. Archiving it again changes nothing.',
  returns: ClassRef,
  input: ArchiveClassInput,
  run: (ctx, input) => archiveClass(ctx, { classId: idOf('Class', input.classId, 'classId') }),
});
