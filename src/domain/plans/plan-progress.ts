import { can } from '../../policy/can.ts';
import type { ServiceActor, UserActor } from '../../policy/actor.ts';
import { unauthenticated } from '../../errors.ts';
import { followSignals, type SignalStream } from '../../events/live/signal-stream.ts';
import type { PlanProgress, PlanStage } from '../../events/live/signals.ts';
import { authorize, find } from '../access.ts';
import type { Context } from '../context.ts';

/** The progress of plans, as signals while they are made and applied. */

/** Milliseconds between two signals of a plan within a stage. */
const minIntervalMs = 500;

/** The plan whose progress is reported. The progress of an import begins before the plan is stored, but the id is known. */
interface ReportedPlan extends Pick<PlanProgress, 'planId' | 'uploadId' | 'clientId'> {
  schoolId: string;
}

/**
 * Sends the progress of one plan: each stage when it begins, and within a stage at most one signal each `minIntervalMs`.
 * May be called in a transaction: the signals do not wait for the commit, and a rollback does not take them back.
 */
export class PlanProgressReporter {
  readonly #ctx: Pick<Context, 'liveEvents'>;
  readonly #plan: ReportedPlan;
  #stage: PlanStage | null = null;
  #sentAt = 0;

  constructor(ctx: Pick<Context, 'liveEvents'>, plan: ReportedPlan) {
    this.#ctx = ctx;
    this.#plan = plan;
  }

  get planId(): string {
    return this.#plan.planId;
  }

  /** @param done how much of `total` is done; both are null where that is unknown. */
  report(stage: PlanStage, done: number | null = null, total: number | null = null): void {
    const now = performance.now();
    if (stage === this.#stage && now - this.#sentAt < minIntervalMs) return;
    this.#stage = stage;
    this.#sentAt = now;
    const { schoolId, planId, uploadId, clientId } = this.#plan;
    const payload = { planId, uploadId, clientId, stage, done, total };
    this.#ctx.liveEvents.signals.send({ name: 'planProgress', schoolId, payload });
  }
}

/**
 * Opens a stream of the progress of those plans of a school that the actor may read. A service needs no scope `events` for
 * it, because the progress is not in the event log. Regulation 2.1 f.
 * @throws NOT_FOUND for a school that the actor may not see, FORBIDDEN, UNAUTHENTICATED.
 */
export async function followPlanProgress(ctx: Context, args: { schoolId: string }): Promise<SignalStream<'planProgress'>> {
  const { actor, credential } = ctx;
  if (credential === null || (actor.kind !== 'user' && actor.kind !== 'service')) throw unauthenticated();
  const { id: schoolId } = await find(ctx, 'School', args.schoolId, 'schoolId');
  authorize(ctx, 'plan.read', ownPlan(actor, schoolId));
  return followSignals(ctx.liveEvents, {
    name: 'planProgress',
    schoolId,
    credential,
    isAllowed: (present) => can(present, 'plan.read', ownPlan(present, schoolId)),
    canReceive: (present, { payload: { clientId } }) => can(present, 'plan.read', { schoolId, clientId }),
  });
}

/** Returns the facts of a plan that the actor makes itself. An actor who may not read even such a plan gets no stream. */
const ownPlan = (actor: UserActor | ServiceActor, schoolId: string) => ({
  schoolId,
  clientId: actor.kind === 'service' ? actor.clientId : null,
});
