import type { Context } from '../domain/context.ts';

/** The context of every resolver: the domain's context of one request, or of one item of a subscription. */
export interface GraphContext extends Context {
  /** Set for a subscription on a socket: sends a serialised result at once. Returns false if the client is too slow. */
  deliver?: (bytes: Buffer) => boolean;
}
