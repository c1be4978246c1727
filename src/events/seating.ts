import { common, commonKey, type ServiceActor, type UserActor } from '../policy/actor.ts';
import type { InPerson } from '../policy/topics.ts';
import type { EventType } from './catalog.ts';
import type { Listener, Standing } from './hearing.ts';
import type { LoggedEvent } from './tail.ts';

/** Who waits to be told, in groups that asked for the same and cohorts whose rights amount to the same. */

/** An answer to one event, as several listeners are given it. */
export interface Answer {
  readonly result: object;
  /** The result as JSON, made when it is first asked for. */
  readonly bytes: Buffer;
}

/** An event that is being told. */
export interface Telling {
  event: LoggedEvent;
  /** What the answers to it have in common, by name: read once for all groups. */
  shared: Map<string, unknown>;
}

/** Those of a group whose rights amount to the same, as far as they are not a person's own. */
export interface Cohort {
  /** Stands for any of them, without the person. */
  actor: UserActor | ServiceActor;
  members: readonly Member[];
}

/** How a listener is told together with others. */
export interface Sharing {
  /** The same for all who asked for the same, whoever they are. */
  group: string;
  /** Answers an event for the members of a group who hear it, and gives each its answer; null if that failed. */
  answer(telling: Telling, cohorts: readonly Cohort[], hand: (answer: Answer | null, to: readonly Member[]) => Promise<void>): Promise<void>;
  /** Sends an answer's bytes at once; false where the listener has not taken all that was sent before. */
  send?(bytes: Buffer): boolean;
}

/** What a listener wants to hear of a school, and how far they are. */
export interface Place {
  schoolId: string;
  seq: bigint;
  /** The last place that the listener was told of. */
  told: bigint;
  listener: Listener;
  types: ReadonlySet<EventType>;
  chosen(event: LoggedEvent): boolean;
  /** Whether the stream goes on with these rights. */
  goesOn(standing: Standing): boolean;
  sharing: Sharing;
}

/** A listener who waits. */
export interface Member {
  readonly place: Place;
  /** What every message asks of the place, at hand here. */
  readonly send: Sharing['send'];
  readonly expiresAt: number;
  told: bigint;
  /** With the rights that they are told by. */
  actor: UserActor | ServiceActor;
  /** The key of their cohort. */
  cohort: string;
  left: boolean;
  leave(answer: Answer | null): void;
}

/** The cohorts of each group, by their keys. */
export type Groups = Map<string, Map<string, Seated>>;

/** A cohort as it waits. */
export interface Seated {
  actor: UserActor | ServiceActor;
  members: Set<Member>;
  /** The members as they are told, and by person; null after a change of them. */
  all: readonly Member[] | null;
  ofPerson: ReadonlyMap<string, readonly Member[]> | null;
  /** No member came at a later place. */
  newest: bigint;
}

/** Puts a member with those of the same rights. */
export function seat(groups: Groups, member: Member): void {
  const { group } = member.place.sharing;
  let cohorts = groups.get(group);
  if (cohorts === undefined) groups.set(group, (cohorts = new Map()));
  member.cohort = commonKey(member.actor);
  let cohort = cohorts.get(member.cohort);
  if (cohort === undefined) cohorts.set(member.cohort, (cohort = { actor: common(member.actor), members: new Set(), all: null, ofPerson: null, newest: 0n }));
  cohort.members.add(member);
  cohort.all = cohort.ofPerson = null;
  if (member.place.seq > cohort.newest) cohort.newest = member.place.seq;
}

/** Takes a member out from where they were put. */
export function unseat(groups: Groups, member: Member): void {
  const { group } = member.place.sharing;
  const cohorts = groups.get(group);
  const cohort = cohorts?.get(member.cohort);
  if (cohort?.members.delete(member)) cohort.all = cohort.ofPerson = null;
  if (cohort?.members.size === 0) cohorts?.delete(member.cohort);
  if (cohorts?.size === 0) groups.delete(group);
}

/** Any member of a group, who asked for what all of them did. A group without members is none. */
export function anyOf(group: ReadonlyMap<string, Seated>): Member {
  const [cohort] = group.values();
  const [member] = cohort!.members;
  return member!;
}

/** Those of a cohort who hear an event: all of them, or those to whom it is told in person. */
export function hearers(cohort: Seated, { seq }: LoggedEvent, all: boolean, { userIds, chatIds }: InPerson): readonly Member[] {
  let members = (cohort.all ??= [...cohort.members]);
  if (!all && chatIds.length === 0) {
    const ofPerson = (cohort.ofPerson ??= byPerson(members));
    members = userIds.flatMap((id) => ofPerson.get(id) ?? []);
  } else if (!all)
    members = members.filter(({ actor }) => actor.kind === 'user' && (userIds.includes(actor.userId) || chatIds.some((id) => actor.chats.has(id))));
  return cohort.newest < seq ? members : members.filter(({ place }) => place.seq < seq);
}

function byPerson(members: readonly Member[]): Map<string, Member[]> {
  const ofPerson = new Map<string, Member[]>();
  for (const member of members) {
    if (member.actor.kind !== 'user') continue;
    const same = ofPerson.get(member.actor.userId);
    if (same === undefined) ofPerson.set(member.actor.userId, [member]);
    else same.push(member);
  }
  return ofPerson;
}
