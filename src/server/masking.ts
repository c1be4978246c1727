import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { Refusal, type Language } from '../errors.ts';
import type { GraphContext } from '../graphql/context.ts';
import type { Logger } from '../log.ts';

/** What a client is told of an error: a stable code, and nothing internal or personal. */

const statuses: Partial<Record<string, number>> = { UNAUTHENTICATED: 401, RATE_LIMITED: 429 };

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
      ...(status === undefined || at?.path !== undefined ? {} : { http: { status } }),
    },
  });
}

/** Without hints at names that the asker did not write, and without the values that they did. */
const plain = (message: string): string =>
  message
    .replace(/ Did you mean .*\?$/s, '')
    .replace(/ got invalid value .*?( at "[^"]*")?; /s, ' got an invalid value$1; ')
    .replace(/(cannot represent[^:]*): .*$/s, '$1.')
    .replace(/^Value .*? does not exist in "([^"]+)" enum\.$/s, 'The value does not exist in the enum "$1".');

function coded(error: GraphQLError, code: string): GraphQLError {
  return new GraphQLError(plain(error.message), {
    nodes: error.nodes,
    source: error.source,
    positions: error.positions,
    path: error.path,
    extensions: { code, ...error.extensions },
  });
}

/** For Yoga's maskedErrors. */
export function createMask(log: Logger): (error: unknown, language?: Language) => Error {
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

/** Gives every error of parsing and validation its code. */
export function useCodes(): Plugin<GraphContext> {
  return {
    onParse: () => ({ result, replaceParseResult }) => {
      if (result instanceof GraphQLError) replaceParseResult(coded(result, 'GRAPHQL_PARSE_FAILED') as never);
    },
    onValidate: () => ({ result, setResult }) => {
      if (result.length > 0)
        setResult(result.map((error) => coded(error, 'GRAPHQL_VALIDATION_FAILED')));
    },
  };
}

