import { actorName, type Actor } from '../policy/actor.ts';
import type { Tx } from '../db/transaction.ts';
import { topicsOf, type PayloadOf, type EventType } from './catalog.ts';

/** Writes events to the logs of the schools. src/events/log-reader.ts reads them. */

export interface Attribution {
  actor: Actor;
  /** The id of the request. All events of one request have the same id. */
  causation: string | null;
  /** Called after the commit, before `transaction` resolves, with the new events of each school. */
  notify(schoolIds: readonly string[], recorded: ReadonlyMap<string, readonly Recorded[]>): void;
}

export interface Recorded {
  type: EventType;
  topics: readonly string[];
  payload: Record<string, string>;
}

// eslint-disable-next-line no-restricted-syntax -- the entry of a transaction is collected with the transaction.
const attributions = new WeakMap<Tx, Attribution>();
// eslint-disable-next-line no-restricted-syntax -- the entry of a transaction is collected with the transaction.
const pending = new WeakMap<Tx, Map<string, Recorded[]>>();

/** Sets the actor and the cause of all events that this transaction records. */
export function attribute(tx: Tx, attribution: Attribution): void {
  attributions.set(tx, attribution);
}

/**
 * Records an event in the transaction of the change. The last statements before COMMIT increment the school's counter
 * and insert the rows. So `seq` is in the order of commits, and a rolled-back change leaves no gap.
 */
export function record<T extends EventType>(tx: Tx, type: T, payload: PayloadOf<T>): void {
  let events = pending.get(tx);
  if (events === undefined) {
    pending.set(tx, (events = new Map<string, Recorded[]>()));
    tx.beforeCommit('events', flush);
    const { notify } = attributionOf(tx);
    const schools = events;
    tx.afterCommit(() => notify([...schools.keys()], schools));
  }
  const schoolEvents = events.get(payload.schoolId) ?? [];
  schoolEvents.push({ type, topics: topicsOf(type, payload), payload });
  events.set(payload.schoolId, schoolEvents);
}

function attributionOf(tx: Tx): Attribution {
  const attribution = attributions.get(tx);
  if (attribution === undefined) throw new Error('record: the transaction has no attribution');
  return attribution;
}

/**
 * Sends the statements together with COMMIT, so that the school's counter is locked only briefly. A school without a
 * counter gives a null `seq`, which violates a constraint.
 */
function flush(tx: Tx): Promise<void> {
  const { actor, causation } = attributionOf(tx);
  // Locks the counters of several schools in a fixed order, so that two transactions cannot deadlock.
  const schools = [...(pending.get(tx) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [schoolId, events] of schools)
    tx.executeAtCommit(append, [schoolId, events.length, JSON.stringify(events), actorName(actor), causation]);
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
