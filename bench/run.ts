import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * `npm run bench -- [--quick] [measure …]`: installs the packages of the programs in bench/peers and compiles our
 * server if needed, then runs the measures.
 */

const root = fileURLToPath(new URL('..', import.meta.url));

function runCommand(command: string): void {
  const { status } = spawnSync(command, { shell: true, cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) process.exit(status ?? 1);
}

/** Returns the newest modification time (ms) below a folder. */
const newestChange = (path: string): number =>
  Math.max(0, ...readdirSync(path, { recursive: true, encoding: 'utf8' }).map((name) => statSync(`${path}/${name}`).mtimeMs));

if (!existsSync(`${root}/bench/node_modules`)) {
  console.log('Installing the packages of the benchmarks (bench/package-lock.json).');
  runCommand('npm ci --silent --prefix bench');
}
// The measures run the compiled server, so compile it if src is newer than dist.
if (!existsSync(`${root}/dist/main.js`) || statSync(`${root}/dist/main.js`).mtimeMs < newestChange(`${root}/src`)) {
  console.log('Compiling the product.');
  runCommand('npm run --silent build');
}

const { runMeasures } = await import('./measures.ts');
await runMeasures(process.argv.slice(2));
