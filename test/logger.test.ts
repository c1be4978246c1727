import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';

const source = new URL('../src/logger.ts', import.meta.url).href;

/**
 * Runs a module that logs to stdout. Returns the exit status, and the lines grouped by the chunks in which they
 * arrived.
 */
async function run(code: string): Promise<{ pieces: string[][]; status: number | null }> {
  const module = `import { bufferedOutput, createLogger } from '${source}'; const log = createLogger('info', bufferedOutput()); ${code}`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', module], { stdio: ['ignore', 'pipe', 'ignore'] });
  const pieces: string[][] = [];
  child.stdout.on('data', (piece: Buffer) =>
    pieces.push(
      piece
        .toString()
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { msg: string }).msg),
    ),
  );
  const [status] = (await once(child, 'close')) as [number | null];
  return { pieces, status };
}

const forever = 'setInterval(() => undefined, 1000);';

describe('bufferedOutput', () => {
  it('writes the lines of level info that follow each other in one piece', async () => {
    const { pieces } = await run(
      `for (const n of [1, 2, 3]) log.info(String(n)); setTimeout(() => process.kill(process.pid, 'SIGKILL'), 1000); ${forever}`,
    );
    expect(pieces).toEqual([['1', '2', '3']]);
  });

  it('writes a warning at once, with the lines before it', async () => {
    const { pieces } = await run(`log.info('before'); log.warn('warning'); process.kill(process.pid, 'SIGKILL');`);
    expect(pieces.flat()).toEqual(['before', 'warning']);
  });

  it('writes the last lines when the process exits', async () => {
    const { pieces, status } = await run(`log.info('last'); process.exit(3);`);
    expect({ lines: pieces.flat(), status }).toEqual({ lines: ['last'], status: 3 });
  });

  it('writes the last lines when an error ends the process', async () => {
    const { pieces, status } = await run(`log.info('last'); throw new Error('unexpected');`);
    expect({ lines: pieces.flat(), status }).toEqual({ lines: ['last'], status: 1 });
  });
});
