/**
 * Splits long work into slices of a few milliseconds and yields to the event loop between them, so that the process
 * serves other requests while it writes a large result.
 */

const sliceMs = 8;

const steps: (() => void)[] = [];
let sliceEnd = 0;
let slices = 0;

/** Runs the step in one of the next slices, after the steps added earlier. */
export function runInSlice(step: () => void): void {
  if (steps.push(step) === 1) setImmediate(runSlice);
}

function runSlice(): void {
  slices += 1;
  sliceEnd = performance.now() + sliceMs;
  let done = 0;
  try {
    do {
      done += 1;
      steps[done - 1]!();
    } while (done < steps.length && hasTime());
  } finally {
    // Also runs after a step has thrown, so that the remaining steps run in the next slice.
    sliceEnd = 0;
    steps.splice(0, done);
    if (steps.length > 0) setImmediate(runSlice);
  }
}

/** Returns whether the running slice has time left; false outside of a slice. */
export const hasTime = (): boolean => performance.now() < sliceEnd;

/** Returns the number of slices since the start of the process. */
export const sliceCount = (): number => slices;
