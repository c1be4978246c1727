import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Heard, Listening, Order, Said } from './protocol.ts';

/** Listeners (sockets with one subscription each) that run in child processes. */
export interface Crowd {
  /** Resolves when the event has arrived at every listener that should receive it. @throws after `timeoutMs`. */
  complete(seq: number, hear: (spec: Listening) => boolean, limit?: number): Promise<void>;
  /** Returns how many listeners have subscribed again after their socket broke. */
  back(): number;
  /** Clears what the listeners have recorded. */
  forget(): Promise<void>;
  /** Returns the record of each listener, in the order of the specs. */
  report(): Promise<Heard[]>;
  close(): Promise<void>;
}

interface Part {
  child: ChildProcess;
  specs: readonly Listening[];
  order(order: Order): void;
  /** Resolves with the next message of this kind from the process. */
  said<K extends Said['kind']>(kind: K, is?: (said: Extract<Said, { kind: K }>) => boolean): Promise<Extract<Said, { kind: K }>>;
}

function start(specs: readonly Listening[], onBack: () => void): Part {
  const child = fork(fileURLToPath(new URL('listeners.ts', import.meta.url)), { serialization: 'advanced' });
  const waiting = new Set<{ is(said: Said): boolean; resolve(said: Said): void }>();
  const failed = new Set<(error: Error) => void>();
  child.on('message', (said: Said) => {
    if (said.kind === 'back') onBack();
    for (const each of waiting)
      if (each.is(said)) {
        waiting.delete(each);
        each.resolve(said);
      }
  });
  child.once('exit', (code) => {
    for (const fail of failed) fail(new Error(`a process of listeners ended with ${code}`));
  });
  return {
    child,
    specs,
    order: (order) => void child.send(order),
    said: <K extends Said['kind']>(kind: K, is: (said: Extract<Said, { kind: K }>) => boolean = () => true) =>
      new Promise<Extract<Said, { kind: K }>>((resolve, reject) => {
        failed.add(reject);
        waiting.add({
          is: (said) => said.kind === kind && is(said as Extract<Said, { kind: K }>),
          resolve(said) {
            failed.delete(reject);
            resolve(said as Extract<Said, { kind: K }>);
          },
        });
      }),
  };
}

/** Settles like the promise. @throws an error that names `what` after the time. */
async function within<T>(milliseconds: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${milliseconds / 1000} s: ${what}`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Opens all listeners; resolves when all of them are subscribed. */
export async function gather(specs: readonly Listening[], processes = 1): Promise<Crowd> {
  let back = 0;
  const size = Math.ceil(specs.length / processes);
  const parts = Array.from({ length: processes }, (_, n) => start(specs.slice(n * size, (n + 1) * size), () => (back += 1)));
  const all = <T>(ask: (part: Part) => Promise<T>) => Promise.all(parts.map(ask));
  const crowd: Crowd = {
    async complete(seq, hear, limit = 30_000) {
      const done = all(async (part) => {
        const count = part.specs.filter(hear).length;
        if (count === 0) return;
        const complete = part.said('complete', (said) => said.seq === seq);
        part.order({ kind: 'expect', seq, count });
        await complete;
      });
      await within(limit, `event ${seq} at every listener`, done);
    },
    back: () => back,
    async forget() {
      await all(async (part) => {
        const forgotten = part.said('forgotten');
        part.order({ kind: 'forget' });
        await forgotten;
      });
    },
    async report() {
      const reports = await all(async (part) => {
        const report = part.said('report');
        part.order({ kind: 'report' });
        return (await report).heard;
      });
      return reports.flat();
    },
    async close() {
      await all(async ({ child, order }) => {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        order({ kind: 'close' });
        await ended;
      });
    },
  };
  const opened = all(async (part) => {
    const said = part.said('opened');
    part.order({ kind: 'open', specs: part.specs });
    await said;
  });
  await within(120_000, `${specs.length} listeners that follow`, opened);
  return crowd;
}
