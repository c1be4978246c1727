import { GraphQLError, type ExecutionResult, type GraphQLErrorOptions, type GraphQLFormattedError } from 'graphql';
import { refusalOf } from '../db/availability.ts';
import { Refusal, unauthenticated, type Language, type Message } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { messages } from './messages.ts';
import { translate } from './translation.ts';

/** What a client is told of an error: a stable code, and nothing internal or personal. */

const statuses: Partial<Record<string, number>> = { UNAUTHENTICATED: 401, RATE_LIMITED: 429, UNAVAILABLE: 503 };

/** An error with its text in both languages; `message` is in the current one. */
export class BilingualError extends GraphQLError {
  readonly text: Message;

  constructor(text: Message, language: Language, options: GraphQLErrorOptions) {
    super(text[language === 'ru' ? 0 : 1], options);
    this.text = text;
  }
}

interface RequestErrorOptions {
  /** The HTTP status where the client accepts `application/graphql-response+json`; 400 by default. */
  status?: number;
  headers?: Record<string, string>;
  language?: Language;
}

/** The error of a request that is refused before any field is read. In Russian until `inLanguage` is applied. */
export class RequestError extends BilingualError {
  constructor(code: string, text: Message, { status = 400, headers, language = 'ru' }: RequestErrorOptions = {}) {
    super(text, language, { extensions: { code, http: { status, spec: true, ...(headers && { headers }) } } });
  }
}

/** Returns the error with its message in this language. */
export function inLanguage(error: GraphQLError, language: Language): GraphQLError {
  if (!(error instanceof BilingualError)) return error;
  const { text, nodes, source, positions, path, extensions } = error;
  return new BilingualError(text, language, { nodes, source, positions, path, extensions });
}

/** A refusal outside a mutation, as a GraphQL error. */
export function refusalError(refusal: Refusal, language: Language, at?: GraphQLError): BilingualError {
  const status = statuses[refusal.code];
  return new BilingualError(refusal.text, language, {
    nodes: at?.nodes,
    path: at?.path,
    extensions: {
      code: refusal.code,
      ...(refusal.at === undefined ? {} : { path: refusal.at }),
      ...(refusal.clause === undefined ? {} : { clause: refusal.clause }),
      ...(refusal.retryAfterSeconds === undefined ? {} : { retryAfter: refusal.retryAfterSeconds }),
      ...(status === undefined || at?.path !== undefined ? {} : { http: { status, ...headersOf(refusal) } }),
    },
  });
}

/** Returns the error for a credential that is wrong, has expired or was revoked (RFC 6750, 3.1). */
export function invalidTokenError(language: Language): BilingualError {
  const error = refusalError(unauthenticated(), language);
  error.extensions.http!.headers = { 'www-authenticate': 'Bearer error="invalid_token"' };
  return error;
}

/** Returns the scheme for a 401 (RFC 6750, 3), and `Retry-After`. */
function headersOf({ code, retryAfterSeconds }: Refusal): { headers?: Record<string, string> } {
  if (code === 'UNAUTHENTICATED') return { headers: { 'www-authenticate': 'Bearer' } };
  return retryAfterSeconds === undefined ? {} : { headers: { 'retry-after': String(retryAfterSeconds) } };
}

/** The error with a code of its own or this one, and with nothing else that a library put beside it. */
function withCode(error: GraphQLError, code: string): BilingualError {
  const { code: own = code, http: given, path, clause, retryAfter } = error.extensions;
  // What is no request at all is answered with its status, whatever form the asker accepts.
  const http = own === 'BAD_REQUEST' && given ? { ...given, spec: false } : given;
  return new BilingualError(textOf(error), 'ru', {
    nodes: error.nodes,
    source: error.source,
    positions: error.positions,
    path: error.path,
    extensions: Object.fromEntries(Object.entries({ code: own, http, path, clause, retryAfter }).filter(([, value]) => value !== undefined)),
  });
}

/**
 * Returns the text of an error in both languages: its own, that of the wrapped error, or a translation of graphql-js's
 * message.
 */
function textOf(error: GraphQLError): Message {
  for (let at: Error | undefined = error; at !== undefined; at = at instanceof GraphQLError ? at.originalError : undefined)
    if (at instanceof BilingualError && at.message === error.message) return at.text;
  return translate(error.message, error.originalError?.message);
}

/** Returns the error of an invalid document, with its code and its HTTP status. */
export function requestErrorWithCode(error: GraphQLError, code: string): GraphQLError {
  error.extensions.http ??= { status: 400, spec: true };
  return withCode(error, code);
}

/** As it goes over a socket, where there are no statuses. */
export function withoutHttp(error: GraphQLFormattedError): GraphQLFormattedError {
  const { message, locations, path, extensions: { http: _http, ...extensions } = {} } = error;
  return { message, ...(locations && { locations }), ...(path && { path }), extensions };
}

/** Turns any error into one that a client may be told. Logs what is the server's fault, with the request id. */
export type Mask = (error: unknown, language?: Language, requestId?: string | null) => GraphQLError;

/** For Yoga's maskedErrors. */
export function createMask(log: Logger): Mask {
  return (error, language = 'ru', requestId) => {
    const original = error instanceof GraphQLError ? (error.originalError ?? error) : error;
    const at = error instanceof GraphQLError ? error : undefined;
    if (original instanceof Refusal) return refusalError(original, language, at);
    if (original instanceof GraphQLError) return inLanguage(withCode(error as GraphQLError, 'BAD_USER_INPUT'), language);
    const refusal = refusalOf(original);
    if (refusal !== undefined) {
      log.warn({ err: original, requestId }, 'unavailable');
      return refusalError(refusal, language, at);
    }
    log.error({ err: original, requestId }, 'unexpected error');
    return new BilingualError(messages.internal, language, {
      nodes: at?.nodes,
      path: at?.path,
      extensions: { code: 'INTERNAL', ...(at === undefined ? { http: { status: 500 } } : {}) },
    });
  };
}

/** A result as it goes over a socket. */
export interface SerializableResult {
  data?: unknown;
  errors?: readonly GraphQLFormattedError[];
}

/** Makes a result ready to be sent as it is, past Yoga's pipeline and to the same effect. */
export type SerializeResult = (result: ExecutionResult, language: Language) => SerializableResult;

export const createSerializer =
  (mask: Mask): SerializeResult =>
  ({ errors, ...result }, language) =>
    errors === undefined ? result : { ...result, errors: errors.map((error) => withoutHttp(mask(error, language).toJSON())) };
