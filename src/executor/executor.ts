import {
  execute as executeWithGraphqlJs,
  getVariableValues,
  Kind,
  OperationTypeNode,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  type OperationDefinitionNode,
} from 'graphql';
import { writeRoot } from './execute-fields.ts';
import { failExecution } from './deferred.ts';
import { compileQuery, type PlanCache } from './compile-query.ts';
import type { Compilation } from './compiler.ts';
import { locateError, type ExecutionState, type ResultExtensions } from './execution-state.ts';
import { JsonWriter, assemble, type Segment, type AssembledBytes } from './json-writer.ts';
import type { ByteRow, IsByteRow } from './raw-columns.ts';

/**
 * Executes queries as the specification says, and writes the result as JSON during the execution. graphql-js collects
 * fields, arguments and types for every object; this executor collects them once per document. graphql-js executes
 * mutations. The results are the same as those of graphql-js, byte for byte: test/executor/executor.test.ts.
 */

type PromiseOrValue<T> = T | Promise<T>;

/** The state after executing a plan, or the result of graphql-js. */
export type Executed = ExecutionState | ExecutionResult;

/** An operation, ready to be executed. */
export interface PreparedOperation extends Compilation {
  /**
   * Whether graphql-js executes the operation because plans do not support it. Such an execution never yields to the
   * event loop, however long it takes.
   */
  runsUnsliced: boolean;
  execute(rootValue: unknown, contextValue: unknown): PromiseOrValue<Executed>;
}

export interface PrepareOptions {
  /** The cache for a new plan. The default is a cache of 16 MiB for the whole process. */
  planCache?: PlanCache | undefined;
  /** Lets graphql-js execute the operation even if a plan could. */
  usesGraphqlJs?: boolean;
  /** Recognises rows whose columns can be copied as bytes. The default recognises no row. */
  isByteRow?: IsByteRow;
}

/** Executes a query, or one event of a subscription, by its plan; graphql-js executes anything else. */
export function execute(args: ExecutionArgs): PromiseOrValue<ExecutionResult> {
  const executed = executeToWriter(args);
  return executed instanceof Promise ? executed.then(resultOf) : resultOf(executed);
}

/** Like `execute`, but leaves the result of a plan in its JsonWriter, for `takeBytes` or `resultOf`. */
export const executeToWriter = (args: ExecutionArgs): PromiseOrValue<Executed> => prepare(args).execute(args.rootValue, args.contextValue);

/** Prepares an operation to be executed many times: coerces its variables and compiles its document once. */
export function prepare(
  args: ExecutionArgs,
  { planCache, usesGraphqlJs = false, isByteRow = noByteRow }: PrepareOptions = {},
): PreparedOperation {
  const { schema, document } = args;
  const fallback: PreparedOperation = {
    compiled: null,
    plannedFields: 0,
    runsUnsliced: !usesGraphqlJs,
    execute: (rootValue, contextValue) => executeWithGraphqlJs({ ...args, rootValue, contextValue }),
  };
  const operation = usesGraphqlJs ? undefined : operationOf(document, args.operationName);
  if (operation === undefined || operation.operation === OperationTypeNode.MUTATION || args.fieldResolver || args.typeResolver)
    return fallback;
  const { coerced, errors } = getVariableValues(schema, operation.variableDefinitions ?? [], args.variableValues ?? {}, { maxErrors: 50 });
  if (errors !== undefined) return { compiled: null, plannedFields: 0, runsUnsliced: false, execute: () => ({ errors }) };
  const { compiled, plannedFields } = compileQuery(schema, document, operation, coerced, planCache);
  if (compiled === null) return { ...fallback, plannedFields };
  const fieldArguments: unknown[] = [];
  return {
    compiled,
    plannedFields,
    runsUnsliced: false,
    execute: (rootValue, contextValue) =>
      executeCompiled({ compiled, schema, variables: coerced, arguments: fieldArguments, isByteRow, rootValue, contextValue }),
  };
}

const noByteRow: IsByteRow = (_value): _value is ByteRow => false;

type ExecutionInput = Pick<ExecutionState, 'compiled' | 'schema' | 'variables' | 'arguments' | 'isByteRow' | 'rootValue' | 'contextValue'>;

function executeCompiled({
  compiled,
  schema,
  variables,
  arguments: fieldArguments,
  isByteRow,
  rootValue,
  contextValue,
}: ExecutionInput): PromiseOrValue<ExecutionState> {
  const data: Segment = { parts: [], open: 0 };
  const state: ExecutionState = {
    compiled,
    contextValue,
    rootValue,
    schema,
    variables,
    isByteRow,
    arguments: fieldArguments,
    errors: [],
    writer: new JsonWriter(),
    data,
    extensions: undefined,
    failed: false,
    segment: data,
    base: null,
    frames: [],
    depth: 0,
    field: undefined,
    key: '',
    output: data,
    pending: 0,
    finish: undefined,
    items: 0,
    nextClockCheck: 0,
  };
  try {
    writeRoot(state, compiled.plan);
  } catch (error) {
    failExecution(state, locateError(state, error, 0));
    return state;
  }
  if (state.pending === 0) return state;
  // Stores `resolve` itself: a wrapping closure kept every ExecutionState alive until a full GC (docs/profile.md).
  return new Promise((resolve) => (state.finish = resolve));
}

export const isExecutionState = (executed: Executed): executed is ExecutionState => 'writer' in executed;

/** Returns the result in the form of graphql-js. Call it once, since it releases the writer's buffer. */
export function resultOf(executed: Executed): ExecutionResult {
  if (!isExecutionState(executed)) return executed;
  const { errors, extensions } = executed;
  const { bytes, release } = takeBytes(executed);
  const { data } = JSON.parse(bytes.toString()) as ExecutionResult;
  release();
  return { ...(errors.length > 0 && { errors }), data, ...(extensions && { extensions: extensions.value }) };
}

const [dataPrefix, dataSuffix] = [Buffer.from('{"data":'), Buffer.from('}')];

/** Returns the result as JSON, without its errors. Call it once, since it releases the writer's buffer. */
export const takeBytes = ({ writer, data, extensions }: ExecutionState): AssembledBytes =>
  assemble(writer, data, dataPrefix, extensions === undefined ? dataSuffix : extensions.suffix);

/** Returns the result with these extensions. */
export function withExtensions(executed: Executed, extensions: ResultExtensions): Executed {
  if (!isExecutionState(executed)) return { ...executed, extensions: extensions.value };
  executed.extensions = extensions;
  return executed;
}

/** Returns the operation with this name; without a name, the only operation. Returns undefined if it is missing or ambiguous. */
export function operationOf({ definitions }: DocumentNode, name: string | null | undefined): OperationDefinitionNode | undefined {
  const [first] = definitions;
  if (definitions.length === 1 && first!.kind === Kind.OPERATION_DEFINITION)
    return name == null || first.name?.value === name ? first : undefined;
  const operations = definitions.filter((node): node is OperationDefinitionNode => node.kind === Kind.OPERATION_DEFINITION);
  // graphql-js reports an ambiguous or missing operation.
  return name == null ? (operations.length === 1 ? operations[0] : undefined) : operations.find((node) => node.name?.value === name);
}
