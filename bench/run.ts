import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** `npm run bench -- [--quick] [measure …]`: measures, prints, and writes the results. */

const root = fileURLToPath(new URL('..', import.meta.url));

function run(command: string): void {
  const { status } = spawnSync(command, { shell: true, cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) process.exit(status ?? 1);
}

/** The newest change under a folder, or of a file. */
const changed = (path: string): number =>
  Math.max(0, ...readdirSync(path, { recursive: true, encoding: 'utf8' }).map((name) => statSync(`${path}/${name}`).mtimeMs));

if (!existsSync(`${root}/bench/node_modules`)) {
  console.log('Installing the peers (bench/package-lock.json).');
  run('npm ci --silent --prefix bench');
}
// What is measured is this source, as it is compiled for users.
if (!existsSync(`${root}/dist/main.js`) || statSync(`${root}/dist/main.js`).mtimeMs < changed(`${root}/src`)) {
  console.log('Compiling the product.');
  run('npm run --silent build');
}

const { runMeasures } = await import('./measures.ts');
await runMeasures(process.argv.slice(2));
