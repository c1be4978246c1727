import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';

/** The memory of another Node process without its garbage: V8 is asked to collect it, through the inspector that every Node process has. */

/** The inspector's own address, one for all: only one process is asked at a time, and each is ended before the next. */
const inspector = 'http://127.0.0.1:9229/json/list';

/** @param settle milliseconds until the memory that was freed is the machine's again. */
export async function collectGarbage(pid: number, settle = 1000): Promise<void> {
  process.kill(pid, 'SIGUSR1');
  let targets: { webSocketDebuggerUrl: string }[] | undefined;
  for (let tries = 0; targets === undefined && tries < 100; tries++) {
    await pause(50);
    targets = await fetch(inspector).then((answer) => answer.json() as Promise<{ webSocketDebuggerUrl: string }[]>, () => undefined);
  }
  if (targets === undefined) throw new Error('the inspector of the server did not answer');
  const socket = new WebSocket(targets[0]!.webSocketDebuggerUrl);
  const heard = () => new Promise((resolve, reject) => socket.once('message', resolve).once('error', reject));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  // The second finds what the finalizers of the first let go.
  for (const id of [1, 2]) {
    const collected = heard();
    socket.send(JSON.stringify({ id, method: 'HeapProfiler.collectGarbage' }));
    await collected;
  }
  socket.close();
  await pause(settle);
}
