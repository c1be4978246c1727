import { getArgumentValues } from 'graphql';
import { shouldYield, deferRest, completeOrDefer } from './deferred.ts';
import {
  buildResolveInfo,
  locateError,
  type CompleteValue,
  type CompiledField,
  type Plan,
  type ExecutionState,
} from './execution-state.ts';
import { closeSegment } from './json-writer.ts';
import type { ByteRow, ByteRowLayout } from './raw-columns.ts';

/**
 * Executes a plan: calls the resolvers, and writes each value, or null for an error, as JSON. Writes a synchronous
 * value at once, without allocating memory. Reserves a segment of the output for a promise (deferred.ts).
 */

const code = (character: string): number => character.charCodeAt(0);
const [brace, braceEnd, bracket, bracketEnd, comma] = ['{', '}', '[', ']', ','].map(code) as [number, number, number, number, number];

const emptyRow: ByteRow = { $buffer: { view: new DataView(new ArrayBuffer(0)) }, $at: 0 };

/** A list with access by index: an array, or a page of rows. */
export interface ReadonlyList {
  readonly length: number;
  at(n: number): unknown;
}

/** Writes the root object. */
export function writeRoot(state: ExecutionState, plan: Plan): void {
  writeFields(state, plan, state.rootValue);
  closeSegment(state.data, state.writer.at);
}

/** Writes an object's fields in the order of the document. */
export function writeObject(state: ExecutionState, plan: Plan, source: unknown, key: string | number, nullable: boolean): void {
  pushFrame(state, key, nullable);
  writeFields(state, plan, source);
  popFrame(state);
}

function writeFields(state: ExecutionState, plan: Plan, source: unknown): void {
  const { writer, isByteRow } = state;
  if (plan.length === 0) writer.byte(brace);
  const row = isByteRow(source) ? source : undefined;
  const layout = row?.constructor as unknown as ByteRowLayout;
  const { $buffer, $at } = row ?? emptyRow;
  for (const field of plan) {
    writer.copy(field.keyBytes);
    if (row !== undefined && field.rawColumns !== undefined && field.rawColumns.write(writer, layout, $buffer.view, $at)) continue;
    if (field.constant !== undefined) writer.copy(field.constant);
    else if (field.nullable) tryComplete(state, field, field.complete, field.name, undefined, source);
    else {
      state.field = field;
      state.key = field.name;
      completeOrDefer(state, field, field.complete, false, resolveField(state, field, source), field.name);
    }
  }
  writer.byte(braceEnd);
}

export function writeList(
  state: ExecutionState,
  field: CompiledField,
  complete: CompleteValue,
  itemNullable: boolean,
  items: ReadonlyList,
  key: string | number,
  nullable: boolean,
): void {
  pushFrame(state, key, nullable);
  state.writer.byte(bracket);
  writeItems(state, field, complete, itemNullable, items, 0);
  state.writer.byte(bracketEnd);
  popFrame(state);
}

function writeItems(
  state: ExecutionState,
  field: CompiledField,
  complete: CompleteValue,
  itemNullable: boolean,
  items: ReadonlyList,
  from: number,
): void {
  for (let n = from; n < items.length; n += 1) {
    if (shouldYield(state)) return deferRest(state, field, n, () => writeItems(state, field, complete, itemNullable, items, n));
    if (n > 0) state.writer.byte(comma);
    const item = Array.isArray(items) ? (items[n] as unknown) : items.at(n);
    if (itemNullable) tryComplete(state, field, complete, n, item, undefined);
    else {
      state.field = field;
      state.key = n;
      completeOrDefer(state, field, complete, false, item, n);
    }
  }
}

/** Writes a nullable field, or a nullable list item with the index `key`. If that throws, writes null and records the error. */
function tryComplete(
  state: ExecutionState,
  field: CompiledField,
  complete: CompleteValue,
  key: string | number,
  item: unknown,
  source: unknown,
): void {
  const {
    depth,
    output,
    writer: { at },
  } = state;
  const {
    open,
    parts: { length },
  } = output;
  try {
    state.field = field;
    state.key = key;
    completeOrDefer(state, field, complete, true, typeof key === 'number' ? item : resolveField(state, field, source), key);
  } catch (error) {
    state.errors.push(locateError(state, error, depth));
    const frame = depth === 0 ? undefined : state.frames[depth - 1]!;
    // Discards what the attempt wrote, including segments. Keeps a container that the attempt created for the enclosing
    // object or list.
    if (frame === undefined || frame.container === null || frame.container === output) {
      state.output = output;
      output.parts.length = length;
      output.open = open;
    } else {
      state.output = frame.container;
      frame.container.parts.length = 0;
      frame.container.open = frame.start;
    }
    state.writer.at = at;
    state.writer.json('null');
  }
}

function pushFrame(state: ExecutionState, key: string | number, nullable: boolean): void {
  const {
    frames,
    depth,
    writer: { at: start },
  } = state;
  const frame = frames[depth];
  if (frame === undefined) frames.push({ key, nullable, start, container: null });
  else {
    frame.key = key;
    frame.nullable = nullable;
    frame.start = start;
    frame.container = null;
  }
  state.depth = depth + 1;
}

function popFrame(state: ExecutionState): void {
  const {
    frames,
    writer: { at },
  } = state;
  state.depth -= 1;
  const { container } = frames[state.depth]!;
  if (container === null) return;
  closeSegment(container, at);
  state.output = state.depth === 0 ? state.segment : frames[state.depth - 1]!.container!;
  state.output.open = at;
}

const noArguments = Object.freeze({});

function resolveField(state: ExecutionState, field: CompiledField, source: unknown): unknown {
  const { resolve, hasNoArguments, needsInfo, argumentsIndex } = field;
  const args = hasNoArguments
    ? noArguments
    : (state.arguments[argumentsIndex] ??= getArgumentValues(field.definition, field.nodes[0]!, state.variables));
  if (resolve !== undefined) return resolve(source, args, state.contextValue, (needsInfo ? buildResolveInfo(state, field) : undefined)!);
  const value = typeof source === 'object' && source !== null ? (source as Record<string, unknown>)[field.definition.name] : undefined;
  return typeof value === 'function'
    ? (value as (...args: unknown[]) => unknown).call(source, args, state.contextValue, buildResolveInfo(state, field))
    : value;
}
