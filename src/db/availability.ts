import { Refusal, unavailable } from '../errors.ts';

/** Classifies errors as transient (UNAVAILABLE: the client should repeat the request) or as bugs (INTERNAL). */

/** The database missed its deadline, or its connection broke. `code` is an errno, as in the errors of Node. */
export class NoAnswer extends Error {
  readonly code = 'ETIMEDOUT';
}

/** The worker thread of the embedded database has ended. */
export class DatabaseStopped extends Error {
  readonly code = 'ERR_DATABASE_STOPPED';
}

/** The connection broke before the answer to COMMIT: the database made either the whole change or no part of it. */
export class CommitUnknown extends Refusal {
  constructor(cause: unknown) {
    super(
      'UNAVAILABLE',
      [
        'Неизвестно, сохранено ли изменение: база данных не ответила. Повторите запрос с тем же idempotencyKey, тогда изменение не применится дважды; если ключа не было, сначала проверьте, применилось ли оно.',
        'It is unknown whether the change was saved: the database did not answer. Repeat the request with the same idempotencyKey, so that the change is not made twice; without a key, first check whether it was made.',
      ],
      { retryAfterSeconds: 2 },
    );
    this.name = 'CommitUnknown';
    this.cause = cause;
  }
}

/** SQLSTATE of a server that refuses changes, such as a standby. A new connection may lead to the primary. */
export const readOnlyState = '25006';

/**
 * SQLSTATEs of transient errors: the classes connection (08), authorization (28), resources (53) and shutdown (57P0),
 * and single states.
 */
const sqlStates = /^(08...|28...|53...|57P0\d|3D000|25006|25P0[34]|40001|40P01|55P03|57014)$/;

/** Errors of a connection, by Node's code: refused, reset, unreachable, unknown host, TLS. */
const connectionCodes =
  /^(ECONN\w+|EPIPE|ETIMEDOUT|EHOST\w+|ENET\w+|ENOTFOUND|EAI_\w+|EADDRNOTAVAIL|EMFILE|ENFILE|ENOENT|EACCES|ERR_STREAM_(DESTROYED|WRITE_AFTER_END|PREMATURE_CLOSE)|ERR_DATABASE_STOPPED|ERR_(SSL|TLS)_\w+|CERT_\w+|UNABLE_TO_\w+|\w*SELF_SIGNED_CERT\w*|UND_ERR_\w+)$/;

/** Codes of Prisma: server unreachable, connection closed, too many connections, conflict of two transactions. */
const prismaCodes = /^(P1001|P1002|P1008|P1011|P1017|P2024|P2028|P2034|P2037)$/;

/**
 * Messages with which node-postgres 8.23 and pg-pool 3 report a closed connection in errors that have no code.
 * test/db/availability.test.ts fails when they change.
 */
const messagesWithoutCode =
  /^(Connection terminated|Client (has encountered a connection error|was closed)|timeout e(xceeded when trying to connect|xpired)|Query read timeout|Cannot use a pool after calling end|The server does not support SSL|There was an error establishing an SSL)/;

interface ErrorLike {
  code?: unknown;
  originalCode?: unknown;
  message?: unknown;
  originalMessage?: unknown;
  error?: unknown;
  cause?: unknown;
  /** The error that a resolver threw. Only a GraphQLError has this field. */
  originalError?: unknown;
  meta?: { driverAdapterError?: unknown };
}

/** Yields the error and the errors that it wraps, at most five. */
export function* causesOf(error: unknown): Generator<ErrorLike> {
  let cause = error;
  for (let depth = 0; depth < 5 && typeof cause === 'object' && cause !== null; depth += 1) {
    const current: ErrorLike = cause;
    yield current;
    cause = current.meta?.driverAdapterError ?? current.originalError ?? current.cause;
  }
}

/**
 * Returns the SQLSTATE of the server's answer, also from a wrapped error. The pattern excludes errnos and Prisma
 * codes, which may also have five characters.
 */
export function sqlStateOf(error: unknown): string | undefined {
  for (const { code, originalCode } of causesOf(error))
    for (const state of [originalCode, code])
      if (typeof state === 'string' && /^(?!E[A-Z]{4}|P[1-9])[0-9A-Z]{5}$/.test(state)) return state;
  return undefined;
}

/** Returns whether the same request may succeed later. */
export function isTransient(error: unknown): boolean {
  for (const { code, originalCode, message, error: oauthError } of causesOf(error)) {
    if (oauthError === 'temporarily_unavailable') return true;
    for (const value of [originalCode, code])
      if (typeof value === 'string' && (sqlStates.test(value) || connectionCodes.test(value) || prismaCodes.test(value))) return true;
    if (code === undefined && typeof message === 'string' && messagesWithoutCode.test(message)) return true;
  }
  return false;
}

/** Returns whether the connection broke before the answer, so that the statement may or may not have been executed. */
export function isUnanswered(error: unknown): boolean {
  const state = sqlStateOf(error);
  return isTransient(error) && (state === undefined || /^(08|57P|25P0)/.test(state));
}

/** Returns the refusal for an error: a Refusal itself, UNAVAILABLE for a transient error, undefined for a bug. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error;
  return isTransient(error) ? unavailable() : undefined;
}
