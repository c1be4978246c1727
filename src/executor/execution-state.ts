import {
  locatedError,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLError,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import type { Segment, StaticBytes, JsonWriter } from './json-writer.ts';
import type { IsByteRow, RawColumnWriter } from './raw-columns.ts';

/** Writes the value at `key` as JSON, or throws the field's error. */
export type CompleteValue = (state: ExecutionState, field: CompiledField, value: unknown, key: string | number) => void;

export interface CompiledField {
  name: string;
  nodes: readonly FieldNode[];
  parentType: GraphQLObjectType;
  definition: GraphQLField<unknown, unknown>;
  resolve: GraphQLField<unknown, unknown>['resolve'];
  hasNoArguments: boolean;
  /**
   * Whether the resolver declares the parameter `info`. Stored, because reading `Function.length` for every object took 3 % of
   * the time of a query with nested lists.
   */
  needsInfo: boolean;
  /** Index of the field's arguments in `ExecutionState.arguments`. The arguments are the same for every object. */
  argumentsIndex: number;
  /** The bytes before the value: `{` or `,`, the quoted name, and `:`. */
  keyBytes: StaticBytes;
  /** The constant value of `__typename` as JSON. */
  constant: StaticBytes | undefined;
  /** Copies the value from a row's bytes, if the value is made up of texts of columns (src/executor/raw-columns.ts). */
  rawColumns: RawColumnWriter | undefined;
  nullable: boolean;
  complete: CompleteValue;
}

/** The fields that a selection set selects on one object type. */
export type Plan = readonly CompiledField[];

/** An object or a list that waits for a promise inside it. */
export interface DetachedContainer extends Segment {
  parent: DetachedContainer | null;
  key: string | number;
  nullable: boolean;
  /** Set when null replaces the container; later errors inside it are dropped. */
  isNulled: boolean;
}

/** An object or a list that is still open in the output. */
export interface StackFrame {
  key: string | number;
  nullable: boolean;
  /** Position of the first byte in the writer. */
  start: number;
  /** Created when a value inside waits for a promise, together with the containers of all outer frames. */
  container: DetachedContainer | null;
}

/** The `extensions` of a result: the value, and the bytes that follow `data` in the JSON. Many results share one object. */
export class ResultExtensions {
  readonly value: Record<string, unknown>;
  readonly suffix: Buffer;

  constructor(value: Record<string, unknown>) {
    this.value = value;
    this.suffix = Buffer.from(`,"extensions":${JSON.stringify(value)}}`);
  }
}

/** The state of one execution of a compiled query. */
export interface ExecutionState {
  compiled: CompiledQuery;
  contextValue: unknown;
  rootValue: unknown;
  variables: Record<string, unknown>;
  schema: GraphQLSchema;
  isByteRow: IsByteRow;
  arguments: unknown[];
  errors: GraphQLError[];
  writer: JsonWriter;
  data: Segment;
  /** The `extensions` of the result, which the caller may set after the execution. */
  extensions: ResultExtensions | undefined;
  /** Set when `data` is null as a whole. */
  failed: boolean;
  /** The segment being filled. It lies in the container `base`, and `depth` frames are open inside it. */
  segment: Segment;
  base: DetachedContainer | null;
  frames: StackFrame[];
  depth: number;
  /** The field and the key being completed, for the path of an error. */
  field: CompiledField | undefined;
  key: string | number;
  /** Receives the written bytes: the innermost container of the open frames, or `segment` if no open frame has a container. */
  output: Segment;
  pending: number;
  finish: ((state: ExecutionState) => void) | undefined;
  /** List items written so far, and the number at which to read the clock again. */
  items: number;
  nextClockCheck: number;
}

export interface CompiledQuery {
  operation: OperationDefinitionNode;
  fragments: Record<string, FragmentDefinitionNode>;
  plan: Plan;
  /** Estimated bytes of heap. */
  weight: number;
}

/** Returns the response path of the value at `key`. */
function pathOf({ base, frames, depth }: ExecutionState, key: string | number): (string | number)[] {
  const path = [key];
  for (let n = depth - 1; n >= 0; n -= 1) path.unshift(frames[n]!.key);
  for (let container = base; container !== null; container = container.parent) path.unshift(container.key);
  return path;
}

/** Returns the error with path and nodes. Closes the frames after the first `depth`; their containers become null. */
export function locateError(state: ExecutionState, thrown: unknown, depth: number): GraphQLError {
  const error = locatedError(thrown, state.field?.nodes, pathOf(state, state.key));
  for (let n = depth; n < state.depth; n += 1) {
    const { container } = state.frames[n]!;
    if (container !== null) container.isNulled = true;
  }
  state.depth = depth;
  return error;
}

export function buildResolveInfo(state: ExecutionState, { name, nodes, parentType, definition }: CompiledField): GraphQLResolveInfo {
  const {
    compiled: { fragments, operation },
    schema,
    rootValue,
    variables,
  } = state;
  let path: GraphQLResolveInfo['path'] | undefined;
  for (const key of pathOf(state, name)) path = { prev: path, key, typename: undefined };
  return {
    fieldName: definition.name,
    fieldNodes: nodes,
    returnType: definition.type,
    parentType,
    path: path!,
    schema,
    fragments,
    rootValue,
    operation,
    variableValues: variables,
  };
}

export const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
