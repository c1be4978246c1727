import {
  getArgumentValues, locatedError, type FieldNode, type FragmentDefinitionNode, type GraphQLError, type GraphQLField, type GraphQLObjectType,
  type GraphQLResolveInfo, type GraphQLSchema, type OperationDefinitionNode,
} from 'graphql';
import type { Place, Text } from './text.ts';

/**
 * Running a planned query: asking the resolvers, and writing what they answer, or null and an error, as JSON. What is
 * known at once is written at once and leaves nothing behind; what is waited for is a place in the text.
 */

/** How a value is written that stands at `key`; throws what is wrong with it. */
export type Complete = (run: Run, field: Field, value: unknown, key: string | number) => Text;

export interface Field {
  name: string;
  nodes: readonly FieldNode[];
  parentType: GraphQLObjectType;
  definition: GraphQLField<unknown, unknown>;
  /** Where a run keeps the field's arguments; they are the same for every object of it. */
  at: number;
  /** The name as it stands in the text. */
  lead: string;
  /** The answer where it is known without asking: `__typename`. */
  constant: string | undefined;
  nullable: boolean;
  complete: Complete;
}

/** The fields asked of objects of one type at one place of the document. */
export type Plan = readonly Field[];

/** An object or a list that something in it is waited for. */
interface Slot extends Place {
  above: Slot | null;
  key: string | number;
  nullable: boolean;
  /** Null has taken its place, and why is told. */
  dead: boolean;
}

/** An object or a list that is being written. */
interface Frame {
  key: string | number;
  nullable: boolean;
  /** Made when something in it is waited for. */
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
  data: Place;
  /** What is being written now, from the outside in: `depth` frames, within `base`. */
  frames: Frame[];
  depth: number;
  base: Slot | null;
  pending: number;
  finish: (() => void) | undefined;
}

export interface Compiled {
  operation: OperationDefinitionNode;
  fragments: Record<string, FragmentDefinitionNode>;
  plan: Plan;
}

/** The fields of an object, in the order of the document. The root's frame is none: its key is undefined. */
export function objectText(run: Run, plan: Plan, source: unknown, key: string | number | undefined, nullable: boolean): Text {
  if (key !== undefined) enter(run, key, nullable);
  const { depth } = run;
  let text = '';
  let parts: Text[] | undefined;
  for (const field of plan) {
    text += text === '' && parts === undefined ? `{${field.lead}` : `,${field.lead}`;
    const part = field.constant ?? fieldText(run, field, source, depth);
    if (typeof part === 'string') text += part;
    else {
      (parts ??= []).push(text, part);
      text = '';
    }
  }
  const end = plan.length === 0 ? '{}' : '}';
  return parts === undefined ? leave(run, key, text + end) : leave(run, key, (parts.push(text + end), parts));
}

function fieldText(run: Run, field: Field, source: unknown, depth: number): Text {
  try {
    const value = resolved(run, field, source);
    return isPromise(value) ? later(run, field, field.complete, field.nullable, value, field.name) : field.complete(run, field, value, field.name);
  } catch (error) {
    run.depth = depth;
    return failed(run, field, error, field.nullable, field.name);
  }
}

/** The items of a list, in their order. */
export function listText(run: Run, field: Field, complete: Complete, itemNullable: boolean, items: Iterable<unknown>, key: string | number, nullable: boolean): Text {
  enter(run, key, nullable);
  const { depth } = run;
  let text = '[';
  let parts: Text[] | undefined;
  let n = 0;
  for (const item of items) {
    if (n > 0) text += ',';
    let part: Text;
    try {
      part = isPromise(item) ? later(run, field, complete, itemNullable, item, n) : complete(run, field, item, n);
    } catch (error) {
      run.depth = depth;
      part = failed(run, field, error, itemNullable, n);
    }
    n += 1;
    if (typeof part === 'string') text += part;
    else {
      (parts ??= []).push(text, part);
      text = '';
    }
  }
  text += ']';
  return parts === undefined ? leave(run, key, text) : leave(run, key, (parts.push(text), parts));
}

