import { cohortActor, rightsKey, type ServiceActor, type UserActor } from '../../policy/actor.ts';
import type { DirectRecipients } from '../../policy/topics.ts';
import type { EventType } from '../catalog.ts';
import type { SubscriberRights, ResolvedActor } from './rights-cache.ts';
import type { LoggedEvent } from '../log-reader.ts';

/** Indexes subscribers: in groups with the same query, and within a group in cohorts with equal rights. */

/** The result of one event, shared by several subscribers. */
export interface SharedResult {
  readonly result: object;
  /** The result as JSON, serialised on first use. */
  readonly bytes: Buffer;
}

export interface Delivery {
  event: LoggedEvent;
  /** Values that the executions of all groups share, by key. */
  shared: Map<string, unknown>;
}

/** Subscribers of a group with equal rights, except for personal ones. */
export interface Cohort {
  /** The actor of any member, without the person. */
  actor: UserActor | ServiceActor;
  members: readonly Subscriber[];
}

export interface GroupExecutor {
  /** Equal for all subscribers with the same query. */
  groupKey: string;
  /** Calls `deliver` with a result for each recipient, or with null for those whose execution failed. */
  executeFor(
    delivery: Delivery,
    cohorts: readonly Cohort[],
    deliver: (result: SharedResult | null, to: readonly Subscriber[]) => Promise<void>,
  ): Promise<void>;
  /** Sends the bytes of a result at once. Returns false if the client has not received all earlier bytes yet. */
  send?(bytes: Buffer): boolean;
}

/** The options of a subscription to a school, and its position in the log. */
export interface SubscriptionPosition {
  schoolId: string;
  seq: bigint;
  /** The last event that was delivered. */
  lastDeliveredSeq: bigint;
  rights: SubscriberRights;
  types: ReadonlySet<EventType>;
  filter(event: LoggedEvent): boolean;
  /** Returns whether these rights allow the stream. */
  isAllowed(actor: ResolvedActor): boolean;
  executor: GroupExecutor;
}

export interface Subscriber {
  readonly position: SubscriptionPosition;
  /** Hot path: a copy from `position`, read for every message. */
  readonly send: GroupExecutor['send'];
  readonly expiresAt: number;
  lastDeliveredSeq: bigint;
  /** The rights by which events are delivered. */
  actor: UserActor | ServiceActor;
  cohortKey: string;
  hasLeft: boolean;
  /** Ends the wait with a result, or with null. */
  leave(result: SharedResult | null): void;
}

/** The cohorts of each group, by their keys. */
export type SubscriberGroups = Map<string, Map<string, CohortEntry>>;

export interface CohortEntry {
  actor: UserActor | ServiceActor;
  members: Set<Subscriber>;
  /** Caches of `members`: as a list, and by person. Null after a change of `members`. */
  list: readonly Subscriber[] | null;
  byUser: ReadonlyMap<string, readonly Subscriber[]> | null;
  /** No member joined at a later position. */
  maxSeq: bigint;
}

export function addSubscriber(groups: SubscriberGroups, member: Subscriber): void {
  const { groupKey } = member.position.executor;
  let cohorts = groups.get(groupKey);
  if (cohorts === undefined) groups.set(groupKey, (cohorts = new Map()));
  member.cohortKey = rightsKey(member.actor);
  let cohort = cohorts.get(member.cohortKey);
  if (cohort === undefined)
    cohorts.set(
      member.cohortKey,
      (cohort = { actor: cohortActor(member.actor), members: new Set(), list: null, byUser: null, maxSeq: 0n }),
    );
  cohort.members.add(member);
  cohort.list = cohort.byUser = null;
  if (member.position.seq > cohort.maxSeq) cohort.maxSeq = member.position.seq;
}

export function removeSubscriber(groups: SubscriberGroups, member: Subscriber): void {
  const { groupKey } = member.position.executor;
  const cohorts = groups.get(groupKey);
  const cohort = cohorts?.get(member.cohortKey);
  if (cohort?.members.delete(member)) cohort.list = cohort.byUser = null;
  if (cohort?.members.size === 0) cohorts?.delete(member.cohortKey);
  if (cohorts?.size === 0) groups.delete(groupKey);
}

/** Returns any member of a group. All members have the same options, and a group is never empty. */
export function sampleOf(group: ReadonlyMap<string, CohortEntry>): Subscriber {
  const [cohort] = group.values();
  const [member] = cohort!.members;
  return member!;
}

/** Returns the recipients of an event in a cohort: all members, or only the direct recipients. */
export function recipientsOf(
  cohort: CohortEntry,
  { seq }: LoggedEvent,
  all: boolean,
  { userIds, chatIds }: DirectRecipients,
): readonly Subscriber[] {
  let members = (cohort.list ??= [...cohort.members]);
  if (!all && chatIds.length === 0) {
    const membersByUser = (cohort.byUser ??= groupByUser(members));
    members = userIds.flatMap((id) => membersByUser.get(id) ?? []);
  } else if (!all)
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
