import type { ServiceActor, UserActor } from '../../policy/actor.ts';
import { cohortActor, directRecipients, hasRoleIn, recipientFilter, rightsKey, type DirectRecipients } from '../../policy/recipients.ts';
import type { EventType } from '../catalog.ts';
import type { LoggedEvent } from '../log-reader.ts';
import type { SubscriberRights, ResolvedActor } from './rights-cache.ts';
import type { Cohort, Recipient, SharedResult, SocketSink, SubscriptionExecutor } from './subscription-executor.ts';

/**
 * Indexes the waiting subscribers. A group holds the subscribers with the same request. Each group consists of cohorts; a
 * cohort holds the subscribers of the group that have the same rights, apart from rights that depend on the person.
 */

/** A row that an event must name to be delivered: the row's id, and the keys of the payload that may hold this id. */
export interface NamedRow {
  readonly id: string;
  readonly payloadIds: readonly string[];
}

/** The options of a subscription to a school, and its position in the log. */
export interface SubscriptionPosition {
  readonly schoolId: string;
  seq: bigint;
  /** The last event that was delivered to this subscriber. */
  lastDeliveredSeq: bigint;
  readonly rights: SubscriberRights;
  readonly types: ReadonlySet<EventType>;
  readonly rows: readonly NamedRow[];
  /** Returns whether these rights allow the stream. */
  isAllowed(actor: ResolvedActor): boolean;
  readonly executor: SubscriptionExecutor;
  /** Sends results to the client. If null, the subscriber waits for one result only, and its stream returns this result. */
  readonly sink: SocketSink | null;
}

/** A subscription that waits for the next event. */
export interface Subscriber extends Recipient {
  readonly position: SubscriptionPosition;
  /** A copy of `position.sink`, because the sink is read for every message. */
  readonly sink: SocketSink | null;
  readonly expiresAt: number;
  lastDeliveredSeq: bigint;
  actor: UserActor | ServiceActor;
  cohortKey: string;
  hasLeft: boolean;
  readonly signal: AbortSignal;
  readonly onAbort: () => void;
  /** Ends the wait. The result is null if the subscriber has no result to deliver. */
  readonly resolve: (result: SharedResult | null) => void;
}

interface CohortEntry {
  readonly actor: UserActor | ServiceActor;
  readonly members: Set<Subscriber>;
  /** Caches of `members`: as a list, and by person. Null after a change of `members`. */
  list: readonly Subscriber[] | null;
  byUser: ReadonlyMap<string, readonly Subscriber[]> | null;
  /** The highest position in the log at which a member began to wait. */
  maxSeq: bigint;
}

type Group = Map<string, CohortEntry>;

/** The recipients of an event in one group, and the executor for it. */
export interface GroupRecipients {
  readonly executor: SubscriptionExecutor;
  readonly cohorts: readonly Cohort<Subscriber>[];
}

/** The subscribers of one school. */
export class SubscriberIndex {
  readonly #members = new Set<Subscriber>();
  /** The groups by their `groupKey`. Each group holds its cohorts by their `cohortKey`. */
  readonly #groups = new Map<string, Group>();

  get size(): number {
    return this.#members.size;
  }

  [Symbol.iterator](): Iterator<Subscriber> {
    return this.#members.values();
  }

  add(member: Subscriber): void {
    this.#members.add(member);
    this.#addToCohort(member);
  }

  remove(member: Subscriber): void {
    this.#members.delete(member);
    this.#removeFromCohort(member);
  }

  /** Moves a subscriber whose rights have changed to the cohort of its new rights. */
  changeActor(member: Subscriber, actor: UserActor | ServiceActor): void {
    this.#removeFromCohort(member);
    member.actor = actor;
    this.#addToCohort(member);
  }

