import { recipientFilter, directRecipients, hasRoleIn } from '../../policy/topics.ts';
import type { Logger } from '../../logger.ts';
import { isActor, maxRightsAgeMs, type ResolvedActor } from './rights-cache.ts';
import { sampleOf, recipientsOf, addSubscriber, removeSubscriber, type SharedResult, type Cohort, type SubscriberGroups, type Subscriber, type SubscriptionPosition, type Delivery } from './subscriber-index.ts';
import type { LoggedEvent, LogReader } from '../log-reader.ts';

/**
 * Delivers an event to many listeners at once. Listeners who have heard all that there is wait here, in groups that asked
 * for the same; an event is answered once for those of a group whose rights amount to the same, and each gets that answer.
 * A listener who cannot take it at once, or whose answer failed, goes back to pulling from their own position in the log, and
 * loses nothing.
 */

export interface Broadcaster {
  /**
   * Waits with the others until there is something that the listener must do alone: an answer that could not be sent,
   * rights that ended, or the signal. `position` is then how far they are. Answers what they were handed.
   */
  wait(position: SubscriptionPosition, signal: AbortSignal): Promise<SharedResult | null>;
  /** Waiting now, and messages handed out since the start. */
  stats(): { waiting: number; handed: number };
  close(): void;
}

/** Events for others after which a listener is to be told how far it is. */
export const checkpointEvery = 1000;

interface School {
  seq: bigint;
  members: Set<Subscriber>;
  groups: SubscriberGroups;
  telling: boolean;
  /** Those whose rights may be others than they are seated by. */
  unsettled: Set<Subscriber>;
}

