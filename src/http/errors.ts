import { GraphQLError, type ExecutionResult, type GraphQLErrorOptions, type GraphQLFormattedError } from 'graphql';
import { refusalOf } from '../db/availability.ts';
import { Refusal, unauthenticated, type Language, type Message } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { messages } from './messages.ts';
import { translate } from './translation.ts';

/** Errors as clients get them: with a stable code, and without internal or personal data. */

const statuses: Partial<Record<string, number>> = { UNAUTHENTICATED: 401, RATE_LIMITED: 429, UNAVAILABLE: 503 };

/** An error with its text in both languages. `message` is the text in one language. */
export class BilingualError extends GraphQLError {
  readonly text: Message;

  constructor(text: Message, language: Language, options: GraphQLErrorOptions) {
    super(text[language === 'ru' ? 0 : 1], options);
    this.text = text;
  }
}

interface RequestErrorOptions {
  /** The HTTP status for clients that accept `application/graphql-response+json`; 400 by default. */
  status?: number;
  headers?: Record<string, string>;
  language?: Language;
}

/** The error of a request that is refused before its execution. Its message is in Russian until `inLanguage` translates it. */
export class RequestError extends BilingualError {
  constructor(code: string, text: Message, { status = 400, headers, language = 'ru' }: RequestErrorOptions = {}) {
    super(text, language, { extensions: { code, http: { status, spec: true, ...(headers && { headers }) } } });
  }
}

/** Returns the error with its message in `language`. */
export function inLanguage(error: GraphQLError, language: Language): GraphQLError {
  if (!(error instanceof BilingualError)) return error;
  const { text, nodes, source, positions, path, extensions } = error;
  return new BilingualError(text, language, { nodes, source, positions, path, extensions });
}

/** Converts a refusal outside a mutation to a GraphQL error. @param source the error whose nodes and path the result has. */
export function refusalError(refusal: Refusal, language: Language, source?: GraphQLError): BilingualError {
  const status = statuses[refusal.code];
  return new BilingualError(refusal.text, language, {
    nodes: source?.nodes,
    path: source?.path,
    extensions: {
      code: refusal.code,
      ...(refusal.at === undefined ? {} : { path: refusal.at }),
      ...(refusal.clause === undefined ? {} : { clause: refusal.clause }),
      ...(refusal.retryAfterSeconds === undefined ? {} : { retryAfter: refusal.retryAfterSeconds }),
      ...(status === undefined || source?.path !== undefined ? {} : { http: { status, ...headersOf(refusal) } }),
    },
  });
}

/** Returns the error for a credential that is invalid, has expired or was revoked (RFC 6750, 3.1). */
export function invalidTokenError(language: Language): BilingualError {
  const error = refusalError(unauthenticated(), language);
  error.extensions.http!.headers = { 'www-authenticate': 'Bearer error="invalid_token"' };
  return error;
}

/** Returns `WWW-Authenticate` for a 401 (RFC 6750, 3). For other refusals, returns `Retry-After` if a retry may succeed. */
function headersOf({ code, retryAfterSeconds }: Refusal): { headers?: Record<string, string> } {
  if (code === 'UNAUTHENTICATED') return { headers: { 'www-authenticate': 'Bearer' } };
  return retryAfterSeconds === undefined ? {} : { headers: { 'retry-after': String(retryAfterSeconds) } };
}

/** Returns the error with its code or a default code. Keeps only the extensions of this server. */
function withCode(error: GraphQLError, defaultCode: string): BilingualError {
  const { code = defaultCode, http: originalHttp, path, clause, retryAfter } = error.extensions;
  // A malformed request gets its status for every media type of the response, also for `application/json`.
  const http = code === 'BAD_REQUEST' && originalHttp ? { ...originalHttp, spec: false } : originalHttp;
  return new BilingualError(textOf(error), 'ru', {
    nodes: error.nodes,
    source: error.source,
    positions: error.positions,
    path: error.path,
    extensions: Object.fromEntries(Object.entries({ code, http, path, clause, retryAfter }).filter(([, value]) => value !== undefined)),
  });
}

/**
 * Returns the text of an error in both languages: its own text, the text of the wrapped error, or a translation of
 * graphql-js's message.
 */
function textOf(error: GraphQLError): Message {
  for (let cause: Error | undefined = error; cause !== undefined; cause = cause instanceof GraphQLError ? cause.originalError : undefined)
    if (cause instanceof BilingualError && cause.message === error.message) return cause.text;
  return translate(error.message, error.originalError?.message);
}

/** Returns the error of an invalid document, with its code and its HTTP status. */
export function requestErrorWithCode(error: GraphQLError, code: string): GraphQLError {
  error.extensions.http ??= { status: 400, spec: true };
  return withCode(error, code);
}

/** Returns the error in the form that clients get: without its HTTP status and headers. */
export function withoutHttp(error: GraphQLFormattedError): GraphQLFormattedError {
  const { message, locations, path, extensions: { http: _http, ...extensions } = {} } = error;
  return { message, ...(locations && { locations }), ...(path && { path }), extensions };
}

/**
 * Converts any error to one that clients may see. Logs unexpected errors and an unavailable database, with the request
 * id.
 */
export type Mask = (error: unknown, language?: Language, requestId?: string | null) => GraphQLError;

/** Returns the function that masks errors, for Yoga's `maskedErrors` and for the server's own responses. */
export function createMask(log: Logger): Mask {
  return (error, language = 'ru', requestId) => {
    const original = error instanceof GraphQLError ? (error.originalError ?? error) : error;
    const source = error instanceof GraphQLError ? error : undefined;
    if (original instanceof Refusal) return refusalError(original, language, source);
    if (original instanceof GraphQLError) return inLanguage(withCode(error as GraphQLError, 'BAD_USER_INPUT'), language);
    const refusal = refusalOf(original);
    if (refusal !== undefined) {
      log.warn({ err: original, requestId }, 'unavailable');
      return refusalError(refusal, language, source);
    }
    log.error({ err: original, requestId }, 'unexpected error');
    return new BilingualError(messages.internal, language, {
      nodes: source?.nodes,
      path: source?.path,
      extensions: { code: 'INTERNAL', ...(source === undefined ? { http: { status: 500 } } : {}) },
    });
  };
}

/** A result whose errors are formatted for JSON. */
export interface SerializableResult {
  data?: unknown;
  errors?: readonly GraphQLFormattedError[];
}

/** Masks and formats the errors of a result that is sent without Yoga, in the same way as Yoga. */
export type SerializeResult = (result: ExecutionResult, language: Language) => SerializableResult;

export const createSerializer =
  (mask: Mask): SerializeResult =>
  ({ errors, ...result }, language) =>
    errors === undefined ? result : { ...result, errors: errors.map((error) => withoutHttp(mask(error, language).toJSON())) };
