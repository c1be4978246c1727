import { applyPlan } from '../domain/plans/apply-plan.ts';
import { editPlanRow } from '../domain/plans/edit-plan-row.ts';
import { fieldsOf, type PlanField } from '../domain/plans/plan-fields.ts';
import { planImport, rosterFormats, type RosterFormat } from '../domain/plans/plan-import.ts';
import { planCountsOf, planRowsOf, plansOf, warningsOf, type PlanCounts, type PlanWarning } from '../domain/plans/plans.ts';
import { undoPlan } from '../domain/plans/undo-plan.ts';
import { builder } from './builder.ts';
import { connection } from './connection.ts';
import { mutation } from './mutation.ts';
import { node } from './node.ts';
import { change, stream } from './stream.ts';
import { id } from './typed-id.ts';

const SourceEnum = builder.enumType('PlanSource', {
  description: 'What a plan was made of.',
  values: { IMPORT: { description: 'A roster file, by `planImport`.' }, YEAR: { description: 'The turn of the school year.' } } as const,
});

const StateEnum = builder.enumType('PlanState', {
  description: 'How far a plan is.',
  values: {
    READY: { description: 'The plan can be edited and applied.' },
    APPLIED: { description: 'All of its rows but those in ERROR and KEEP were applied.' },
    UNDONE: { description: 'The plan was applied, and then undone.' },
    FAILED: { description: 'The file could not be read. The rows in ERROR say why.' },
  } as const,
});

const OperationEnum = builder.enumType('PlanOperation', {
  description: 'What a row of a plan does.',
  values: {
    ADD: { description: 'Creates the class, the subject, the person or the assignment.' },
    CHANGE: { description: 'Changes an object that exists: `fields` holds the old and the new values.' },
    END: { description: 'Ends the roles of a person, or an assignment, that the file no longer has.' },
    KEEP: { description: 'Changes nothing. If `code` is set, the file asks for a change that a rule or a person withheld.' },
    ERROR: { description: 'Cannot be applied. `code` and `message` say why.' },
  } as const,
});

const NounEnum = builder.enumType('PlanNoun', {
  description: 'The type of object that a row of a plan creates, changes, ends or keeps.',
  values: {
    CLASS: { description: 'A class of the school year.' },
    SUBJECT: { description: 'A subject of the school.' },
    PERSON: { description: 'A person, with the roles in the school and, for a pupil, the class.' },
    ASSIGNMENT: { description: 'The work of a teacher in a class: as class teacher, or in a subject.' },
  } as const,
});

const formatDescriptions: Readonly<Record<RosterFormat, string>> = {
  LIST: 'The Russian list: one CSV file with a row for each person. Its columns are found by their headings.',
  ONE_ROSTER_1_1: 'OneRoster CSV 1.1, as a ZIP.',
  ONE_ROSTER_1_2: 'OneRoster CSV 1.2, as a ZIP.',
  SDS_1: 'Microsoft School Data Sync, version 1, as a ZIP.',
  SDS_2_1: 'Microsoft School Data Sync, version 2.1, as a ZIP.',
};

const FormatEnum = builder.enumType('RosterFormat', {
  description: 'The format of a roster file.',
  values: Object.fromEntries(rosterFormats.map((format) => [format, { description: formatDescriptions[format] }])) as Record<
    RosterFormat,
    { description: string }
  >,
});

const CountsRef = builder
  .objectRef<PlanCounts>('PlanCounts')
  .implement({
    description: 'How many rows of a plan have each operation.',
    fields: (t) => ({
      add: t.exposeInt('ADD', { description: 'The number of rows with the operation ADD.' }),
      change: t.exposeInt('CHANGE', { description: 'The number of rows with the operation CHANGE.' }),
      end: t.exposeInt('END', { description: 'The number of rows with the operation END.' }),
      keep: t.exposeInt('KEEP', { description: 'The number of rows with the operation KEEP.' }),
      error: t.exposeInt('ERROR', { description: 'The number of rows that cannot be applied.' }),
    }),
  });

const WarningRef = builder
  .objectRef<PlanWarning>('PlanWarning')
  .implement({
    description: 'A fault in the file that did not keep the reader from reading that place.',
    fields: (t) => ({
      code: t.exposeString('code', { description: 'The kind of fault, for programs.' }),
      file: t.exposeString('file', { description: 'The name of the file, or of the file in an archive.' }),
      line: t.exposeInt('line', { nullable: true, description: 'The line, counted from 1; null if the warning is about the whole file.' }),
      message: t.string({
        description: 'The fault in words, and what was read instead: in Russian, or in English if Accept-Language prefers it.',
        resolve: ({ message }, _args, ctx) => message[ctx.language === 'ru' ? 0 : 1],
      }),
    }),
  });

