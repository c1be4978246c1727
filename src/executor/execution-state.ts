import {
  locatedError, type FieldNode, type FragmentDefinitionNode, type GraphQLError, type GraphQLField, type GraphQLObjectType, type GraphQLResolveInfo,
  type GraphQLSchema, type OperationDefinitionNode,
} from 'graphql';
import type { Segment, StaticBytes, JsonWriter } from './json-writer.ts';
import type { RawColumnWriter } from './raw-columns.ts';

/** What one execution of a planned query keeps while it runs. */

/** Writes a value that stands at `key`; throws what is wrong with it. */
export type CompleteValue = (run: ExecutionState, field: CompiledField, value: unknown, key: string | number) => void;

export interface CompiledField {
  name: string;
  nodes: readonly FieldNode[];
  parentType: GraphQLObjectType;
  definition: GraphQLField<unknown, unknown>;
  resolve: GraphQLField<unknown, unknown>['resolve'];
  hasNoArguments: boolean;
  /** Whether the resolver declares `info`. Stored because reading `Function.length` took 3 % of a nested read. */
  needsInfo: boolean;
  /** Where a run keeps the field's arguments; they are the same for every object of it. */
  argumentsIndex: number;
  /** What stands before the value: the sign before the field, and its name. */
  keyBytes: StaticBytes;
  /** The value as JSON where it is known without asking: `__typename`. */
  constant: StaticBytes | undefined;
  /** Writes it from a row's bytes, where it is a text of them. */
  rawColumns: RawColumnWriter | undefined;
  nullable: boolean;
  complete: CompleteValue;
}

/** The fields asked of objects of one type at one place of the document. */
export type Plan = readonly CompiledField[];

/** An object or a list that something in it is waited for. */
export interface DetachedContainer extends Segment {
  parent: DetachedContainer | null;
  key: string | number;
  nullable: boolean;
  /** Null has taken its place, and why is told. */
  isNulled: boolean;
}

/** An object or a list that is being written. */
export interface StackFrame {
  key: string | number;
  nullable: boolean;
  /** Where it begins on the tape. */
  start: number;
  /** Made when something in it is waited for; those around it have theirs then too. */
  container: DetachedContainer | null;
}

/** One execution. */
export interface ExecutionState {
  compiled: CompiledQuery;
  contextValue: unknown;
  rootValue: unknown;
  variables: Record<string, unknown>;
  schema: GraphQLSchema;
  arguments: unknown[];
  errors: GraphQLError[];
  writer: JsonWriter;
  data: Segment;
  /** The whole answer is null. */
  failed: boolean;
  /** What is being written now: at a place, which stands in `base`, `depth` objects and lists within one another. */
  segment: Segment;
  base: DetachedContainer | null;
  frames: StackFrame[];
  depth: number;
  /** What is asked there now: where it stands that an error is thrown. */
  field: CompiledField | undefined;
  key: string | number;
  /** The innermost of them that has a place of its own: what is written goes there. */
  output: Segment;
  pending: number;
  finish: ((run: ExecutionState) => void) | undefined;
  /** List items written so far, and the number at which to look at the clock again. */
  items: number;
  nextClockCheck: number;
}

export interface CompiledQuery {
  operation: OperationDefinitionNode;
  fragments: Record<string, FragmentDefinitionNode>;
  plan: Plan;
  /** Bytes of heap. */
  weight: number;
}

/** Where the value at `key` stands in the answer. */
export function pathOf({ base, frames, depth }: ExecutionState, key: string | number): (string | number)[] {
  const path = [key];
  for (let n = depth - 1; n >= 0; n -= 1) path.unshift(frames[n]!.key);
  for (let slot = base; slot !== null; slot = slot.parent) path.unshift(slot.key);
  return path;
}

/** What was thrown, with where it happened; all objects and lists that it was thrown out of are left, but for the first `depth`. */
export function locateError(run: ExecutionState, thrown: unknown, depth: number): GraphQLError {
  const error = locatedError(thrown, run.field?.nodes, pathOf(run, run.key));
  for (let n = depth; n < run.depth; n += 1) {
    const { container } = run.frames[n]!;
    if (container !== null) container.isNulled = true;
  }
  run.depth = depth;
  return error;
}

export function buildResolveInfo(run: ExecutionState, { name, nodes, parentType, definition }: CompiledField): GraphQLResolveInfo {
  const { compiled: { fragments, operation }, schema, rootValue, variables } = run;
  let path: GraphQLResolveInfo['path'] | undefined;
  for (const key of pathOf(run, name)) path = { prev: path, key, typename: undefined };
  return {
    fieldName: definition.name, fieldNodes: nodes, returnType: definition.type, parentType, path: path!,
    schema, fragments, rootValue, operation, variableValues: variables,
  };
}

export const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
