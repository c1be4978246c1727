import { fieldsOf, type PlanField } from '../domain/plans/plan-fields.ts';
import type { RosterFormat } from '../domain/plans/plan-import.ts';
import { planCountsOf, planRowsOf, plansOf, warningsOf, type PlanCounts, type PlanWarning } from '../domain/plans/plans.ts';
import { builder } from './builder.ts';
import { connection } from './connection.ts';
import { RosterFormatEnum } from './enums.ts';
import { node } from './node.ts';
import { change, stream } from './stream.ts';

const SourceEnum = builder.enumType('PlanSource', {
  description: 'What a plan was made of.',
  values: {
    IMPORT: { description: 'A roster file, by `planImport`.' },
    YEAR: { description: 'By `planYear`, for a new school year.' },
  } as const,
});

const StateEnum = builder.enumType('PlanState', {
  description: 'Whether a plan can be applied, was applied, or was undone.',
  values: {
    READY: { description: 'The plan can be edited and applied.' },
    APPLIED: { description: 'The plan was applied: all of its rows in ADD, CHANGE and END.' },
    UNDONE: { description: 'The plan was applied, and then undone.' },
    FAILED: { description: 'The file could not be read. The rows in ERROR say why.' },
  } as const,
});

const OperationEnum = builder.enumType('PlanOperation', {
  description: 'What a row of a plan does.',
  values: {
    ADD: { description: 'Creates the class, the subject, the person or the assignment.' },
    CHANGE: { description: 'Changes an object that exists: `fields` holds the old and the new values.' },
    END: { description: 'Ends the roles of a person who leaves, ends an assignment, or archives a class whose school year ends.' },
    KEEP: { description: 'Changes nothing. If `code` is set, a rule prevents the change in `proposed`, or a person excluded the row.' },
    ERROR: { description: 'Cannot be applied. `code` and `message` say why.' },
  } as const,
});

const NounEnum = builder.enumType('PlanNoun', {
  description: 'The type of object that a row of a plan creates, changes, ends or keeps.',
  values: {
    CLASS: { description: 'A class of the school year.' },
    SUBJECT: { description: 'A subject of the school.' },
    PERSON: { description: 'A person, with the roles in the school. For a pupil, also with the class.' },
    ASSIGNMENT: { description: 'The work of a teacher in a class: as class teacher, or in a subject.' },
  } as const,
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
    description: 'A fault in the file that the server could work around.',
    fields: (t) => ({
      code: t.exposeString('code', { description: 'The kind of fault, as a stable code.' }),
      file: t.exposeString('file', { description: 'The name of the file. In a ZIP, the name of the file inside.' }),
      line: t.exposeInt('line', { nullable: true, description: 'The line, counted from 1; null if the warning is about the whole file.' }),
      message: t.string({
        description: 'The fault in words, and what the server read instead. In Russian, or in English if Accept-Language prefers English.',
        resolve: ({ message }, _args, ctx) => message[ctx.language === 'ru' ? 0 : 1],
      }),
    }),
  });

