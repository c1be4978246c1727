import { recipientFilter, directRecipients, hasRoleIn } from '../../policy/topics.ts';
import type { Logger } from '../../logger.ts';
import { isActor, maxRightsAgeMs, type ResolvedActor } from './rights-cache.ts';
import {
  sampleOf,
  recipientsOf,
  addSubscriber,
  removeSubscriber,
  type SharedResult,
  type Cohort,
  type SubscriberGroups,
  type Subscriber,
  type SubscriptionPosition,
  type Delivery,
} from './subscriber-index.ts';
import type { LoggedEvent, LogReader } from '../log-reader.ts';

/**
 * Delivers an event to many subscribers at once. Subscribers that have read the log to its end wait here, in groups
 * with the same query. Each event is executed once for the members of a group with equal rights, and all of them get
 * that result. A subscriber that cannot take a message at once, or whose execution failed, goes back to reading the log
 * from its own position, and misses nothing.
 */

export interface Broadcaster {
  /**
   * Waits until the subscriber must continue alone: a result that could not be sent, lost rights, or the signal. Then
   * updates `position`. Resolves with the result that was delivered, or with null.
   */
  wait(position: SubscriptionPosition, signal: AbortSignal): Promise<SharedResult | null>;
  /** `waiting`: subscribers that wait now. `deliveredCount`: messages since the start. */
  stats(): { waiting: number; deliveredCount: number };
  close(): void;
}

/** The number of events for other subscribers after which a subscriber gets a checkpoint. */
export const checkpointEvery = 1000;

interface School {
  seq: bigint;
  members: Set<Subscriber>;
  groups: SubscriberGroups;
  isBroadcasting: boolean;
  /** Subscribers whose cached rights are stale. */
  stale: Set<Subscriber>;
}

