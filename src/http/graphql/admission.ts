import {
  Kind,
  OperationTypeNode,
  type DocumentNode,
  type ExecutionArgs,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import { createPlanCache } from '../../executor/compile-query.ts';
import { operationOf, prepare, type PreparedOperation } from '../../executor/executor.ts';
import { isRowView } from '../../reader/row-view.ts';
import { cacheBudget } from '../cache-budget.ts';
import type { Finish } from '../account-limits.ts';
import type { RequestError } from '../errors.ts';
import { mayIntrospect, type RequestContext } from '../request-context.ts';
import { bounds, refuse, tooManyItems } from './limits.ts';

/**
 * Admits an operation: bounds its variables and its cost, and charges the cost to its account within the account's
 * limits (src/http/account-limits.ts).
 */

/** The arguments of an execution, with the context that `RequestContexts` created. */
export type OperationArgs = ExecutionArgs & { contextValue: RequestContext };

/** Checks variables, cost and introspection. @throws RequestError */
export function checkLimits(args: OperationArgs): void {
  const { document, operationName, variableValues, contextValue } = args;
  const type = operationOf(document, operationName)?.operation;
  boundValues(variableValues ?? {});
  refuseCost(costOf(args), maxCostOf(type));
  // Checked here because validation runs before the actor is known.
  if (type !== OperationTypeNode.SUBSCRIPTION && contextValue.document.introspects && !mayIntrospect(contextValue.actor))
    throw introspectionForbidden();
}

/** Returns `count` plus the number of values in `value`. @throws RequestError at the first value that exceeds a limit. */
function boundValues(value: unknown, depth = 0, count = 0): number {
  if (count > bounds.values)
    throw refuse(
      'TOO_MANY_VALUES',
      `В переменных может быть не больше ${bounds.values} значений.`,
      `Variables may hold at most ${bounds.values} values.`,
    );
  if (depth > bounds.nesting)
    throw refuse(
      'NESTED_TOO_DEEP',
      `Вложенность переменных — не больше ${bounds.nesting}.`,
      `Variables may be nested at most ${bounds.nesting} deep.`,
    );
  if (typeof value === 'string' && value.length > bounds.value)
    throw refuse(
      'VALUE_TOO_LONG',
      `В значении может быть не больше ${bounds.value} знаков.`,
      `A value may have at most ${bounds.value} characters.`,
    );
  if (Array.isArray(value) && value.length > bounds.items) throw refuse('LIST_TOO_LONG', ...tooManyItems);
  let sum = count + 1;
  if (typeof value === 'object' && value !== null) for (const inner of Object.values(value)) sum = boundValues(inner, depth + 1, sum);
  return sum;
}

/** Returns the largest cost that an operation of this type may have. */
export const maxCostOf = (type: OperationTypeNode | undefined): number =>
  type === OperationTypeNode.QUERY ? bounds.cost : bounds.unslicedCost;

/** @throws RequestError for an operation that costs too much to be executed without yielding to the event loop. */
export const boundUnslicedCost = (cost: number): void => refuseCost(cost, bounds.unslicedCost);

function refuseCost(cost: number, maxCost: number): void {
  if (cost > maxCost)
    throw refuse(
      'QUERY_TOO_COSTLY',
      `В запрошенных страницах может оказаться больше ${maxCost} объектов. Запросите меньше за один раз.`,
      `The requested pages could hold more than ${maxCost} objects. Request fewer at once.`,
    );
}

const introspectionForbidden = (): RequestError =>
  refuse(
    'INTROSPECTION_FORBIDDEN',
    'Схема доступна только сервисам и сотрудникам школы. Войдите как сотрудник.',
    'Only services and school staff may read the schema. Sign in as staff.',
  );

/** Cost of a mutation field, in objects, in addition to its result: its statements, its events and their delivery. */
const mutationFieldCost = 50;

/** Returns the number of objects that the operation could return. Computes this number once for each context. */
export const costOf = ({ contextValue, variableValues, operationName }: OperationArgs): number =>
  (contextValue.cost ??= contextValue.document.costOf(variableValues ?? {}, operationName));

/**
 * Reserves the cost and a slot for an operation. Returns a promise if the operation has to wait.
 * @throws RATE_LIMITED, UNAVAILABLE
 */
export function admit(args: OperationArgs): Finish | Promise<Finish> {
  const { document, operationName, contextValue } = args;
  const operation = operationOf(document, operationName);
  const mutationFields = operation?.operation === OperationTypeNode.MUTATION ? countRootFields(document, operation) : 0;
  return contextValue.account.admit(costOf(args) + mutationFields * mutationFieldCost, contextValue.requestBytes);
}

/** Counts the root fields of an operation, including fields in fragments and fields that a directive may skip. */
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
 * Prepares an operation. Charges its account for newly planned fields, because planning a field takes about as long
 * as writing an object.
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