function enter(run: Run, key: string | number, nullable: boolean): void {
  const frame = run.frames[run.depth];
  if (frame === undefined) run.frames.push({ key, nullable, slot: null });
  else {
    frame.key = key;
    frame.nullable = nullable;
    frame.slot = null;
  }
  run.depth += 1;
}

function leave(run: Run, key: string | number | undefined, text: string | Text[]): Text {
  if (key === undefined) return typeof text === 'string' ? text : { text };
  run.depth -= 1;
  if (typeof text === 'string') return text;
  const slot = run.frames[run.depth]!.slot;
  if (slot === null) return { text };
  // What failed meanwhile has put null here already.
  if (!slot.dead) slot.text = text;
  return slot;
}

/** The innermost object or list that is being written, as what is waited for in it will find it. */
function slotOf(run: Run): Slot | null {
  let above = run.base;
  for (let n = 0; n < run.depth; n += 1) {
    const frame = run.frames[n]!;
    above = frame.slot ??= { above, key: frame.key, nullable: frame.nullable, dead: false, text: 'null' };
  }
  return above;
}

/** What an error at once leaves: null here, or the same error for what stands above. */
function failed(run: Run, field: Field, error: unknown, nullable: boolean, key: string | number): string {
  const located = locatedError(error, field.nodes, pathOf(run, key));
  if (!nullable) {
    const slot = run.depth === 0 ? run.base : run.frames[run.depth - 1]!.slot;
    if (slot !== null) slot.dead = true;
    throw located;
  }
  run.errors.push(located);
  return 'null';
}

const noArguments = Object.freeze({});

function resolved(run: Run, field: Field, source: unknown): unknown {
  const { definition, at } = field;
  const resolve = definition.resolve;
  const args = definition.args.length === 0 ? noArguments : (run.arguments[at] ??= getArgumentValues(definition, field.nodes[0]!, run.variables));
  // Whoever does not name `info` is not given it.
  if (resolve !== undefined) return resolve(source, args, run.contextValue, (resolve.length > 3 ? infoOf(run, field) : undefined)!);
  const value = typeof source === 'object' && source !== null ? (source as Record<string, unknown>)[definition.name] : undefined;
  return typeof value === 'function' ? (value as (...all: unknown[]) => unknown).call(source, args, run.contextValue, infoOf(run, field)) : value;
}

/** Leaves a place until the promise is settled. */
export function later(run: Run, field: Field, complete: Complete, nullable: boolean, value: PromiseLike<unknown>, key: string | number): Place {
  const place: Place = { text: 'null' };
  const above = slotOf(run);
  run.pending += 1;
  const settle = (step: () => void): void => {
    run.base = above;
    run.depth = 0;
    step();
    run.pending -= 1;
    if (run.pending === 0) run.finish?.();
  };
  value.then(
    (found) =>
      settle(() => {
        try {
          place.text = isPromise(found) ? later(run, field, complete, nullable, found, key) : complete(run, field, found, key);
        } catch (error) {
          failLate(run, field, error, nullable, above, key);
        }
      }),
    (error: unknown) => settle(() => failLate(run, field, error, nullable, above, key)),
  );
  return place;
}

/** Null takes the place, or the nearest above that may be null; an error of a place that null has taken already is not told. */
function failLate(run: Run, field: Field, raw: unknown, nullable: boolean, above: Slot | null, key: string | number): void {
  run.depth = 0;
  const error = locatedError(raw, field.nodes, pathOf(run, key));
  if (nullable) return void run.errors.push(error);
  let slot = above;
  for (; slot !== null && !slot.dead; slot = slot.above) {
    slot.dead = true;
    if (!slot.nullable) continue;
    slot.text = 'null';
    run.errors.push(error);
    return;
  }
  if (slot !== null || run.data.text === 'null') return;
  run.data.text = 'null';
  run.errors.push(error);
}

function pathOf({ base, frames, depth }: Run, key: string | number): (string | number)[] {
  const path = [key];
  for (let n = depth - 1; n >= 0; n -= 1) path.unshift(frames[n]!.key);
  for (let slot = base; slot !== null; slot = slot.above) path.unshift(slot.key);
  return path;
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