export function createBroadcaster(reader: LogReader, log: Logger): Broadcaster {
  const schools = new Map<string, School>();
  let waiting = 0;
  let deliveredCount = 0;

  /** Loads stale rights in one statement. Subscribers that lost their rights leave, and their streams say so. */
  const refreshRights = async (school: School): Promise<void> => {
    if (school.stale.size === 0) return;
    const toLoad: Subscriber[] = [];
    for (const member of school.stale) {
      const actor = member.position.rights.cached();
      if (actor === null) toLoad.push(member);
      else updateRights(school, member, actor);
    }
    // `deliver` and the next event handle the changes from here on.
    school.stale.clear();
    const actors = await Promise.all(toLoad.map((member) => member.position.rights.resolve()));
    toLoad.forEach((member, n) => updateRights(school, member, actors[n]!));
  };

  const updateRights = (school: School, member: Subscriber, actor: ResolvedActor): void => {
    if (member.hasLeft || actor === member.actor) return;
    if (!isActor(actor) || !member.position.isAllowed(actor)) return member.leave(null);
    removeSubscriber(school.groups, member);
    member.actor = actor;
    addSubscriber(school.groups, member);
  };

  const broadcast = async (school: School, event: LoggedEvent): Promise<void> => {
    await refreshRights(school);
    const executions: Promise<void>[] = [];
    const delivery: Delivery = { event, shared: new Map() };
    const deliver = async (result: SharedResult | null, to: readonly Subscriber[]): Promise<void> => {
      if (result === null) return to.forEach((member) => member.leave(null));
      // Reads the log first if the last read was too long ago: rights may have changed during the execution.
      if (reader.age(event.schoolId) > maxRightsAgeMs) await reader.refresh(event.schoolId);
      const now = Date.now() / 1000;
      const hasStale = school.stale.size > 0;
      let bytes: Buffer | undefined;
      for (const member of to) {
        if (member.hasLeft) continue;
        const { send } = member;
        // Sends nothing to a subscriber whose rights changed during the execution.
        const isOutdated = member.expiresAt <= now || (hasStale && member.position.rights.cached() !== member.actor);
        if (isOutdated || send?.((bytes ??= result.bytes)) === false) {
          member.leave(null);
          continue;
        }
        member.lastDeliveredSeq = event.seq;
        deliveredCount += 1;
        if (send === undefined) member.leave(result);
      }
    };
    const isRecipient = recipientFilter(event.schoolId, event.topics);
    const direct = directRecipients(event.topics);
    // Equal keys in different groups have equal rights, and so the same reach.
    const reachByKey = new Map<string, 'all' | 'direct' | 'none'>();
    for (const group of school.groups.values()) {
      const { types, filter, executor } = sampleOf(group).position;
      if (!types.has(event.type) || !filter(event)) continue;
      const cohorts: Cohort[] = [];
      for (const [key, cohort] of group) {
        const { actor } = cohort;
        let reach = reachByKey.get(key);
        if (reach === undefined)
          reachByKey.set(key, (reach = isRecipient(actor) ? 'all' : hasRoleIn(actor, event.schoolId) ? 'direct' : 'none'));
        if (reach === 'none') continue;
        const members = recipientsOf(cohort, event, reach === 'all', direct);
        if (members.length > 0) cohorts.push({ actor, members });
      }
      if (cohorts.length > 0) executions.push(executor.executeFor(delivery, cohorts, deliver));
    }
    await Promise.all(executions);
  };

  /** Broadcasts the buffered events of a school until no event is left. */
  const drain = async (schoolId: string, school: School): Promise<void> => {
    if (school.isBroadcasting) return;
    school.isBroadcasting = true;
    try {
      while (school.members.size > 0) {
        const events = reader.readBuffered(schoolId, school.seq);
        if (events?.length === 0) break;
        if (events === null) throw new Error('the broadcaster fell behind the log');
        for (const event of events) {
          await broadcast(school, event);
          school.seq = event.seq;
          if (event.seq % BigInt(checkpointEvery) === 0n)
            for (const member of school.members) if (school.seq - member.lastDeliveredSeq >= BigInt(checkpointEvery)) member.leave(null);
        }
      }
    } catch (error) {
      log.warn({ err: error }, 'broadcasting failed; each subscriber continues alone from its position');
      for (const member of school.members) member.leave(null);
    } finally {
      school.isBroadcasting = false;
      if (school.members.size === 0 && schools.get(schoolId) === school) schools.delete(schoolId);
    }
  };

  const stopListening = reader.onAppend((schoolId) => {
    const school = schools.get(schoolId);
    if (school !== undefined) void drain(schoolId, school);
  });

  return {
    async wait(position, signal) {
      const { schoolId, rights } = position;
      const head = reader.head(schoolId);
      // A stream that began after a commit of another process may be ahead of what this process has read.
      if (head === null || head < position.seq) {
        await reader.waitForAppend(schoolId, position.seq, signal);
        return null;
      }
      const actor = rights.cached();
      // The log has grown meanwhile, or rights must be loaded: the subscriber continues alone.
      if (signal.aborted || reader.head(schoolId) !== position.seq || actor === null || !isActor(actor)) return null;
      let school = schools.get(schoolId);
      if (school === undefined)
        schools.set(
          schoolId,
          (school = { seq: position.seq, members: new Set(), groups: new Map(), isBroadcasting: false, stale: new Set() }),
        );
      const { members } = school;
      const joined = school;
      waiting += 1;
      return new Promise((resolve) => {
        const member: Subscriber = {
          position,
          send: position.executor.send,
          expiresAt: rights.credential.expiresAt,
          lastDeliveredSeq: position.lastDeliveredSeq,
          cohortKey: '',
          actor,
          hasLeft: false,
          leave(result) {
            if (!members.delete(member)) return;
            member.hasLeft = true;
            waiting -= 1;
            removeSubscriber(joined.groups, member);
            joined.stale.delete(member);
            rights.onChange(null);
            signal.removeEventListener('abort', abort);
            // Skips the events that were broadcast during the wait, but not one that was not delivered yet.
            if (joined.seq > position.seq) position.seq = joined.seq;
            if (member.lastDeliveredSeq > position.seq) position.seq = member.lastDeliveredSeq;
            position.lastDeliveredSeq = member.lastDeliveredSeq;
            if (members.size === 0 && !joined.isBroadcasting && schools.get(schoolId) === joined) schools.delete(schoolId);
            resolve(result);
          },
        };
        const abort = () => member.leave(null);
        signal.addEventListener('abort', abort, { once: true });
        members.add(member);
        addSubscriber(joined.groups, member);
        rights.onChange(() => void joined.stale.add(member));
      });
    },
    stats: () => ({ waiting, deliveredCount }),
    close() {
      stopListening();
      for (const { members } of schools.values()) for (const member of [...members]) member.leave(null);
    },
  };
}
