import { fork, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Server } from './measure.ts';

/** Starts servers as child processes and reads their CPU time and memory from /proc. */

const root = fileURLToPath(new URL('..', import.meta.url));

const readOrEmpty = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The process or thread ended after it was listed.
    return '';
  }
};

const threadsOf = (pid: number): string[] => {
  try {
    return readdirSync(`/proc/${pid}/task`).map((id) => `/proc/${pid}/task/${id}`);
  } catch {
    return [];
  }
};

/** Returns the id of the process and the ids of all its descendants. */
function processTree(pid: number): number[] {
  const children = threadsOf(pid).flatMap((task) => readOrEmpty(`${task}/children`).split(' ').filter(Boolean).map(Number));
  return [pid, ...children.flatMap(processTree)];
}

/** Sums the CPU seconds of a process tree. The first number of a thread's schedstat is its nanoseconds on a CPU. */
export const cpuSecondsOf = (pid: number): number =>
  processTree(pid)
    .flatMap(threadsOf)
    .reduce((sum, task) => sum + Number(readOrEmpty(`${task}/schedstat`).split(' ')[0]) / 1e9, 0);

const rssBytesOf = (pid: number): number =>
  processTree(pid).reduce((sum, member) => sum + Number(/VmRSS:\s+(\d+)/.exec(readOrEmpty(`/proc/${member}/status`))?.[1] ?? 0) * 1024, 0);

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts servers. Kills the servers that still run when this process exits. */
export function createStarter(settings: Record<string, string>) {
  const folder = mkdtempSync(join(tmpdir(), 'sfera-bench-'));
  const running = new Set<ChildProcess>();
  let count = 0;
  const killAll = () => running.forEach((child) => child.kill('SIGKILL'));
  process.once('exit', killAll);

  /**
   * Starts a server and waits until it is ready. The server's output goes to a file. If the start fails, the error
   * quotes that file.
   */
  async function run(
    name: string,
    start: (port: number, output: number) => ChildProcess,
    ready: (child: ChildProcess, port: number) => Promise<unknown>,
  ): Promise<Server> {
    const port = await freePort();
    const file = join(folder, `${(count += 1)}-${name}.log`);
    const output = openSync(file, 'a');
    const child = start(port, output);
    closeSync(output);
    running.add(child);
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    void ended.then(() => running.delete(child));
    let isReady = false;
    const failed = ended.then(() => {
      if (!isReady) throw new Error(`${name} ended before it was ready:\n${readOrEmpty(file).slice(-3000)}`);
    });
    const timedOut = pause(60_000, undefined, { ref: false }).then(() => {
      if (!isReady) throw new Error(`${name} is not ready:\n${readOrEmpty(file).slice(-3000)}`);
    });
    await Promise.race([ready(child, port), failed, timedOut]);
    isReady = true;
    const stopWith = (signal: NodeJS.Signals) => async (): Promise<void> => {
      child.kill(signal);
      await ended;
    };
    const pid = child.pid!;
    return {
      port,
      pid,
      url: `http://127.0.0.1:${port}/graphql`,
      cpuSeconds: () => cpuSecondsOf(pid),
      rssBytes: () => rssBytesOf(pid),
      stop: stopWith('SIGTERM'),
      kill: stopWith('SIGKILL'),
    };
  }

  const inherited = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' };

  return {
    startOurs: (env: Record<string, string> = {}): Promise<Server> =>
      run(
        'sfera',
        (port, output) =>
          spawn(process.execPath, [...(process.env.OURS_NODE_OPTIONS ?? '').split(' ').filter(Boolean), 'dist/main.js'], {
            cwd: root,
            env: { ...inherited, NODE_ENV: 'production', HOST: '127.0.0.1', PORT: String(port), ...settings, ...env },
            stdio: ['ignore', output, output],
          }),
        async (_child, port) => {
          while (!(await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => null))?.ok) await pause(20);
        },
      ),

    startPeer: (name: string, env: Record<string, string> = {}): Promise<Server> =>
      run(
        name,
        (port, output) =>
          fork(join(root, 'bench/peers', `${name}.ts`), {
            cwd: join(root, 'bench'),
            env: { ...inherited, NODE_ENV: 'production', PORT: String(port), DATABASE_URL: settings.DATABASE_URL, ...env },
            stdio: ['ignore', output, output, 'ipc'],
          }),
        (child) => new Promise((resolve) => child.once('message', resolve)),
      ),

    async close(): Promise<void> {
      const ended = Promise.all([...running].map((child) => new Promise((resolve) => child.once('exit', resolve))));
      killAll();
      await ended;
      process.off('exit', killAll);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
