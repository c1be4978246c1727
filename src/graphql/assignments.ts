import {
  assignClassTeacher,
  assignmentsUnder,
  assignSubjectTeacher,
  classTeacherOf,
  endClassTeacher,
  endSubjectTeacher,
} from '../domain/assignments.ts';
import { builder, descriptions, refs } from './builder.ts';
import { connection } from './connection.ts';
import { mutation } from './mutation.ts';
import { node } from './node.ts';
import { id } from './typed-id.ts';

const AssignmentKind = builder.enumType('AssignmentKind', {
  description: 'Whether a teacher leads a class or teaches a subject in it.',
  values: {
    CLASS_TEACHER: { description: 'Leads the class. A class has at most one at a time (regulation 2.3).' },
    SUBJECT_TEACHER: { description: 'Teaches a subject in the class. A class may have any number (regulation 2.4).' },
  } as const,
});

node('Assignment', {
  description:
    "A teacher's work in a class, as its class teacher or in one subject. Ended assignments are kept. Everyone who may see the class may see its assignments.",
  plural: 'assignments',
  parents: {
    teacher: 'The teacher; null if you may not see this person.',
    class: 'The class; null if you may not see the class.',
    subject: 'The subject that a SUBJECT_TEACHER teaches; null for a CLASS_TEACHER, or if you may not see the subject.',
  },
  fields: (t) => ({
    kind: t.expose('kind', { type: AssignmentKind, description: 'Whether the teacher leads the class or teaches a subject in it.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', description: 'When the assignment started.' }),
    endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true, description: 'When the assignment ended; null while it lasts.' }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      description: 'When the assignment was last changed: when it ended or, if it lasts, when it was added.',
    }),
  }),
});

connection('Class', 'assignments', {
  of: 'Assignment',
  description: 'The assignments of teachers to the class, now or at `asOf`, oldest first.',
  args: (t) => ({ asOf: t({ type: 'DateTime', description: descriptions.asOf }) }),
  list: (ctx, schoolClass, args) => assignmentsUnder(ctx, { model: 'Class', id: schoolClass.id }, args),
});

connection('User', 'assignments', {
  of: 'Assignment',
  description: "The teacher's assignments, now or at `asOf`, to classes that you may see, oldest first. Empty for a pupil.",
  args: (t) => ({ asOf: t({ type: 'DateTime', description: descriptions.asOf }) }),
  list: (ctx, user, args) => assignmentsUnder(ctx, { model: 'User', id: user.id }, args),
});

builder.objectField(refs.Class, 'classTeacher', (t) =>
  t.field({
    type: refs.User,
    nullable: true,
    description: 'The current class teacher; null if the class has no class teacher, or if you may not see this person.',
    resolve: (schoolClass, _args, ctx) => classTeacherOf(ctx, schoolClass),
  }),
);

mutation('assignClassTeacher', {
  description: 'Makes a teacher the class teacher of a class. Assigning the current class teacher again changes nothing.',
  returns: 'Assignment',
  inputDescription: 'The class and its new class teacher.',
  input: (t) => ({
    classId: id(t, 'Class', {
      required: true,
      description: 'The class. CONFLICT if it is archived or has another class teacher: use `endClassTeacher` first.',
    }),
    userId: id(t, 'User', {
      required: true,
      description: 'The teacher. CONFLICT if the person does not have the role TEACHER in the school of the class.',
    }),
  }),
  run: assignClassTeacher,
});

mutation('endClassTeacher', {
  description: 'Ends the assignment of the current class teacher, who keeps the role TEACHER and any subjects in the class.',
  returns: 'Assignment',
  inputDescription: 'The class that loses its class teacher.',
  input: (t) => ({ classId: id(t, 'Class', { required: true, description: 'The class. CONFLICT if it has no class teacher.' }) }),
  run: endClassTeacher,
});

mutation('assignSubjectTeacher', {
  description: 'Assigns a teacher to a subject in a class. Repeating a current assignment changes nothing.',
  returns: 'Assignment',
  inputDescription: 'The class, the subject and the teacher.',
  input: (t) => ({
    classId: id(t, 'Class', { required: true, description: 'The class. CONFLICT if it is archived.' }),
    subjectId: id(t, 'Subject', {
      required: true,
      description: 'The subject, which must belong to the school of the class. NOT_FOUND for a subject of another school.',
    }),
    userId: id(t, 'User', {
      required: true,
      description: 'The teacher. CONFLICT if the person does not have the role TEACHER in the school of the class.',
    }),
  }),
  run: assignSubjectTeacher,
});

mutation('endSubjectTeacher', {
  description: "Ends a teacher's assignment to a subject in a class. The teacher keeps the role TEACHER.",
  returns: 'Assignment',
  inputDescription: 'The class, the subject and the teacher whose assignment ends.',
  input: (t) => ({
    classId: id(t, 'Class', { required: true, description: 'The class that the teacher teaches.' }),
    subjectId: id(t, 'Subject', {
      required: true,
      description: 'The subject that the teacher teaches in the class. NOT_FOUND for a subject of another school.',
    }),
    userId: id(t, 'User', {
      required: true,
      description: 'The teacher. CONFLICT if the person does not teach this subject in this class.',
    }),
  }),
  run: endSubjectTeacher,
});
