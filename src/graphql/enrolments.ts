import { enrolmentOf, enrolmentsIn, enrolmentsInSchool, enrolmentsOf, followEnrolments } from '../domain/enrolment-lists.ts';
import { enrolStudent, transferStudent, withdrawStudent } from '../domain/enrolments.ts';
import type { VoidedEnrolment } from '../domain/entities.ts';
import { voidedEnrolmentsOf, voidEnrolment } from '../domain/void-enrolment.ts';
import { builder, descriptions, refs } from './builder.ts';
import { connection, countFields } from './connection.ts';
import { mutation } from './mutation.ts';
import { loadBy, node } from './node.ts';
import { orderInput } from './order-input.ts';
import { change, stream } from './stream.ts';
import { id } from './typed-id.ts';

node('Enrolment', {
  description:
    "A pupil's time in a class, from `startedAt` (inclusive) to `endedAt` (exclusive). Ended enrolments are kept; a voided enrolment becomes a `VoidedEnrolment`. The platform administrators, the school administration and services with the scope `read` see all enrolments of the school. Teachers see the enrolments in their classes. Pupils see all of their own, and the current enrolments in their class.",
  plural: 'enrolments',
  parents: { student: 'The pupil; null if you may not see this person.', class: 'The class; null if you may not see the class.' },
  fields: (t) => ({
    startedAt: t.expose('startedAt', { type: 'DateTime', description: 'When the enrolment started.' }),
    endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true, description: 'When the enrolment ended; null while it lasts.' }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      description: 'When the enrolment last changed: when it was added, ended or restored.',
    }),
  }),
});

connection('Class', 'enrolments', {
  of: 'Enrolment',
  description: 'The enrolments in the class, now or at `asOf`, that you may see, in Russian alphabetical order of the pupils.',
  args: (t) => ({ asOf: t({ type: 'DateTime', description: descriptions.asOf }) }),
  list: enrolmentsIn,
});

const EnrolmentOrder = orderInput('EnrolmentOrder', 'enrolments', {
  STARTED_AT: 'By `Enrolment.startedAt`.',
  UPDATED_AT: 'By `Enrolment.updatedAt`.',
});

connection('School', 'enrolments', {
  of: 'Enrolment',
  description: 'The enrolments in classes of the school that you may see. Default: only current enrolments, earliest start first.',
  args: (t) => ({
    classId: id(t, 'Class', { description: 'Only enrolments in this class. Default: in all classes.' }),
    active: t.boolean({
      description: 'Only current enrolments (true), or only ended enrolments (false). Default: true; `null` means both.',
    }),
    updatedSince: t({
      type: 'DateTime',
      description: 'Only enrolments whose `updatedAt` is this time or later, for example since the last synchronisation. Default: all.',
    }),
    orderBy: t({ type: EnrolmentOrder, description: 'How to order the list. Default: by STARTED_AT, ASC.' }),
  }),
  list: enrolmentsInSchool,
});

builder.objectField(refs.User, 'enrolment', (t) =>
  t.field({
    type: refs.Enrolment,
    nullable: true,
    description:
      'The current enrolment of the pupil: at most one in all schools together. Null if the pupil is in no class, or if you may not see the enrolment.',
    resolve: (user, _args, ctx) => enrolmentOf(ctx, user),
  }),
);

connection('User', 'enrolments', {
  of: 'Enrolment',
  description: "The pupil's enrolments that you may see, current and ended, latest start first.",
  list: enrolmentsOf,
});

const VoidedEnrolmentRef = builder
  .objectRef<VoidedEnrolment>('VoidedEnrolment')
  .implement({
    description:
      'An enrolment that was voided as a mistake, kept for the audit. Only the platform administrators of the school see it. To find the voided enrolments of a whole school, query `School.events` with the type ENROLMENT_VOIDED.',
    fields: (t) => ({
      class: t.field({
        type: refs.Class,
        nullable: true,
        description: 'The class of the enrolment; null if you may not see the class.',
        resolve: loadBy('Class', 'classId'),
      }),
      startedAt: t.expose('startedAt', { type: 'DateTime', description: 'When the enrolment had started.' }),
      endedAt: t.expose('endedAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When the enrolment had ended; null if it had not ended before it was voided.',
      }),
      reason: t.exposeString('reason', {
        description: 'Why the enrolment was voided, in the words of the person who voided it; 1 to 300 characters.',
      }),
      voidedAt: t.expose('voidedAt', { type: 'DateTime', description: 'When the enrolment was voided.' }),
      voidedBy: t.field({
        type: refs.User,
        nullable: true,
        description: 'The person who voided the enrolment; null if the operator of the server did, or if you may not see this person.',
        resolve: loadBy('User', 'voidedById'),
      }),
    }),
  });

builder.objectField(refs.User, 'voidedEnrolments', (t) =>
  t.connection(
    {
      type: VoidedEnrolmentRef,
      description: "The pupil's voided enrolments, last voided first. Empty for everyone except the platform administrators of the school.",
      resolve: (user, args, ctx) => voidedEnrolmentsOf(ctx, user, args),
    },
    { name: 'VoidedEnrolmentConnection', description: 'A page of voided enrolments.', fields: countFields },
    { name: 'VoidedEnrolmentEdge' },
  ),
);

