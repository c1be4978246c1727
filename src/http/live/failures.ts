import { GraphQLError } from 'graphql';
import { Refusal } from '../../errors.ts';
import type { Executed } from '../../executor/executor.ts';

/**
 * Returns the error that makes a result unfit to send, since a null in it may stand for data that could not be read.
 * Returns undefined if all errors are refusals or client errors, which belong to the result.
 */
export const failureOf = ({ errors }: Executed): GraphQLError | undefined => errors?.find(isFailure);

function isFailure(error: GraphQLError): boolean {
  const original = error.originalError ?? error;
  if (original instanceof Refusal) return original.code === 'UNAVAILABLE';
  // graphql-js sets `nodes` on errors in the document, but not on errors of resolvers or of values that cannot be
  // serialised.
  return !(original instanceof GraphQLError && original.nodes !== undefined);
}
