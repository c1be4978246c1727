import { fileURLToPath } from 'node:url';
import { ESLint, type Linter } from 'eslint';
import tseslint from 'typescript-eslint';
import { describe, expect, it } from 'vitest';

/** The rules that eslint.config.js adds to typescript-eslint. Each rule reports what it forbids, and nothing else. */

const cwd = fileURLToPath(new URL('..', import.meta.url));
// The pieces of code that the tests lint declare variables without using them.
const settings: Linter.Config = { files: ['**/*.ts'], rules: { '@typescript-eslint/no-unused-vars': 'off' } };
const typed = new ESLint({ cwd, overrideConfig: settings });
/** An ESLint without the rules that need types, because loading the types takes seconds. */
const untyped = new ESLint({
  cwd,
  overrideConfig: [settings, tseslint.configs.disableTypeChecked, { files: ['src/**/*.ts'], rules: { 'rows/no-copies': 'off' } }],
});

/** Returns the rules that report the text, as if it were the content of this file. */
async function reportsOf(eslint: ESLint, file: string, text: string): Promise<(string | null)[]> {
  const [result] = await eslint.lintText(text, { filePath: file });
  return result!.messages.map(({ ruleId, message, fatal }) => (fatal ? message : ruleId));
}

const functionOf = (lines: number): string => `export function long(): void {\n${'  void 0;\n'.repeat(lines - 2)}}\n`;

const moduleStates = [
  'let count = 0; export const next = () => (count += 1);',
  'export let count = 0; export const next = () => (count += 1);',
  'const cache = new Map<string, string>(); export const read = () => cache;',
  'export const cache = new Set<string>();',
  'const facts = new WeakMap<object, string>(); export const read = () => facts;',
  'export const seen = new WeakSet<object>();',
  'const waiting: string[] = []; export const read = () => waiting;',
];
const constants = [
  "export const names = new Map([['a', 1]]);",
  'export const none: ReadonlyMap<string, string> = new Map<string, string>();',
  'export const none: readonly string[] = [];',
  'export class Cache { readonly entries = new Map<string, string>(); }',
  'export function read(): string[] { const rows: string[] = []; let at = 0; at += 1; return rows.slice(at); }',
];
const getter = 'export const page = { get start() { return 1; } };';
const fiveParameters = 'export const sum = (a: number, b: number, c: number, d: number, e: number): number => a + b + c + d + e;';
const shadowed = 'export const twice = (n: number) => [n].map((n) => n * 2);';

describe('in src', () => {
  const file = 'src/domain/subjects.ts';

  it.each(moduleStates)('state in a module is reported: %s', async (text) => {
    expect(await reportsOf(untyped, file, text)).toEqual(['no-restricted-syntax']);
  });

  it.each(constants)('constants and local variables are allowed: %s', async (text) => {
    expect(await reportsOf(untyped, file, text)).toEqual([]);
  });

  it('a getter of an object literal is reported', async () => {
    expect(await reportsOf(untyped, file, getter)).toEqual(['no-restricted-syntax']);
  });

  it('a getter of a class is allowed', async () => {
    expect(await reportsOf(untyped, file, 'export class Page { get start(): number { return 1; } }')).toEqual([]);
  });

  it('a function of 81 lines is reported', async () => {
    expect(await reportsOf(untyped, file, functionOf(81))).toEqual(['max-lines-per-function']);
  });

  it('a function of 80 lines is allowed', async () => {
    expect(await reportsOf(untyped, file, functionOf(80))).toEqual([]);
  });

  it('a function with five parameters is reported', async () => {
    expect(await reportsOf(untyped, file, fiveParameters)).toEqual(['max-params']);
  });

  it('a name that hides another one is reported', async () => {
    expect(await reportsOf(untyped, file, shadowed)).toEqual(['@typescript-eslint/no-shadow']);
  });

  it.each([
    ['export const port = process.env.PORT;', 'no-restricted-properties'],
    ["import { env } from 'node:process';\nexport const port = env.PORT;", 'no-restricted-imports'],
    ["import process from 'process';\nexport const { pid } = process;", 'no-restricted-imports'],
  ])('a setting that is read outside src/config.ts is reported: %s', async (text, rule) => {
    expect(await reportsOf(untyped, file, text)).toEqual([rule]);
  });

  it('src/config.ts may read the environment', async () => {
    expect(await reportsOf(untyped, 'src/config.ts', 'export const port = process.env.PORT;')).toEqual([]);
  });

  it('output to the console is reported', async () => {
    expect(await reportsOf(untyped, file, "console.log('x');")).toEqual(['no-console']);
  });

  it('src/cli.ts may write to the console', async () => {
    expect(await reportsOf(untyped, 'src/cli.ts', "console.log('x');")).toEqual([]);
  });

  it('a directive that disables no report is reported', async () => {
    const [result] = await untyped.lintText('// eslint-disable-next-line no-console\nexport const one = 1;', { filePath: file });
    expect(result!.messages.map(({ message }) => message)).toEqual([expect.stringMatching(/^Unused eslint-disable directive/)]);
  });
});

describe('in src/executor and src/reader', () => {
  it.each(['src/executor/json-writer.ts', 'src/reader/statements.ts'])('%s may keep state and take five parameters', async (file) => {
    for (const text of [...moduleStates, fiveParameters]) expect(await reportsOf(untyped, file, text)).toEqual([]);
  });

  it('a getter of an object literal is reported', async () => {
    expect(await reportsOf(untyped, 'src/executor/executor.ts', getter)).toEqual(['no-restricted-syntax']);
  });
});

describe('in test', () => {
  it.each(['it.only', 'it.skip', 'test.todo', 'describe.skip', 'suite.only', 'it.concurrent.only'])(
    'a committed %s is reported',
    async (name) => {
      const text = `import { describe, it, suite, test } from 'vitest';\n${name}('x', () => [describe, it, suite, test]);`;
      expect(await reportsOf(untyped, 'test/uuid.test.ts', text)).toEqual(['no-restricted-syntax']);
    },
  );

  it('a test that depends on its environment is allowed', async () => {
    const text = "import { it } from 'vitest';\nit.skipIf(process.platform === 'win32')('x', () => undefined);";
    expect(await reportsOf(untyped, 'test/uuid.test.ts', text)).toEqual([]);
  });
});

describe('a copy of a row, whose columns are accessors of its class', () => {
  const lintWithRow = (expression: string): Promise<(string | null)[]> =>
    reportsOf(
      typed,
      'src/domain/subjects.ts',
      `import { plain } from '../reader/row-view.ts';\nimport type { Subject } from './entities.ts';\nexport const copy = (row: Subject, found: Subject | null, other: { name: string }): unknown => ${expression};\nexport const imported = [plain];\n`,
    );

  it.each([
    '({ ...row })',
    '({ id: found?.id, ...found })',
    '(({ id, ...rest }: Subject) => [id, rest])(row)',
    'Object.assign({}, row)',
    'Object.entries(row)',
    'Object.keys(row)',
    'Object.values(row)',
    'structuredClone(row)',
  ])('is reported: %s', async (expression) => {
    expect(await lintWithRow(expression)).toEqual(['rows/no-copies']);
  });

  it.each(['({ ...plain(row) })', '({ ...other })', '(({ id, name }: Subject) => [id, name])(row)', 'Object.keys(other)'])(
    'is not seen in: %s',
    async (expression) => {
      expect(await lintWithRow(expression)).toEqual([]);
    },
  );
});
