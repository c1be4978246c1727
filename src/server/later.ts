import type { GraphQLError } from 'graphql';
import { isPromise, located, type Complete, type Field, type Run, type Slot } from './run.ts';
import { cut, type Place } from './tape.ts';
import { hasTime, runInSlice } from './time-slices.ts';

/** What is waited for while a query runs: a place for it in the answer, and what becomes of an error that comes late. */

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

/** Writes a value, or leaves a place for it until its promise is settled. */
export function write(run: Run, field: Field, complete: Complete, nullable: boolean, value: unknown, key: string | number): void {
  if (isPromise(value)) later(run, field, complete, nullable, value, key);
  else complete(run, field, value, key);
}

function later(run: Run, field: Field, complete: Complete, nullable: boolean, value: PromiseLike<unknown>, key: string | number): void {
  const above = slotOf(run);
  whenSettled(run, field, complete, nullable, value, key, above, placeHere(run));
}

/** Creates an empty place where the run writes now, and counts it as pending. */
function placeHere(run: Run): Place {
  const { sink, tape } = run;
  const place: Place = { parts: [], open: 0 };
  cut(sink, tape.at);
  sink.parts.push(place);
  sink.open = tape.at;
  run.pending += 1;
  return place;
}

function whenSettled(
  run: Run, field: Field, complete: Complete, nullable: boolean, value: PromiseLike<unknown>, key: string | number, above: Slot | null, place: Place,
): void {
  const settle = (write: () => void): void => {
    const step = (): void => fill(run, field, key, above, place, write);
    // Thousands of promises may settle in one turn, when one statement answers for a whole level.
    if (isLong(run)) runInSlice(step);
    else step();
  };
  value.then(
    (found) => {
      if (isPromise(found)) return whenSettled(run, field, complete, nullable, found, key, above, place);
      settle(() => {
        try {
          complete(run, field, found, key);
          cut(place, run.tape.at);
        } catch (error) {
          fail(run, error, nullable, above, place);
        }
      });
    },
    (error: unknown) => settle(() => fail(run, error, nullable, above, place)),
  );
}

/** Writes the content of a place that was left empty. */
function fill(run: Run, field: Field, key: string | number, above: Slot | null, place: Place, write: () => void): void {
  // An answer that is null already is another's to send: its tape is not written on any more.
  if (!run.failed) {
    run.base = above;
    run.depth = 0;
    run.field = field;
    run.key = key;
    run.place = run.sink = place;
    place.open = run.tape.at;
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
const unbrokenItems = 1000;
const unbrokenBytes = 192 * 1024;
/** Items of a long run between two looks at the clock. */
const itemsPerLook = 16;

const isLong = ({ items, tape }: Run): boolean => items > unbrokenItems || tape.at > unbrokenBytes;

/** Counts an item of a list. Returns whether the event loop must get a turn before it. */
export function isDue(run: Run): boolean {
  run.items += 1;
  if (run.items < run.nextLook || !isLong(run)) return false;
  if (!hasTime()) return true;
  run.nextLook = run.items + itemsPerLook;
  return false;
}

/** Leaves a place for the rest of the list that is being written, and writes it in a later slice. */
export function postpone(run: Run, field: Field, key: number, writeRest: () => void): void {
  const above = slotOf(run);
  const place = placeHere(run);
  const write = (): void => {
    try {
      writeRest();
      cut(place, run.tape.at);
    } catch (error) {
      fail(run, error, false, above, place);
    }
  };
  runInSlice(() => fill(run, field, key, above, place, write));
}

/** Null takes the place, or the nearest above that may be null; an error of a place that null has taken already is not told. */
function fail(run: Run, thrown: unknown, nullable: boolean, above: Slot | null, place: Place): void {
  const error = located(run, thrown, 0);
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
