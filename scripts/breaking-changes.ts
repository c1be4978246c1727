import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { CriticalityLevel, diff } from '@graphql-inspector/core';
import { buildSchema } from 'graphql';
import { reportProblem } from './generated-files.ts';

/**
 * Fails if schema.graphql has breaking changes that no commit announces with a line `Breaking: …`. Compares with
 * `origin/main`; on main itself, with the previous commit.
 */

const path = 'schema.graphql';

function git(...args: string[]): string | undefined {
  try {
    return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 2 ** 26 }).trim();
  } catch {
    return undefined;
  }
}

/** Returns the commit to compare with; undefined for the first commit and outside a repository. */
function baseCommit(): string | undefined {
  const fork = git('merge-base', 'origin/main', 'HEAD');
  return fork !== undefined && fork !== git('rev-parse', 'HEAD') ? fork : git('rev-parse', '--verify', '--quiet', 'HEAD~1');
}

async function checkBreaking(base: string, before: string): Promise<void> {
  const changes = await diff(buildSchema(before), buildSchema(readFileSync(path, 'utf8')));
  const breaking = changes.filter((change) => change.criticality.level === CriticalityLevel.Breaking);
  if (breaking.length === 0 || /^Breaking: \S/m.test(git('log', '--format=%B', `${base}..HEAD`) ?? '')) return;
  for (const change of breaking) console.error(`  breaks clients: ${change.message}`);
  reportProblem(
    `${path} has changes that break clients written for ${base.slice(0, 10)}.`,
    'keep what they use, or add a line «Breaking: what and why» to the commit message.',
  );
}

const base = baseCommit();
const before = base && git('show', `${base}:${path}`);
if (base && before) await checkBreaking(base, before);
