import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDataStore, type DataStore } from './support/data-store.ts';
import { compile, type CompiledServer } from './support/process.ts';
import { listOf, pupils, type ListRow } from './support/import-lists.ts';

/** `npx sfera import` and `npx sfera export`, as an operator types them. */

let compiled: CompiledServer;
let root: string;
let store: DataStore;
let schoolId: string;
beforeAll(async () => {
  compiled = compile();
  root = mkdtempSync(join(tmpdir(), 'sfera-'));
  store = await createDataStore();
  const { out } = await cli('create-school', '--name', 'Школа № 98');
  schoolId = /School (\S+) was created/.exec(out)![1]!;
});
afterAll(async () => {
  compiled?.remove();
  rmSync(root, { recursive: true, force: true });
  await store?.remove();
});

interface Outcome {
  code: number | null;
  out: string;
  error: string;
}

async function cli(...args: string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [compiled.main.replace('main.js', 'cli.js'), ...args], {
    cwd: root,
    env: { PATH: process.env.PATH ?? '', SECRET_KEY: 'a secret of thirty-two bytes for tests', ...store.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, error] = await Promise.all(
    [child.stdout, child.stderr].map(async (stream) => {
      let text = '';
      for await (const part of stream) text += String(part);
      return text;
    }),
  );
  const code = child.exitCode ?? (await new Promise<number | null>((resolve) => child.once('close', resolve)));
  const withoutNotice = (text: string) =>
    text
      .split('\n')
      .filter((line) => !line.startsWith('oidc-provider WARNING'))
      .join('\n');
  return { code, out: withoutNotice(out!), error: withoutNotice(error!) };
}

function file(name: string, rows: readonly ListRow[]): string {
  writeFileSync(join(root, name), listOf(rows));
  return name;
}

const all = pupils(40, ['5А', '5Б', '6А']);
const importJson = async (name: string, ...more: string[]): Promise<[number | null, any]> => {
  const { code, out } = await cli('import', name, '--school', schoolId, '--json', ...more);
  return [code, JSON.parse(out)];
};
const rows = (add: number, change: number, end: number, keep: number, error = 0) => ({ add, change, end, keep, error });

describe('npx sfera import', () => {
  it('shows with --dry-run what would change, then applies it, then has nothing to do', async () => {
    const name = file('list.csv', all);
    const planned = (await cli('import', name, '--school', schoolId, '--dry-run')).out;
    expect(planned).toMatch(new RegExp(`Changes \\(43\\):\n  ADD  .*5А\n[^]*ADD  list\\.csv:2 +${all[0]!.name}, `));
    expect(planned).toMatch(/Nothing was changed \(--dry-run\)\.\n$/);
    expect(await importJson(name, '--dry-run')).toMatchObject([0, { rows: rows(43, 0, 0, 0), errors: [], planId: expect.any(String) }]);
    const applied = await cli('import', name, '--school', schoolId, '--format', 'list');
    expect(applied).toMatchObject({ code: 0, error: '' });
    expect(applied.out).toMatch(/^Plan \S+: 43 to add, 0 to change, 0 to end, 0 as they are, 0 with errors\.\nThe plan was applied\.\n$/);
    expect(await importJson(name)).toMatchObject([0, { rows: rows(0, 0, 0, 43), warnings: [], errors: [] }]);
  });

  it('refuses with status 2 that more than 5 % leave, unless a higher threshold is given', async () => {
    const name = file('fewer.csv', all.slice(3));
    const [code, { errors }] = await importJson(name);
    expect([code, errors]).toEqual([2, [{ code: 'CONFLICT', file: null, line: null, message: expect.stringContaining('3 of 40 people') }]]);
    const { code: status, out } = await cli('import', name, '--school', schoolId, '--threshold', '10');
    expect([status, out]).toEqual([0, expect.stringContaining(`Changes (3):\n  END    ${all[0]!.name}, `)]);
    expect((await importJson(file('list.csv', all)))[0]).toBe(0);
  });

  it('lists rows with errors by line, refuses them with status 2, and skips them on request', async () => {
    const name = file('wrong.csv', [...all, { name: 'Кривцов Иван', class: 'пятый' }]);
    const [code, { errors, rows: counts }] = await importJson(name);
    expect(code).toBe(2);
    expect(counts.error).toBe(1);
    expect(errors).toMatchObject([{ code: 'CONFLICT' }, { code: 'CLASS_NAME_INVALID', file: 'wrong.csv', line: 42 }]);
    expect((await importJson(name, '--skip-errors'))[0]).toBe(0);
    expect((await cli('import', name, '--school', schoolId, '--dry-run')).out).toContain('CLASS_NAME_INVALID  wrong.csv:42');
  });

  it('ends with status 1 for a file that cannot be read, and with 2 for one that is not named', async () => {
    writeFileSync(join(root, 'empty.csv'), '');
    expect(await importJson('empty.csv')).toMatchObject([1, { errors: [{ code: 'FILE_EMPTY', file: 'empty.csv', line: null }] }]);
    expect((await importJson('nowhere.csv'))[0]).toBe(1);
    expect(await cli('import', '--school', schoolId)).toMatchObject({ code: 2, error: expect.stringMatching(/^FILE is missing/) });
    expect(await cli('import', 'a', '--school', schoolId, '--format', 'xlsx')).toMatchObject({
      code: 2,
      error: expect.stringMatching(/^--format/),
    });
    expect(await cli('import', 'a', '--school', schoolId, '--threshold', '101')).toMatchObject({
      code: 2,
      error: expect.stringMatching(/^--threshold/),
    });
  });
});

describe('npx sfera export', () => {
  it.each(['list', 'oneroster'])('writes %s, whose import changes nothing', async (format) => {
    const name = `export-${format}${format === 'list' ? '.csv' : '.zip'}`;
    expect(await cli('export', name, '--school', schoolId, '--format', format)).toMatchObject({ code: 0, error: '' });
    const [code, { rows: counts, errors }] = await importJson(name);
    expect([code, counts.add, counts.change, counts.end, errors]).toEqual([0, 0, 0, 0, []]);
    expect(await cli('export', name, '--school', schoolId, '--format', format)).toMatchObject({
      code: 2,
      error: expect.stringContaining('exists'),
    });
  });
});
