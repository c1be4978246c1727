/** What is gathered in one turn of the event loop, and done at its end. */

const asking: (() => void)[] = [];
const sending: (() => void)[] = [];
let due = false;

function add(to: (() => void)[], step: () => void): void {
  to.push(step);
  if (due) return;
  due = true;
  setImmediate(() => {
    // One that asks for more in turn is still in time.
    for (const each of asking) each();
    asking.length = 0;
    due = false;
    for (const each of sending.splice(0)) each();
  });
}

/** Runs at the end of this turn, when all that was asked in it has been: what is sent in one write. */
export const flushAtEndOfTick = (step: () => void): void => add(sending, step);

/**
 * Asks once for all keys that come in one turn: `ask` answers them in their order. Nothing is remembered for the next
 * turn, so that whoever comes later is told what is so then.
 */
export function batchPerTick<K, V>(ask: (keys: readonly K[]) => Promise<readonly V[]>): (key: K) => Promise<V> {
  let answers = new Map<K, Promise<V>>();
  let all: Promise<readonly V[]>;
  return (key) => {
    let answer = answers.get(key);
    if (answer === undefined) {
      if (answers.size === 0)
        all = new Promise((resolve) => {
          add(asking, () => {
            const keys = [...answers.keys()];
            answers = new Map();
            resolve(ask(keys));
          });
        });
      const n = answers.size;
      answers.set(key, (answer = all.then((values) => values[n]!)));
    }
    return answer;
  };
}
