import { GraphQLError } from 'graphql';
import { Refusal } from '../errors.ts';
import type { Executed } from './execution.ts';

/**
 * What made an execution fail, so that its answer is not to be sent: null in it may stand for what could not be read.
 * Undefined where its errors are refusals or the client's own mistakes, which are part of the answer.
 */
export const failureOf = ({ errors }: Executed): GraphQLError | undefined => errors?.find(isFailure);

function isFailure(error: GraphQLError): boolean {
  const original = error.originalError ?? error;
  if (original instanceof Refusal) return original.code === 'UNAVAILABLE';
  // graphql says where in the document the mistake is; an error of a resolver or of a value that cannot be written has no such place.
  return !(original instanceof GraphQLError && original.nodes !== undefined);
}