node('Plan', {
  description: 'Changes of the people and classes of a school, made from a file, that are applied together and can be undone together.',
  plural: 'plans',
  parents: {
    school: 'The school; null if you may not see it.',
    year: 'The school year whose classes the plan is about.',
    createdBy: 'The person who made the plan; null for services and the operator, and if you may not see the person.',
  },
  fields: (t) => ({
    source: t.expose('source', { type: SourceEnum, description: 'What the plan was made of.' }),
    state: t.expose('state', { type: StateEnum, description: 'Whether the plan can be applied, and whether it was.' }),
    format: t.field({
      type: FormatEnum,
      nullable: true,
      description: 'The format of the file; null if it was not recognised, and for other sources.',
      resolve: ({ format }) => format as RosterFormat | null,
    }),
    fileName: t.exposeString('fileName', { nullable: true, description: 'The name of the file; null for other sources.' }),
    system: t.exposeString('system', { description: 'The system whose external IDs the file holds.' }),
    coveredCount: t.exposeInt('coveredCount', {
      description: 'The number of people of the school whom the file covers. `applyPlan` compares the number of those who leave with it.',
    }),
    counts: t.field({ type: CountsRef, description: 'How many rows do what.', resolve: (plan, _args, ctx) => planCountsOf(ctx, plan) }),
    warnings: t.field({
      type: [WarningRef],
      description: 'The first 1000 warnings of the reader, in the order of the file.',
      resolve: (plan) => warningsOf(plan),
    }),
    warningCount: t.exposeInt('warningCount', { description: 'The number of all warnings.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the plan was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When the plan was made, applied or undone, whichever was last.' }),
    appliedAt: t.expose('appliedAt', { type: 'DateTime', nullable: true, description: 'When the plan was applied; null if it was not.' }),
    undoneAt: t.expose('undoneAt', { type: 'DateTime', nullable: true, description: 'When the plan was undone; null if it was not.' }),
  }),
});

const FieldRef = builder
  .objectRef<PlanField>('PlanField')
  .implement({
    description: 'A field of an object, with its value before the plan and the value that the plan sets.',
    fields: (t) => ({
      name: t.exposeString('name', { description: 'The field, such as `surname` or `class`.' }),
      before: t.exposeString('before', {
        nullable: true,
        description: 'The value in the school when the plan was made; null if the field was empty.',
      }),
      after: t.exposeString('after', { nullable: true, description: 'The value that the row sets; null if the row empties the field.' }),
    }),
  });

node('PlanRow', {
  description: 'A row of a plan: what happens to one class, subject, person or assignment.',
  plural: 'rows of plans',
  parents: { plan: 'The plan; null if you may not see it.' },
  fields: (t) => ({
    position: t.exposeInt('position', { description: 'The place of the row in its plan, from 1.' }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      description: 'When the row was made, edited, applied or undone, whichever was last.',
    }),
    noun: t.expose('noun', {
      type: NounEnum,
      nullable: true,
      description: 'The type of the object; null for an error that concerns the file as a whole.',
    }),
    operation: t.expose('operation', { type: OperationEnum, description: 'What the row does.' }),
    proposed: t.expose('proposed', {
      type: OperationEnum,
      description: 'What the file asks for. Differs from `operation` for a row that a rule or a person withheld.',
    }),
    file: t.exposeString('file', {
      nullable: true,
      description: 'The name of the file that the row comes from; null for an object that is missing from the file.',
    }),
    line: t.exposeInt('line', { nullable: true, description: 'The line in the file, counted from 1; null without a line.' }),
    code: t.exposeString('code', {
      nullable: true,
      description: 'Why the row is in ERROR or KEEP, or what was left out of it; null if all is plain.',
    }),
    message: t.string({
      nullable: true,
      description: 'The `code` in words: in Russian, or in English if Accept-Language prefers it.',
      resolve: ({ messageRu, messageEn }, _args, ctx) => (ctx.language === 'ru' ? messageRu : messageEn),
    }),
    fields: t.field({
      type: [FieldRef],
      description: 'The fields that the row sets or ends. Empty for most rows in KEEP and ERROR.',
      resolve: (row) => fieldsOf(row),
    }),
  }),
});

