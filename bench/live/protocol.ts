/** Messages between the measures and the child processes of their listeners. */

/** One listener: a socket with one subscription. */
export interface ListenerSpec {
  /** WebSocket URLs. The listener connects to the first URL. When a socket breaks, it connects to the next URL. */
  urls: readonly string[];
  /** The loopback address from which the listener connects. Each address has its own range of ports. */
  localAddress: string;
  /** The payload of connection_init. */
  init: Record<string, unknown>;
  query: string;
  variables: Record<string, unknown>;
  /** Whether the server confirms the subscription with a checkpoint: a first item that has only a cursor to resume from. */
  checkpoint: boolean;
  /** Whether the listener reconnects with its cursor when the socket breaks. If not, a broken socket is a problem. */
  reconnects: boolean;
}

/** What one listener has recorded since the last reset. */
export interface ListenerReport {
  /** Sequence numbers of the events, in order of arrival. */
  seqs: Uint32Array;
  /** Arrival time of each event, in ms of bench/live/clock.ts. */
  times: Float64Array;
  bytes: number;
  sockets: number;
  /** Unexpected messages, and unexpected closes of the socket. */
  problems: string[];
}

export type Command =
  | { kind: 'open'; specs: readonly ListenerSpec[] }
  /** Requests the message `complete` when this many listeners of the process have received the event. */
  | { kind: 'expect'; seq: number; count: number }
  | { kind: 'reset' }
  | { kind: 'report' }
  | { kind: 'close' };

export type Message =
  | { kind: 'opened' }
  | { kind: 'complete'; seq: number }
  /** A listener has subscribed again after its socket broke. */
  | { kind: 'reconnected' }
  | { kind: 'resetDone' }
  | { kind: 'report'; reports: ListenerReport[] };
