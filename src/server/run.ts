import {
  locatedError, type FieldNode, type FragmentDefinitionNode, type GraphQLError, type GraphQLField, type GraphQLObjectType, type GraphQLResolveInfo,
  type GraphQLSchema, type OperationDefinitionNode,
} from 'graphql';
import type { Place, Ready, Tape } from './tape.ts';
import type { TextWriter } from './texts.ts';

/** What one execution of a planned query keeps while it runs. */

/** Writes a value that stands at `key`; throws what is wrong with it. */
export type Complete = (run: Run, field: Field, value: unknown, key: string | number) => void;

export interface Field {
  name: string;
  nodes: readonly FieldNode[];
  parentType: GraphQLObjectType;
  definition: GraphQLField<unknown, unknown>;
  resolve: GraphQLField<unknown, unknown>['resolve'];
  argless: boolean;
  /** Where a run keeps the field's arguments; they are the same for every object of it. */
  at: number;
  /** What stands before the value: the sign before the field, and its name. */
  lead: Ready;
  /** The value as JSON where it is known without asking: `__typename`. */
  constant: Ready | undefined;
  /** Writes it from a row's bytes, where it is a text of them. */
  text: TextWriter | undefined;
  nullable: boolean;
  complete: Complete;
}

/** The fields asked of objects of one type at one place of the document. */
export type Plan = readonly Field[];

/** An object or a list that something in it is waited for. */
export interface Slot extends Place {
  above: Slot | null;
  key: string | number;
  nullable: boolean;
  /** Null has taken its place, and why is told. */
  dead: boolean;
}

/** An object or a list that is being written. */
export interface Frame {
  key: string | number;
  nullable: boolean;
  /** Where it begins on the tape. */
  start: number;
  /** Made when something in it is waited for; those around it have theirs then too. */
  slot: Slot | null;
}

/** One execution. */
export interface Run {
  compiled: Compiled;
  contextValue: unknown;
  rootValue: unknown;
  variables: Record<string, unknown>;
  schema: GraphQLSchema;
  arguments: unknown[];
  errors: GraphQLError[];
  tape: Tape;
  data: Place;
  /** The whole answer is null. */
  failed: boolean;
  /** What is being written now: at a place, which stands in `base`, `depth` objects and lists within one another. */
  place: Place;
  base: Slot | null;
  frames: Frame[];
  depth: number;
  /** What is asked there now: where it stands that an error is thrown. */
  field: Field | undefined;
  key: string | number;
  /** The innermost of them that has a place of its own: what is written goes there. */
  sink: Place;
  pending: number;
  finish: ((run: Run) => void) | undefined;
  /** List items written so far, and the number at which to look at the clock again. */
  items: number;
  nextLook: number;
}

export interface Compiled {
  operation: OperationDefinitionNode;
  fragments: Record<string, FragmentDefinitionNode>;
  plan: Plan;
  /** Bytes of heap. */
  weight: number;
}

/** Where the value at `key` stands in the answer. */
export function pathOf({ base, frames, depth }: Run, key: string | number): (string | number)[] {
  const path = [key];
  for (let n = depth - 1; n >= 0; n -= 1) path.unshift(frames[n]!.key);
  for (let slot = base; slot !== null; slot = slot.above) path.unshift(slot.key);
  return path;
}

/** What was thrown, with where it happened; all objects and lists that it was thrown out of are left, but for the first `depth`. */
export function located(run: Run, thrown: unknown, depth: number): GraphQLError {
  const error = locatedError(thrown, run.field?.nodes, pathOf(run, run.key));
  for (let n = depth; n < run.depth; n += 1) {
    const { slot } = run.frames[n]!;
    if (slot !== null) slot.dead = true;
  }
  run.depth = depth;
  return error;
}

export function infoOf(run: Run, { name, nodes, parentType, definition }: Field): GraphQLResolveInfo {
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
