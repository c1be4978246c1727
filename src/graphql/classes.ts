import { archiveClass } from '../domain/archive-class.ts';
import { unarchiveClass } from '../domain/unarchive-class.ts';
import { classesOf, createClass, nameOfClass, studentCountOf, updateClass } from '../domain/classes.ts';
import { descriptions } from './builder.ts';
import { connection } from './connection.ts';
import { mutation } from './mutation.ts';
import { node } from './node.ts';
import { id } from './typed-id.ts';

node('Class', {
  description: 'A class of a school in one school year, such as 5А. Classes are archived, never deleted.',
  plural: 'classes',
  parents: {
    school: 'The school of the class; null if you may not see it.',
    year: 'The school year of the class; null if you may not see it.',
  },
  fields: (t) => ({
    name: t.string({ description: 'The grade and the letter, such as 5А.', resolve: nameOfClass }),
    grade: t.exposeInt('grade', { description: 'The grade, 1 to 11.' }),
    letter: t.exposeString('letter', {
      description: 'The letter that tells the class from others of its grade, 1 to 15 characters; Cyrillic letters are capitals.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the class was created.' }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      description: 'When the class itself last changed; its pupils and teachers do not count.',
    }),
    archivedAt: t.expose('archivedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the class was archived. It does not change until it is unarchived; null for an active class.',
    }),
    studentCount: t.int({
      description: 'The number of pupils enrolled now, including any that you may not see.',
      resolve: (schoolClass, _args, ctx) => studentCountOf(ctx, schoolClass),
    }),
  }),
});

connection('School', 'classes', {
  of: 'Class',
  description:
    'The classes of one school year that you may see, ordered by grade and then by letter. Without `schoolYearId` that year is `currentYear`: it changes on 1 September at 00:00 in the time zone of the school, with the event SCHOOL_YEAR_STARTED. `Class.year` names the year of each class.',
  args: (t) => ({
    schoolYearId: id(t, 'SchoolYear', {
      description: 'Only classes of this school year. Default: `currentYear` of the school; `null` means all years.',
    }),
    grade: t.int({ description: 'Only classes of this grade, 1 to 11.' }),
    includeArchived: t.boolean({ description: descriptions.includeArchived }),
    archived: t.boolean({
      description: 'Only archived classes (true), or only active ones (false). If given, `includeArchived` is ignored.',
    }),
    search: t.string({
      description:
        'Only classes whose grade or name begins like this, such as «5» or «5А», or whose letter contains it; up to 30 characters. Case and look-alike letters make no difference.',
    }),
  }),
  list: classesOf,
});

const letterDescription =
  'The letter, 1 to 15 characters with at least one letter or digit. Cyrillic letters are stored as capitals, and Latin letters that look Cyrillic as Cyrillic.';

mutation('createClass', {
  description:
    'Creates a class. CONFLICT if the school year has a class of this grade and letter, also an archived one; case, spaces, hyphens and look-alike letters make no difference.',
  returns: 'Class',
  inputDescription: 'The class to create.',
  input: (t) => ({
    schoolId: id(t, 'School', { required: true, description: 'The school of the new class.' }),
    grade: t.int({ required: true, description: 'The grade, 1 to 11.' }),
    letter: t.string({ required: true, description: letterDescription }),
    schoolYearId: id(t, 'SchoolYear', { description: "The school year. Default: the one that contains today in the school's time zone." }),
    idempotencyKey: t.string({ description: descriptions.idempotencyKey }),
  }),
  run: createClass,
});

mutation('updateClass', {
  description:
    'Changes the grade or the letter of a class. Omitted and null fields keep their values. CONFLICT if the school year has another class of this grade and letter.',
  returns: 'Class',
  inputDescription: 'The class to update, and its new grade or letter.',
  input: (t) => ({
    classId: id(t, 'Class', { required: true, description: 'The class to update. CONFLICT if it is archived.' }),
    grade: t.int({ description: 'The grade, 1 to 11.' }),
    letter: t.string({ description: letterDescription }),
  }),
  run: updateClass,
});

mutation('archiveClass', {
  description:
    'Archives a class: archives its chats, revokes its invitations and ends its assignments. `unarchiveClass` reverses it until the school year ends. Archiving it again changes nothing.',
  returns: 'Class',
  inputDescription: 'The class to archive.',
  input: (t) => ({
    classId: id(t, 'Class', { required: true, description: 'The class to archive. CONFLICT while pupils are enrolled in it.' }),
  }),
  run: archiveClass,
});

mutation('unarchiveClass', {
  description:
    'Unarchives a class, and the chats that were archived with it. Chats that were archived before it stay archived, and its invitations stay revoked: create new ones. ' +
    'Its pupils stay in the classes to which they were transferred, and its teachers are without an assignment in it, so that both also leave the chats until they are enrolled or assigned again. ' +
    'Unarchiving an active class changes nothing.',
  returns: 'Class',
  inputDescription: 'The class to unarchive.',
  input: (t) => ({
    classId: id(t, 'Class', {
      required: true,
      description: "The class to unarchive. CONFLICT after the last day of its school year, in the school's time zone.",
    }),
  }),
  run: unarchiveClass,
});
