import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';

/**
 * Runs a full garbage collection in another Node process, so that its memory can be measured. Uses the inspector of
 * that process, which SIGUSR1 starts.
 */

/** All processes use the inspector's default address, so only one process can be inspected at a time. */
const inspector = 'http://127.0.0.1:9229/json/list';

type Call = <T>(method: string, params?: object) => Promise<T>;

/** Opens the inspector of a process, and runs `work` with its protocol. */
async function inspect<T>(pid: number, work: (call: Call) => Promise<T>): Promise<T> {
  process.kill(pid, 'SIGUSR1');
  let targets: { webSocketDebuggerUrl: string }[] | undefined;
  for (let tries = 0; targets === undefined && tries < 100; tries++) {
    await pause(50);
    targets = await fetch(inspector).then(
      (answer) => answer.json() as Promise<{ webSocketDebuggerUrl: string }[]>,
      () => undefined,
    );
  }
  if (targets === undefined) throw new Error('the inspector of the server did not answer');
  const socket = new WebSocket(targets[0]!.webSocketDebuggerUrl);
  let id = 0;
  const call = <R>(method: string, params?: object): Promise<R> =>
    new Promise((resolve, reject) => {
      const read = (bytes: Buffer): void => resolve((JSON.parse(bytes.toString()) as { result: R }).result);
      socket.once('message', read).once('error', reject);
      socket.send(JSON.stringify({ id: (id += 1), method, params }));
    });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  try {
    return await work(call);
  } finally {
    socket.close();
  }
}

/**
 * Collects garbage, and returns the bytes of the heap that are still in use.
 * @param settleMs milliseconds to wait until V8 has returned the freed memory to the system.
 */
export async function collectGarbage(pid: number, settleMs = 1000): Promise<number> {
  const usedSize = await inspect(pid, async (call) => {
    // The second collection frees what finalizers released after the first.
    await call('HeapProfiler.collectGarbage');
    await call('HeapProfiler.collectGarbage');
    return (await call<{ usedSize: number }>('Runtime.getHeapUsage')).usedSize;
  });
  await pause(settleMs);
  return usedSize;
}

const oldSpaceSize =
  "process.getBuiltinModule('v8').getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space').space_used_size";

/** Returns the bytes in V8's old generation, without a collection. */
export const oldGenerationBytes = (pid: number): Promise<number> =>
  inspect(pid, async (call) => (await call<{ result: { value: number } }>('Runtime.evaluate', { expression: oldSpaceSize })).result.value);
