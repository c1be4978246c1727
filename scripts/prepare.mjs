import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/**
 * Runs after `npm ci`: generates the database client and builds dist/. `npx sfera` runs this script too when it links
 * the command for the first time. In that case the script keeps an existing build: a server may be running on it, and
 * the build tools may be missing.
 */
const linking = process.env.npm_command === 'exec' && existsSync('dist/cli.js');

for (const command of linking ? [] : ['prisma generate', 'npm run build']) {
  const { status } = spawnSync(command, { shell: true, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
