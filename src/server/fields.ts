import {
  getArgumentValues, locatedError, type FieldNode, type FragmentDefinitionNode, type GraphQLError, type GraphQLField, type GraphQLObjectType,
  type GraphQLResolveInfo, type GraphQLSchema, type OperationDefinitionNode,
} from 'graphql';
import { cut, type Place, type Tape } from './tape.ts';

/**
 * Running a planned query: asking the resolvers, and writing what they answer, or null and an error, as JSON. What is
 * known at once is written at once and leaves nothing behind; what is waited for has a place of its own.
 */

/** Writes a value that stands at `key`; throws what is wrong with it. */
export type Complete = (run: Run, field: Field, value: unknown, key: string | number) => void;

export interface Field {
  name: string;
  nodes: readonly FieldNode[];
  parentType: GraphQLObjectType;
  definition: GraphQLField<unknown, unknown>;
  /** Where a run keeps the field's arguments; they are the same for every object of it. */
  at: number;
  /** The name as JSON, and what follows it. */
  lead: Uint8Array;
  /** The value as JSON where it is known without asking: `__typename`. */
  constant: Uint8Array | undefined;
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
  /** The innermost of them that has a place of its own: what is written goes there. */
  sink: Place;
  pending: number;
  finish: (() => void) | undefined;
}

export interface Compiled {
  operation: OperationDefinitionNode;
  fragments: Record<string, FragmentDefinitionNode>;
  plan: Plan;
}

const code = (sign: string): number => sign.charCodeAt(0);
const [brace, braceEnd, bracket, bracketEnd, comma] = ['{', '}', '[', ']', ','].map(code) as [number, number, number, number, number];

/** The object at the root of the answer. */
export function writeRoot(run: Run, plan: Plan): void {
  writeFields(run, plan, run.rootValue);
  cut(run.data, run.tape.at);
}

/** An object's fields, in the order of the document. */
export function writeObject(run: Run, plan: Plan, source: unknown, key: string | number, nullable: boolean): void {
  enter(run, key, nullable);
  writeFields(run, plan, source);
  leave(run);
}

function writeFields(run: Run, plan: Plan, source: unknown): void {
  const { tape } = run;
  if (plan.length === 0) tape.byte(brace);
  let sign = brace;
  for (const field of plan) {
    tape.byte(sign);
    tape.copy(field.lead);
    sign = comma;
    if (field.constant === undefined) attempt(run, field, field.complete, field.nullable, field.name, undefined, source);
    else tape.copy(field.constant);
  }
  tape.byte(braceEnd);
}

/** A list's items, in their order. */
export function writeList(run: Run, field: Field, complete: Complete, itemNullable: boolean, items: Iterable<unknown>, key: string | number, nullable: boolean): void {
  enter(run, key, nullable);
  const { tape } = run;
  tape.byte(bracket);
  let n = 0;
  for (const item of items) {
    if (n > 0) tape.byte(comma);
    attempt(run, field, complete, itemNullable, n, item, undefined);
    n += 1;
  }
  tape.byte(bracketEnd);
  leave(run);
}

/** Writes an item, or the value of a field; where that fails at once, null, or throws for what stands above. */
function attempt(run: Run, field: Field, complete: Complete, nullable: boolean, key: string | number, item: unknown, source: unknown): void {
  const { depth, sink, tape: { at } } = run;
  const { open, parts: { length } } = sink;
  try {
    const value = typeof key === 'number' ? item : resolved(run, field, source);
    if (isPromise(value)) later(run, field, complete, nullable, value, key);
    else complete(run, field, value, key);
  } catch (error) {
    run.depth = depth;
    const frame = depth === 0 ? undefined : run.frames[depth - 1]!;
    const located = locatedError(error, field.nodes, pathOf(run, key));
    if (!nullable) {
      if (frame !== undefined && frame.slot !== null) frame.slot.dead = true;
      throw located;
    }
    run.errors.push(located);
    // All that the attempt wrote is taken back, places too; where it gave this object a place of its own, that stays.
    if (frame === undefined || frame.slot === null || frame.slot === sink) {
      run.sink = sink;
      sink.parts.length = length;
      sink.open = open;
    } else {
      run.sink = frame.slot;
      frame.slot.parts.length = 0;
      frame.slot.open = frame.start;
    }
    run.tape.at = at;
    run.tape.json('null');
  }
}