  /** Returns the recipients of an event, by group. */
  recipientsOf(event: LoggedEvent): GroupRecipients[] {
    const isRecipient = recipientFilter(event.schoolId, event.topics);
    const direct = directRecipients(event.topics);
    // If cohorts of different groups have the same key, they have equal rights. So `Reach` is computed once for each key.
    const reachByKey = new Map<string, Reach>();
    const recipients: GroupRecipients[] = [];
    for (const group of this.#groups.values()) {
      const { position } = sampleOf(group);
      if (!isSelected(event, position)) continue;
      const cohorts: Cohort<Subscriber>[] = [];
      for (const [key, cohort] of group) {
        const { actor } = cohort;
        let reach = reachByKey.get(key);
        if (reach === undefined)
          reachByKey.set(key, (reach = isRecipient(actor) ? 'all' : hasRoleIn(actor, event.schoolId) ? 'direct' : 'none'));
        const members = membersReached(cohort, event, reach, direct);
        if (members.length > 0) cohorts.push({ actor, members });
      }
      if (cohorts.length > 0) recipients.push({ executor: position.executor, cohorts });
    }
    return recipients;
  }

  #addToCohort(member: Subscriber): void {
    const { executor, seq } = member.position;
    let group = this.#groups.get(executor.groupKey);
    if (group === undefined) this.#groups.set(executor.groupKey, (group = new Map<string, CohortEntry>()));
    member.cohortKey = rightsKey(member.actor);
    let cohort = group.get(member.cohortKey);
    if (cohort === undefined)
      group.set(
        member.cohortKey,
        (cohort = { actor: cohortActor(member.actor), members: new Set(), list: null, byUser: null, maxSeq: 0n }),
      );
    cohort.members.add(member);
    cohort.list = cohort.byUser = null;
    if (seq > cohort.maxSeq) cohort.maxSeq = seq;
  }

  #removeFromCohort(member: Subscriber): void {
    const { groupKey } = member.position.executor;
    const group = this.#groups.get(groupKey);
    const cohort = group?.get(member.cohortKey);
    if (cohort?.members.delete(member)) cohort.list = cohort.byUser = null;
    if (cohort?.members.size === 0) group?.delete(member.cohortKey);
    if (group?.size === 0) this.#groups.delete(groupKey);
  }
}

/** Returns whether a subscription asks for the type of the event, and for the rows that the event names. */
export const isSelected = ({ type, payload }: LoggedEvent, { types, rows }: Pick<SubscriptionPosition, 'types' | 'rows'>): boolean =>
  types.has(type) && rows.every(({ id, payloadIds }) => payloadIds.some((payloadId) => payload[payloadId] === id));

/**
 * The members of a cohort that receive an event: all members, only the members whom the topics of the event name, or no
 * member.
 */
type Reach = 'all' | 'direct' | 'none';

/** Returns any member of a group. All members have the same options, and a group is never empty. */
function sampleOf(group: Group): Subscriber {
  const [cohort] = group.values();
  const [member] = cohort!.members;
  return member!;
}

function membersReached(
  cohort: CohortEntry,
  { seq }: LoggedEvent,
  reach: Reach,
  { userIds, chatIds }: DirectRecipients,
): readonly Subscriber[] {
  if (reach === 'none') return [];
  let members = (cohort.list ??= [...cohort.members]);
  if (reach === 'direct' && chatIds.length === 0) {
    const membersByUser = (cohort.byUser ??= groupByUser(members));
    members = userIds.flatMap((id) => membersByUser.get(id) ?? []);
  } else if (reach === 'direct')
    members = members.filter(
      ({ actor }) => actor.kind === 'user' && (userIds.includes(actor.userId) || chatIds.some((id) => actor.chats.has(id))),
    );
  return cohort.maxSeq < seq ? members : members.filter(({ position }) => position.seq < seq);
}

function groupByUser(members: readonly Subscriber[]): Map<string, Subscriber[]> {
  const membersByUser = new Map<string, Subscriber[]>();
  for (const member of members) {
    if (member.actor.kind !== 'user') continue;
    const ofUser = membersByUser.get(member.actor.userId);
    if (ofUser === undefined) membersByUser.set(member.actor.userId, [member]);
    else ofUser.push(member);
  }
  return membersByUser;
}
