import { GraphQLError, type ExecutionResult, type GraphQLFormattedError } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import { Refusal, type Language, type Message } from '../errors.ts';
import type { GraphContext } from '../graphql/context.ts';
import type { Logger } from '../log.ts';

/** What a client is told of an error: a stable code, and nothing internal or personal. */

const statuses: Partial<Record<string, number>> = { UNAUTHENTICATED: 401, RATE_LIMITED: 429, UNAVAILABLE: 503 };

/** A request that is wrong as such, refused before any field is read. Written in English until `inLanguage` is applied. */
export class RequestError extends GraphQLError {
  readonly text: Message;

  /** @param options `status` is the HTTP status where the client accepts `application/graphql-response+json`; 400 by default. */
  constructor(code: string, text: Message, { status = 400, language = 'en' }: { status?: number; language?: Language } = {}) {
    super(text[language === 'ru' ? 0 : 1], { extensions: { code, http: { status, spec: true } } });
    this.text = text;
  }
}

/** A refusal outside a mutation, as a GraphQL error in the asker's language. */
export function refusalError(refusal: Refusal, language: Language, at?: GraphQLError): GraphQLError {
  const status = statuses[refusal.code];
  return new GraphQLError(refusal.say(language), {
    nodes: at?.nodes,
    path: at?.path,
    extensions: {
      code: refusal.code,
      ...(refusal.at === undefined ? {} : { path: refusal.at }),
      ...(refusal.clause === undefined ? {} : { clause: refusal.clause }),
      ...(refusal.retryAfterSeconds === undefined ? {} : { retryAfter: refusal.retryAfterSeconds }),
      ...(status === undefined || at?.path !== undefined ? {} : { http: { status, ...retryHeader(refusal.retryAfterSeconds) } }),
    },
  });
}

const retryHeader = (seconds: number | undefined) => (seconds === undefined ? {} : { headers: { 'retry-after': String(seconds) } });

/** Without hints at names that the asker did not write, and without the values that they did. */
function plain({ message, originalError }: GraphQLError): string {
  const variable = /^Variable "\$\w+" got invalid value /.exec(message)?.[0];
  if (variable !== undefined) {
    // The value may hold anything, the signs that end it too: what stands after it is taken from the end.
    const reason = originalError?.message;
    const end = reason === undefined ? '' : `; ${reason}`;
    const at = / at "\$?[\w.[\]]+"$/.exec(message.slice(0, message.length - end.length))?.[0] ?? '';
    return `${variable.replace('invalid', 'an invalid').trimEnd()}${at}${reason === undefined ? '' : `; ${plainReason(reason)}`}`;
  }
  return plainReason(message);
}

