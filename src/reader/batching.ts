/** Collects work during one turn of the event loop and runs it at the end of the turn (`setImmediate`). */

const batches: (() => void)[] = [];
const flushes: (() => void)[] = [];
let isScheduled = false;

function schedule(queue: (() => void)[], step: () => void): void {
  queue.push(step);
  if (isScheduled) return;
  isScheduled = true;
  setImmediate(() => {
    // Also runs batches that are added during this loop.
    for (const run of batches) run();
    batches.length = 0;
    isScheduled = false;
    for (const flush of flushes.splice(0)) flush();
  });
}

/**
 * Runs the step at the end of this turn, after all batches. A connection passes a step that sends its collected statements,
 * so that it sends the statements of all batches in one write.
 */
export const flushAtEndOfTick = (step: () => void): void => schedule(flushes, step);

/**
 * Returns a function that loads a key. Calls `load` once for all keys of a turn; `load` returns the values in the order
 * of the keys. Caches nothing beyond the turn, so that a later call loads the current value.
 */
export function batchPerTick<K, V>(load: (keys: readonly K[]) => Promise<readonly V[]>): (key: K) => Promise<V> {
  let results = new Map<K, Promise<V>>();
  let batch: Promise<readonly V[]>;
  return (key) => {
    let result = results.get(key);
    if (result === undefined) {
      if (results.size === 0)
        batch = new Promise((resolve) => {
          schedule(batches, () => {
            const keys = [...results.keys()];
            results = new Map();
            resolve(load(keys));
          });
        });
      const n = results.size;
      results.set(key, (result = batch.then((values) => values[n]!)));
    }
    return result;
  };
}
