import { actorName, type Actor } from '../policy/actor.ts';
import { afterCommit, beforeCommit, executeAtCommit, type Tx } from '../db/transaction.ts';
import { topicsOf, type PayloadOf, type EventType } from './catalog.ts';

/** Writing the log. Reading it is src/events/log-reader.ts. */

export interface Attribution {
  actor: Actor;
  /** The request that caused it, so that what happened together can be found together. */
  causation: string | null;
  /** Called after the commit, before `transaction` answers, with the schools whose log grew and what was recorded for each. */
  notify(schoolIds: readonly string[], recorded: ReadonlyMap<string, readonly Recorded[]>): void;
}

export interface Recorded {
  type: EventType;
  topics: readonly string[];
  payload: Record<string, string>;
}

const attributions = new WeakMap<Tx, Attribution>();
const pending = new WeakMap<Tx, Map<string, Recorded[]>>();

/** Says who is acting in this transaction; every event it records carries it. */
export function attribute(tx: Tx, attribution: Attribution): void {
  attributions.set(tx, attribution);
}

/**
 * Records an event in the change's own transaction. The rows are written by its last statements, which take the
 * school's counter, so that the order of `seq` is the order of commits and a rolled-back change leaves no gap.
 */
export function record<T extends EventType>(tx: Tx, type: T, payload: PayloadOf<T>): void {
  let events = pending.get(tx);
  if (events === undefined) {
    pending.set(tx, (events = new Map()));
    beforeCommit(tx, 'events', flush);
    const { notify } = attributed(tx);
    const schools = events;
    afterCommit(tx, () => notify([...schools.keys()], schools));
  }
  const ofSchool = events.get(payload.schoolId) ?? [];
  ofSchool.push({ type, topics: topicsOf(type, payload), payload });
  events.set(payload.schoolId, ofSchool);
}

function attributed(tx: Tx): Attribution {
  const attribution = attributions.get(tx);
  if (attribution === undefined) throw new Error('record: the transaction has no attribution');
  return attribution;
}

/** Leaves with the COMMIT, so that the counter is held no longer than it takes. A school without one has a null `seq`, which the table refuses. */
function flush(tx: Tx): Promise<void> {
  const { actor, causation } = attributed(tx);
  // Counters of several schools are taken in one order, so that two such changes never wait for each other.
  const schools = [...(pending.get(tx) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [schoolId, events] of schools) executeAtCommit(tx, append, [schoolId, events.length, JSON.stringify(events), actorName(actor), causation]);
  return Promise.resolve();
}

const append = `
  with head as (
    update event_head set seq = seq + $2 where school_id = $1 returning seq
  )
  insert into event (school_id, seq, type, topics, payload, actor, causation, at)
  select $1, (select seq from head) - $2 + e.ordinality, e.value->>'type',
         array(select jsonb_array_elements_text(e.value->'topics')), e.value->'payload', $4, $5, clock_timestamp()
  from jsonb_array_elements($3::jsonb) with ordinality e`;
