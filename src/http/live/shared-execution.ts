import type { ServiceActor, UserActor } from '../../policy/actor.ts';
import { cohortActor, probeActor } from '../../policy/recipients.ts';
import { eventItem } from '../../events/cursor.ts';
import type {
  BroadcastEvent,
  Cohort,
  Delivery,
  Recipient,
  SharedResult,
  SubscriptionExecutor,
} from '../../events/live/subscription-executor.ts';
import type { ResourceType, Resources } from '../../domain/entities.ts';
import { visibilityOf, type Loaders, type Visibility } from '../../domain/loaders.ts';
import { readable } from '../../domain/resources.ts';
import type { Executed } from '../../executor/executor.ts';
import type { GraphContext } from '../../graphql/context.ts';
import type { SubscriptionOperation } from './subscription-operation.ts';

/** Executes an event once for many subscribers with the same request. */

/**
 * For each resource, by its type and id: true if all subscribers of the execution may see it, false if none of them may.
 * Contains no resource that only some subscribers may see.
 */
type KnownVisibility = ReadonlyMap<string, boolean>;

/**
 * Creates the actor of a shared execution.
 * @param onOtherRights called when the execution asks for a right that may differ between the subscribers.
 */
type CreateActor = (onOtherRights: () => void) => UserActor | ServiceActor;

/** What all executions of an event for a group have in common. */
interface EventScope {
  readonly event: BroadcastEvent;
  readonly operation: SubscriptionOperation;
  readonly personalRights: PersonalRights;
}

/** Executes the events of a group by the operation of one of its subscribers. */
export class GroupExecutor implements SubscriptionExecutor {
  readonly groupKey: string;
  readonly #operation: SubscriptionOperation;
  readonly #personalRights: PersonalRights;

  constructor(groupKey: string, operation: SubscriptionOperation, personalRights: PersonalRights) {
    this.groupKey = groupKey;
    this.#operation = operation;
    this.#personalRights = personalRights;
  }

  /**
   * Executes an event. The first execution uses an actor that stands for all subscribers, and loaders that decide
   * which resources are visible: subscribers who see the same resources get the same result. If the execution asks
   * the actor for its rights, each cohort (subscribers with the same roles and classes) gets its own execution. If
   * the execution of a cohort asks who the person is, each of its subscribers gets their own execution. If an
   * execution fails, only its own recipients get no result.
   */
  async executeFor<R extends Recipient>(event: BroadcastEvent, cohorts: readonly Cohort<R>[]): Promise<Delivery<R>[]> {
    const scope: EventScope = { event, operation: this.#operation, personalRights: this.#personalRights };
    const [first] = cohorts;
    if (cohorts.length === 1 && first!.members.length === 1) return [executeIndividually(scope, first!.members[0]!)];
    const kinds = ['user', 'service'].map((kind) => cohorts.filter(({ actor }) => actor.kind === kind));
    return executeAll(
      kinds.filter((ofKind) => ofKind.length > 0).map((ofKind) => new SharedExecution(scope, ofKind, new Map(), probeActor)),
    );
  }
}

const executeAll = async <R extends Recipient>(executions: readonly SharedExecution<R>[]): Promise<Delivery<R>[]> =>
  (await Promise.all(executions.map((execution) => execution.execute()))).flat();

const executeIndividually = <R extends Recipient>(scope: EventScope, member: R): Delivery<R> => ({
  recipients: [member],
  result: executeAs(scope, member.actor),
});

/** Returns the result for one subscriber; null if the execution failed. */
async function executeAs({ event: { event }, operation }: EventScope, actor: UserActor | ServiceActor): Promise<SharedResult | null> {
  try {
    return operation.createSharedResult(await operation.execute(eventItem(event, actor), operation.base.renew(actor)));
  } catch (error) {
    operation.logFailure(error);
    return null;
  }
}

/** One execution of an event whose result several cohorts may share. */
class SharedExecution<R extends Recipient> {
  readonly #scope: EventScope;
  readonly #cohorts: readonly Cohort<R>[];
  readonly #known: KnownVisibility;
  readonly #createActor: CreateActor;
  /** Whether the execution has asked its actor for a right that may differ between the members. The result is then not valid. */
  #needsOtherRights = false;
  /** Who may see each resource that this execution has read, by the type and id of the resource. Without those in `#known`. */
  readonly #checked = new Map<string, Visibility>();

  constructor(scope: EventScope, cohorts: readonly Cohort<R>[], known: KnownVisibility, createActor: CreateActor) {
    this.#scope = scope;
    this.#cohorts = cohorts;
    this.#known = known;
    this.#createActor = createActor;
  }

