import {
  execute as executeUnplanned, getVariableValues, Kind, OperationTypeNode, type DocumentNode, type ExecutionArgs, type ExecutionResult,
  type GraphQLSchema, type OperationDefinitionNode,
} from 'graphql';
import { writeRoot } from './execute-fields.ts';
import { failExecution } from './deferred.ts';
import { compileQuery, type Compilation, type PlanCache } from './compile-query.ts';
import { locateError, type CompiledQuery, type ExecutionState } from './execution-state.ts';
import { JsonWriter, assemble, type Segment, type AssembledBytes } from './json-writer.ts';

/**
 * Execution of queries by the specification, where what graphql's own `execute` finds out anew for every object (which
 * fields are asked, with which arguments, of which type) is found out once for a document, and nothing waits that need
 * not. Changes are left to `execute`. The answers are the same, byte for byte:
 * test/executor/executor.test.ts.
 */

type Now<T> = T | Promise<T>;

/** An execution by a plan, or graphql's own answer. */
export type Executed = ExecutionState | ExecutionResult;

/** An operation, ready to be executed. */
export interface PreparedOperation extends Compilation {
  /** Whether graphql's own `execute` runs it, which gives the event loop no turn however long it takes. */
  runsUnsliced: boolean;
  /** Executes it on a root value in a context. */
  execute(rootValue: unknown, contextValue: unknown): Now<Executed>;
}

export interface PrepareOptions {
  /** Holds the plan if it is a new one; a cache of the whole process by default. */
  planCache?: PlanCache | undefined;
}

/** Executes a query, or an item of a subscription, by its plan; anything else by graphql's own `execute`. */
export function execute(args: ExecutionArgs): Now<ExecutionResult> {
  const executed = executeToWriter(args);
  return executed instanceof Promise ? executed.then(resultOf) : resultOf(executed);
}

/** As `execute`; the answer of a plan is left on its tape, for whoever takes it from there. */
export const executeToWriter = (args: ExecutionArgs): Now<Executed> => prepare(args).execute(args.rootValue, args.contextValue);

/** As `executeToTape`, for an operation that is executed many times: what its document and variables say is found out once. */
export function prepare(args: ExecutionArgs, { planCache }: PrepareOptions = {}): PreparedOperation {
  const { schema, document } = args;
  const unplanned: PreparedOperation = {
    compiled: null, plannedFields: 0, runsUnsliced: true,
    execute: (rootValue, contextValue) => executeUnplanned({ ...args, rootValue, contextValue }),
  };
  const operation = operationOf(document, args.operationName);
  if (operation === undefined || operation.operation === OperationTypeNode.MUTATION || args.fieldResolver || args.typeResolver) return unplanned;
  const { coerced, errors } = getVariableValues(schema, operation.variableDefinitions ?? [], args.variableValues ?? {}, { maxErrors: 50 });
  if (errors !== undefined) return { compiled: null, plannedFields: 0, runsUnsliced: false, execute: () => ({ errors }) };
  const { compiled, plannedFields } = compileQuery(schema, document, operation, coerced, planCache);
  if (compiled === null) return { ...unplanned, plannedFields };
  const fieldArguments: unknown[] = [];
  return { compiled, plannedFields, runsUnsliced: false, execute: (rootValue, contextValue) => executeCompiled(compiled, schema, coerced, fieldArguments, rootValue, contextValue) };
}

function executeCompiled(
  compiled: CompiledQuery, schema: GraphQLSchema, variables: Record<string, unknown>, fieldArguments: unknown[], rootValue: unknown, contextValue: unknown,
): Now<ExecutionState> {
  const data: Segment = { parts: [], open: 0 };
  const run: ExecutionState = {
    compiled, contextValue, rootValue, schema, variables, arguments: fieldArguments, errors: [], writer: new JsonWriter(), data, failed: false,
    segment: data, base: null, frames: [], depth: 0, field: undefined, key: '', output: data, pending: 0, finish: undefined,
    items: 0, nextClockCheck: 0,
  };
  try {
    writeRoot(run, compiled.plan);
  } catch (error) {
    failExecution(run, locateError(run, error, 0));
    return run;
  }
  if (run.pending === 0) return run;
  // As it is: where another function stood around it, V8 kept every run until its next full collection.
  return new Promise((resolve) => (run.finish = resolve));
}

export const isExecutionState = (executed: Executed): executed is ExecutionState => 'writer' in executed;

/** What was executed, as graphql answers it; once only. */
export function resultOf(executed: Executed): ExecutionResult {
  if (!isExecutionState(executed)) return executed;
  const { errors } = executed;
  const { bytes, release } = takeBytes(executed);
  const { data } = JSON.parse(bytes.toString()) as ExecutionResult;
  release();
  return { ...(errors.length > 0 && { errors }), data };
}

const [before, after] = [Buffer.from('{"data":'), Buffer.from('}')];

/** The answer of an execution as JSON, without its errors; once only. */
export const takeBytes = ({ writer, data }: ExecutionState): AssembledBytes => assemble(writer, data, before, after);

/** The operation that is meant, where that is clear. */
export function operationOf({ definitions }: DocumentNode, name: string | null | undefined): OperationDefinitionNode | undefined {
  const [first] = definitions;
  if (definitions.length === 1 && first!.kind === Kind.OPERATION_DEFINITION) return name == null || first.name?.value === name ? first : undefined;
  const operations = definitions.filter((node): node is OperationDefinitionNode => node.kind === Kind.OPERATION_DEFINITION);
  // Which one is meant where several are, or none, is for graphql to say.
  return name == null ? (operations.length === 1 ? operations[0] : undefined) : operations.find((node) => node.name?.value === name);
}
