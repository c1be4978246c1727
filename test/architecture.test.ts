import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cruise, type ICruiseOptions, type ICruiseResult, type IFlattenedRuleSet } from 'dependency-cruiser';
import { buildSchema } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventTypes } from '../src/events/catalog.ts';
import { actions, openActions } from '../src/policy/permissions.ts';

/**
 * The rules of the layout: import directions, one name per operation, short files, and documents that name only
 * existing files.
 */

const root = fileURLToPath(new URL('..', import.meta.url));

/** Returns the violations of the import rules in `folders` of `baseDir`, each as `rule: from → to`. */
async function violations(baseDir: string, folders: string[]): Promise<string[]> {
  const config = ((await import(join(root, '.dependency-cruiser.js'))) as { default: IFlattenedRuleSet & { options: ICruiseOptions } })
    .default;
  const { tsConfig: _, ...options } = config.options;
  const { output } = await cruise(folders, { ...options, baseDir, validate: true, ruleSet: config });
  return (output as ICruiseResult).summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`);
}

/** Returns the paths of all files below a folder, without generated files. */
const written = (folder: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.(ts|mjs|graphql)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
    .filter((path) => !path.includes('/generated/'));

const text = (path: string): string => readFileSync(join(root, path), 'utf8');

describe('imports', () => {
  it('go one way, from the outer layers to the inner ones', async () => {
    expect(await violations(root, ['src', 'test', 'scripts'])).toEqual([]);
  });

  describe('are reported when they go another way', () => {
    /** Files that `beforeAll` writes to a temporary folder. Each file violates the import rule that is named before its path. */
    const planted: [rule: string, path: string, code: string][] = [
      ['reader-imports-leftwards', 'src/reader/row-view.ts', "import '../db/client.ts';"],
      ['reader-imports-leftwards', 'src/reader/select.ts', "import '../executor/executor.ts';"],
      ['executor-imports-leftwards', 'src/executor/executor.ts', "import type {} from '../domain/chats.ts';"],
      ['executor-imports-leftwards', 'src/executor/raw-columns.ts', "import type {} from '../reader/row-view.ts';"],
      ['engines-stand-alone', 'src/executor/deferred.ts', "import type {} from '../config.ts';"],
      ['engines-stand-alone', 'src/reader/statements.ts', "import '../errors.ts';"],
      ['roster-imports-leftwards', 'src/roster/roster.ts', "import type {} from '../domain/chats.ts';"],
      ['roster-imports-leftwards', 'src/roster/zip.ts', "import '../reader/row-view.ts';"],
      ['roster-stands-alone', 'src/roster/notices.ts', "import '../config.ts';"],
      ['policy-imports-leftwards', 'src/policy/can.ts', "import '../db/client.ts';"],
      ['policy-is-pure', 'src/policy/permissions.ts', "import '../config.ts';"],
      ['db-imports-leftwards', 'src/db/pool.ts', "import '../events/record.ts';"],
      ['auth-imports-leftwards', 'src/auth/tokens.ts', "import type {} from '../domain/chats.ts';"],
      ['events-imports-leftwards', 'src/events/log-reader.ts', "import '../domain/chats.ts';"],
      ['domain-imports-leftwards', 'src/domain/invitation-link.ts', "import '../graphql/builder.ts';"],
      ['jobs-imports-leftwards', 'src/jobs/cleaning.ts', "import '../http/app.ts';"],
      ['adapters-imports-leftwards', 'src/adapters/mail.ts', "import '../jobs/cleaning.ts';"],
      ['graphql-imports-leftwards', 'src/graphql/classes.ts', "import '../http/app.ts';"],
      ['graphql-only-on-domain-and-events', 'src/graphql/users.ts', "import type {} from '../db/client.ts';"],
      ['graphql-only-on-domain-and-events', 'src/graphql/roles.ts', "import type {} from '../policy/permissions.ts';"],
      ['graphql-nouns-apart', 'src/graphql/chats.ts', "import './classes.ts';"],
      ['graphql-nouns-apart', 'src/graphql/node.ts', "import './chats.ts';"],
      ['graphql-only-for-http', 'src/data-folder.ts', "import './graphql/builder.ts';"],
      ['nothing-imports-the-entrances', 'src/http/app.ts', "import '../main.ts';"],
      ['http-imports-leftwards', 'src/http/routes.ts', "import '../commands/command.ts';"],
      ['commands-only-for-the-command-line', 'src/main.ts', "import './commands/command.ts';"],
      ['ground-files-import-no-layer', 'src/errors.ts', "import './db/client.ts';"],
      ['http-pages-apart', 'src/http/pages/join.ts', "import '../graphql/limits.ts';"],
      ['http-api-without-pages', 'src/http/graphql/admission.ts', "import '../pages/layout.ts';"],
      ['http-live-and-websocket-apart', 'src/http/live/shared-execution.ts', "import type {} from '../websocket/frame-sink.ts';"],
      ['http-live-and-websocket-apart', 'src/http/websocket/server.ts', "import '../live/request-groups.ts';"],
      ['http-graphql-under-every-transport', 'src/http/graphql/documents.ts', "import '../websocket/frame-sink.ts';"],
      ['generated-client-near-the-rows', 'src/http/pages.ts', "import '../db/generated/client.ts';"],
      ['generated-types-only-in-auth', 'src/auth/keys.ts', "import '../db/generated/client.ts';"],
      ['no-cycles', 'src/domain/schools.ts', "import type {} from './subjects.ts';"],
      ['src-stands-alone', 'src/db/embedded/embedded.ts', "import '../../../test/support.ts';"],
      ['only-dependencies-are-served', 'src/http/metrics.ts', "import 'development';"],
      ['everything-is-found', 'src/domain/users.ts', "import './nowhere.ts';"],
      ['names-that-say-something', 'src/domain/utils.ts', "export const alone = '';"],
      ['names-that-say-something', 'src/http/helpers/texts.ts', "export const alone = '';"],
      ['names-that-say-something', 'test/index.ts', "export const alone = '';"],
    ];
    /** Files of the same folder that violate no rule. The files of `planted` import them. */
    const sound: [path: string, code: string][] = [
      ...[
        'src/config.ts',
        'src/db/client.ts',
        'src/events/record.ts',
        'src/graphql/builder.ts',
        'test/support.ts',
        'src/db/generated/client.ts',
        'src/suggestions.ts',
      ].map((path): [string, string] => [path, 'export {};']),
      ['package.json', '{ "name": "planted", "devDependencies": { "development": "1.0.0" } }'],
      ['node_modules/development/index.js', ''],
      ['src/roster/csv-table.ts', "import '../suggestions.ts';\nimport type {} from '../errors.ts';"],
      ['src/domain/subjects.ts', "import type {} from './schools.ts';"],
      [
        'src/domain/chats.ts',
        "import '../events/record.ts';\nimport '../config.ts';\nimport type {} from '../policy/permissions.ts';\nimport '../db/generated/client.ts';",
      ],
      ['src/graphql/schema.ts', "import './chats.ts';\nimport './events.ts';"],
      ['src/graphql/events.ts', "import './builder.ts';\nimport '../domain/chats.ts';"],
      ['src/http/graphql/limits.ts', "import '../errors.ts';"],
      ['src/http/live/request-groups.ts', "import '../graphql/limits.ts';"],
      ['src/http/websocket/frame-sink.ts', "import '../graphql/limits.ts';"],
      ['src/http/pages/layout.ts', "import '../errors.ts';"],
      ['src/http/errors.ts', 'export {};'],
      ['src/commands/command.ts', "import '../http/errors.ts';"],
      ['src/cli.ts', "import './commands/command.ts';"],
      ['src/http/bootstrap.ts', "import '../graphql/schema.ts';\nimport '../jobs/cleaning.ts';"],
    ];
    let folder = '';
    let found: string[] = [];

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'sfera-imports-'));
      for (const [path, code] of [...sound, ...planted.map(([, path, code]): [string, string] => [path, code])]) {
        mkdirSync(dirname(join(folder, path)), { recursive: true });
        writeFileSync(join(folder, path), `${code}\n`);
      }
      found = await violations(folder, ['src', 'test']);
    });

    afterAll(() => rmSync(folder, { recursive: true }));

    it.each(planted)('%s: %s', (rule, path) => {
      expect(found.filter((violation) => violation.startsWith(`${rule}: ${path} `))).toHaveLength(1);
    });

    it.each(sound.filter(([path]) => path.startsWith('src/') && path !== 'src/domain/subjects.ts'))('but not in %s', (path) => {
      expect(found.filter((violation) => violation.includes(`: ${path} → `))).toEqual([]);
    });
  });
});

describe('one name everywhere', () => {
  /**
   * Actions whose event is not named after the action. `planImport` and `planYear` record `plan.ready`. `endOtherSessions`
   * records `session.ended` for each session.
   */
  const toldAs: Record<string, string> = { 'import.plan': 'plan.ready', 'year.plan': 'plan.ready', 'otherSessions.end': 'session.ended' };
  const irregular: Record<string, string> = {
    enrol: 'enrolled',
    transfer: 'transferred',
    withdraw: 'withdrawn',
    handOver: 'handedOver',
    set: 'set',
    reset: 'reset',
    apply: 'applied',
    undo: 'undone',
  };

  const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);
  const mutationOf = (action: string) => action.replace(/^(\w+)\.(\w+)$/, (_, noun: string, verb: string) => verb + capital(noun));
  const eventOf = (action: string) =>
    toldAs[action] ?? action.replace(/\w+$/, (verb) => irregular[verb] ?? (verb.endsWith('e') ? `${verb}d` : `${verb}ed`));

  const changes = [...actions.filter((action) => !/\.read/.test(action)), ...openActions];
  const mutations = Object.keys(buildSchema(text('schema.graphql')).getMutationType()?.getFields() ?? {});
  const actionOf = (mutation: string) => changes.find((action) => mutationOf(action) === mutation);

  it.each(mutations)('mutation %s has its row in the policy table and its event in the catalogue', (mutation) => {
    const action = actionOf(mutation);
    expect(changes).toContain(action);
    expect(eventTypes).toContain(eventOf(action ?? ''));
  });

  it.each(changes)('action %s has its mutation', (action) => {
    expect(mutations.map(actionOf)).toContain(action);
  });
});

describe('files', () => {
  const files = ['src', 'test', 'scripts'].flatMap(written);

  it('of src have at most 300 lines', () => {
    expect(files.filter((path) => path.startsWith('src/') && text(path).split('\n').length > 301)).toEqual([]);
  });

  it('of src read the environment in config.ts alone', () => {
    const reading = files.filter((path) => path.startsWith('src/') && /process\s*(\.|\?\.|\[\s*['"])\s*env\b/.test(text(path)));
    expect(reading).toEqual(['src/config.ts']);
  });
});

describe('tests', () => {
  /** Folders of test/ that have no counterpart in src, such as tests with several processes or a browser. */
  const apart = /^(races|crash|browser|scenario|support)\//;
  /** Tests that belong to no single file of src: they test the whole of src, or the same rule for every noun. */
  const ofAll = [
    'architecture',
    'lint-rules',
    'regulation',
    'domain/repeats',
    'domain/updated-at',
    'graphql/texts',
    'policy/isolation',
    'policy/matrix',
  ];
  const tests = written('test').flatMap((path) => /^test\/(.*)\.test\.ts$/.exec(path)?.[1] ?? []);
  const isInSrc = (path: string) => existsSync(join(root, 'src', path));

  it('have the path of the file or folder of src that they test; several tests of one file are in a folder of its name', () => {
    const misplaced = tests.filter((path) => !isInSrc(path) && !isInSrc(`${path}.ts`) && !isInSrc(`${dirname(path)}.ts`));
    expect(misplaced.filter((path) => !apart.test(path)).sort()).toEqual(ofAll.sort());
  });

  it('wait for facts with the limits of test/support/limits.ts: by until() and expect.poll(), without a number', () => {
    const ownLimit = /\bvi\.waitFor\(|\btimeout: *\d/;
    expect(written('test').filter((path) => ownLimit.test(text(path)))).toEqual(['test/support/until.ts']);
  });
});

describe('documents', () => {
  const folders = /^(src|test|docs|scripts|bench|prisma)\//;
  const pathsIn = (document: string): string[] =>
    [...text(document).matchAll(/`([^`\n]+)`/g)].map(([, span]) => span!).filter((span) => folders.test(span));

  it.each(['docs/architecture.md', 'docs/glossary.md', 'CONTRIBUTING.md'])('%s names only paths that exist', (document) => {
    const paths = pathsIn(document);
    expect(paths).not.toEqual([]);
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});
