import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Without it vitest loads graphql twice, as a module of each kind, and graphql refuses the other one's schema.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/template.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
