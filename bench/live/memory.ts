import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';

/**
 * Runs a full garbage collection in another Node process, so that its memory can be measured. Uses the inspector of
 * that process, which SIGUSR1 starts.
 */

/** All processes use the inspector's default address, so only one process can be inspected at a time. */
const inspector = 'http://127.0.0.1:9229/json/list';

/**
 * Collects garbage, and returns the bytes of the heap that are still in use.
 * @param settleMs milliseconds to wait until V8 has returned the freed memory to the system.
 */
export async function collectGarbage(pid: number, settleMs = 1000): Promise<number> {
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
  const call = (id: number, method: string): Promise<{ usedSize: number }> =>
    new Promise((resolve, reject) => {
      const read = (bytes: Buffer): void => resolve((JSON.parse(bytes.toString()) as { result: { usedSize: number } }).result);
      socket.once('message', read).once('error', reject);
      socket.send(JSON.stringify({ id, method }));
    });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  // The second collection frees what finalizers released after the first.
  await call(1, 'HeapProfiler.collectGarbage');
  await call(2, 'HeapProfiler.collectGarbage');
  const { usedSize } = await call(3, 'Runtime.getHeapUsage');
  socket.close();
  await pause(settleMs);
  return usedSize;
}
