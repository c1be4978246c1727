import { getArgumentValues } from 'graphql';
import { wireBuffer, RowView, type ReadonlyRows, type RowViewClass } from '../reader/row-view.ts';
import { shouldYield, deferRest, completeOrDefer } from './deferred.ts';
import { buildResolveInfo, locateError, type CompleteValue, type CompiledField, type Plan, type ExecutionState } from './execution-state.ts';
import { closeSegment } from './json-writer.ts';

/**
 * Running a planned query: asking the resolvers, and writing what they answer, or null and an error, as JSON. What is
 * known at once is written at once and leaves nothing behind; what is waited for has a place of its own.
 */

const code = (sign: string): number => sign.charCodeAt(0);
const [brace, braceEnd, bracket, bracketEnd, comma] = ['{', '}', '[', ']', ','].map(code) as [number, number, number, number, number];

/** The object at the root of the answer. */
export function writeRoot(run: ExecutionState, plan: Plan): void {
  writeFields(run, plan, run.rootValue);
  closeSegment(run.data, run.writer.at);
}

/** An object's fields, in the order of the document. */
export function writeObject(run: ExecutionState, plan: Plan, source: unknown, key: string | number, nullable: boolean): void {
  pushFrame(run, key, nullable);
  writeFields(run, plan, source);
  popFrame(run);
}

function writeFields(run: ExecutionState, plan: Plan, source: unknown): void {
  const { writer } = run;
  if (plan.length === 0) writer.byte(brace);
  const row = source instanceof RowView ? source : undefined;
  const of = row?.constructor as unknown as RowViewClass;
  const { $chunk, $at } = row ?? emptyRow;
  for (const field of plan) {
    writer.copy(field.keyBytes);
    if (row !== undefined && field.rawColumns !== undefined && field.rawColumns.write(writer, of, $chunk, $at)) continue;
    if (field.constant !== undefined) writer.copy(field.constant);
    else if (field.nullable) tryComplete(run, field, field.complete, field.name, undefined, source);
    else {
      run.field = field;
      run.key = field.name;
      completeOrDefer(run, field, field.complete, false, resolveField(run, field, source), field.name);
    }
  }
  writer.byte(braceEnd);
}

const emptyRow = { $chunk: wireBuffer(Buffer.alloc(0)), $at: 0 };

/** A list's items, in their order. */
export function writeList(run: ExecutionState, field: CompiledField, complete: CompleteValue, itemNullable: boolean, items: ReadonlyRows<unknown>, key: string | number, nullable: boolean): void {
  pushFrame(run, key, nullable);
  run.writer.byte(bracket);
  writeItems(run, field, complete, itemNullable, items, 0);
  run.writer.byte(bracketEnd);
  popFrame(run);
}

function writeItems(run: ExecutionState, field: CompiledField, complete: CompleteValue, itemNullable: boolean, items: ReadonlyRows<unknown>, from: number): void {
  for (let n = from; n < items.length; n += 1) {
    if (shouldYield(run)) return deferRest(run, field, n, () => writeItems(run, field, complete, itemNullable, items, n));
    if (n > 0) run.writer.byte(comma);
    const item = Array.isArray(items) ? (items[n] as unknown) : items.at(n);
    if (itemNullable) tryComplete(run, field, complete, n, item, undefined);
    else {
      run.field = field;
      run.key = n;
      completeOrDefer(run, field, complete, false, item, n);
    }
  }
}

/** Writes an item, or the value of a field, that may be null: that is what it becomes where it fails at once. */
function tryComplete(run: ExecutionState, field: CompiledField, complete: CompleteValue, key: string | number, item: unknown, source: unknown): void {
  const { depth, output, writer: { at } } = run;
  const { open, parts: { length } } = output;
  try {
    run.field = field;
    run.key = key;
    completeOrDefer(run, field, complete, true, typeof key === 'number' ? item : resolveField(run, field, source), key);
  } catch (error) {
    run.errors.push(locateError(run, error, depth));
    const frame = depth === 0 ? undefined : run.frames[depth - 1]!;
    // All that the attempt wrote is taken back, places too; where it gave this object a place of its own, that stays.
    if (frame === undefined || frame.container === null || frame.container === output) {
      run.output = output;
      output.parts.length = length;
      output.open = open;
    } else {
      run.output = frame.container;
      frame.container.parts.length = 0;
      frame.container.open = frame.start;
    }
    run.writer.at = at;
    run.writer.json('null');
  }
}

function pushFrame(run: ExecutionState, key: string | number, nullable: boolean): void {
  const { frames, depth, writer: { at: start } } = run;
  const frame = frames[depth];
  if (frame === undefined) frames.push({ key, nullable, start, container: null });
  else {
    frame.key = key;
    frame.nullable = nullable;
    frame.start = start;
    frame.container = null;
  }
  run.depth = depth + 1;
}

function popFrame(run: ExecutionState): void {
  const { frames, writer: { at } } = run;
  run.depth -= 1;
  const { container } = frames[run.depth]!;
  if (container === null) return;
  closeSegment(container, at);
  run.output = run.depth === 0 ? run.segment : frames[run.depth - 1]!.container!;
  run.output.open = at;
}

const noArguments = Object.freeze({});

function resolveField(run: ExecutionState, field: CompiledField, source: unknown): unknown {
  const { resolve, hasNoArguments, needsInfo, argumentsIndex } = field;
  const args = hasNoArguments ? noArguments : (run.arguments[argumentsIndex] ??= getArgumentValues(field.definition, field.nodes[0]!, run.variables));
  if (resolve !== undefined) return resolve(source, args, run.contextValue, (needsInfo ? buildResolveInfo(run, field) : undefined)!);
  const value = typeof source === 'object' && source !== null ? (source as Record<string, unknown>)[field.definition.name] : undefined;
  return typeof value === 'function' ? (value as (...all: unknown[]) => unknown).call(source, args, run.contextValue, buildResolveInfo(run, field)) : value;
}