function enter(run: Run, key: string | number, nullable: boolean): void {
  const { frames, depth, tape: { at: start } } = run;
  const frame = frames[depth];
  if (frame === undefined) frames.push({ key, nullable, start, slot: null });
  else {
    frame.key = key;
    frame.nullable = nullable;
    frame.start = start;
    frame.slot = null;
  }
  run.depth = depth + 1;
}

function leave(run: Run): void {
  const { frames, tape: { at } } = run;
  run.depth -= 1;
  const { slot } = frames[run.depth]!;
  if (slot === null) return;
  cut(slot, at);
  run.sink = run.depth === 0 ? run.place : frames[run.depth - 1]!.slot!;
  run.sink.open = at;
}

/** Gives all that is being written a place of its own, from the outside in, and answers the innermost object or list. */
function slotOf(run: Run): Slot | null {
  let above = run.base;
  for (let n = 0; n < run.depth; n += 1) {
    const frame = run.frames[n]!;
    if (frame.slot === null) {
      frame.slot = { above, key: frame.key, nullable: frame.nullable, dead: false, parts: [], open: frame.start };
      cut(run.sink, frame.start);
      run.sink.parts.push(frame.slot);
      run.sink = frame.slot;
    }
    above = frame.slot;
  }
  return above;
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
export function later(run: Run, field: Field, complete: Complete, nullable: boolean, value: PromiseLike<unknown>, key: string | number): void {
  const above = slotOf(run);
  const { sink, tape } = run;
  const place: Place = { parts: [], open: 0 };
  cut(sink, tape.at);
  sink.parts.push(place);
  sink.open = tape.at;
  run.pending += 1;
  whenSettled(run, field, complete, nullable, value, key, above, place);
}

function whenSettled(
  run: Run, field: Field, complete: Complete, nullable: boolean, value: PromiseLike<unknown>, key: string | number, above: Slot | null, place: Place,
): void {
  const settle = (write: () => void): void => {
    // An answer that is null already is another's to send: its tape is not written on any more.
    if (!run.failed) {
      run.base = above;
      run.depth = 0;
      run.place = run.sink = place;
      place.open = run.tape.at;
      write();
    }
    run.pending -= 1;
    if (run.pending === 0) run.finish?.();
  };
  value.then(
    (found) => {
      if (isPromise(found)) return whenSettled(run, field, complete, nullable, found, key, above, place);
      settle(() => {
        try {
          complete(run, field, found, key);
          cut(place, run.tape.at);
        } catch (error) {
          fail(run, field, error, nullable, above, key, place);
        }
      });
    },
    (error: unknown) => settle(() => fail(run, field, error, nullable, above, key, place)),
  );
}

/** Null takes the place, or the nearest above that may be null; an error of a place that null has taken already is not told. */
function fail(run: Run, field: Field, raw: unknown, nullable: boolean, above: Slot | null, key: string | number, place: Place): void {
  run.depth = 0;
  const error = locatedError(raw, field.nodes, pathOf(run, key));
  if (nullable) {
    run.errors.push(error);
    return writeNull(run, place);
  }
  let slot = above;
  for (; slot !== null && !slot.dead; slot = slot.above) {
    slot.dead = true;
    if (!slot.nullable) continue;
    run.errors.push(error);
    return writeNull(run, slot);
  }
  if (slot === null) failWhole(run, error);
}

/** Nothing above may be null: the answer is, and nothing more is written. */
export function failWhole(run: Run, error: GraphQLError): void {
  run.failed = true;
  run.errors.push(error);
  writeNull(run, run.data);
}

function writeNull({ tape }: Run, place: Place): void {
  place.parts.length = 0;
  place.open = tape.at;
  tape.json('null');
  cut(place, tape.at);
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
