import {
  Kind,
  OperationTypeNode,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import { Refusal } from '../../errors.ts';
import type { GraphContext } from '../../graphql/context.ts';
import type { Finish } from '../account-limits.ts';
import { isExecutionState, operationOf, resultOf, type Executed } from '../../executor/executor.ts';
import { boundUnslicedCost, costOf } from './limits.ts';
import { prepareCharged } from './plans.ts';
import { takeAsOf } from '../live/subscription-execution.ts';
import { refusalError, RequestError } from '../errors.ts';
import { passSelection } from './selection.ts';
import type { RequestContext } from '../request-context.ts';

/** Executes operations and opens streams within the limits of their account: src/http/account-limits.ts. */

const contextOf = ({ contextValue }: ExecutionArgs): RequestContext => contextValue as RequestContext;

/** Cost of a mutation field, in objects, in addition to its result: its statements, its events and their delivery. */
const mutationFieldCost = 50;

/**
 * Executes a query or a mutation as soon as the limits of its account allow it. Charges the account for the bytes of
 * the result.
 * @throws RATE_LIMITED, UNAVAILABLE
 */
export async function executeAdmitted(args: ExecutionArgs): Promise<Executed> {
  const admission = admit(args);
  const finish = admission instanceof Promise ? await admission : admission;
  let bytes: number | undefined;
  try {
    // Rights may have been revoked while the operation waited.
    if (admission instanceof Promise) {
      const contextValue = Object.assign(contextOf(args), await contextOf(args).reload());
      passSelection({ ...args, contextValue });
      await takeAsOf({ ...args, contextValue });
    }
    const prepared = prepareCharged(args);
    if (prepared.runsUnsliced) boundUnslicedCost(args);
    const executed = await prepared.execute(args.rootValue, args.contextValue);
    if (isExecutionState(executed)) bytes = executed.writer.at;
    return executed;
  } finally {
    finish(bytes);
  }
}

function admit(args: ExecutionArgs): Finish | Promise<Finish> {
  const { document, operationName } = args;
  const { account, language, requestBytes } = contextOf(args);
  const operation = operationOf(document, operationName);
  const mutationFields = operation?.operation === OperationTypeNode.MUTATION ? countRootFields(document, operation) : 0;
  const toGraphQLError = (error: unknown): unknown => (error instanceof Refusal ? refusalError(error, language) : error);
  try {
    const admission = account.admit(
      costOf(document, args.variableValues ?? {}, operationName) + mutationFields * mutationFieldCost,
      requestBytes,
    );
    if (!(admission instanceof Promise)) return admission;
    return admission.catch((error: unknown) => {
      throw toGraphQLError(error);
    });
  } catch (error) {
    throw toGraphQLError(error);
  }
}

/** Returns the number of root fields of an operation, through fragments, including those that a directive may skip. */
function countRootFields({ definitions }: DocumentNode, { selectionSet }: OperationDefinitionNode): number {
  const responseKeys = new Set<string>();
  const visitedFragments = new Set<string>();
  const collect = ({ selections }: SelectionSetNode): void => {
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) responseKeys.add((selection.alias ?? selection.name).value);
      else if (selection.kind === Kind.INLINE_FRAGMENT) collect(selection.selectionSet);
      else if (!visitedFragments.has(selection.name.value)) {
        visitedFragments.add(selection.name.value);
        for (const node of definitions)
          if (node.kind === Kind.FRAGMENT_DEFINITION && node.name.value === selection.name.value) collect(node.selectionSet);
      }
    }
  };
  collect(selectionSet);
  return responseKeys.size;
}

/** Returns the error for an account that has too many streams open; undefined if it may open another one. */
export function streamRefusal({ account, language }: RequestContext): RequestError | undefined {
  if (account.mayOpenStream) return undefined;
  const text = [
    'У вас открыто слишком много подписок. Закройте лишние.',
    'You have too many subscriptions open. Close some of them.',
  ] as const;
  return new RequestError('TOO_MANY_STREAMS', text, { status: 429, language });
}

async function subscribeCounted(
  args: ExecutionArgs,
  subscribe: (args: ExecutionArgs) => unknown,
): Promise<AsyncIterableIterator<ExecutionResult> | ExecutionResult> {
  const refusal = streamRefusal(contextOf(args));
  if (refusal !== undefined) throw refusal;
  const { account } = contextOf(args);
  account.streams += 1;
  let isOpen = true;
  const end = (): void => {
    if (isOpen) account.streams -= 1;
    isOpen = false;
  };
  try {
    const results = (await subscribe(args)) as AsyncIterableIterator<ExecutionResult> | ExecutionResult;
    if (!isAsyncIterable(results)) {
      end();
      return results;
    }
    const counted: AsyncIterableIterator<ExecutionResult> = {
      async next() {
        try {
          const result = await results.next();
          if (result.done) end();
          return result;
        } catch (error) {
          end();
          throw error;
        }
      },
      async return() {
        end();
        return (await results.return?.()) ?? { done: true, value: undefined };
      },
      [Symbol.asyncIterator]: () => counted,
    };
    return counted;
  } catch (error) {
    end();
    throw error;
  }
}

export const useAccountLimits = (): Plugin<GraphContext> => ({
  onExecute: ({ setExecuteFn }) => setExecuteFn(async (args: ExecutionArgs) => resultOf(await executeAdmitted(args))),
  onSubscribe: ({ subscribeFn, setSubscribeFn }) => setSubscribeFn((args: ExecutionArgs) => subscribeCounted(args, subscribeFn)),
});
