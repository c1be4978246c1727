import { common, commonKey, type ServiceActor, type UserActor } from '../policy/actor.ts';
import { heard, heardInPerson, standsIn } from '../policy/topics.ts';
import type { Logger } from '../log.ts';
import type { EventType } from './catalog.ts';
import { isActor, type Listener, type Standing } from './hearing.ts';
import type { LoggedEvent, Tail } from './tail.ts';

/**
 * Telling many at once. Listeners who have heard all that there is wait here, in groups that asked for the same; an
 * event is answered once for those of a group whose rights amount to the same, and each is handed that answer. Who
 * cannot take it at once goes back to pulling from their own place in the log, and loses nothing.
 */

/** An answer to one event, as several listeners are given it. */
export interface Answer {
  result: object;
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
  /** Answers an event to those of a group who hear it, and hands each of them what is theirs. */
  answer(telling: Telling, cohorts: readonly Cohort[], hand: (answer: Answer, to: readonly Member[]) => void): Promise<void>;
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

export interface Audience {
  /**
   * Waits with the others until there is something that the listener must do alone: an answer that could not be sent,
   * rights that ended, or the signal. `place` is then how far they are. Answers what they were handed.
   */
  wait(place: Place, signal: AbortSignal): Promise<Answer | null>;
  /** Waiting now, and messages handed out since the start. */
  stats(): { waiting: number; handed: number };
  close(): void;
}

/** Events for others after which a listener is to be told how far it is. */
export const checkpointEvery = 1000;

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

interface School {
  seq: bigint;
  members: Set<Member>;
  groups: Map<string, Map<string, Seated>>;
  telling: boolean;
  /** Those whose rights may be others than they are seated by. */
  unsettled: Set<Member>;
}

/** A cohort as it waits. */
interface Seated {
  actor: UserActor | ServiceActor;
  members: Set<Member>;
  /** The members as they are told; null after a change of them. */
  all: readonly Member[] | null;
  /** No member came at a later place. */
  newest: bigint;
}

export function createAudience(tail: Tail, log: Logger): Audience {
  const schools = new Map<string, School>();
  let waiting = 0;
  let handed = 0;

  /** Puts a member with those of the same rights. */
  const seat = (school: School, member: Member): void => {
    const { group } = member.place.sharing;
    let cohorts = school.groups.get(group);
    if (cohorts === undefined) school.groups.set(group, (cohorts = new Map()));
    member.cohort = commonKey(member.actor);
    let cohort = cohorts.get(member.cohort);
    if (cohort === undefined) cohorts.set(member.cohort, (cohort = { actor: common(member.actor), members: new Set(), all: null, newest: 0n }));
    cohort.members.add(member);
    cohort.all = null;
    if (member.place.seq > cohort.newest) cohort.newest = member.place.seq;
  };

  const unseat = (school: School, member: Member): void => {
    const { group } = member.place.sharing;
    const cohorts = school.groups.get(group);
    const cohort = cohorts?.get(member.cohort);
    if (cohort?.members.delete(member)) cohort.all = null;
    if (cohort?.members.size === 0) cohorts?.delete(member.cohort);
    if (cohorts?.size === 0) school.groups.delete(group);
  };

  /** Reads the rights that may have changed, in one statement; who may hear no more leaves to be told so. */
  const refresh = async (school: School): Promise<void> => {
    if (school.unsettled.size === 0) return;
    const stale: Member[] = [];
    for (const member of school.unsettled) {
      const standing = member.place.listener.known();
      if (standing === null) stale.push(member);
      else settle(school, member, standing);
    }
    // What changes from here on is looked at where messages are handed out, and with the next event.
    school.unsettled.clear();
    const standings = await Promise.all(stale.map((member) => member.place.listener.actor()));
    stale.forEach((member, n) => settle(school, member, standings[n]!));
  };

  const settle = (school: School, member: Member, standing: Standing): void => {
    if (member.left || standing === member.actor) return;
    if (!isActor(standing) || !member.place.goesOn(standing)) return member.leave(null);
    unseat(school, member);
    member.actor = standing;
    seat(school, member);
  };

  const tell = async (school: School, event: LoggedEvent): Promise<void> => {
    await refresh(school);
    const under: Promise<void>[] = [];
    const telling: Telling = { event, shared: new Map() };
    const hand = (answer: Answer, to: readonly Member[]): void => {
      const now = Date.now() / 1000;
      const changed = school.unsettled.size > 0;
      let bytes: Buffer | undefined;
      for (const member of to) {
        if (member.left) continue;
        const { send } = member;
        // Whose rights changed meanwhile is not told by what was true before.
        const lapsed = member.expiresAt <= now || (changed && member.place.listener.known() !== member.actor);
        if (lapsed || send?.((bytes ??= answer.bytes)) === false) {
          member.leave(null);
          continue;
        }
        member.told = event.seq;
        handed += 1;
        if (send === undefined) member.leave(answer);
      }
    };
    const heardBy = heard(event.schoolId, event.topics);
    const inPerson = heardInPerson(event.topics);
    for (const group of school.groups.values()) {
      const cohorts: Cohort[] = [];
      let sharing: Sharing | undefined;
      for (const cohort of group.values()) {
        const { actor } = cohort;
        const [first] = cohort.members;
        if (first === undefined || !first.place.types.has(event.type) || !first.place.chosen(event)) continue;
        const all = heardBy(actor);
        if (!all && !standsIn(actor, event.schoolId)) continue;
        let members = (cohort.all ??= [...cohort.members]);
        if (!all || cohort.newest >= event.seq)
          members = members.filter((member) => member.place.seq < event.seq && (all || inPerson(member.actor)));
        if (members.length > 0) cohorts.push({ actor, members });
        sharing = first.place.sharing;
      }
      if (sharing !== undefined && cohorts.length > 0) under.push(sharing.answer(telling, cohorts, hand));
    }
    await Promise.all(under);
  };

  const tellAll = async (schoolId: string, school: School): Promise<void> => {
    if (school.telling) return;
    school.telling = true;
    try {
      while (school.members.size > 0) {
        const events = tail.atHand(schoolId, school.seq);
        if (events?.length === 0) break;
        if (events === null) throw new Error('the audience fell behind');
        for (const event of events) {
          await tell(school, event);
          school.seq = event.seq;
          if (event.seq % BigInt(checkpointEvery) === 0n)
            for (const member of school.members) if (school.seq - member.told >= BigInt(checkpointEvery)) member.leave(null);
        }
      }
    } catch (error) {
      // Each goes on alone, from where they are.
      log.warn({ err: error }, 'telling together failed');
      for (const member of school.members) member.leave(null);
    } finally {
      school.telling = false;
      if (school.members.size === 0 && schools.get(schoolId) === school) schools.delete(schoolId);
    }
  };

  const stopListening = tail.onGrown((schoolId) => {
    const school = schools.get(schoolId);
    if (school !== undefined) void tellAll(schoolId, school);
  });

  return {
    async wait(place, signal) {
      const { schoolId, listener } = place;
      const head = tail.head(schoolId);
      // Whoever began at what another process has just committed is ahead of what was read here.
      if (head === null || head < place.seq) {
        await tail.grown(schoolId, place.seq, signal);
        return null;
      }
      const standing = listener.known();
      // Something came meanwhile, or rights have to be read: the listener looks again.
      if (signal.aborted || tail.head(schoolId) !== place.seq || standing === null || !isActor(standing)) return null;
      let school = schools.get(schoolId);
      if (school === undefined)
        schools.set(schoolId, (school = { seq: place.seq, members: new Set(), groups: new Map(), telling: false, unsettled: new Set() }));
      const { members } = school;
      const own = school;
      waiting += 1;
      return new Promise((resolve) => {
        const member: Member = {
          place,
          send: place.sharing.send,
          expiresAt: listener.credential.expiresAt,
          told: place.told,
          cohort: '',
          actor: standing,
          left: false,
          leave(answer) {
            if (!members.delete(member)) return;
            member.left = true;
            waiting -= 1;
            unseat(own, member);
            own.unsettled.delete(member);
            listener.onChange(null);
            signal.removeEventListener('abort', aborted);
            // What was told while they waited is behind them; an event being told now may still be theirs.
            if (own.seq > place.seq) place.seq = own.seq;
            if (member.told > place.seq) place.seq = member.told;
            place.told = member.told;
            if (members.size === 0 && !own.telling && schools.get(schoolId) === own) schools.delete(schoolId);
            resolve(answer);
          },
        };
        const aborted = () => member.leave(null);
        signal.addEventListener('abort', aborted, { once: true });
        members.add(member);
        seat(own, member);
        listener.onChange(() => void own.unsettled.add(member));
      });
    },
    stats: () => ({ waiting, handed }),
    close() {
      stopListening();
      for (const { members } of schools.values()) for (const member of [...members]) member.leave(null);
    },
  };
}
