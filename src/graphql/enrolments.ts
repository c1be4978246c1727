import {
  enrolmentOf,
  enrolmentsIn,
  enrolmentsInSchool,
  enrolmentsOf,
  enrolStudent,
  followEnrolments,
  transferStudent,
  withdrawStudent,
} from '../domain/enrolments.ts';
import type { VoidedEnrolment } from '../domain/entities.ts';
import { voidedEnrolmentsOf, voidEnrolment } from '../domain/void-enrolment.ts';
import { builder, descriptions, refs } from './builder.ts';
import { connection } from './connection.ts';
import { mutation } from './mutation.ts';
import { loadBy, node } from './node.ts';
import { orderInput } from './order-input.ts';
import { change, stream } from './stream.ts';
import { id } from './typed-id.ts';

node('Enrolment', {
  description:
    "A pupil's time in a class, from `startedAt` (inclusive) to `endedAt` (exclusive). Ended enrolments are kept; voided ones are not among them.",
  plural: 'enrolments',
  parents: { student: 'The pupil; null if you may not see them.', class: 'The class; null if you may not see it.' },
  fields: (t) => ({
    startedAt: t.expose('startedAt', { type: 'DateTime', description: 'When the enrolment started.' }),
    endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true, description: 'When the enrolment ended; null while it lasts.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When the enrolment last changed: was added, or ended.' }),
  }),
});

connection('Class', 'enrolments', {
  of: 'Enrolment',
  description: 'The enrolments in the class that you may see, in Russian alphabetical order of the pupils.',
  args: (t) => ({ asOf: t({ type: 'DateTime', description: descriptions.asOf }) }),
  list: enrolmentsIn,
});

const EnrolmentOrder = orderInput('EnrolmentOrder', 'enrolments', { STARTED_AT: '`startedAt`.', UPDATED_AT: '`updatedAt`.' });

connection('School', 'enrolments', {
  of: 'Enrolment',
  description: 'The enrolments in classes of the school that you may see, by default those that last, earliest first.',
  args: (t) => ({
    classId: id(t, 'Class', { description: 'Only enrolments in this class.' }),
    active: t.boolean({ description: 'Only enrolments that last (true), or only ended ones (false). Default: true; `null` means both.' }),
    updatedSince: t({ type: 'DateTime', description: 'Only enrolments whose `updatedAt` is this time or later.' }),
    orderBy: t({ type: EnrolmentOrder, description: 'The order. Default: STARTED_AT, ASC.' }),
  }),
  list: enrolmentsInSchool,
});

builder.objectField(refs.User, 'enrolment', (t) =>
  t.field({
    type: refs.Enrolment,
    nullable: true,
    description: 'The current enrolment; null if there is none or you may not see it. A pupil has at most one, over all schools.',
    resolve: (user, _args, ctx) => enrolmentOf(ctx, user),
  }),
);

connection('User', 'enrolments', {
  of: 'Enrolment',
  description: "The pupil's enrolments that you may see, including ended ones, latest first.",
  list: enrolmentsOf,
});

const VoidedEnrolmentRef = builder
  .objectRef<VoidedEnrolment>('VoidedEnrolment')
  .implement({
    description:
      'An enrolment that was voided as a mistake, kept for the audit. `School.events` with the type ENROLMENT_VOIDED lists those of a school.',
    fields: (t) => ({
      class: t.field({
        type: refs.Class,
        nullable: true,
        description: 'The class of the enrolment; null if you may not see it.',
        resolve: loadBy('Class', 'classId'),
      }),
      startedAt: t.expose('startedAt', { type: 'DateTime', description: 'When the enrolment had started.' }),
      endedAt: t.expose('endedAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When the enrolment had ended; null if it had not ended before it was voided.',
      }),
      reason: t.exposeString('reason', { description: 'Why it was voided, as the person who did it wrote.' }),
      voidedAt: t.expose('voidedAt', { type: 'DateTime', description: 'When the enrolment was voided.' }),
      voidedBy: t.field({
        type: refs.User,
        nullable: true,
        description: 'The person who voided the enrolment; null for the operator, and if you may not see them.',
        resolve: loadBy('User', 'voidedById'),
      }),
    }),
  });

builder.objectField(refs.User, 'voidedEnrolments', (t) =>
  t.connection(
    {
      type: VoidedEnrolmentRef,
      description: "The pupil's voided enrolments, last voided first. Empty for everyone except the administrators of the school.",
      resolve: (user, args, ctx) => voidedEnrolmentsOf(ctx, user, args),
    },
    { name: 'VoidedEnrolmentConnection', description: 'A page of voided enrolments.' },
    { name: 'VoidedEnrolmentEdge' },
  ),
);

