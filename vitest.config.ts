import { configDefaults, defineConfig } from 'vitest/config';
import { parseCLI } from 'vitest/node';
import { factMs, testMs } from './test/support/limits.ts';

/** Tests of pure code, which run in seconds. All other tests are in the project `api`: they have a database or a server. */
const unit = [
  'test/{architecture,config,lint-rules,logger,mail-config}.test.ts',
  'test/auth/{passwords,seal,semaphore}.test.ts',
  'test/commands/language.test.ts',
  'test/db/database-errors.test.ts',
  'test/domain/{resources,text}.test.ts',
  'test/domain/connection/pagination.test.ts',
  'test/domain/plans/renamed-people.test.ts',
  'test/events/live/backoff.test.ts',
  'test/executor/*.test.ts',
  'test/http/account-limits.test.ts',
  'test/http/account-limits/sliding-window.test.ts',
  'test/http/request-info/{client-address,header-elements}.test.ts',
  'test/http/graphql/admission.test.ts',
  'test/policy/permissions.test.ts',
  'test/reader/row-view.test.ts',
  'test/roster/**/*.test.ts',
  'test/support/*.test.ts',
];

/** Tests that replace functions of Node, or count what a process has open. Each file has a process of its own. */
const isolated = ['test/db/embedded/*.test.ts', 'test/http/app/stopping.test.ts'];

// vitest 4.1 applies `--exclude` to a config without projects only.
const excluded = parseCLI(['vitest', ...process.argv.slice(2)]).options.exclude ?? [];
const exclude = [...configDefaults.exclude, ...excluded];

export default defineConfig({
  // Without the alias vitest loads graphql as ESM and as CommonJS, and one copy refuses the schema of the other.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: testMs,
    hookTimeout: testMs,
    expect: { poll: { timeout: factMs } },
    reporters: ['default', './test/support/slowest-files.ts'],
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: unit, exclude, setupFiles: ['test/support/no-connections.ts'], sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        test: {
          name: 'api',
          include: ['test/**/*.test.ts'],
          exclude: [...exclude, ...unit, ...isolated],
          globalSetup: ['test/support/template.ts'],
          // Test files of one process share its modules: loading those of the server takes seconds.
          isolate: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: { name: 'isolated', include: isolated, exclude, globalSetup: ['test/support/template.ts'], sequence: { groupOrder: 2 } },
      },
    ],
  },
});