const plainReason = (message: string): string =>
  message
    .replace(/ Did you mean .*$/s, '')
    .replace(/^Value .*? does not exist in "(\w+)" enum\.$/s, 'The value does not exist in the enum "$1".')
    .replace(/(cannot represent[^:]*): .*$/s, '$1.')
    .replace(/^(Expected value of type "[^"]*"), found .*$/s, '$1.')
    .replace(/^(Syntax Error: .*?\b(?:String|BlockString|Int|Float)) ".*$/s, '$1.')
    .replace(/^(Syntax Error: (?:Invalid|Unterminated) [\w ]+).*$/s, '$1.');

/** The error with a code of its own or this one, and with nothing else that a library put beside it. */
function coded(error: GraphQLError, code: string): GraphQLError {
  const { code: own = code, http: given, path, clause, retryAfter } = error.extensions;
  // What is no request at all is answered with its status, whatever form the asker accepts.
  const http = own === 'BAD_REQUEST' && given ? { ...given, spec: false } : given;
  return new GraphQLError(plain(error), {
    nodes: error.nodes,
    source: error.source,
    positions: error.positions,
    path: error.path,
    extensions: Object.fromEntries(Object.entries({ code: own, http, path, clause, retryAfter }).filter(([, value]) => value !== undefined)),
  });
}

/** Of a document that is none: with its status here, since Yoga forgets it where it remembers the error. */
const wrong = (error: GraphQLError, code: string): GraphQLError => {
  error.extensions.http ??= { status: 400, spec: true };
  return coded(error, code);
};

/** As it goes over a socket, where there are no statuses. */
export function bare(error: GraphQLFormattedError): GraphQLFormattedError {
  const { message, locations, path, extensions: { http: _http, ...extensions } = {} } = error;
  return { message, ...(locations && { locations }), ...(path && { path }), extensions };
}

export type Mask = (error: unknown, language?: Language) => GraphQLError;

/** For Yoga's maskedErrors. */
export function createMask(log: Logger): Mask {
  return (error, language = 'ru') => {
    const original = error instanceof GraphQLError ? (error.originalError ?? error) : error;
    if (original instanceof Refusal)
      return refusalError(original, language, error instanceof GraphQLError ? error : undefined);
    if (original instanceof GraphQLError) return coded(error as GraphQLError, 'BAD_USER_INPUT');
    log.error({ err: original }, 'unexpected error');
    const at = error instanceof GraphQLError ? error : undefined;
    return new GraphQLError('Something went wrong on our side; it has been noted.', {
      nodes: at?.nodes,
      path: at?.path,
      extensions: { code: 'INTERNAL', ...(at === undefined ? { http: { status: 500 } } : {}) },
    });
  };
}

/** A result as it goes over a socket. */
export interface Delivered {
  data?: unknown;
  errors?: readonly GraphQLFormattedError[];
}

/** Makes a result ready to be sent as it is, past Yoga's pipeline and to the same effect. */
export type Say = (result: ExecutionResult, language: Language) => Delivered;

export const createSay =
  (mask: Mask): Say =>
  ({ errors, ...result }, language) =>
    errors === undefined ? result : { ...result, errors: errors.map((error) => bare(mask(inLanguage(error, language)).toJSON())) };

/** The error with its message in this language, where it has one in both. */
export function inLanguage(error: GraphQLError, language: Language): GraphQLError {
  if (error.originalError instanceof Refusal) return refusalError(error.originalError, language, error);
  if (!(error instanceof RequestError)) return error;
  const { code, http } = error.extensions;
  return new RequestError(String(code), error.text, { language, ...(http?.status === undefined ? {} : { status: http.status }) });
}

/** Gives every error of parsing and validation its code, and an error to answers that would be bare statuses. */
export function useCodes(): Plugin<GraphContext> {
  return {
    onResponse({ response, setResponse, fetchAPI }) {
      if (response.status !== 406) return;
      const message = 'Accept application/graphql-response+json or application/json; for a stream, text/event-stream.';
      const body = JSON.stringify({ errors: [{ message, extensions: { code: 'NOT_ACCEPTABLE' } }] });
      setResponse(new fetchAPI.Response(body, { status: 406, headers: { 'content-type': 'application/json; charset=utf-8' } }));
    },
    onParse: () => ({ result, replaceParseResult }) => {
      if (result instanceof GraphQLError) replaceParseResult(wrong(result, 'GRAPHQL_PARSE_FAILED'));
    },
    onValidate: () => ({ result, setResult }) => {
      if (result.length > 0)
        setResult(result.map((error) => wrong(error, 'GRAPHQL_VALIDATION_FAILED')));
    },
  };
}

/** Says refusals in the asker's language: Yoga's own masking, which comes after, does not know who asks. */
export function useLanguage(): Plugin<GraphContext> {
  const translate =
    ({ language }: GraphContext) =>
    ({ result, setResult }: { result: ExecutionResult; setResult(result: ExecutionResult): void }): void => {
      if (result.errors === undefined) return;
      const errors = result.errors.map((error) => inLanguage(error, language));
      setResult({ ...result, errors });
    };
  return {
    onExecute: ({ args }) => {
      const say = translate(args.contextValue);
      return { onExecuteDone: ({ result, setResult }) => (isAsyncIterable(result) ? undefined : say({ result, setResult })) };
    },
    onSubscribe: ({ args }) => {
      const say = translate(args.contextValue);
      return {
        onSubscribeResult({ result, setResult }) {
          if (isAsyncIterable(result)) return { onNext: (each) => say(each) };
          say({ result, setResult });
        },
      };
    },
  };
}