export function createBroadcaster(reader: LogReader, log: Logger): Broadcaster {
  const schools = new Map<string, School>();
  let waiting = 0;
  let handed = 0;

  /** Reads the rights that may have changed, in one statement; who may hear no more leaves to be told so. */
  const refresh = async (school: School): Promise<void> => {
    if (school.unsettled.size === 0) return;
    const stale: Subscriber[] = [];
    for (const member of school.unsettled) {
      const standing = member.position.rights.cached();
      if (standing === null) stale.push(member);
      else settle(school, member, standing);
    }
    // What changes from here on is looked at where messages are handed out, and with the next event.
    school.unsettled.clear();
    const standings = await Promise.all(stale.map((member) => member.position.rights.resolve()));
    stale.forEach((member, n) => settle(school, member, standings[n]!));
  };

  const settle = (school: School, member: Subscriber, standing: ResolvedActor): void => {
    if (member.hasLeft || standing === member.actor) return;
    if (!isActor(standing) || !member.position.isAllowed(standing)) return member.leave(null);
    removeSubscriber(school.groups, member);
    member.actor = standing;
    addSubscriber(school.groups, member);
  };

  const tell = async (school: School, event: LoggedEvent): Promise<void> => {
    await refresh(school);
    const under: Promise<void>[] = [];
    const telling: Delivery = { event, shared: new Map() };
    const hand = async (answer: SharedResult | null, to: readonly Subscriber[]): Promise<void> => {
      if (answer === null) return to.forEach((member) => member.leave(null));
      // Reads the log first if it was read too long ago: rights may have changed while the answer was made.
      if (reader.age(event.schoolId) > maxRightsAgeMs) await reader.refresh(event.schoolId);
      const now = Date.now() / 1000;
      const changed = school.unsettled.size > 0;
      let bytes: Buffer | undefined;
      for (const member of to) {
        if (member.hasLeft) continue;
        const { send } = member;
        // Whose rights changed meanwhile is not told by what was true before.
        const lapsed = member.expiresAt <= now || (changed && member.position.rights.cached() !== member.actor);
        if (lapsed || send?.((bytes ??= answer.bytes)) === false) {
          member.leave(null);
          continue;
        }
        member.lastDeliveredSeq = event.seq;
        handed += 1;
        if (send === undefined) member.leave(answer);
      }
    };
    const heardBy = recipientFilter(event.schoolId, event.topics);
    const person = directRecipients(event.topics);
    // Of the cohorts with the same key, in all groups, everybody hears it, or some may in person, or nobody does.
    const reached = new Map<string, 'all' | 'some' | 'nobody'>();
    for (const group of school.groups.values()) {
      const { types, filter, executor } = sampleOf(group).position;
      if (!types.has(event.type) || !filter(event)) continue;
      const cohorts: Cohort[] = [];
      for (const [key, cohort] of group) {
        const { actor } = cohort;
        let reach = reached.get(key);
        if (reach === undefined) reached.set(key, (reach = heardBy(actor) ? 'all' : hasRoleIn(actor, event.schoolId) ? 'some' : 'nobody'));
        if (reach === 'nobody') continue;
        const members = recipientsOf(cohort, event, reach === 'all', person);
        if (members.length > 0) cohorts.push({ actor, members });
      }
      if (cohorts.length > 0) under.push(executor.executeFor(telling, cohorts, hand));
    }
    await Promise.all(under);
  };

  const tellAll = async (schoolId: string, school: School): Promise<void> => {
    if (school.telling) return;
    school.telling = true;
    try {
      while (school.members.size > 0) {
        const events = reader.readBuffered(schoolId, school.seq);
        if (events?.length === 0) break;
        if (events === null) throw new Error('the audience fell behind');
        for (const event of events) {
          await tell(school, event);
          school.seq = event.seq;
          if (event.seq % BigInt(checkpointEvery) === 0n)
            for (const member of school.members) if (school.seq - member.lastDeliveredSeq >= BigInt(checkpointEvery)) member.leave(null);
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

  const stopListening = reader.onAppend((schoolId) => {
    const school = schools.get(schoolId);
    if (school !== undefined) void tellAll(schoolId, school);
  });

  return {
    async wait(position, signal) {
      const { schoolId, rights } = position;
      const head = reader.head(schoolId);
      // Whoever began at what another process has just committed is ahead of what was read here.
      if (head === null || head < position.seq) {
        await reader.waitForAppend(schoolId, position.seq, signal);
        return null;
      }
      const standing = rights.cached();
      // Something came meanwhile, or rights have to be read: the listener looks again.
      if (signal.aborted || reader.head(schoolId) !== position.seq || standing === null || !isActor(standing)) return null;
      let school = schools.get(schoolId);
      if (school === undefined)
        schools.set(schoolId, (school = { seq: position.seq, members: new Set(), groups: new Map(), telling: false, unsettled: new Set() }));
      const { members } = school;
      const own = school;
      waiting += 1;
      return new Promise((resolve) => {
        const member: Subscriber = {
          position,
          send: position.executor.send,
          expiresAt: rights.credential.expiresAt,
          lastDeliveredSeq: position.lastDeliveredSeq,
          cohortKey: '',
          actor: standing,
          hasLeft: false,
          leave(answer) {
            if (!members.delete(member)) return;
            member.hasLeft = true;
            waiting -= 1;
            removeSubscriber(own.groups, member);
            own.unsettled.delete(member);
            rights.onChange(null);
            signal.removeEventListener('abort', aborted);
            // What was told while they waited is behind them; an event being told now may still be theirs.
            if (own.seq > position.seq) position.seq = own.seq;
            if (member.lastDeliveredSeq > position.seq) position.seq = member.lastDeliveredSeq;
            position.lastDeliveredSeq = member.lastDeliveredSeq;
            if (members.size === 0 && !own.telling && schools.get(schoolId) === own) schools.delete(schoolId);
            resolve(answer);
          },
        };
        const aborted = () => member.leave(null);
        signal.addEventListener('abort', aborted, { once: true });
        members.add(member);
        addSubscriber(own.groups, member);
        rights.onChange(() => void own.unsettled.add(member));
      });
    },
    stats: () => ({ waiting, handed }),
    close() {
      stopListening();
      for (const { members } of schools.values()) for (const member of [...members]) member.leave(null);
    },
  };
}
