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

type Now<T> = T | Promise<T>;

/** An execution by a plan, or graphql's own answer. */
export type Executed = Run | ExecutionResult;

/** An operation, ready to be executed. */
export interface Prepared {
  /** Null if graphql's own `execute` runs it. */
  compiled: Compiled | null;
  /** Executes it on a root value in a context. */
  execute(rootValue: unknown, contextValue: unknown): Now<Executed>;
}

/** Executes a query, or an item of a subscription, by its plan; anything else by graphql's own `execute`. */
export function execute(args: ExecutionArgs): Now<ExecutionResult> {
  const executed = executeToTape(args);
  return executed instanceof Promise ? executed.then(resultOf) : resultOf(executed);
}

/** As `execute`; the answer of a plan is left on its tape, for whoever takes it from there. */
export const executeToTape = (args: ExecutionArgs): Now<Executed> => prepare(args).execute(args.rootValue, args.contextValue);

/** As `executeToTape`, for an operation that is executed many times: what its document and variables say is found out once. */
export function prepare(args: ExecutionArgs): Prepared {
  const { schema, document } = args;
  const unplanned: Prepared = { compiled: null, execute: (rootValue, contextValue) => executeUnplanned({ ...args, rootValue, contextValue }) };
  const operation = operationOf(document, args.operationName);
  if (operation === undefined || operation.operation === OperationTypeNode.MUTATION || args.fieldResolver || args.typeResolver) return unplanned;
  const { coerced, errors } = getVariableValues(schema, operation.variableDefinitions ?? [], args.variableValues ?? {}, { maxErrors: 50 });
  if (errors !== undefined) return { compiled: null, execute: () => ({ errors }) };
  const compiled = compiledOf(schema, document, operation, coerced);
  if (compiled === null) return unplanned;
  const fieldArguments: unknown[] = [];
  return { compiled, execute: (rootValue, contextValue) => executePlanned(compiled, schema, coerced, fieldArguments, rootValue, contextValue) };
}

function executePlanned(
  compiled: Compiled, schema: GraphQLSchema, variables: Record<string, unknown>, fieldArguments: unknown[], rootValue: unknown, contextValue: unknown,
): Now<Run> {
  const data: Place = { parts: [], open: 0 };
  const run: Run = {
    compiled, contextValue, rootValue, schema, variables, arguments: fieldArguments, errors: [], tape: new Tape(), data, failed: false,
    place: data, base: null, frames: [], depth: 0, field: undefined, key: '', sink: data, pending: 0, finish: undefined,
    items: 0, nextLook: 0,
  };
  try {
    writeRoot(run, compiled.plan);
  } catch (error) {
    failWhole(run, located(run, error, 0));
    return run;
  }
  if (run.pending === 0) return run;
  // As it is: where another function stood around it, V8 kept every run until its next full collection.
  return new Promise((resolve) => (run.finish = resolve));
}

export const isRun = (executed: Executed): executed is Run => 'tape' in executed;

/** What was executed, as graphql answers it; once only. */
export function resultOf(executed: Executed): ExecutionResult {
  if (!isRun(executed)) return executed;
  const { errors } = executed;
  const { bytes, giveBack } = takeAnswer(executed);
  const { data } = JSON.parse(bytes.toString()) as ExecutionResult;
  giveBack();
  return { ...(errors.length > 0 && { errors }), data };
}

const [before, after] = [Buffer.from('{"data":'), Buffer.from('}')];

/** The answer of an execution as JSON, without its errors; once only. */
export const takeAnswer = ({ tape, data }: Run): Written => written(tape, data, before, after);

/** The operation that is meant, where that is clear. */
export function operationOf({ definitions }: DocumentNode, name: string | null | undefined): OperationDefinitionNode | undefined {
  const [first] = definitions;
  if (definitions.length === 1 && first!.kind === Kind.OPERATION_DEFINITION) return name == null || first.name?.value === name ? first : undefined;
  const operations = definitions.filter((node): node is OperationDefinitionNode => node.kind === Kind.OPERATION_DEFINITION);
  // Which one is meant where several are, or none, is for graphql to say.
  return name == null ? (operations.length === 1 ? operations[0] : undefined) : operations.find((node) => node.name?.value === name);
}

const asked = new WeakMap<DocumentNode, Asked>();

/** Every field that the document names, by the type that it is asked of; a fragment on an interface asks for `id` alone. */
export function askedOf(schema: GraphQLSchema, document: DocumentNode): Asked {
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

/** Tells the loaders which fields an operation in Yoga's pipeline asks for. */
export const useExecution = (): Plugin<GraphContext> => ({
  onExecute: ({ args }) => tellLoaders(args),
});
