import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';

/**
 * Runs a full garbage collection in another Node process, through its inspector (SIGUSR1), before its memory is
 * measured.
 */

/** All processes use the inspector's default address, so only one process at a time can be asked. */
const inspector = 'http://127.0.0.1:9229/json/list';

/** @param settleMs milliseconds to wait until V8 has returned the freed memory to the system. */
export async function collectGarbage(pid: number, settleMs = 1000): Promise<void> {
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
  const nextMessage = () => new Promise((resolve, reject) => socket.once('message', resolve).once('error', reject));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  // The second collection frees what finalizers released after the first.
  for (const id of [1, 2]) {
    const collected = nextMessage();
    socket.send(JSON.stringify({ id, method: 'HeapProfiler.collectGarbage' }));
    await collected;
  }
  socket.close();
  await pause(settleMs);
}
