import {
  assignClassTeacher, assignmentsUnder, assignSubjectTeacher, classTeacherOf, endClassTeacher, endSubjectTeacher,
} from '../domain/assignments.ts';
import { builder, idOf, mutation } from './builder.ts';
import { AssignmentConnection, AssignmentRef, ClassRef, SubjectRef, UserRef } from './refs.ts';

const AssignmentKind = builder.enumType('AssignmentKind', {
  description: 'What a teacher is to a class.',
  values: {
    CLASS_TEACHER: { description: 'Leads the class; one at a time (regulation 2.3).' },
    SUBJECT_TEACHER: { description: 'Teaches a subject in it; any number (regulation 2.4).' },
  } as const,
});

builder.node(AssignmentRef, {
  description: "A teacher's work in a class: as its class teacher, or in a subject.",
  id: { resolve: (assignment) => assignment.id, description: 'Global id.' },
  fields: (t) => ({
    kind: t.expose('kind', { type: AssignmentKind, description: 'What the teacher is to the class.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', description: 'Since when.' }),
    endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true, description: 'Until when; null while it lasts.' }),
    teacher: t.field({
      type: UserRef,
      nullable: true,
      description: 'The teacher, where you may see them.',
      resolve: (assignment, _args, ctx) => ctx.loaders.byId('User', assignment.userId),
    }),
    class: t.field({
      type: ClassRef,
      nullable: true,
      description: 'The class.',
      resolve: (assignment, _args, ctx) => ctx.loaders.byId('Class', assignment.classId),
    }),
    subject: t.field({
      type: SubjectRef,
      nullable: true,
      description: 'The subject of a SUBJECT_TEACHER; null for a CLASS_TEACHER.',
      resolve: (assignment, _args, ctx) =>
        assignment.subjectId === null ? null : ctx.loaders.byId('Subject', assignment.subjectId),
    }),
  }),
});

const asOf = 'Those in force at this instant. Default: now.';

builder.objectField(ClassRef, 'assignments', (t) =>
  t.connection(
    {
      type: AssignmentRef,
      description: 'The teachers of the class, the earliest first.',
      args: { asOf: t.arg({ type: 'DateTime', description: asOf }) },
      resolve: (found, args, ctx) => assignmentsUnder(ctx, { model: 'Class', id: found.id }, args),
    },
    AssignmentConnection,
  ),
);

builder.objectField(UserRef, 'assignments', (t) =>
  t.connection(
    {
      type: AssignmentRef,
      description: "The teacher's work in the classes that you may read, the earliest first.",
      args: { asOf: t.arg({ type: 'DateTime', description: asOf }) },
      resolve: (user, args, ctx) => assignmentsUnder(ctx, { model: 'User', id: user.id }, args),
    },
    AssignmentConnection,
  ),
);

builder.objectField(ClassRef, 'classTeacher', (t) =>
  t.field({
    type: UserRef,
    nullable: true,
    description: 'The present class teacher, where there is one and you may see them.',
    resolve: (found, _args, ctx) => classTeacherOf(ctx, found),
  }),
);

const AssignClassTeacherInput = builder.inputType('AssignClassTeacherInput', {
  description: 'The class and its class teacher to be.',
  fields: (t) => ({
    classId: t.id({ required: true, description: 'The class; it must have no other class teacher.' }),
    userId: t.id({ required: true, description: "A person with the role TEACHER in the class's school." }),
  }),
});

mutation('assignClassTeacher', {
  description: 'Makes a teacher the class teacher. Assigning the present one again changes nothing.',
  returns: AssignmentRef,
  input: AssignClassTeacherInput,
  run: (ctx, input) =>
    assignClassTeacher(ctx, { classId: idOf('Class', input.classId, 'classId'), userId: idOf('User', input.userId, 'userId') }),
});

const EndClassTeacherInput = builder.inputType('EndClassTeacherInput', {
  description: 'The class whose class teacher leaves it.',
  fields: (t) => ({ classId: t.id({ required: true, description: 'The class.' }) }),
});

mutation('endClassTeacher', {
  description: 'Ends the work of the present class teacher.',
  returns: AssignmentRef,
  input: EndClassTeacherInput,
  run: (ctx, input) => endClassTeacher(ctx, { classId: idOf('Class', input.classId, 'classId') }),
});

const AssignSubjectTeacherInput = builder.inputType('AssignSubjectTeacherInput', {
  description: 'The class, the subject and who is to teach it there.',
  fields: (t) => ({
    classId: t.id({ required: true, description: 'The class.' }),
    subjectId: t.id({ required: true, description: 'A subject of the same school.' }),
    userId: t.id({ required: true, description: "A person with the role TEACHER in the class's school." }),
  }),
});

mutation('assignSubjectTeacher', {
  description: 'Gives a teacher a subject in a class. Assigning it again changes nothing.',
  returns: AssignmentRef,
  input: AssignSubjectTeacherInput,
  run: (ctx, input) => assignSubjectTeacher(ctx, taught(input)),
});

const EndSubjectTeacherInput = builder.inputType('EndSubjectTeacherInput', {
  description: 'The class, the subject and the teacher who leaves it.',
  fields: (t) => ({
    classId: t.id({ required: true, description: 'The class.' }),
    subjectId: t.id({ required: true, description: 'The subject.' }),
    userId: t.id({ required: true, description: 'The teacher.' }),
  }),
});

mutation('endSubjectTeacher', {
  description: "Ends a teacher's work in a subject of a class.",
  returns: AssignmentRef,
  input: EndSubjectTeacherInput,
  run: (ctx, input) => endSubjectTeacher(ctx, taught(input)),
});

const taught = (input: { classId: string; subjectId: string; userId: string }) => ({
  classId: idOf('Class', input.classId, 'classId'),
  subjectId: idOf('Subject', input.subjectId, 'subjectId'),
  userId: idOf('User', input.userId, 'userId'),
});
