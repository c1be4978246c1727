import { getArgumentValues } from 'graphql';
import type { Rows } from '../db/page.ts';
import { chunkOf, View, type ViewOf } from '../db/rows.ts';
import { isDue, postpone, write } from './later.ts';
import { infoOf, located, type Complete, type Field, type Plan, type Run } from './run.ts';
import { cut } from './tape.ts';

/**
 * Running a planned query: asking the resolvers, and writing what they answer, or null and an error, as JSON. What is
 * known at once is written at once and leaves nothing behind; what is waited for has a place of its own.
 */

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
  const row = source instanceof View ? source : undefined;
  const of = row?.constructor as unknown as ViewOf;
  const { $chunk, $at } = row ?? none;
  for (const field of plan) {
    tape.copy(field.lead);
    if (row !== undefined && field.text !== undefined && field.text.write(tape, of, $chunk, $at)) continue;
    if (field.constant !== undefined) tape.copy(field.constant);
    else if (field.nullable) attempt(run, field, field.complete, field.name, undefined, source);
    else {
      run.field = field;
      run.key = field.name;
      write(run, field, field.complete, false, resolved(run, field, source), field.name);
    }
  }
  tape.byte(braceEnd);
}

const none = { $chunk: chunkOf(Buffer.alloc(0)), $at: 0 };

/** A list's items, in their order. */
export function writeList(run: Run, field: Field, complete: Complete, itemNullable: boolean, items: Rows<unknown>, key: string | number, nullable: boolean): void {
  enter(run, key, nullable);
  run.tape.byte(bracket);
  writeItems(run, field, complete, itemNullable, items, 0);
  run.tape.byte(bracketEnd);
  leave(run);
}

function writeItems(run: Run, field: Field, complete: Complete, itemNullable: boolean, items: Rows<unknown>, from: number): void {
  for (let n = from; n < items.length; n += 1) {
    if (isDue(run)) return postpone(run, field, n, () => writeItems(run, field, complete, itemNullable, items, n));
    if (n > 0) run.tape.byte(comma);
    const item = Array.isArray(items) ? (items[n] as unknown) : items.at(n);
    if (itemNullable) attempt(run, field, complete, n, item, undefined);
    else {
      run.field = field;
      run.key = n;
      write(run, field, complete, false, item, n);
    }
  }
}

/** Writes an item, or the value of a field, that may be null: that is what it becomes where it fails at once. */
function attempt(run: Run, field: Field, complete: Complete, key: string | number, item: unknown, source: unknown): void {
  const { depth, sink, tape: { at } } = run;
  const { open, parts: { length } } = sink;
  try {
    run.field = field;
    run.key = key;
    write(run, field, complete, true, typeof key === 'number' ? item : resolved(run, field, source), key);
  } catch (error) {
    run.errors.push(located(run, error, depth));
    const frame = depth === 0 ? undefined : run.frames[depth - 1]!;
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

const noArguments = Object.freeze({});

function resolved(run: Run, field: Field, source: unknown): unknown {
  const { resolve, argless, at } = field;
  const args = argless ? noArguments : (run.arguments[at] ??= getArgumentValues(field.definition, field.nodes[0]!, run.variables));
  // Whoever does not name `info` is not given it.
  if (resolve !== undefined) return resolve(source, args, run.contextValue, (resolve.length > 3 ? infoOf(run, field) : undefined)!);
  const value = typeof source === 'object' && source !== null ? (source as Record<string, unknown>)[field.definition.name] : undefined;
  return typeof value === 'function' ? (value as (...all: unknown[]) => unknown).call(source, args, run.contextValue, infoOf(run, field)) : value;
}
