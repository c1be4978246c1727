import type { GraphQLError } from 'graphql';
import {
  isPromise,
  locateError,
  type CompleteValue,
  type CompiledField,
  type ExecutionState,
  type DetachedContainer,
} from './execution-state.ts';
import { closeSegment, type Segment } from './json-writer.ts';
import { hasTime, runInSlice } from './time-slices.ts';

/**
 * Completes values that are promises. Each promise has its own segment in the output, which is filled when the
 * promise settles. An error then propagates null, as in the specification (6.4.4).
 */

/**
 * Gives every open object and list a container of its own, outermost first, so that null can replace it later. Returns the
 * innermost container.
 */
function detachContainers(state: ExecutionState): DetachedContainer | null {
  let parent = state.base;
  for (let n = 0; n < state.depth; n += 1) {
    const frame = state.frames[n]!;
    if (frame.container === null) {
      frame.container = { parent, key: frame.key, nullable: frame.nullable, isNulled: false, parts: [], open: frame.start };
      closeSegment(state.output, frame.start);
      state.output.parts.push(frame.container);
      state.output = frame.container;
    }
    parent = frame.container;
  }
  return parent;
}

/** Writes a value, or reserves a segment for it until its promise settles. */
export function completeOrDefer(
  state: ExecutionState,
  field: CompiledField,
  complete: CompleteValue,
  nullable: boolean,
  value: unknown,
  key: string | number,
): void {
  if (isPromise(value)) deferValue(state, field, complete, nullable, value, key);
  else complete(state, field, value, key);
}

function deferValue(
  state: ExecutionState,
  field: CompiledField,
  complete: CompleteValue,
  nullable: boolean,
  value: PromiseLike<unknown>,
  key: string | number,
): void {
  const parent = detachContainers(state);
  completeWhenSettled(state, field, complete, nullable, value, key, parent, reserveSegment(state));
}

/** Creates an empty segment at the current position of the output, and counts it as pending. */
function reserveSegment(state: ExecutionState): Segment {
  const { output, writer } = state;
  const segment: Segment = { parts: [], open: 0 };
  closeSegment(output, writer.at);
  output.parts.push(segment);
  output.open = writer.at;
  state.pending += 1;
  return segment;
}

function completeWhenSettled(
  state: ExecutionState,
  field: CompiledField,
  complete: CompleteValue,
  nullable: boolean,
  value: PromiseLike<unknown>,
  key: string | number,
  parent: DetachedContainer | null,
  segment: Segment,
): void {
  const settle = (write: () => void): void => {
    const step = (): void => fillSegment(state, field, key, parent, segment, write);
    // Writes a long result in slices. Thousands of promises may settle in one tick, because one SQL statement loads the
    // rows for all objects of the same depth.
    if (isLong(state)) runInSlice(step);
    else step();
  };
  value.then(
    (result) => {
      if (isPromise(result)) return completeWhenSettled(state, field, complete, nullable, result, key, parent, segment);
      settle(() => {
        try {
          complete(state, field, result, key);
          closeSegment(segment, state.writer.at);
        } catch (error) {
          propagateNull(state, error, nullable, parent, segment);
        }
      });
    },
    (error: unknown) => settle(() => propagateNull(state, error, nullable, parent, segment)),
  );
}

/** Writes the content of a reserved segment. */
function fillSegment(
  state: ExecutionState,
  field: CompiledField,
  key: string | number,
  parent: DetachedContainer | null,
  segment: Segment,
  write: () => void,
): void {
  // Writes nothing after a failed execution: the caller may have taken the bytes, and another execution may use the buffer.
  if (!state.failed) {
    state.base = parent;
    state.depth = 0;
    state.field = field;
    state.key = key;
    state.segment = state.output = segment;
    segment.open = state.writer.at;
    write();
  }
  state.pending -= 1;
  if (state.pending === 0) state.finish?.(state);
}

/**
 * Items and bytes that an execution writes before it first yields to the event loop: about 10 ms (docs/profile.md).
 * The limits count work instead of time, so that a small result takes the same steps and statements on a slow
 * machine.
 */
const maxItemsWithoutYield = 1000;
const maxBytesWithoutYield = 192 * 1024;
/** List items between two readings of the clock in a long execution. */
const itemsPerClockCheck = 16;

const isLong = ({ items, writer }: ExecutionState): boolean => items > maxItemsWithoutYield || writer.at > maxBytesWithoutYield;

/** Counts a list item. Returns whether to yield to the event loop before writing it. */
export function shouldYield(state: ExecutionState): boolean {
  state.items += 1;
  if (state.items < state.nextClockCheck || !isLong(state)) return false;
  if (!hasTime()) return true;
  state.nextClockCheck = state.items + itemsPerClockCheck;
  return false;
}

/** Reserves a segment for the rest of the current list, and writes it in a later slice. */
export function deferRest(state: ExecutionState, field: CompiledField, key: number, writeRest: () => void): void {
  const parent = detachContainers(state);
  const segment = reserveSegment(state);
  const write = (): void => {
    try {
      writeRest();
      closeSegment(segment, state.writer.at);
    } catch (error) {
      propagateNull(state, error, false, parent, segment);
    }
  };
  runInSlice(() => fillSegment(state, field, key, parent, segment, write));
}

/**
 * Writes null into the segment or its nearest nullable parent, and records the error. Drops the error if a parent is
 * null already.
 */
function propagateNull(
  state: ExecutionState,
  thrown: unknown,
  nullable: boolean,
  parent: DetachedContainer | null,
  segment: Segment,
): void {
  const error = locateError(state, thrown, 0);
  if (nullable) {
    state.errors.push(error);
    return writeNull(state, segment);
  }
  let container = parent;
  for (; container !== null && !container.isNulled; container = container.parent) {
    container.isNulled = true;
    if (!container.nullable) continue;
    state.errors.push(error);
    return writeNull(state, container);
  }
  if (container === null) failExecution(state, error);
}

/** Sets `data` to null, since no parent is nullable. Nothing more is written. */
export function failExecution(state: ExecutionState, error: GraphQLError): void {
  state.failed = true;
  state.errors.push(error);
  writeNull(state, state.data);
}

function writeNull({ writer }: ExecutionState, segment: Segment): void {
  segment.parts.length = 0;
  segment.open = writer.at;
  writer.json('null');
  closeSegment(segment, writer.at);
}