node('Plan', {
  description:
    'Changes of the people and classes of a school, made from a file or for a new school year. They are applied together, and can be undone together.',
  plural: 'plans',
  parents: {
    school: 'The school; null if you may not see it.',
    year: 'The school year whose classes the plan is about; for the source YEAR, the year that starts.',
    createdBy: 'The person who made the plan; null for services and the operator, and if you may not see the person.',
  },
  fields: (t) => ({
    source: t.expose('source', { type: SourceEnum, description: 'How the plan was made.' }),
    state: t.expose('state', { type: StateEnum, description: 'Whether the plan can be applied, and whether it was.' }),
    format: t.field({
      type: RosterFormatEnum,
      nullable: true,
      description: 'The format of the file; null if it was not recognised, and for other sources.',
      resolve: ({ format }) => format as RosterFormat | null,
    }),
    fileName: t.exposeString('fileName', { nullable: true, description: 'The name of the file; null for other sources.' }),
    system: t.exposeString('system', { description: 'The system whose external IDs the file holds.' }),
    coveredCount: t.exposeInt('coveredCount', {
      description:
        'The number of people of the school whom the file should list. Such a person leaves the school if the file does not list them. For a file of changes, which need not list anyone, the number of all people with a role in the school. For the source YEAR, the number of pupils in the plan. The `threshold` of `applyPlan` is a share of this number.',
    }),
    counts: t.field({
      type: CountsRef,
      description: 'The rows, counted by operation.',
      resolve: (plan, _args, ctx) => planCountsOf(ctx, plan),
    }),
    warnings: t.field({
      type: [WarningRef],
      description: 'The first 1000 warnings about the file, in the order of the file.',
      resolve: (plan) => warningsOf(plan),
    }),
    warningCount: t.exposeInt('warningCount', { description: 'The number of all warnings, also of those that `warnings` leaves out.' }),
    appliesAt: t.expose('appliesAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the server applies the plan, at most a minute late; null for a plan that is not scheduled.',
    }),
    refusal: t.string({
      nullable: true,
      description:
        'Why the server could not apply the scheduled plan. In Russian, or in English if Accept-Language prefers English. Null if there was no such failure, or if the plan was scheduled again.',
      resolve: ({ refusalRu, refusalEn }, _args, ctx) => (ctx.language === 'ru' ? refusalRu : refusalEn),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the plan was made.' }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      description: 'When the plan was made, scheduled, applied or undone, whichever was last.',
    }),
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
      description: 'The type of the object; null for an error in the file itself, which has no object.',
    }),
    operation: t.expose('operation', { type: OperationEnum, description: 'What the row does.' }),
    proposed: t.expose('proposed', {
      type: OperationEnum,
      description:
        'The operation that the file or the new school year asks for. Differs from `operation` if a rule prevents the change, or if a person excluded the row.',
    }),
    file: t.exposeString('file', {
      nullable: true,
      description: 'The name of the file that the row comes from; null for an object that is missing from the file.',
    }),
    line: t.exposeInt('line', { nullable: true, description: 'The line in the file, from 1; null if there is no line.' }),
    code: t.exposeString('code', {
      nullable: true,
      description:
        'A stable code. In ERROR, why the row cannot be applied. In KEEP, why the row changes nothing. In other operations, which part of the change the row leaves out. Null if the row does all that the file asks for.',
    }),
    message: t.string({
      nullable: true,
      description: 'The `code` in words. In Russian, or in English if Accept-Language prefers English.',
      resolve: ({ messageRu, messageEn }, _args, ctx) => (ctx.language === 'ru' ? messageRu : messageEn),
    }),
    fields: t.field({
      type: [FieldRef],
      description:
        'The fields that the row changes. In KEEP, the fields that the operation in `proposed` would change. Empty in ERROR, and if the file asks for no change.',
      resolve: (row) => fieldsOf(row),
    }),
  }),
});

connection('School', 'plans', {
  of: 'Plan',
  description: 'The plans of the school that you may see, newest first. A service sees only plans that it made.',
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

const PlanChange = change('PlanChange', {
  description: 'A change of the plans of a school.',
  kind: 'What happened to a plan.',
  kinds: {
    READY: ['plan.ready', 'The plan was made.'],
    FAILED: ['plan.failed', 'The file of the plan could not be read.'],
    SCHEDULED: ['plan.scheduled', 'The time at which the server applies the plan was set, changed or removed.'],
    REFUSED: ['plan.refused', 'The server could not apply the plan at its time. `Plan.refusal` says why.'],
    APPLIED: ['plan.applied', 'The plan was applied.'],
    UNDONE: ['plan.undone', 'The plan was undone.'],
  },
  rows: { plan: 'The plan; null if you may not see it.' },
});

stream('plans', {
  ...PlanChange,
  description:
    'The changes of the plans of the school, each as soon as it is committed. FORBIDDEN for a service without the scope `events`.',
});
