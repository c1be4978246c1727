import type { KnipConfig } from 'knip';

/** What `npm run check` may find unused: files, exports and dependencies that nothing reaches from these entries. */
const config: KnipConfig = {
  workspaces: {
    '.': {
      // A thread is started with the worker by its URL.
      // test/support/fixtures.ts imports every file of its folder.
      entry: ['src/cli.ts', 'src/db/embedded/worker.ts', 'src/db/embedded/worker-source.mjs', 'scripts/*.{ts,mjs}', 'test/fixtures/*.ts'],
      project: ['{src,test,scripts}/**/*.{ts,mjs}'],
      ignoreDependencies: [
        // Imported by the generated client in src/db/generated/, which git and knip leave out.
        '@prisma/client',
        // Run by scripts/check.ts.
        'prettier',
      ],
      // Programs of the system that tests start.
      ignoreBinaries: ['mount', 'umount', 'script', 'openssl', 'pgbouncer', 'nginx'],
    },
    bench: {
      // Each peer is a process of its own.
      entry: ['costs.ts', 'soak/probe.ts', 'heap/page-garbage.ts', 'live/listener-process.ts', 'peers/*.ts'],
      project: ['**/*.ts'],
    },
  },
  // The command of its generator is no package.
  ignoreIssues: { 'prisma/schema.prisma': ['unlisted'] },
  // The type of a parameter or a result may be exported without an importer.
  ignoreExportsUsedInFile: { interface: true, type: true },
};

export default config;