connection('School', 'plans', {
  of: 'Plan',
  description: 'The plans of the school that you may see, newest first. A service sees those that it made.',
  args: (t) => ({ state: t({ type: StateEnum, description: 'Only plans in this state.' }) }),
  list: plansOf,
});

connection('Plan', 'rows', {
  of: 'PlanRow',
  description: 'The rows of the plan: errors of the file first, then classes, subjects, people and assignments.',
  args: (t) => ({
    operation: t({ type: OperationEnum, description: 'Only rows with this operation.' }),
    noun: t({ type: NounEnum, description: 'Only rows about objects of this type.' }),
    code: t.string({ description: 'Only rows with this code.' }),
  }),
  list: planRowsOf,
});

mutation('planImport', {
  description:
    'Reads an uploaded roster file and compares it with the school. Changes nothing: the plan says what `applyPlan` would do. People are found by external ID, otherwise by name, birth date and class.',
  returns: 'Plan',
  inputDescription: 'The file, and how to read it.',
  input: (t) => ({
    uploadId: id(t, 'Upload', {
      required: true,
      description: 'The upload, whose bytes have arrived. It is deleted after it was read. CONFLICT for one without bytes.',
    }),
    format: t.field({
      type: FormatEnum,
      description: 'The format that the file must have. Default: any, recognised by its names and columns.',
    }),
    schoolYearId: id(t, 'SchoolYear', { description: 'The school year of the classes in the file. Default: the present one.' }),
    system: t.string({ description: 'The system whose IDs the file holds, up to 50 characters. Default: `roster`.' }),
    isPartial: t.boolean({
      description: 'Whether the file states only a part of the school, so that nobody who is missing from it has left. Default: false.',
    }),
  }),
  run: planImport,
});

mutation('editPlanRow', {
  description: 'Decides whether a row of a plan is applied. Rows that a rule withheld can be included, others excluded.',
  returns: 'PlanRow',
  inputDescription: 'The row, and the decision.',
  input: (t) => ({
    planRowId: id(t, 'PlanRow', {
      required: true,
      description: 'The row. CONFLICT for one in ERROR, for one that changes nothing, and unless its plan is READY.',
    }),
    isApplied: t.boolean({ required: true, description: 'True: the row is applied as the file asks. False: the object stays as it is.' }),
  }),
  run: editPlanRow,
});

mutation('applyPlan', {
  description:
    'Applies a plan: all of its rows or, if anything is refused, none. Applying an applied plan again changes nothing. CONFLICT, with the lines, if the school has changed since the plan was made.',
  returns: 'Plan',
  inputDescription: 'The plan, and what it may do.',
  input: (t) => ({
    planId: id(t, 'Plan', { required: true, description: 'The plan. CONFLICT if it failed or was undone.' }),
    threshold: t.int({
      description:
        'The greatest share of the covered people who may leave the school or their class, 0 to 100 per cent. Default: 5. CONFLICT if more would.',
    }),
    skipErrors: t.boolean({
      description: 'Whether to apply the other rows if some are in ERROR. Default: false, and CONFLICT if some are.',
    }),
  }),
  run: applyPlan,
});

mutation('undoPlan', {
  description:
    'Undoes an applied plan, as if it had never been applied. Undoing it again changes nothing. CONFLICT, with the lines, if something depends on a row: for example, a person has joined since.',
  returns: 'Plan',
  inputDescription: 'The plan to undo.',
  input: (t) => ({ planId: id(t, 'Plan', { required: true, description: 'The plan. CONFLICT unless it was applied.' }) }),
  run: undoPlan,
});

const PlanChange = change('PlanChange', {
  description: 'A change of the plans of a school.',
  kind: 'What happened to a plan.',
  kinds: {
    READY: ['plan.ready', 'The plan was made.'],
    FAILED: ['plan.failed', 'The file of the plan could not be read.'],
    APPLIED: ['plan.applied', 'The plan was applied.'],
    UNDONE: ['plan.undone', 'The plan was undone.'],
  },
  rows: { plan: 'The plan; null if you may not see it.' },
});

stream('plans', {
  ...PlanChange,
  description: 'The plans of the school, as soon as they are made, applied or undone. Services need the scope `events`.',
});
