import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Without the alias vitest loads graphql as ESM and as CommonJS, and one copy refuses the schema of the other.
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
