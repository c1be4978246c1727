import { getArgumentValues, locatedError } from 'graphql';
import { later } from './later.ts';
import { infoOf, isPromise, pathOf, type Complete, type Field, type Plan, type Run } from './run.ts';
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
