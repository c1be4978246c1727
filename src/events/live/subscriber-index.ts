import { cohortActor, rightsKey, type ServiceActor, type UserActor } from '../../policy/actor.ts';
import type { DirectRecipients } from '../../policy/topics.ts';
import type { EventType } from '../catalog.ts';
import type { SubscriberRights, ResolvedActor } from './rights-cache.ts';
import type { LoggedEvent } from '../log-reader.ts';

/** Who waits to be told, in groups that asked for the same and cohorts whose rights amount to the same. */

/** An answer to one event, as several listeners are given it. */
export interface SharedResult {
  readonly result: object;
  /** The result as JSON, made when it is first asked for. */
  readonly bytes: Buffer;
}

/** An event that is being told. */
export interface Delivery {
  event: LoggedEvent;
  /** What the answers to it have in common, by name: read once for all groups. */
  shared: Map<string, unknown>;
}

/** Those of a group whose rights amount to the same, as far as they are not a person's own. */
export interface Cohort {
  /** Stands for any of them, without the person. */
  actor: UserActor | ServiceActor;
  members: readonly Subscriber[];
}

/** How a listener is told together with others. */
export interface GroupExecutor {
  /** The same for all who asked for the same, whoever they are. */
  groupKey: string;
  /** Answers an event for the members of a group who hear it, and gives each its answer; null if that failed. */
  executeFor(telling: Delivery, cohorts: readonly Cohort[], hand: (answer: SharedResult | null, to: readonly Subscriber[]) => Promise<void>): Promise<void>;
  /** Sends an answer's bytes at once; false where the listener has not taken all that was sent before. */
  send?(bytes: Buffer): boolean;
}

/** What a listener wants to hear of a school, and how far they are. */
export interface SubscriptionPosition {
  schoolId: string;
  seq: bigint;
  /** The last place that the listener was told of. */
  lastDeliveredSeq: bigint;
  rights: SubscriberRights;
  types: ReadonlySet<EventType>;
  filter(event: LoggedEvent): boolean;
  /** Whether the stream goes on with these rights. */
  isAllowed(standing: ResolvedActor): boolean;
  executor: GroupExecutor;
}

/** A listener who waits. */
export interface Subscriber {
  readonly position: SubscriptionPosition;
  /** What every message asks of the place, at hand here. */
  readonly send: GroupExecutor['send'];
  readonly expiresAt: number;
  lastDeliveredSeq: bigint;
  /** With the rights that they are told by. */
  actor: UserActor | ServiceActor;
  /** The key of their cohort. */
  cohortKey: string;
  hasLeft: boolean;
  leave(answer: SharedResult | null): void;
}

/** The cohorts of each group, by their keys. */
export type SubscriberGroups = Map<string, Map<string, CohortEntry>>;

/** A cohort as it waits. */
export interface CohortEntry {
  actor: UserActor | ServiceActor;
  members: Set<Subscriber>;
  /** The members as they are told, and by person; null after a change of them. */
  list: readonly Subscriber[] | null;
  byUser: ReadonlyMap<string, readonly Subscriber[]> | null;
  /** No member came at a later place. */
  maxSeq: bigint;
}

/** Puts a member with those of the same rights. */
export function addSubscriber(groups: SubscriberGroups, member: Subscriber): void {
  const { groupKey } = member.position.executor;
  let cohorts = groups.get(groupKey);
  if (cohorts === undefined) groups.set(groupKey, (cohorts = new Map()));
  member.cohortKey = rightsKey(member.actor);
  let cohort = cohorts.get(member.cohortKey);
  if (cohort === undefined) cohorts.set(member.cohortKey, (cohort = { actor: cohortActor(member.actor), members: new Set(), list: null, byUser: null, maxSeq: 0n }));
  cohort.members.add(member);
  cohort.list = cohort.byUser = null;
  if (member.position.seq > cohort.maxSeq) cohort.maxSeq = member.position.seq;
}

/** Takes a member out from where they were put. */
export function removeSubscriber(groups: SubscriberGroups, member: Subscriber): void {
  const { groupKey } = member.position.executor;
  const cohorts = groups.get(groupKey);
  const cohort = cohorts?.get(member.cohortKey);
  if (cohort?.members.delete(member)) cohort.list = cohort.byUser = null;
  if (cohort?.members.size === 0) cohorts?.delete(member.cohortKey);
  if (cohorts?.size === 0) groups.delete(groupKey);
}

/** Any member of a group, who asked for what all of them did. A group without members is none. */
export function sampleOf(group: ReadonlyMap<string, CohortEntry>): Subscriber {
  const [cohort] = group.values();
  const [member] = cohort!.members;
  return member!;
}

/** Those of a cohort who hear an event: all of them, or those to whom it is told in person. */
export function recipientsOf(cohort: CohortEntry, { seq }: LoggedEvent, all: boolean, { userIds, chatIds }: DirectRecipients): readonly Subscriber[] {
  let members = (cohort.list ??= [...cohort.members]);
  if (!all && chatIds.length === 0) {
    const ofPerson = (cohort.byUser ??= byPerson(members));
    members = userIds.flatMap((id) => ofPerson.get(id) ?? []);
  } else if (!all)
    members = members.filter(({ actor }) => actor.kind === 'user' && (userIds.includes(actor.userId) || chatIds.some((id) => actor.chats.has(id))));
  return cohort.maxSeq < seq ? members : members.filter(({ position }) => position.seq < seq);
}

function byPerson(members: readonly Subscriber[]): Map<string, Subscriber[]> {
  const ofPerson = new Map<string, Subscriber[]>();
  for (const member of members) {
    if (member.actor.kind !== 'user') continue;
    const same = ofPerson.get(member.actor.userId);
    if (same === undefined) ofPerson.set(member.actor.userId, [member]);
    else same.push(member);
  }
  return ofPerson;
}
