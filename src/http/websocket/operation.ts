import { randomUUID } from 'node:crypto';
import type { GraphQLError } from 'graphql';
import type { Logger } from '../../logger.ts';
import type { Access } from '../request-info.ts';

/** An operation on a WebSocket, from its `subscribe` message until all results have been sent. */
export class Operation {
  readonly requestId = randomUUID();
  readonly access: Access = {};
  isStream = false;
  /** Whether the operation stays unanswered until the socket is closed, so that the client sends it again. */
  isHeld = false;
  readonly #startedAt = performance.now();
  #errorCode: unknown;

  fail([error]: readonly GraphQLError[]): void {
    this.#errorCode = error?.extensions.code;
  }

  /** Returns the errors that refuse the operation, and records the first of them. */
  refuse(errors: GraphQLError[]): GraphQLError[] {
    this.fail(errors);
    return errors;
  }

  log(log: Logger): void {
    const { requestId, access, isHeld } = this;
    const error = this.#errorCode;
    const ms = Math.round(performance.now() - this.#startedAt);
    log.info(
      { requestId, path: '/graphql', ms, ...access, ...(isHeld && { held: true }), ...(error !== undefined && { failed: true, error }) },
      'operation',
    );
  }
}
