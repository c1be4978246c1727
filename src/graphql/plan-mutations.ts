import { applyPlan } from '../domain/plans/apply-plan.ts';
import { editPlanRow } from '../domain/plans/edit-plan-row.ts';
import { planImport } from '../domain/plans/plan-import.ts';
import { planYear } from '../domain/plans/plan-year.ts';
import type { ClassName } from '../domain/plans/promote-school.ts';
import { schedulePlan } from '../domain/plans/schedule-plan.ts';
import { undoPlan } from '../domain/plans/undo-plan.ts';
import { builder } from './builder.ts';
import { RosterFormatEnum } from './enums.ts';
import { mutation } from './mutation.ts';
import { id } from './typed-id.ts';

/** The mutations that make, edit, schedule, apply and undo plans. src/graphql/plans.ts has their types and lists. */

mutation('planImport', {
  description:
    'Reads an uploaded roster file and compares it with the school. Changes nothing: the plan says what `applyPlan` would do. People are found by external ID, otherwise by name, birth date and class.',
  returns: 'Plan',
  inputDescription: 'The file, and how to read it.',
  input: (t) => ({
    uploadId: id(t, 'Upload', {
      required: true,
      description: 'The upload. CONFLICT if its bytes have not arrived. The server deletes the upload after reading it.',
    }),
    format: t.field({
      type: RosterFormatEnum,
      description: 'The format that the file must have. Default: the server recognises the format by the names of files and columns.',
    }),
    schoolYearId: id(t, 'SchoolYear', {
      description:
        'The school year of the classes in the file. Default: the current year. If a plan has moved the pupils into the next year already: the next year.',
    }),
    system: t.string({ description: 'The system whose IDs the file holds, up to 50 characters. Default: `roster`.' }),
    isPartial: t.boolean({
      description:
        'Whether the file lists only a part of the school. A person who is missing from such a file stays in the school. Default: false.',
    }),
  }),
  run: planImport,
});

const ClassNameInput = builder
  .inputRef<ClassName>('ClassNameInput')
  .implement({
    description: 'The name of a class, such as 5А.',
    fields: (t) => ({
      grade: t.int({ required: true, description: 'The grade, 1 to 11. INVALID for others.' }),
      letter: t.string({ required: true, description: 'The letter, up to 15 characters, in the form that `createClass` takes.' }),
    }),
  });

const SuccessorInput = builder
  .inputRef<{ from: ClassName; to: ClassName }>('ClassSuccessorInput')
  .implement({
    description: 'A class of the ending school year, and the class that follows it. Classes with the same successor are merged.',
    fields: (t) => ({
      from: t.field({ type: ClassNameInput, required: true, description: 'The ending class. INVALID unless it is open.' }),
      to: t.field({
        type: ClassNameInput,
        required: true,
        description: 'The class of the new school year. It is created unless it exists.',
      }),
    }),
  });

mutation('planYear', {
  description:
    'Plans the turn of a school year. Changes nothing: the plan says what `applyPlan` would do, at once or scheduled by `schedulePlan`. Each open class of the year before is archived with its chats, which stay readable, and is followed by a class of the next grade with its pupils and its class teacher. Pupils who stay behind or leave are decided about with `editPlanRow`.',
  returns: 'Plan',
  inputDescription: 'The school, and what differs from the rule that each class passes into the next grade.',
  input: (t) => ({
    schoolId: id(t, 'School', { required: true, description: 'The school. CONFLICT if the year before has no open class.' }),
    schoolYearId: id(t, 'SchoolYear', {
      description:
        'The school year that starts: the present or the next one, INVALID for another. Default: the present year while the year before has open classes, otherwise the next one.',
    }),
    graduatingGrades: t.intList({
      description: 'The grades whose pupils leave the school: their role ends. Grade 11 always does. Default: [11].',
    }),
    regroupedGrades: t.intList({
      description:
        'The grades whose pupils leave their class, but not the school, until the list of their new classes is imported. Default: [9], unless grade 9 graduates. INVALID for a grade that graduates.',
    }),
    successors: t.field({
      type: [SuccessorInput],
      description: 'The classes that do not pass into the next grade under their own letter. They override the two lists of grades.',
    }),
    newClasses: t.field({ type: [ClassNameInput], description: 'Classes of the new year that follow no other class, such as 1А and 10А.' }),
    keepsSubjectTeachers: t.boolean({
      description:
        'Whether subject teachers stay with their classes. Default: false: the plan only proposes it, as rows in KEEP with the code SUBJECT_TEACHER_PROPOSED.',
    }),
  }),
  run: planYear,
});

