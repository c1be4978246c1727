import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDataStore, type DataStore } from './data-store.ts';
import { compile } from './process.ts';

/** Runs `npx sfera` as an operator does: the compiled program, in a folder and on a database of its own. */

export interface CliOutcome {
  code: number | null;
  out: string;
  error: string;
}

export interface Cli {
  (...args: string[]): Promise<CliOutcome>;
  /** Runs a command with these environment variables. */
  withEnv(env: Record<string, string>, ...args: string[]): Promise<CliOutcome>;
  /** The database of the commands. */
  store: DataStore;
  /** The id of the school that was created. */
  schoolId: string;
  /** Writes a file into the folder in which the commands run. Returns its name. */
  file(name: string, text: string): string;
  remove(): Promise<void>;
}

export async function openCli(): Promise<Cli> {
  const compiled = compile();
  const folder = mkdtempSync(join(tmpdir(), 'sfera-cli-'));
  const store = await createDataStore();
  const env = { PATH: process.env.PATH ?? '', SECRET_KEY: 'a secret of thirty-two bytes for tests', ...store.env };
  const withEnv: Cli['withEnv'] = async (more, ...args) => {
    const child = spawn(process.execPath, [compiled.main.replace('main.js', 'cli.js'), ...args], {
      cwd: folder,
      env: { ...env, ...more },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
    const [out, error] = await Promise.all([child.stdout, child.stderr].map(textOf));
    return { code: await closed, out: out!, error: error! };
  };
  const run = (...args: string[]): Promise<CliOutcome> => withEnv({}, ...args);
  const { out } = await run('create-school', '--name', 'Школа № 98');
  return Object.assign(run, {
    withEnv,
    store,
    schoolId: /School (\S+) was created/.exec(out)![1]!,
    file(name: string, text: string) {
      writeFileSync(join(folder, name), text);
      return name;
    },
    async remove() {
      compiled.remove();
      rmSync(folder, { recursive: true, force: true });
      await store.remove();
    },
  });
}

/** Reads a stream to its end. Leaves out the warning that oidc-provider prints on some versions of Node. */
async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  let text = '';
  for await (const part of stream) text += String(part);
  return text
    .split('\n')
    .filter((line) => !line.startsWith('oidc-provider WARNING'))
    .join('\n');
}
