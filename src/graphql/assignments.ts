import {
  assignClassTeacher,
  assignmentsUnder,
  assignSubjectTeacher,
  classTeacherOf,
  endClassTeacher,
  endSubjectTeacher,
} from '../domain/assignments.ts';
import { builder, descriptions, idOf, mutation } from './builder.ts';
import { AssignmentConnection, AssignmentRef, ClassRef, SubjectRef, UserRef } from './refs.ts';

const AssignmentKind = builder.enumType('AssignmentKind', {
  description: 'The capacity in which a teacher works in a class.',
  values: {
    CLASS_TEACHER: { description: 'Leads the class. A class has at most one at a time (regulation 2.3).' },
    SUBJECT_TEACHER: { description: 'Teaches a subject in the class. A class may have any number (regulation 2.4).' },
  } as const,
});

builder.node(AssignmentRef, {
  description: "A teacher's work in a class, as its class teacher or in one subject. Ended assignments are kept.",
  id: { resolve: (assignment) => assignment.id },
  fields: (t) => ({
    kind: t.expose('kind', { type: AssignmentKind, description: 'Whether the teacher leads the class or teaches a subject in it.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', description: 'When the assignment started.' }),
    endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true, description: 'When the assignment ended; null while it lasts.' }),
    teacher: t.field({
      type: UserRef,
      nullable: true,
      description: 'The teacher; null if you may not see them.',
      resolve: (assignment, _args, ctx) => ctx.loaders.byId('User', assignment.userId),
    }),
    class: t.field({
      type: ClassRef,
      nullable: true,
      description: 'The class; null if you may not see it.',
      resolve: (assignment, _args, ctx) => ctx.loaders.byId('Class', assignment.classId),
    }),
    subject: t.field({
      type: SubjectRef,
      nullable: true,
      description: 'The subject of a SUBJECT_TEACHER; null for a CLASS_TEACHER and if you may not see it.',
      resolve: (assignment, _args, ctx) => (assignment.subjectId === null ? null : ctx.loaders.byId('Subject', assignment.subjectId)),
    }),
  }),
});

builder.objectField(ClassRef, 'assignments', (t) =>
  t.connection(
    {
      type: AssignmentRef,
      description: 'The assignments of teachers to the class, oldest first.',
      args: { asOf: t.arg({ type: 'DateTime', description: descriptions.asOf }) },
      resolve: (schoolClass, args, ctx) => assignmentsUnder(ctx, { model: 'Class', id: schoolClass.id }, args),
    },
    AssignmentConnection,
  ),
);

builder.objectField(UserRef, 'assignments', (t) =>
  t.connection(
    {
      type: AssignmentRef,
      description: "The teacher's assignments to classes that you may see, oldest first.",
      args: { asOf: t.arg({ type: 'DateTime', description: descriptions.asOf }) },
      resolve: (user, args, ctx) => assignmentsUnder(ctx, { model: 'User', id: user.id }, args),
    },
    AssignmentConnection,
  ),
);

builder.objectField(ClassRef, 'classTeacher', (t) =>
  t.field({
    type: UserRef,
    nullable: true,
    description: 'The current class teacher; null if the class has none or you may not see them.',
    resolve: (schoolClass, _args, ctx) => classTeacherOf(ctx, schoolClass),
  }),
);

const AssignClassTeacherInput = builder.inputType('AssignClassTeacherInput', {
  description: 'The class and its new class teacher.',
  fields: (t) => ({
    classId: t.id({ required: true, description: 'The class. CONFLICT if it is archived or has another class teacher.' }),
    userId: t.id({ required: true, description: 'The teacher. CONFLICT without the role TEACHER in the school of the class.' }),
  }),
});

mutation('assignClassTeacher', {
  description: 'Makes a teacher the class teacher of a class. Assigning the current one again changes nothing.',
  returns: AssignmentRef,
  input: AssignClassTeacherInput,
  run: (ctx, input) =>
    assignClassTeacher(ctx, { classId: idOf('Class', input.classId, 'classId'), userId: idOf('User', input.userId, 'userId') }),
});

const EndClassTeacherInput = builder.inputType('EndClassTeacherInput', {
  description: 'The class that loses its class teacher.',
  fields: (t) => ({ classId: t.id({ required: true, description: 'The class. CONFLICT if it has no class teacher.' }) }),
});

mutation('endClassTeacher', {
  description: 'Ends the assignment of the current class teacher.',
  returns: AssignmentRef,
  input: EndClassTeacherInput,
  run: (ctx, input) => endClassTeacher(ctx, { classId: idOf('Class', input.classId, 'classId') }),
});

const AssignSubjectTeacherInput = builder.inputType('AssignSubjectTeacherInput', {
  description: 'The class, the subject and the teacher.',
  fields: (t) => ({
    classId: t.id({ required: true, description: 'The class. CONFLICT if it is archived.' }),
    subjectId: t.id({ required: true, description: 'The subject, of the school of the class.' }),
    userId: t.id({ required: true, description: 'The teacher. CONFLICT without the role TEACHER in the school of the class.' }),
  }),
});

mutation('assignSubjectTeacher', {
  description: 'Assigns a teacher to a subject in a class. Assigning them again changes nothing.',
  returns: AssignmentRef,
  input: AssignSubjectTeacherInput,
  run: (ctx, input) => assignSubjectTeacher(ctx, rowIds(input)),
});

const EndSubjectTeacherInput = builder.inputType('EndSubjectTeacherInput', {
  description: 'The class, the subject and the teacher whose assignment ends.',
  fields: (t) => ({
    classId: t.id({ required: true, description: 'The class that the teacher teaches.' }),
    subjectId: t.id({ required: true, description: 'The subject that the teacher teaches there.' }),
    userId: t.id({ required: true, description: 'The teacher. CONFLICT if they do not teach this subject in this class.' }),
  }),
});

mutation('endSubjectTeacher', {
  description: "Ends a teacher's assignment to a subject in a class.",
  returns: AssignmentRef,
  input: EndSubjectTeacherInput,
  run: (ctx, input) => endSubjectTeacher(ctx, rowIds(input)),
});

const rowIds = (input: { classId: string; subjectId: string; userId: string }) => ({
  classId: idOf('Class', input.classId, 'classId'),
  subjectId: idOf('Subject', input.subjectId, 'subjectId'),
  userId: idOf('User', input.userId, 'userId'),
});
