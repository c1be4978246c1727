import {
  execute as executeUnplanned, getVariableValues, Kind, OperationTypeNode, TypeInfo, visit, visitWithTypeInfo, type DocumentNode, type ExecutionArgs, type ExecutionResult,
  type GraphQLSchema, type OperationDefinitionNode,
} from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Asked } from '../domain/asked.ts';
import type { GraphContext } from '../graphql/context.ts';
import { writeRoot } from './fields.ts';
import { failWhole } from './later.ts';
import { compiledOf } from './plan.ts';
import { located, type Compiled, type Run } from './run.ts';
import { Tape, written, type Place, type Written } from './tape.ts';

/**
 * Execution of queries by the specification, where what graphql's own `execute` finds out anew for every object (which
 * fields are asked, with which arguments, of which type) is found out once for a document, and nothing waits that need
 * not. Changes and introspection are left to `execute`. The answers are the same, byte for byte:
 * test/server/execution.test.ts.
 */

type Answer = ExecutionResult | Promise<ExecutionResult>;

/** Executes an operation on a root value in a context. */
export type Prepared = (rootValue: unknown, contextValue: unknown) => Answer;

/** Executes a query, or an item of a subscription, by its plan; anything else by graphql's own `execute`. */
export const execute = (args: ExecutionArgs): Answer => prepare(args)(args.rootValue, args.contextValue);

/** As `execute`, for an operation that is executed many times: what its document and variables say is found out once. */
export function prepare(args: ExecutionArgs): Prepared {
  const { schema, document } = args;
  const unplanned: Prepared = (rootValue, contextValue) => executeUnplanned({ ...args, rootValue, contextValue });
  const operation = operationOf(document, args.operationName);
  if (operation === undefined || operation.operation === OperationTypeNode.MUTATION || args.fieldResolver || args.typeResolver) return unplanned;
  const { coerced, errors } = getVariableValues(schema, operation.variableDefinitions ?? [], args.variableValues ?? {}, { maxErrors: 50 });
  if (errors !== undefined) return () => ({ errors });
  const compiled = compiledOf(schema, document, operation, coerced);
  if (compiled === null) return unplanned;
  const fieldArguments: unknown[] = [];
  return (rootValue, contextValue) => executePlanned(compiled, schema, coerced, fieldArguments, rootValue, contextValue);
}

function executePlanned(
  compiled: Compiled, schema: GraphQLSchema, variables: Record<string, unknown>, fieldArguments: unknown[], rootValue: unknown, contextValue: unknown,
): Answer {
  const data: Place = { parts: [], open: 0 };
  const run: Run = {
    compiled, contextValue, rootValue, schema, variables, arguments: fieldArguments, errors: [], tape: new Tape(), data, failed: false,
    place: data, base: null, frames: [], depth: 0, field: undefined, key: '', sink: data, pending: 0, finish: undefined,
  };
  try {
    writeRoot(run, compiled.plan);
  } catch (error) {
    failWhole(run, located(run, error, 0));
    return answerOf(run);
  }
  if (run.pending === 0) return answerOf(run);
  return new Promise((resolve) => (run.finish = () => resolve(answerOf(run))));
}

const runs = new WeakMap<ExecutionResult, Run>();

/** The answer's data is on the tape until it is taken, or read from there as objects. */
function answerOf(run: Run): ExecutionResult {
  let data: ExecutionResult['data'];
  const result = {
    ...(run.errors.length > 0 && { errors: run.errors }),
    get data() {
      const taken = takeData(result);
      if (taken !== undefined) {
        data = JSON.parse(taken.bytes.toString()) as ExecutionResult['data'];
        taken.giveBack();
      }
      return data;
    },
  };
  runs.set(result, run);
  return result;
}

const nothing = new Uint8Array();

/** The data of an answer as JSON, between what comes before and after it, where it was written as such; once only. */
export function takeData(result: ExecutionResult, before = nothing, after = nothing): Written | undefined {
  const run = runs.get(result);
  if (run === undefined) return undefined;
  runs.delete(result);
  return written(run.tape, run.data, before, after);
}

function operationOf(document: DocumentNode, name: string | null | undefined): OperationDefinitionNode | undefined {
  const operations = document.definitions.filter((node): node is OperationDefinitionNode => node.kind === Kind.OPERATION_DEFINITION);
  // Which one is meant where several are, or none, is for graphql to say.
  return name == null ? (operations.length === 1 ? operations[0] : undefined) : operations.find((node) => node.name?.value === name);
}

const asked = new WeakMap<DocumentNode, Asked>();

/** Every field that the document names, by the type that it is asked of; a fragment on an interface asks for `id` alone. */
function askedOf(schema: GraphQLSchema, document: DocumentNode): Asked {
  let known = asked.get(document);
  if (known === undefined) {
    const found = new Map<string, Set<string>>();
    const types = new TypeInfo(schema);
    visit(document, visitWithTypeInfo(types, {
      Field({ name: { value } }) {
        const { name } = types.getParentType()!;
        found.set(name, (found.get(name) ?? new Set()).add(value));
      },
    }));
    asked.set(document, (known = found));
  }
  return known;
}

/** Tells the loaders of a query what it asks for. */
export function tellLoaders({ schema, document, operationName, contextValue }: ExecutionArgs & { contextValue: GraphContext }): void {
  if (operationOf(document, operationName)?.operation === OperationTypeNode.QUERY) contextValue.loaders.asked = askedOf(schema, document);
}

/** Lets Yoga execute so. */
export const useExecution = (): Plugin<GraphContext> => ({
  onExecute({ args, setExecuteFn }) {
    tellLoaders(args);
    setExecuteFn(execute);
  },
});
