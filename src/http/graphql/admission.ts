import {
  Kind,
  OperationTypeNode,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLError,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import { createPlanCache } from '../../executor/compile-query.ts';
import { operationOf, prepare, type PreparedOperation } from '../../executor/executor.ts';
import { isRowView } from '../../reader/row-view.ts';
import { cacheBudget } from '../cache-budget.ts';
import type { Account, Finish } from '../account-limits.ts';
import { RequestError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';

/** Charges operations and streams to their account, within its limits: src/http/account-limits.ts. */

/** The arguments of an execution, with the context that `RequestContexts` created. */
export type OperationArgs = ExecutionArgs & { contextValue: RequestContext };

/** Cost of a mutation field, in objects, in addition to its result: its statements, its events and their delivery. */
const mutationFieldCost = 50;

/** Returns the number of objects that the operation could return. Computes it once for a context, as it may depend on variables. */
export const costOf = ({ contextValue, variableValues, operationName }: OperationArgs): number =>
  (contextValue.cost ??= contextValue.document.costOf(variableValues ?? {}, operationName));

/** Reserves the cost and a slot for an operation. Returns a promise if it has to wait. @throws RATE_LIMITED, UNAVAILABLE */
export function admit(args: OperationArgs): Finish | Promise<Finish> {
  const { document, operationName, contextValue } = args;
  const operation = operationOf(document, operationName);
  const mutationFields = operation?.operation === OperationTypeNode.MUTATION ? countRootFields(document, operation) : 0;
  return contextValue.account.admit(costOf(args) + mutationFields * mutationFieldCost, contextValue.requestBytes);
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

/** Plans of anonymous requests have a separate cache, so that they cannot evict plans of signed-in accounts. */
const accountPlans = createPlanCache(cacheBudget);
const anonymousPlans = createPlanCache(cacheBudget / 8);

/**
 * Prepares an operation. Charges its account for newly planned fields: planning a field takes about as long as writing
 * an object.
 */
export function prepareCharged(args: ExecutionArgs): PreparedOperation {
  const { actor, account, config } = args.contextValue as RequestContext;
  const prepared = prepare(args, {
    planCache: actor.kind === 'anonymous' ? anonymousPlans : accountPlans,
    usesGraphqlJs: config.executor === 'graphql-js',
    isByteRow: isRowView,
  });
  if (prepared.plannedFields > 0) account.chargeCost(prepared.plannedFields);
  return prepared;
}

/** Returns the error for an account that has too many streams open; undefined if it may open another one. */
export function streamRefusal({ account, language }: Pick<RequestContext, 'account' | 'language'>): RequestError | undefined {
  if (account.mayOpenStream) return undefined;
  const text = [
    'У вас открыто слишком много подписок. Закройте лишние.',
    'You have too many subscriptions open. Close some of them.',
  ] as const;
  return new RequestError('TOO_MANY_STREAMS', text, { status: 429, language });
}

export type Results = AsyncIterableIterator<ExecutionResult>;

export const isStream = (results: Results | ExecutionResult): results is Results => Symbol.asyncIterator in results;

type MaskErrors = (error: unknown) => GraphQLError[];

/**
 * Opens a stream, and counts it as one of the account until it ends. Masks the errors of its results.
 * @param open returns the results, or one result with errors.
 * @throws RequestError when the account has too many streams open.
 */
export async function openCounted(
  context: Pick<RequestContext, 'account' | 'language'>,
  open: () => Promise<Results | ExecutionResult>,
  mask: MaskErrors,
): Promise<Results | ExecutionResult> {
  const refusal = streamRefusal(context);
  if (refusal !== undefined) throw refusal;
  const slot = new StreamSlot(context.account);
  try {
    const results = await open();
    if (isStream(results)) return new CountedResults(results, slot, mask);
    slot.free();
    return masked(results, mask);
  } catch (error) {
    slot.free();
    throw error;
  }
}

const masked = (result: ExecutionResult, mask: MaskErrors): ExecutionResult =>
  result.errors === undefined ? result : { ...result, errors: mask(result.errors) };

/** One of the streams of an account, until it is freed. */
class StreamSlot {
  readonly #account: Account;
  #isFree = false;

  constructor(account: Account) {
    this.#account = account;
    account.streams += 1;
  }

  free(): void {
    if (!this.#isFree) this.#account.streams -= 1;
    this.#isFree = true;
  }
}

class CountedResults implements Results {
  readonly #results: Results;
  readonly #slot: StreamSlot;
  readonly #mask: MaskErrors;

  constructor(results: Results, slot: StreamSlot, mask: MaskErrors) {
    this.#results = results;
    this.#slot = slot;
    this.#mask = mask;
  }

  async next(): Promise<IteratorResult<ExecutionResult>> {
    try {
      const result = await this.#results.next();
      if (!result.done) return { done: false, value: masked(result.value, this.#mask) };
      this.#slot.free();
      return result;
    } catch (error) {
      this.#slot.free();
      throw this.#mask(error)[0]!;
    }
  }

  async return(): Promise<IteratorResult<ExecutionResult>> {
    this.#slot.free();
    return (await this.#results.return?.()) ?? { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
