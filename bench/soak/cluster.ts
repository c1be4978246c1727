import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../processes.ts';

/**
 * A temporary PostgreSQL cluster, which the soak test (bench/soak/run.ts) can stall and restart without affecting other
 * databases.
 */
export interface Cluster {
  url: string;
  /** Stops every process of the cluster with SIGSTOP: connections stay open and nothing answers. */
  stall(): void;
  /** Resumes the processes with SIGCONT. */
  resume(): void;
  restart(mode: 'fast' | 'immediate'): void;
  remove(): void;
}

const binaries = (): string => {
  const root = '/usr/lib/postgresql';
  const newest = readdirSync(root)
    .sort((a, b) => Number(a) - Number(b))
    .at(-1);
  if (newest === undefined) throw new Error(`no PostgreSQL server is installed below ${root}`);
  return join(root, newest, 'bin');
};

/**
 * Runs a PostgreSQL program. If this process runs as root, the program runs as the user `postgres`, because PostgreSQL
 * refuses to run as root.
 */
function run(program: string, args: readonly string[]): void {
  const asRoot = process.getuid?.() === 0;
  const command = asRoot ? ['runuser', '-u', 'postgres', '--', program, ...args] : [program, ...args];
  const { status, stderr } = spawnSync(command[0]!, command.slice(1), { cwd: '/', encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
  if (status !== 0) throw new Error(`${program} failed: ${stderr}`);
}

/** Returns the process ids of the postmaster and its children. */
function processesOf(folder: string): number[] {
  const postmaster = Number(readFileSync(join(folder, 'postmaster.pid'), 'utf8').split('\n')[0]);
  const children = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  return [postmaster, ...children];
}

export async function createCluster(): Promise<Cluster> {
  const bin = binaries();
  const parent = mkdtempSync(join(tmpdir(), 'sfera-soak-'));
  chmodSync(parent, 0o777);
  const folder = join(parent, 'data');
  const port = await freePort();
  run(join(bin, 'initdb'), ['-D', folder, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale', 'C.UTF-8']);
  const settings = [`port = ${port}`, "listen_addresses = '127.0.0.1'", `unix_socket_directories = '${parent}'`, 'logging_collector = off'];
  writeFileSync(join(folder, 'postgresql.auto.conf'), settings.join('\n'));
  const control = (...args: string[]): void => run(join(bin, 'pg_ctl'), ['-D', folder, '-l', join(parent, 'log'), '-w', ...args]);
  const signal = (name: NodeJS.Signals): void => {
    for (const pid of processesOf(folder)) process.kill(pid, name);
  };
  control('start');
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    stall: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    restart: (mode) => control('-m', mode, 'restart'),
    remove() {
      control('-m', 'immediate', 'stop');
      rmSync(parent, { recursive: true, force: true });
    },
  };
}
