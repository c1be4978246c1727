import { randomUUID } from 'node:crypto';
import type { GraphQLError } from 'graphql';
import type { Logger } from '../../logger.ts';
import type { Access } from '../access-log.ts';

/** An operation on a socket, from its `subscribe` message until all of its answer has been sent. */
export class Operation {
  readonly requestId = randomUUID();
  /** Fields of its line in the access log. */
  readonly access: Access = {};
  isStream = false;
  /** Whether it stays unanswered until the socket is closed, so that the client sends it again. */
  isHeld = false;
  readonly #begunAt = performance.now();
  /** The code of the first error. */
  #error: unknown;

  fail([error]: readonly GraphQLError[]): void {
    this.#error = error?.extensions.code;
  }

  /** Writes its line in the access log. */
  log(log: Logger): void {
    const { requestId, access, isHeld } = this;
    const error = this.#error;
    const ms = Math.round(performance.now() - this.#begunAt);
    log.info({ requestId, path: '/graphql', ms, ...access, ...(isHeld && { held: true }), ...(error !== undefined && { failed: true, error }) }, 'operation');
  }
}
