import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/**
 * After `npm ci`: makes the database client and dist/. `npx sfera` runs this too, as it links the package's command the
 * first time; then what is built is left as it is, for a server may be running on it, without the tools that build it.
 */
const linking = process.env.npm_command === 'exec' && existsSync('dist/cli.js');

for (const command of linking ? [] : ['prisma generate', 'npm run build']) {
  const { status } = spawnSync(command, { shell: true, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