mutation('editPlanRow', {
  description:
    'Decides about a row of a plan: whether it is applied or, in the plan of a school year, what it does. Exactly one decision is given; INVALID otherwise.',
  returns: 'PlanRow',
  inputDescription: 'The row, and the decision.',
  input: (t) => ({
    planRowId: id(t, 'PlanRow', {
      required: true,
      description:
        'The row. CONFLICT if the row is in ERROR, if it has no change to decide about, if the decision does not fit it, or if the plan is not READY.',
    }),
    isApplied: t.boolean({
      description: 'True: the row does what `proposed` says, also where a rule had withheld it. False: the object stays as it is.',
    }),
    class: t.field({
      type: ClassNameInput,
      description:
        'Source YEAR only. For a pupil, the class of the new year: of the same grade for one who stays behind. For a new class, its name. INVALID for a pupil if the new year has no such class, CONFLICT for a name that is taken.',
    }),
    leaves: t.boolean({ description: 'Source YEAR only. True: the pupil leaves the school.' }),
    teacherId: id(t, 'User', {
      description: 'Source YEAR only. The teacher who gets the assignment. CONFLICT for a person who is not a teacher of the school.',
    }),
  }),
  run: editPlanRow,
});

mutation('applyPlan', {
  description:
    'Applies all rows of a plan. If one row is refused, applies no row. Changes nothing if the plan is applied already. CONFLICT if the school has changed since the plan was made: `message` names the lines.',
  returns: 'Plan',
  inputDescription: 'The plan, and what it may do.',
  input: (t) => ({
    planId: id(t, 'Plan', { required: true, description: 'The plan. CONFLICT if it is FAILED, UNDONE, or 89 days old.' }),
    threshold: t.int({
      description:
        'How many of the people in `coveredCount` may leave the school or their class, in per cent from 0 to 100. 100 allows any number. Default: 5. CONFLICT if more people would leave: its message names the value that is needed. Has no effect on the source YEAR.',
    }),
    skipErrors: t.boolean({
      description: 'Whether to apply the plan without its rows in ERROR. Default: false, and CONFLICT if there are such rows.',
    }),
  }),
  run: applyPlan,
});

mutation('schedulePlan', {
  description:
    'Schedules the time at which the server applies a plan, or cancels the schedule. If the plan cannot be applied then, it stays READY, and `refusal` and the event PLAN_REFUSED tell. Scheduling it in the same way again changes nothing.',
  returns: 'Plan',
  inputDescription: 'The plan, the time, and what the plan may do.',
  input: (t) => ({
    planId: id(t, 'Plan', { required: true, description: 'The plan. CONFLICT unless it is READY.' }),
    appliesAt: t.field({
      type: 'DateTime',
      description:
        "The time, within the next 400 days; INVALID for another. Omitted: the start of the plan's school year, 1 September 00:00 in the school's time zone; CONFLICT if it has started. Null: the plan is not scheduled any more.",
    }),
    threshold: t.int({ description: 'As in `applyPlan`.' }),
    skipErrors: t.boolean({ description: 'As in `applyPlan`.' }),
  }),
  run: schedulePlan,
});

mutation('undoPlan', {
  description:
    'Undoes an applied plan: restores the previous roles, classes, assignments and names, and archives the classes that the plan created. People who had left the school by the plan are not added again to the chats to which somebody had added them by hand. Changes nothing if the plan is undone already. CONFLICT if something depends on a row, for example if a person has joined since: `message` names the lines.',
  returns: 'Plan',
  inputDescription: 'The plan to undo.',
  input: (t) => ({
    planId: id(t, 'Plan', { required: true, description: 'The plan. CONFLICT if never applied, or 89 days after it was applied.' }),
  }),
  run: undoPlan,
});
