import { enrolmentOf, enrolmentsIn, enrolmentsOf, enrolStudent, transferStudent, withdrawStudent } from '../domain/enrolments.ts';
import { builder, descriptions, idOf, mutation } from './builder.ts';
import { ClassRef, EnrolmentConnection, EnrolmentRef, UserRef } from './refs.ts';

builder.node(EnrolmentRef, {
  description: "A pupil's time in a class, from `startedAt` (inclusive) to `endedAt` (exclusive). Ended enrolments are kept.",
  id: { resolve: (enrolment) => enrolment.id },
  fields: (t) => ({
    startedAt: t.expose('startedAt', { type: 'DateTime', description: 'When the enrolment started.' }),
    endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true, description: 'When the enrolment ended; null while it lasts.' }),
    student: t.field({
      type: UserRef,
      nullable: true,
      description: 'The pupil; null if you may not see them.',
      resolve: (enrolment, _args, ctx) => {
        const { joined } = enrolment;
        return joined === undefined ? ctx.loaders.byId('User', enrolment.studentId) : joined;
      },
    }),
    class: t.field({
      type: ClassRef,
      nullable: true,
      description: 'The class; null if you may not see it.',
      resolve: (enrolment, _args, ctx) => ctx.loaders.byId('Class', enrolment.classId),
    }),
  }),
});

builder.objectField(ClassRef, 'enrolments', (t) =>
  t.connection(
    {
      type: EnrolmentRef,
      description: 'The enrolments in the class that you may see, in Russian alphabetical order of the pupils.',
      args: { asOf: t.arg({ type: 'DateTime', description: descriptions.asOf }) },
      resolve: (schoolClass, args, ctx) => enrolmentsIn(ctx, schoolClass, args),
    },
    EnrolmentConnection,
  ),
);

builder.objectField(UserRef, 'enrolment', (t) =>
  t.field({
    type: EnrolmentRef,
    nullable: true,
    description: 'The current enrolment; null if there is none or you may not see it. A pupil has at most one, over all schools.',
    resolve: (user, _args, ctx) => enrolmentOf(ctx, user),
  }),
);

builder.objectField(UserRef, 'enrolments', (t) =>
  t.connection(
    {
      type: EnrolmentRef,
      description: "The pupil's enrolments that you may see, including ended ones, latest first.",
      resolve: (user, args, ctx) => enrolmentsOf(ctx, user, args),
    },
    EnrolmentConnection,
  ),
);

const EnrolStudentInput = builder.inputType('EnrolStudentInput', {
  description: 'The pupil to enrol, and the class.',
  fields: (t) => ({
    studentId: t.id({ required: true, description: 'The pupil. CONFLICT without the role STUDENT in the school of the class.' }),
    classId: t.id({ required: true, description: 'The class. CONFLICT if it is archived.' }),
    idempotencyKey: t.string({ description: descriptions.idempotencyKey }),
  }),
});

mutation('enrolStudent', {
  description:
    'Enrols a pupil in a class. Enrolling them in their own class again changes nothing. CONFLICT for a pupil of another class, which `message` names if it belongs to the same school.',
  returns: EnrolmentRef,
  input: EnrolStudentInput,
  run: (ctx, input) => enrolStudent(ctx, { ...input, ...rowIds(input) }),
});

const TransferStudentInput = builder.inputType('TransferStudentInput', {
  description: 'The pupil to transfer, and their next class.',
  fields: (t) => ({
    studentId: t.id({ required: true, description: 'The pupil. CONFLICT if they are in no class, or in a class of another school.' }),
    classId: t.id({ required: true, description: 'The next class. CONFLICT if it is archived.' }),
  }),
});

mutation('transferStudent', {
  description:
    'Transfers a pupil to another class of the school: one enrolment ends and the next starts at the same instant, and the pupil moves between the chats of the classes. Transferring them to their own class changes nothing.',
  returns: EnrolmentRef,
  input: TransferStudentInput,
  run: (ctx, input) => transferStudent(ctx, rowIds(input)),
});

const WithdrawStudentInput = builder.inputType('WithdrawStudentInput', {
  description: 'The pupil to withdraw from their class.',
  fields: (t) => ({ studentId: t.id({ required: true, description: 'The pupil to withdraw. CONFLICT if they are in no class.' }) }),
});

mutation('withdrawStudent', {
  description: 'Ends the current enrolment of a pupil, who keeps the role STUDENT.',
  returns: EnrolmentRef,
  input: WithdrawStudentInput,
  run: (ctx, input) => withdrawStudent(ctx, { studentId: idOf('User', input.studentId, 'studentId') }),
});

const rowIds = (input: { studentId: string; classId: string }) => ({
  studentId: idOf('User', input.studentId, 'studentId'),
  classId: idOf('Class', input.classId, 'classId'),
});
