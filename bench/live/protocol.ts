/** What the measures and the processes that hold their listeners say to each other. */

/** One listener: a socket with one subscription. */
export interface Listening {
  /** WebSocket addresses; the first is tried first, the next when a socket broke. */
  urls: readonly string[];
  /** An address of the loopback network to come from: each has ports of its own. */
  localAddress: string;
  /** The payload of connection_init. */
  init: Record<string, unknown>;
  query: string;
  variables: Record<string, unknown>;
  /** The server says by a checkpoint that the subscription has begun. */
  checkpoint: boolean;
  /** Comes back with its cursor when the socket breaks; otherwise that is a trouble. */
  comesBack: boolean;
}

/** What one listener heard since it was told to forget. */
export interface Heard {
  /** The numbers of the events, in the order of their arrival. */
  seqs: Uint32Array;
  /** When each arrived: milliseconds of bench/live/clock.ts. */
  times: Float64Array;
  bytes: number;
  sockets: number;
  /** Messages and endings that should not have been. */
  troubles: string[];
}

export type Order =
  | { kind: 'open'; specs: readonly Listening[] }
  /** Say so when this many listeners of the process have got the event. */
  | { kind: 'expect'; seq: number; count: number }
  | { kind: 'forget' }
  | { kind: 'report' }
  | { kind: 'close' };

export type Said =
  | { kind: 'opened' }
  | { kind: 'complete'; seq: number }
  /** A listener whose socket broke follows again. */
  | { kind: 'back' }
  | { kind: 'forgotten' }
  | { kind: 'report'; heard: Heard[] };
