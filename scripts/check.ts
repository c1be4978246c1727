import { spawnSync } from 'node:child_process';

/** Runs every check that needs no server. Continues after a failure, so that one run reports all failures. */
// prettier-ignore
const checks: { name: string; command: string; fix: string }[] = [
  { name: 'generated files', command: 'tsx scripts/generate.ts --check', fix: 'run `npm run generate`, then do what it says.' },
  { name: 'codegen', command: 'graphql-codegen --silent', fix: 'run `npm run generate`, then correct test/operations/*.graphql.' },
  { name: 'types', command: 'tsc -p tsconfig.json', fix: 'correct the types; run `npm run generate` if src/db/generated or test/generated is out of date.' },
  { name: 'format', command: 'prettier --check --log-level warn .', fix: 'run `npx prettier --write .`.' },
  { name: 'lint', command: 'eslint --max-warnings=0 .', fix: 'run `npx eslint --fix .`, then correct the rest by hand.' },
  { name: 'imports', command: 'depcruise --output-type err src test scripts', fix: 'move the code to a layer that may import it (see .dependency-cruiser.js).' },
  { name: 'unused', command: 'knip --no-progress --no-config-hints', fix: 'delete it, or remove its `export`; knip.config.ts lists the entries.' },
  { name: 'contract', command: 'tsx scripts/breaking-changes.ts', fix: 'keep what clients use, or announce the change with «Breaking: …».' },
  { name: 'migrations', command: 'tsx scripts/migration.ts --check', fix: 'write a migration with the SQL that `npx tsx scripts/migration.ts` prints.' },
];

const failed: string[] = [];
for (const { name, command, fix } of checks) {
  const startedAt = Date.now();
  // The shell finds the commands because npm puts node_modules/.bin on the PATH of its scripts.
  const { status } = spawnSync(command, { shell: true, stdio: ['ignore', 'inherit', 'inherit'] });
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
  if (status === 0) {
    console.log(`ok      ${name} (${seconds} s)`);
  } else {
    failed.push(name);
    console.log(`FAILED  ${name} (${seconds} s): ${fix}`);
  }
}
if (failed.length > 0) {
  console.log(`Checks failed: ${failed.join(', ')}.`);
  process.exitCode = 1;
}
