import {
  enrolmentOf, enrolmentsIn, enrolmentsOf, enrolStudent, transferStudent, withdrawStudent,
} from '../domain/enrolments.ts';
import { builder, idOf, mutation } from './builder.ts';
import { ClassRef, EnrolmentConnection, EnrolmentRef, UserRef } from './refs.ts';

builder.node(EnrolmentRef, {
  description: "A pupil's time in a class: from `startedAt` until, and without, `endedAt`.",
  id: { resolve: (enrolment) => enrolment.id, description: 'Global id.' },
  fields: (t) => ({
    startedAt: t.expose('startedAt', { type: 'DateTime', description: 'Since when.' }),
    endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true, description: 'Until when; null while it lasts.' }),
    student: t.field({
      type: UserRef,
      nullable: true,
      description: 'The pupil, where you may see them.',
      resolve: (enrolment, _args, ctx) => {
        const { joined } = enrolment;
        return joined === undefined ? ctx.loaders.byId('User', enrolment.studentId) : joined;
      },
    }),
    class: t.field({
      type: ClassRef,
      nullable: true,
      description: 'The class, where you may see it.',
      resolve: (enrolment, _args, ctx) => ctx.loaders.byId('Class', enrolment.classId),
    }),
  }),
});

builder.objectField(ClassRef, 'enrolments', (t) =>
  t.connection(
    {
      type: EnrolmentRef,
      description: "The pupils' places in the class that you may see, in the order of the alphabet.",
      args: { asOf: t.arg({ type: 'DateTime', description: 'Those in force at this instant. Default: now.' }) },
      resolve: (found, args, ctx) => enrolmentsIn(ctx, found, args),
    },
    EnrolmentConnection,
  ),
);

builder.objectField(UserRef, 'enrolment', (t) =>
  t.field({
    type: EnrolmentRef,
    nullable: true,
    description: "The pupil's present place, where there is one and you may see it. A pupil is in one class at a time.",
    resolve: (user, _args, ctx) => enrolmentOf(ctx, user),
  }),
);

builder.objectField(UserRef, 'enrolments', (t) =>
  t.connection(
    {
      type: EnrolmentRef,
      description: "The pupil's places that you may see, past ones too, the latest first.",
      resolve: (user, args, ctx) => enrolmentsOf(ctx, user, args),
    },
    EnrolmentConnection,
  ),
);

const EnrolStudentInput = builder.inputType('EnrolStudentInput', {
  description: 'The pupil and the class.',
  fields: (t) => ({
    studentId: t.id({ required: true, description: "A person with the role STUDENT in the class's school." }),
    classId: t.id({ required: true, description: 'The class.' }),
    idempotencyKey: t.string({ description: 'Any text of yours, up to 100 characters; the same key enrols once, however often it is sent.' }),
  }),
});

mutation('enrolStudent', {
  description: "Enrols a pupil who is in no class. Enrolling in the pupil's own class again changes nothing; in a second class it is refused.",
  returns: EnrolmentRef,
  input: EnrolStudentInput,
  run: (ctx, input) => enrolStudent(ctx, { ...input, ...placing(input) }),
});

const TransferStudentInput = builder.inputType('TransferStudentInput', {
  description: 'The pupil and the class to come.',
  fields: (t) => ({
    studentId: t.id({ required: true, description: 'A pupil of a class of the same school.' }),
    classId: t.id({ required: true, description: 'The class to come.' }),
  }),
});

mutation('transferStudent', {
  description: "Moves a pupil to another class of the school, between the classes' chats too, at one instant. To the pupil's own class it changes nothing.",
  returns: EnrolmentRef,
  input: TransferStudentInput,
  run: (ctx, input) => transferStudent(ctx, placing(input)),
});

const WithdrawStudentInput = builder.inputType('WithdrawStudentInput', {
  description: 'The pupil who leaves the class.',
  fields: (t) => ({ studentId: t.id({ required: true, description: 'The pupil.' }) }),
});

mutation('withdrawStudent', {
  description: 'Ends the place of a pupil in the class. The role of a pupil stays.',
  returns: EnrolmentRef,
  input: WithdrawStudentInput,
  run: (ctx, input) => withdrawStudent(ctx, { studentId: idOf('User', input.studentId, 'studentId') }),
});

const placing = (input: { studentId: string; classId: string }) => ({
  studentId: idOf('User', input.studentId, 'studentId'),
  classId: idOf('Class', input.classId, 'classId'),
});
