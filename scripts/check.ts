import { spawnSync } from 'node:child_process';

/** All that is checked without running the server; goes on past a failure, so that one run tells everything. */
const checks: { name: string; command: string; mend: string }[] = [
  { name: 'codegen', command: 'graphql-codegen --silent', mend: 'correct test/operations/*.graphql (after `npm run schema`).' },
  { name: 'types', command: 'tsc -p tsconfig.json', mend: 'correct the types; `npx prisma generate` if src/db/generated is old.' },
  { name: 'lint', command: 'eslint --max-warnings=0 .', mend: '`npx eslint --fix .`, then by hand.' },
  { name: 'imports', command: 'depcruise --output-type err src test scripts', mend: 'move the code to the layer that may hold it (.dependency-cruiser.js).' },
  { name: 'schema', command: 'tsx scripts/schema.ts --check', mend: 'npm run schema' },
  { name: 'docs', command: 'tsx scripts/docs.ts --check', mend: 'npm run docs' },
  { name: 'folders', command: 'tsx scripts/tree.ts --check', mend: 'npm run tree' },
  { name: 'migrations', command: 'tsx scripts/migration.ts --check', mend: 'write a migration by scripts/migration.ts.' },
];

const failed: string[] = [];
for (const { name, command, mend } of checks) {
  const begun = Date.now();
  // npm puts node_modules/.bin on the PATH of its scripts.
  const { status } = spawnSync(command, { shell: true, stdio: ['ignore', 'inherit', 'inherit'] });
  const seconds = ((Date.now() - begun) / 1000).toFixed(1);
  if (status === 0) {
    console.log(`ok      ${name} (${seconds} s)`);
  } else {
    failed.push(name);
    console.log(`FAILED  ${name} (${seconds} s): ${mend}`);
  }
}
if (failed.length > 0) {
  console.log(`Checks failed: ${failed.join(', ')}.`);
  process.exitCode = 1;
}