  async execute(): Promise<Delivery<R>[]> {
    const { event, operation } = this.#scope;
    try {
      const actor = this.#createActor(() => (this.#needsOtherRights = true));
      const executed = await operation.execute(eventItem(event.event, actor), this.#contextFor(actor));
      // Checks this before failures, because an actor that stands for several people may have caused the failures.
      return await (this.#needsOtherRights ? this.#executeByRights() : this.#deliverByVisibility(executed));
    } catch (error) {
      operation.logFailure(error);
      return [{ recipients: membersOf(this.#cohorts), result: Promise.resolve(null) }];
    }
  }

  /**
   * Returns a context for the execution. Its loaders record which resources the execution reads. They return a resource only
   * if the first cohort may see it. For a resource in `#known`, the value there decides instead.
   */
  #contextFor(actor: UserActor | ServiceActor): GraphContext {
    const { event, operation } = this.#scope;
    const context = operation.base.renew(actor);
    const loaders: Loaders = {
      ...context.loaders,
      byId: async <N extends ResourceType>(type: N, id: string) => {
        const key = `${type} ${id}`;
        const visibility = await loadVisibility(event, operation.base, type, id);
        const isKnown = this.#known.get(key);
        if (isKnown === undefined) this.#checked.set(key, visibility);
        return ((isKnown ?? this.#isVisibleToFirst(visibility)) ? visibility.row : null) as Resources[N] | null;
      },
    };
    return { ...context, credential: null, loaders };
  }

  #isVisibleToFirst(visibility: Visibility): boolean {
    return visibility.isVisibleTo(this.#cohorts[0]!.actor);
  }

  /** Executes once for each cohort. If this execution was for a cohort already, executes once for each member. */
  #executeByRights(): Promise<Delivery<R>[]> {
    if (this.#createActor !== probeActor)
      return Promise.resolve(membersOf(this.#cohorts).map((member) => executeIndividually(this.#scope, member)));
    return executeAll(
      this.#cohorts.map((cohort) => {
        const createActor: CreateActor = (onOtherRights) => cohortActor(cohort.members[0]!.actor, onOtherRights);
        return new SharedExecution(this.#scope, [cohort], this.#known, createActor);
      }),
    );
  }

  /**
   * Delivers the result, which was executed for the first cohort, to all members who may see the same objects as that
   * cohort. Executes again for all other members.
   */
  async #deliverByVisibility(executed: Executed): Promise<Delivery<R>[]> {
    const { operation, personalRights } = this.#scope;
    const visibilities = [...this.#checked.values()];
    const executedPattern = patternOf(visibilities.map((visibility) => this.#isVisibleToFirst(visibility)));
    const deliveries: Delivery<R>[] = [];
    const others: SharedExecution<R>[] = [];
    for (const [pattern, part] of partitionByVisibility(this.#cohorts, visibilities, personalRights)) {
      if (pattern === executedPattern)
        deliveries.push({ recipients: membersOf(part), result: Promise.resolve(operation.createSharedResult(executed)) });
      else {
        const added = [...this.#checked.keys()].map((key, n) => [key, pattern[n] === '1'] as const);
        others.push(new SharedExecution(this.#scope, part, new Map([...this.#known, ...added]), this.#createActor));
      }
    }
    return [...deliveries, ...(await executeAll(others))];
  }
}

function membersOf<R extends Recipient>(cohorts: readonly Cohort<R>[]): readonly R[] {
  const [first] = cohorts;
  return cohorts.length === 1 ? first!.members : cohorts.flatMap(({ members }) => members);
}

/** Returns a key with a `1` or a `0` for each resource. */
const patternOf = (areVisible: readonly boolean[]): string => areVisible.map((isVisible) => (isVisible ? '1' : '0')).join('');

/**
 * Groups the members by the resources that they may see. The keys of the groups come from `patternOf`. The members of a
 * cohort stay together, unless a right that depends on the person could make a resource visible to only some of them.
 */
function partitionByVisibility<R extends Recipient>(
  cohorts: readonly Cohort<R>[],
  visibilities: readonly Visibility[],
  personalRights: PersonalRights,
): Map<string, Cohort<R>[]> {
  const parts = new Map<string, Cohort<R>[]>();
  for (const { actor, members } of cohorts) {
    const areVisibleToAll = visibilities.map((visibility) => visibility.isVisibleTo(actor));
    const areUndecided = visibilities.map(({ resourceType }, n) => !areVisibleToAll[n] && personalRights.mayShow(actor, resourceType));
    if (!areUndecided.includes(true)) {
      append(parts, patternOf(areVisibleToAll), { actor, members });
      continue;
    }
    const membersByPattern = new Map<string, R[]>();
    for (const member of members) {
      const areVisible = visibilities.map(
        (visibility, n) => areVisibleToAll[n] || (areUndecided[n]! && visibility.isVisibleTo(member.actor)),
      );
      append(membersByPattern, patternOf(areVisible), member);
    }
    for (const [pattern, same] of membersByPattern) append(parts, pattern, { actor, members: same });
  }
  return parts;
}

function append<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

/**
 * Caches the results of `mayShow`, by the actor of the cohort and the type of resource. A personal right is a right that
 * depends on the person, so the members of one cohort may differ in it.
 */
export class PersonalRights {
  readonly #byActor = new WeakMap<UserActor | ServiceActor, Map<ResourceType, boolean>>();

  /**
   * Returns whether a member of the cohort may see a resource of this type by a personal right, although the rights that all
   * members share do not allow it.
   */
  mayShow(actor: UserActor | ServiceActor, type: ResourceType): boolean {
    let known = this.#byActor.get(actor);
    if (known === undefined) this.#byActor.set(actor, (known = new Map<ResourceType, boolean>()));
    let isPersonal = known.get(type);
    if (isPersonal === undefined) {
      isPersonal = false;
      readable(
        cohortActor(actor, () => (isPersonal = true)),
        type,
      );
      known.set(type, isPersonal);
    }
    return isPersonal;
  }
}

/** Loads a resource and who may see it, once for all groups that receive the event. */
function loadVisibility(event: BroadcastEvent, base: GraphContext, type: ResourceType, id: string): Promise<Visibility> {
  const operatorContext = event.loadOnce('operator', () => base.renew({ kind: 'operator' }));
  return event.loadOnce(`${type} ${id}`, () => visibilityOf(operatorContext, type, id));
}
