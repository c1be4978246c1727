import type { ServiceActor, UserActor } from '../../policy/actor.ts';
import type { LoggedEvent } from '../log-reader.ts';

/** The interfaces that live delivery needs, such as `SocketSink` and `SubscriptionExecutor`. src/http implements them. */

/** Sends results to one client. */
export interface SocketSink {
  /** Sends a serialised result at once. Returns false, and sends nothing, if the client is behind or has left. */
  send(bytes: Buffer): boolean;
}

/** The result of one event, shared by several subscribers. */
export interface SharedResult {
  readonly result: object;
  /** The result as JSON, serialised on first use. */
  readonly bytes: Buffer;
}

/** A subscriber, as the executor knows it. */
export interface Recipient {
  /** The rights by which events are delivered. */
  readonly actor: UserActor | ServiceActor;
}

/** Subscribers of a group with the same roles and classes. Rights that depend on the person may differ between them. */
export interface Cohort<R extends Recipient> {
  /** An actor that has the rights that all members share, and is no particular person. */
  readonly actor: UserActor | ServiceActor;
  readonly members: readonly R[];
}

/** An event during its broadcast, with a cache that all groups share. */
export interface BroadcastEvent {
  readonly event: LoggedEvent;
  /** Returns the value of a key. Calls `load` if no group has loaded the value for this event yet. */
  loadOnce<T>(key: string, load: () => T): T;
}

export interface Delivery<R extends Recipient> {
  readonly recipients: readonly R[];
  /**
   * The result for all recipients. Resolves to null if the execution failed; each recipient then executes the event on
   * its own. Never rejects.
   */
  readonly result: Promise<SharedResult | null>;
}

/** Executes the events of a subscription, for all subscribers with the same request. */
export interface SubscriptionExecutor {
  /** Equal for all subscribers with the same request. The executor of one of them then executes for all of them. */
  readonly groupKey: string;
  /** Returns one delivery for each result. Each member of the cohorts is a recipient of exactly one delivery. */
  executeFor<R extends Recipient>(event: BroadcastEvent, cohorts: readonly Cohort<R>[]): Promise<Delivery<R>[]>;
}
