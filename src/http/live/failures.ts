import { GraphQLError } from 'graphql';
import { Refusal } from '../../errors.ts';
import type { Executed } from '../../executor/executor.ts';

/**
 * Returns the error that makes an answer unfit to send: a null in it may stand for data that could not be read. Returns
 * undefined if all errors are refusals or mistakes of the client, which belong to the answer.
 */
export const failureOf = ({ errors }: Executed): GraphQLError | undefined => errors?.find(isFailure);

function isFailure(error: GraphQLError): boolean {
  const original = error.originalError ?? error;
  if (original instanceof Refusal) return original.code === 'UNAVAILABLE';
  // graphql-js sets `nodes` on a mistake in the document, but not on an error of a resolver or of a value that cannot be
  // written.
  return !(original instanceof GraphQLError && original.nodes !== undefined);
}
