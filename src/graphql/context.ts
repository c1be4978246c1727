import type { Context } from '../domain/context.ts';

/** What every field is given: the domain's context of this request or delivered batch. */
export interface GraphContext extends Context {
  /** Of a subscription on a socket: sends a result that is JSON already, at once; false where the client is behind. */
  deliver?: (bytes: Buffer) => boolean;
}
