import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/**
 * Follows docs/adding-a-noun.md in a copy of the repository. Inserts each block of code where the bold heading above it
 * says. Then the type check and the tests that the page names pass.
 */

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'docs/adding-a-noun.md'), 'utf8');

interface Step {
  path: string;
  kind: 'new' | 'end' | 'below';
  /** The line below which the code goes, or the beginning of that line. */
  line: string;
  code: string;
}

const heading = /^\*\*(?:New file|At the end of|In) `([^`]+)`(?:, below the line `([^`]+)`)?:\*\*\n\n```\w+\n([\s\S]*?)^```$/gm;

const steps: Step[] = [...page.matchAll(heading)].map(([text, path, line, code]) => ({
  path: path!,
  kind: text.startsWith('**New') ? 'new' : text.startsWith('**At') ? 'end' : 'below',
  line: line ?? '',
  code: code!,
}));

/** Returns the content of a file after a step. */
function edit(before: string, { path, kind, line, code }: Step): string {
  if (kind === 'end') return before + code;
  const at = before.split('\n').findIndex((each) => each.startsWith(line));
  if (at === -1) throw new Error(`docs/adding-a-noun.md: ${path} has no line \`${line}\``);
  return before
    .split('\n')
    .toSpliced(at + 1, 0, code.trimEnd())
    .join('\n');
}

let copy = '';
beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'sfera-noun-'));
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' });
  for (const file of files
    .trim()
    .split('\n')
    .filter((name) => existsSync(join(root, name))))
    cpSync(join(root, file), join(copy, file));
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  for (const step of steps) {
    const target = join(copy, step.path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, step.kind === 'new' ? step.code : edit(readFileSync(target, 'utf8'), step));
  }
});
afterAll(() => rmSync(copy, { recursive: true }));

/** Runs a program of node_modules/.bin in the copy. @throws an error with the program's output if the program fails. */
function run(program: string, ...args: string[]): void {
  const { VITEST: _, NODE_OPTIONS: __, ...env } = process.env;
  try {
    execFileSync(join(root, 'node_modules/.bin', program), args, { cwd: copy, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}\n${stderr}`, { cause: error });
  }
}

describe('docs/adding-a-noun.md', () => {
  it('takes twelve files, and edits none of another noun', () => {
    const paths = new Set(steps.map(({ path }) => path));
    expect(paths.size).toBe(12);
    const edited = [...new Set(steps.filter(({ kind }) => kind !== 'new').map(({ path }) => path))];
    expect(edited.sort()).toEqual([
      'prisma/schema.prisma',
      'src/domain/resources.ts',
      'src/events/catalog.ts',
      'src/graphql/schema.ts',
      'src/policy/permissions.ts',
    ]);
  });

  it('its code passes the types and the tests', () => {
    run('prisma', 'generate');
    run('tsx', 'scripts/generate.ts');
    run('graphql-codegen', '--silent');
    run('tsc', '-p', 'tsconfig.json');
    run('tsx', 'scripts/migration.ts', '--check');
    run('vitest', 'run', 'test/domain/announcements.test.ts', 'test/domain/resources.test.ts', 'test/policy/permissions.test.ts');
  });
});
