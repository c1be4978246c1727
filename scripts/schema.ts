import { execFileSync } from 'node:child_process';
import { CriticalityLevel, diff } from '@graphql-inspector/core';
import { buildSchema, lexicographicSortSchema, printSchema } from 'graphql';
import { schema } from '../src/graphql/schema.ts';
import { checking, complain, printed } from './printed.ts';

/**
 * Prints schema.graphql, the contract. With --check it fails where the file is not what src prints, and where a client
 * would break by what changed since `origin/main` (on main itself: since the commit before), unless a commit since
 * then says so by a line `Breaking: …`.
 */

const path = 'schema.graphql';

function git(...args: string[]): string | undefined {
  try {
    return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 2 ** 26 }).trim();
  } catch {
    return undefined;
  }
}

/** The commit to compare with; undefined for the first one, and outside a repository. */
function baseCommit(): string | undefined {
  const fork = git('merge-base', 'origin/main', 'HEAD');
  return fork !== undefined && fork !== git('rev-parse', 'HEAD') ? fork : git('rev-parse', '--verify', '--quiet', 'HEAD~1');
}

async function checkBreaking(text: string): Promise<void> {
  const base = baseCommit();
  const before = base && git('show', `${base}:${path}`);
  if (!base || !before) return;
  const changes = await diff(buildSchema(before), buildSchema(text));
  const breaking = changes.filter((change) => change.criticality.level === CriticalityLevel.Breaking);
  if (breaking.length === 0 || /^Breaking: \S/m.test(git('log', '--format=%B', `${base}..HEAD`) ?? '')) return;
  for (const change of breaking) console.error(`  breaks clients: ${change.message}`);
  complain(
    `${path} breaks clients written for ${base.slice(0, 10)}.`,
    'keep what they use, or say so in the commit message by a line «Breaking: what and why».',
  );
}

const text = `${printSchema(lexicographicSortSchema(schema))}\n`;
printed(path, text, 'npm run schema');
if (checking) await checkBreaking(text);
