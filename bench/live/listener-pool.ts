import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ListenerReport, ListenerSpec, Command, Message } from './protocol.ts';

/** Listeners (sockets with one subscription each) that run in child processes. */
export interface ListenerPool {
  /** Resolves when the event has arrived at every listener that should receive it. @throws after `timeoutMs`. */
  waitForEvent(seq: number, shouldReceive: (spec: ListenerSpec) => boolean, timeoutMs?: number): Promise<void>;
  /** Returns how often listeners have subscribed again after their socket broke. */
  reconnectCount(): number;
  /** Makes each listener forget what it has recorded. */
  reset(): Promise<void>;
  /** Returns what each listener has recorded, in the order of the `specs` of `openListeners`. */
  report(): Promise<ListenerReport[]>;
  close(): Promise<void>;
}

interface ListenerProcess {
  child: ChildProcess;
  specs: readonly ListenerSpec[];
  send(command: Command): void;
  /** Resolves with the next message of this kind from the process. */
  nextMessage<K extends Message['kind']>(
    kind: K,
    matches?: (message: Extract<Message, { kind: K }>) => boolean,
  ): Promise<Extract<Message, { kind: K }>>;
}

function startProcess(specs: readonly ListenerSpec[], onReconnect: () => void): ListenerProcess {
  const child = fork(fileURLToPath(new URL('listener-process.ts', import.meta.url)), { serialization: 'advanced' });
  const waiters = new Set<{ matches(message: Message): boolean; resolve(message: Message): void }>();
  const rejects = new Set<(error: Error) => void>();
  child.on('message', (message: Message) => {
    if (message.kind === 'reconnected') onReconnect();
    for (const waiter of waiters)
      if (waiter.matches(message)) {
        waiters.delete(waiter);
        waiter.resolve(message);
      }
  });
  child.once('exit', (code) => {
    for (const fail of rejects) fail(new Error(`a process of listeners ended with ${code}`));
  });
  return {
    child,
    specs,
    send: (command) => void child.send(command),
    nextMessage: <K extends Message['kind']>(kind: K, matches: (message: Extract<Message, { kind: K }>) => boolean = () => true) =>
      new Promise<Extract<Message, { kind: K }>>((resolve, reject) => {
        rejects.add(reject);
        waiters.add({
          matches: (message) => message.kind === kind && matches(message as Extract<Message, { kind: K }>),
          resolve(message) {
            rejects.delete(reject);
            resolve(message as Extract<Message, { kind: K }>);
          },
        });
      }),
  };
}

/** Returns the result of `promise`. @throws an error that names `what`, if `promise` takes longer than `milliseconds`. */
async function within<T>(milliseconds: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${milliseconds / 1000} s: ${what}`)), milliseconds);
  });
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}

/** Opens all listeners; resolves when all of them are subscribed. */
export async function openListeners(specs: readonly ListenerSpec[], processes = 1): Promise<ListenerPool> {
  let reconnects = 0;
  const size = Math.ceil(specs.length / processes);
  const workers = Array.from({ length: processes }, (_, n) => startProcess(specs.slice(n * size, (n + 1) * size), () => (reconnects += 1)));
  const all = <T>(run: (worker: ListenerProcess) => Promise<T>) => Promise.all(workers.map(run));
  const pool: ListenerPool = {
    async waitForEvent(seq, shouldReceive, timeoutMs = 30_000) {
      const done = all(async (worker) => {
        const count = worker.specs.filter(shouldReceive).length;
        if (count === 0) return;
        const complete = worker.nextMessage('complete', (message) => message.seq === seq);
        worker.send({ kind: 'expect', seq, count });
        await complete;
      });
      await within(timeoutMs, `event ${seq} at every listener`, done);
    },
    reconnectCount: () => reconnects,
    async reset() {
      await all(async (worker) => {
        const resetDone = worker.nextMessage('resetDone');
        worker.send({ kind: 'reset' });
        await resetDone;
      });
    },
    async report() {
      const reports = await all(async (worker) => {
        const report = worker.nextMessage('report');
        worker.send({ kind: 'report' });
        return (await report).reports;
      });
      return reports.flat();
    },
    async close() {
      await all(async ({ child, send }) => {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        send({ kind: 'close' });
        await ended;
      });
    },
  };
  const opened = all(async (worker) => {
    const subscribed = worker.nextMessage('opened');
    worker.send({ kind: 'open', specs: worker.specs });
    await subscribed;
  });
  await within(120_000, `subscriptions of ${specs.length} listeners`, opened);
  return pool;
}