mutation('enrolStudent', {
  description:
    'Enrols a pupil in a class. Enrolling a pupil in their present class changes nothing. CONFLICT for a pupil who is in another class: use `transferStudent`; `message` names that class if it belongs to the same school.',
  returns: 'Enrolment',
  inputDescription: 'The pupil to enrol, and the class.',
  input: (t) => ({
    studentId: id(t, 'User', {
      required: true,
      description: 'The pupil. CONFLICT if the person does not have the role STUDENT in the school of the class.',
    }),
    classId: id(t, 'Class', { required: true, description: 'The class. CONFLICT if it is archived.' }),
    idempotencyKey: t.string({ description: descriptions.idempotencyKey }),
  }),
  run: enrolStudent,
});

mutation('transferStudent', {
  description:
    'Transfers a pupil to another class of the school: one enrolment ends and the next starts at the same instant, and the pupil leaves the chats of the old class and joins the chats of the new class. Returns the new enrolment. Transferring a pupil to their present class changes nothing.',
  returns: 'Enrolment',
  inputDescription: 'The pupil to transfer, and their next class.',
  input: (t) => ({
    studentId: id(t, 'User', {
      required: true,
      description: 'The pupil. CONFLICT for a pupil who is in no class, or in a class of another school.',
    }),
    classId: id(t, 'Class', { required: true, description: 'The next class. CONFLICT if it is archived.' }),
  }),
  run: transferStudent,
});

mutation('withdrawStudent', {
  description:
    'Ends the current enrolment of a pupil, who leaves the chats of the class and keeps the role STUDENT. Returns the ended enrolment.',
  returns: 'Enrolment',
  inputDescription: 'The pupil to withdraw from their class.',
  input: (t) => ({
    studentId: id(t, 'User', {
      required: true,
      description: 'The pupil to withdraw. CONFLICT for a pupil who is in no class, or whose enrolment you may not see.',
    }),
  }),
  run: withdrawStudent,
});

mutation('voidEnrolment', {
  description:
    'Voids an enrolment that was a mistake, whether current or ended. Lists (also with `asOf`) and counts no longer contain the enrolment. The pupil leaves the chats that the pupil was in only because of this enrolment. ' +
    'Returns the pupil. `User.voidedEnrolments` keeps the enrolment, with who voided it and why. Voiding a voided enrolment changes nothing.',
  returns: 'User',
  inputDescription: 'The enrolment to void, and why.',
  input: (t) => ({
    enrolmentId: id(t, 'Enrolment', { required: true, description: 'The enrolment to void, current or ended.' }),
    reason: t.string({
      required: true,
      description: 'Why the enrolment is voided, 1 to 300 characters. Only the platform administrators of the school can read it.',
    }),
    restorePrevious: t.boolean({
      description:
        'Whether to undo the transfer that started the enrolment: the previous enrolment then gets the end of the voided enrolment, or is current again if the voided enrolment had not ended. ' +
        'Default: false, so that the pupil counts as in no class for that time. CONFLICT if no transfer started the enrolment, or if the previous class was archived before the voided enrolment ended.',
    }),
  }),
  run: voidEnrolment,
});

const EnrolmentChange = change('EnrolmentChange', {
  description: 'A change of the enrolments of a pupil: an enrolment, a transfer, a withdrawal, or the correction of a mistake.',
  kind: 'What happened to an enrolment of a pupil.',
  kinds: {
    ENROLLED: ['student.enrolled', 'The pupil was enrolled in a class.'],
    TRANSFERRED: ['student.transferred', 'The pupil was transferred from one class to another.'],
    WITHDRAWN: ['student.withdrawn', 'The pupil was withdrawn from a class.'],
    VOIDED: ['enrolment.voided', 'An enrolment was voided as a mistake, and no longer counts.'],
    RESTORED: [
      'enrolment.restored',
      'A transfer was undone: the enrolment after the transfer was voided, and the enrolment before the transfer lasts longer.',
    ],
  },
  ids: { studentId: 'The global ID of the pupil, present even if you may not see the pupil and `student` is null.' },
  rows: {
    student: 'The pupil; null if you may not see this person.',
    class:
      'The class of the enrolment: the class that the pupil joined or, for WITHDRAWN and VOIDED, left. Null if you may not see the class.',
    fromClass: 'The class that the pupil left by a transfer; null for kinds other than TRANSFERRED, or if you may not see the class.',
    enrolment: 'The enrolment as it is now, not as it was at the change; null if it has been voided, or if you may not see it.',
  },
});

stream('enrolments', {
  ...EnrolmentChange,
  description:
    'The enrolments, transfers, withdrawals and corrections that you may see, each as soon as it is committed. FORBIDDEN for a service without the scope `events`.',
  args: (t) => ({
    classId: id(t, 'Class', {
      description:
        'Only changes into or out of this class. Default: of all classes. FORBIDDEN if you may not see the enrolments in this class.',
    }),
  }),
  open: followEnrolments,
});
