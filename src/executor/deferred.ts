import type { GraphQLError } from 'graphql';
import { isPromise, locateError, type CompleteValue, type CompiledField, type ExecutionState, type DetachedContainer } from './execution-state.ts';
import { closeSegment, type Segment } from './json-writer.ts';
import { hasTime, runInSlice } from './time-slices.ts';

/** What is waited for while a query runs: a place for it in the answer, and what becomes of an error that comes late. */

/** Gives all that is being written a place of its own, from the outside in, and answers the innermost object or list. */
function detachContainers(run: ExecutionState): DetachedContainer | null {
  let parent = run.base;
  for (let n = 0; n < run.depth; n += 1) {
    const frame = run.frames[n]!;
    if (frame.container === null) {
      frame.container = { parent, key: frame.key, nullable: frame.nullable, isNulled: false, parts: [], open: frame.start };
      closeSegment(run.output, frame.start);
      run.output.parts.push(frame.container);
      run.output = frame.container;
    }
    parent = frame.container;
  }
  return parent;
}

/** Writes a value, or leaves a place for it until its promise is settled. */
export function completeOrDefer(run: ExecutionState, field: CompiledField, complete: CompleteValue, nullable: boolean, value: unknown, key: string | number): void {
  if (isPromise(value)) deferValue(run, field, complete, nullable, value, key);
  else complete(run, field, value, key);
}

function deferValue(run: ExecutionState, field: CompiledField, complete: CompleteValue, nullable: boolean, value: PromiseLike<unknown>, key: string | number): void {
  const parent = detachContainers(run);
  completeWhenSettled(run, field, complete, nullable, value, key, parent, reserveSegment(run));
}

/** Creates an empty place where the run writes now, and counts it as pending. */
function reserveSegment(run: ExecutionState): Segment {
  const { output, writer } = run;
  const place: Segment = { parts: [], open: 0 };
  closeSegment(output, writer.at);
  output.parts.push(place);
  output.open = writer.at;
  run.pending += 1;
  return place;
}

function completeWhenSettled(
  run: ExecutionState, field: CompiledField, complete: CompleteValue, nullable: boolean, value: PromiseLike<unknown>, key: string | number, parent: DetachedContainer | null, place: Segment,
): void {
  const settle = (write: () => void): void => {
    const step = (): void => fillSegment(run, field, key, parent, place, write);
    // Thousands of promises may settle in one turn, when one statement answers for a whole level.
    if (isLong(run)) runInSlice(step);
    else step();
  };
  value.then(
    (found) => {
      if (isPromise(found)) return completeWhenSettled(run, field, complete, nullable, found, key, parent, place);
      settle(() => {
        try {
          complete(run, field, found, key);
          closeSegment(place, run.writer.at);
        } catch (error) {
          propagateNull(run, error, nullable, parent, place);
        }
      });
    },
    (error: unknown) => settle(() => propagateNull(run, error, nullable, parent, place)),
  );
}

/** Writes the content of a place that was left empty. */
function fillSegment(run: ExecutionState, field: CompiledField, key: string | number, parent: DetachedContainer | null, place: Segment, write: () => void): void {
  // An answer that is null already is another's to send: its tape is not written on any more.
  if (!run.failed) {
    run.base = parent;
    run.depth = 0;
    run.field = field;
    run.key = key;
    run.segment = run.output = place;
    place.open = run.writer.at;
    write();
  }
  run.pending -= 1;
  if (run.pending === 0) run.finish?.(run);
}

/**
 * The items and bytes that a run writes without a break: about 10 ms (docs/profile.md). They do not depend on the clock,
 * so that a small answer is written in the same steps, and asks the database by the same statements, on a slow machine
 * too.
 */
const maxItemsWithoutYield = 1000;
const maxBytesWithoutYield = 192 * 1024;
/** Items of a long run between two looks at the clock. */
const itemsPerClockCheck = 16;

const isLong = ({ items, writer }: ExecutionState): boolean => items > maxItemsWithoutYield || writer.at > maxBytesWithoutYield;

/** Counts an item of a list. Returns whether the event loop must get a turn before it. */
export function shouldYield(run: ExecutionState): boolean {
  run.items += 1;
  if (run.items < run.nextClockCheck || !isLong(run)) return false;
  if (!hasTime()) return true;
  run.nextClockCheck = run.items + itemsPerClockCheck;
  return false;
}

/** Leaves a place for the rest of the list that is being written, and writes it in a later slice. */
export function deferRest(run: ExecutionState, field: CompiledField, key: number, writeRest: () => void): void {
  const parent = detachContainers(run);
  const place = reserveSegment(run);
  const write = (): void => {
    try {
      writeRest();
      closeSegment(place, run.writer.at);
    } catch (error) {
      propagateNull(run, error, false, parent, place);
    }
  };
  runInSlice(() => fillSegment(run, field, key, parent, place, write));
}

/** Null takes the place, or the nearest parent that may be null; an error of a place that null has taken already is not told. */
function propagateNull(run: ExecutionState, thrown: unknown, nullable: boolean, parent: DetachedContainer | null, place: Segment): void {
  const error = locateError(run, thrown, 0);
  if (nullable) {
    run.errors.push(error);
    return writeNull(run, place);
  }
  let slot = parent;
  for (; slot !== null && !slot.isNulled; slot = slot.parent) {
    slot.isNulled = true;
    if (!slot.nullable) continue;
    run.errors.push(error);
    return writeNull(run, slot);
  }
  if (slot === null) failExecution(run, error);
}

/** Nothing parent may be null: the answer is, and nothing more is written. */
export function failExecution(run: ExecutionState, error: GraphQLError): void {
  run.failed = true;
  run.errors.push(error);
  writeNull(run, run.data);
}

function writeNull({ writer }: ExecutionState, place: Segment): void {
  place.parts.length = 0;
  place.open = writer.at;
  writer.json('null');
  closeSegment(place, writer.at);
}
