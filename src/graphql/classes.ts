import { archiveClass } from '../domain/archive-class.ts';
import { unarchiveClass } from '../domain/unarchive-class.ts';
import { classesOf, createClass, nameOfClass, studentCountOf, updateClass } from '../domain/classes.ts';
import { descriptions } from './builder.ts';
import { connection } from './connection.ts';
import { mutation } from './mutation.ts';
import { node } from './node.ts';
import { id } from './typed-id.ts';

node('Class', {
  description:
    'A class of a school in one school year, such as 5А. Classes are archived, never deleted. Everyone who works in the school and services with the scope `read` see all of its classes. Pupils see only their own class.',
  plural: 'classes',
  parents: {
    school: 'The school of the class; null if you may not see the school.',
    year: 'The school year of the class; null if you may not see the school.',
  },
  fields: (t) => ({
    name: t.string({ description: 'The name to display: `grade` and `letter` together, such as 5А.', resolve: nameOfClass }),
    grade: t.exposeInt('grade', { description: 'The grade, 1 to 11.' }),
    letter: t.exposeString('letter', {
      description: 'The letter that tells the class from other classes of the grade, 1 to 15 characters; Cyrillic letters are capitals.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the class was created.' }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      description:
        'When the class itself last changed: its grade, its letter, or whether it is archived. Changes of its pupils and teachers do not count.',
    }),
    archivedAt: t.expose('archivedAt', {
      type: 'DateTime',
      nullable: true,
      description:
        'When the class was archived; null for an active class. An archived class accepts no pupils, no teachers and no changes until `unarchiveClass`.',
    }),
    studentCount: t.int({
      description: 'The number of pupils who are enrolled in the class now, including any whom you may not see.',
      resolve: (schoolClass, _args, ctx) => studentCountOf(ctx, schoolClass),
    }),
  }),
});

connection('School', 'classes', {
  of: 'Class',
  description:
    'The classes that you may see, by default the active ones of the current school year, ordered by grade and then by letter. The current year changes on 1 September at 00:00 in the time zone of the school, and the event SCHOOL_YEAR_STARTED reports it. `Class.year` is the year of each class.',
  args: (t) => ({
    schoolYearId: id(t, 'SchoolYear', {
      description: 'Only classes of this school year. Default: the `currentYear` of the school; `null` means all years.',
    }),
    grade: t.int({ description: 'Only classes of this grade, 1 to 11; INVALID for other numbers. Default: all grades.' }),
    includeArchived: t.boolean({ description: descriptions.includeArchived }),
    archived: t.boolean({
      description:
        'Only archived classes (true), or only active classes (false). Overrides `includeArchived`. Default: as `includeArchived` says.',
    }),
    search: t.string({
      description:
        'Only classes whose grade or name begins with this text, such as «5» or «5А», or whose letter contains this text; up to 30 characters. Case and look-alike letters make no difference.',
    }),
  }),
  list: classesOf,
});

const letterDescription =
  'The letter, 1 to 15 characters with at least one letter or digit. Cyrillic letters are stored as capitals. Latin letters that look like Cyrillic letters become Cyrillic.';

mutation('createClass', {
  description:
    'Creates a class without pupils and teachers. CONFLICT if the school year already has a class of this grade and letter, even an archived one; case, spaces, hyphens and look-alike letters make no difference.',
  returns: 'Class',
  inputDescription: 'The class to create.',
  input: (t) => ({
    schoolId: id(t, 'School', { required: true, description: 'The school of the new class.' }),
    grade: t.int({ required: true, description: 'The grade, 1 to 11.' }),
    letter: t.string({ required: true, description: letterDescription }),
    schoolYearId: id(t, 'SchoolYear', {
      description:
        "The school year of the class. Default: the year that contains today in the school's time zone. NOT_FOUND for a year of another school.",
    }),
    idempotencyKey: t.string({ description: descriptions.idempotencyKey }),
  }),
  run: createClass,
});

mutation('updateClass', {
  description:
    'Changes the grade or the letter of a class. Omitted and null fields keep their values. CONFLICT if the school year already has another class of this grade and letter, even an archived one.',
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
    'Archives a class: its chats become read-only, its invitations are revoked, and the assignments of its teachers end. Until the school year ends, `unarchiveClass` makes the class and these chats active again. Archiving an archived class changes nothing.',
  returns: 'Class',
  inputDescription: 'The class to archive.',
  input: (t) => ({
    classId: id(t, 'Class', {
      required: true,
      description: 'The class to archive. CONFLICT while pupils are enrolled in it: transfer or withdraw them first.',
    }),
  }),
  run: archiveClass,
});

mutation('unarchiveClass', {
  description:
    'Makes an archived class active again, together with the chats that were archived with the class. Chats that were archived before the class stay archived. The invitations of the class stay revoked: create new invitations. ' +
    'The former pupils and teachers do not return to the class, and leave its chats until they are enrolled or assigned again. ' +
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
