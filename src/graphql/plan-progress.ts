import { followPlanProgress } from '../domain/plans/plan-progress.ts';
import { builder } from './builder.ts';
import { signals, type SignalOf } from './stream.ts';
import { globalId } from './typed-id.ts';

const StageEnum = builder.enumType('PlanStage', {
  description:
    'What the server does for a plan. `planImport` goes through READING, COMPARING and WRITING, `applyPlan` through CHECKING and WRITING; both end with FINISHED.',
  values: {
    READING: { description: 'Reads the file. `done` and `total` are bytes.' },
    COMPARING: { description: 'Compares the file with the school.' },
    CHECKING: { description: 'Waits for other changes, and checks that the plan still fits the school.' },
    WRITING: {
      description: 'Writes the rows of the plan, or what they change. `done` and `total` are rows. Nothing is visible before FINISHED.',
    },
    FINISHED: {
      description:
        'The call has ended, successfully or not. Its answer says which, and so does the subscription `plans` if a plan changed.',
    },
  } as const,
});

const PlanProgressRef = builder
  .objectRef<SignalOf<'planProgress'>>('PlanProgress')
  .implement({
    description: 'How far `planImport` or `applyPlan` is at this moment. It is in no log, and cannot be queried.',
    fields: (t) => ({
      planId: t.id({
        description: 'The global ID of the plan. While `planImport` is at work, it finds no plan yet; it never does if that is refused.',
        resolve: ({ signal }) => globalId('Plan', signal.payload.planId),
      }),
      uploadId: t.id({
        nullable: true,
        description: 'The global ID of the upload that `planImport` reads, by which you know your own call; null for `applyPlan`.',
        resolve: ({ signal }) => (signal.payload.uploadId === null ? null : globalId('Upload', signal.payload.uploadId)),
      }),
      stage: t.field({
        type: StageEnum,
        description: 'What the server does. It goes back to an earlier stage if the database has to repeat the work.',
        resolve: ({ signal }) => signal.payload.stage,
      }),
      done: t.int({
        nullable: true,
        description: 'How much of `total` is done; null where that is unknown.',
        resolve: ({ signal }) => signal.payload.done,
      }),
      total: t.int({
        nullable: true,
        description: 'How much there is to do in this stage; null where that is unknown.',
        resolve: ({ signal }) => signal.payload.total,
      }),
    }),
  });

signals('planProgress', {
  of: PlanProgressRef,
  description:
    "The progress of the school's plans that you may see, while they are made and applied: each stage as it begins, and at most two signals a second within a stage. Subscribe and wait for `SignalsStarted` before you call `planImport` or `applyPlan`. Signals have no cursor and may be lost: take the result from the answer of the mutation. FORBIDDEN for everyone except people with the role PLATFORM_ADMINISTRATOR in the school, and services with the scope `roster`, which receive the progress of their own plans.",
  open: followPlanProgress,
});