mutation('enrolStudent', {
  description:
    'Enrols a pupil in a class. Enrolling them in their own class again changes nothing. CONFLICT for a pupil of another class, which `message` names if it belongs to the same school.',
  returns: 'Enrolment',
  inputDescription: 'The pupil to enrol, and the class.',
  input: (t) => ({
    studentId: id(t, 'User', { required: true, description: 'The pupil. CONFLICT without the role STUDENT in the school of the class.' }),
    classId: id(t, 'Class', { required: true, description: 'The class. CONFLICT if it is archived.' }),
    idempotencyKey: t.string({ description: descriptions.idempotencyKey }),
  }),
  run: enrolStudent,
});

mutation('transferStudent', {
  description:
    'Transfers a pupil to another class of the school: one enrolment ends and the next starts at the same instant, and the pupil moves between the chats of the classes. Transferring them to their own class changes nothing.',
  returns: 'Enrolment',
  inputDescription: 'The pupil to transfer, and their next class.',
  input: (t) => ({
    studentId: id(t, 'User', {
      required: true,
      description: 'The pupil. CONFLICT if they are in no class, or in a class of another school.',
    }),
    classId: id(t, 'Class', { required: true, description: 'The next class. CONFLICT if it is archived.' }),
  }),
  run: transferStudent,
});

mutation('withdrawStudent', {
  description: 'Ends the current enrolment of a pupil, who keeps the role STUDENT.',
  returns: 'Enrolment',
  inputDescription: 'The pupil to withdraw from their class.',
  input: (t) => ({ studentId: id(t, 'User', { required: true, description: 'The pupil to withdraw. CONFLICT if they are in no class.' }) }),
  run: withdrawStudent,
});

mutation('voidEnrolment', {
  description:
    'Voids an enrolment that was a mistake, present or ended: it counts as if it had never been, in lists, in reads with `asOf` and in figures, and the pupil leaves the chats in which only it kept them. ' +
    'Returns the pupil. `User.voidedEnrolments` and the event ENROLMENT_VOIDED keep what was voided, by whom and why. Voiding it again changes nothing.',
  returns: 'User',
  inputDescription: 'The enrolment to void, and why.',
  input: (t) => ({
    enrolmentId: id(t, 'Enrolment', { required: true, description: 'The enrolment to void.' }),
    reason: t.string({ required: true, description: 'Why it is voided, 1 to 300 characters. Only administrators read it.' }),
    restorePrevious: t.boolean({
      description:
        'Whether the enrolment from which the pupil was transferred lasts on until the end of the voided one: for a transfer by mistake. ' +
        'Default: false, which leaves the pupil in no class for that time. CONFLICT if no transfer started the enrolment, or if the previous class is archived.',
    }),
  }),
  run: voidEnrolment,
});

const EnrolmentChange = change('EnrolmentChange', {
  description: 'An enrolment, a transfer or a withdrawal of a pupil, or the correction of a mistake.',
  kind: 'What happened to the enrolment of a pupil.',
  kinds: {
    ENROLLED: ['student.enrolled', 'The pupil was enrolled in a class.'],
    TRANSFERRED: ['student.transferred', 'The pupil was transferred from one class to another.'],
    WITHDRAWN: ['student.withdrawn', 'The pupil was withdrawn from a class.'],
    VOIDED: ['enrolment.voided', 'An enrolment was a mistake, and counts as if it had never been.'],
    RESTORED: ['enrolment.restored', 'An enrolment lasts on, because the transfer that ended it was voided.'],
  },
  ids: { studentId: 'The global ID of the pupil, set even if `student` is null.' },
  rows: {
    student: 'The pupil; null if you may not see them.',
    class: 'The class that the pupil joined or, for WITHDRAWN and VOIDED, left; null if you may not see it.',
    fromClass: 'The class that the pupil left by a transfer. Null for other kinds of change, and if you may not see the class.',
    enrolment: 'The current state of the enrolment; null if it has been voided, and if you may not see it.',
  },
});

stream('enrolments', {
  ...EnrolmentChange,
  description:
    'The enrolments, transfers, withdrawals and corrections that you may see, as soon as they are committed. Services need the scope `events`.',
  args: (t) => ({ classId: id(t, 'Class', { description: 'Only changes into or out of this class.' }) }),
  open: followEnrolments,
});
