import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { loadSigningKeys } from '../../src/auth/keys.ts';
import { Tokens } from '../../src/auth/tokens.ts';
import { readConfig } from '../../src/config.ts';
import type { Database } from '../../src/db/client.ts';
import type { Opened } from '../../src/http/bootstrap.ts';
import { createLogger } from '../../src/logger.ts';
import { createBuild, type Build } from './build.ts';
import { freePort } from './sfera.ts';
import { factMs } from './limits.ts';

/** Starts the compiled server as child processes. */

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface CompiledServer {
  main: string;
  remove(): void;
}

/**
 * Compiles src into a temporary folder that has links to node_modules, package.json and prisma. Skips type checking.
 */
export function compile(): CompiledServer {
  const folder = mkdtempSync(join(tmpdir(), 'sfera-'));
  for (const name of ['node_modules', 'package.json', 'prisma']) symlinkSync(join(root, name), join(folder, name));
  const tsc = [
    join(root, 'node_modules/typescript/bin/tsc'),
    '-p',
    'tsconfig.build.json',
    '--noCheck',
    '--sourceMap',
    'false',
    '--outDir',
    join(folder, 'dist'),
  ];
  const { status, stdout } = spawnSync(process.execPath, tsc, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`the source does not compile: ${stdout}`);
  return { main: join(folder, 'dist/main.js'), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export interface ServerProcess {
  pid: number;
  port: number;
  /** URL of the server's GraphQL endpoint. */
  url: string;
  /** Returns what the server has written to stdout and stderr. */
  output(): string;
  /**
   * Resolves when /health/ready answers 200. @throws an error with the server's output if the server exits first, or is
   * not ready within `factMs`.
   */
  ready(): Promise<void>;
  /** Resolves with the exit code or signal of the server. */
  ended: Promise<number | NodeJS.Signals>;
  kill(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals>;
}

/** Starts a server. It inherits only PATH from the environment of this process. */
export function startServer({ main }: CompiledServer, port: number, env: Record<string, string>): ServerProcess {
  const child = spawn(process.execPath, ['--enable-source-maps', main], {
    env: {
      PATH: process.env.PATH ?? '',
      HOST: '127.0.0.1',
      PORT: String(port),
      LOG_LEVEL: 'warn',
      DEMO: 'false',
      OPERATIONS_PER_MINUTE: '100000000',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part: Buffer) => (output = (output + part.toString()).slice(-100_000)));
  const orphan = () => void child.kill('SIGKILL');
  process.once('exit', orphan);
  let over = false;
  const ended = new Promise<number | NodeJS.Signals>((resolve) =>
    child.once('close', (code, signal) => {
      over = true;
      process.off('exit', orphan);
      resolve(code ?? signal!);
    }),
  );
  const origin = `http://127.0.0.1:${port}`;
  return {
    pid: child.pid!,
    port,
    url: `${origin}/graphql`,
    output: () => output,
    ended,
    async ready() {
      for (const deadline = Date.now() + factMs; Date.now() < deadline; await pause(20)) {
        if (over) throw new Error(`the server ended: ${output}`);
        const answer = await fetch(`${origin}/health/ready`).catch(() => null);
        await answer?.arrayBuffer();
        if (answer?.ok) return;
      }
      throw new Error(`the server is not ready: ${output}`);
    },
    kill(signal = 'SIGKILL') {
      child.kill(signal);
      return ended;
    },
  };
}

/** What a test needs to start servers itself: a database, and tokens that every server on this database accepts. */
export interface ServerFixture {
  db: Database;
  build: Build;
  port: number;
  /** The environment variables that all servers on this database share. */
  env: Record<string, string>;
  token(user: { id: string }): Promise<string>;
}

export async function prepareServer(db: Database): Promise<ServerFixture> {
  const port = await freePort();
  const env = { PUBLIC_URL: `http://localhost:${port}`, SECRET_KEY: 'a secret of thirty-two bytes for tests' };
  const config = readConfig(env);
  const keys = await loadSigningKeys(db, config);
  const tokens = new Tokens({ config, db, keys, log: createLogger('silent') });
  return {
    db,
    build: createBuild({ db, config } as Opened),
    port,
    env,
    async token(user) {
      const expiresAt = new Date(Date.now() + 86_400_000);
      const { id: sessionId } = await db.prisma.session.create({ data: { userId: user.id, clientId: 'tests', expiresAt } });
      return tokens.issueAccessToken({ userId: user.id, sessionId, clientId: 'tests' }, 3600);
    },
  };
}
