import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { listOf, pupils, type ListRow } from '../support/import-lists.ts';

/** `npx sfera import`, `undo` and `export`, as an operator types them. */

let cli: Cli;
let schoolId: string;
beforeAll(async () => {
  cli = await openCli();
  ({ schoolId } = cli);
});
afterAll(() => cli?.remove());

const file = (name: string, rows: readonly ListRow[]): string => cli.file(name, listOf(rows));

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
    const planId = /^Plan (\S+): 43 to add, 0 to change, 0 to end, 0 as they are, 0 with errors\.\n/.exec(applied.out)![1]!;
    expect(applied.out).toMatch(new RegExp(`\nThe plan was applied\\.\nTo undo it: npx sfera undo ${planId} --school ${schoolId}\n$`));
    expect(await importJson(name)).toMatchObject([0, { rows: rows(0, 0, 0, 43), warnings: [], errors: [] }]);
  });

  it('refuses with status 2 that more than 5 % leave, unless a higher threshold is given', async () => {
    const name = file('fewer.csv', all.slice(3));
    const [code, { errors }] = await importJson(name);
    const message =
      '3 of 40 people would leave the school or their class, more than 5 %. Check the file. If it is right, add --threshold 8.';
    expect([code, errors]).toEqual([2, [{ code: 'CONFLICT', file: null, line: null, message }]]);
    const refused = await cli('import', name, '--school', schoolId, '--lang', 'ru');
    expect(refused.out).toContain('3 из 40 человек — больше, чем 5 %. Проверьте файл. Если всё верно, добавьте --threshold 8.');
    expect((await importJson(name, '--threshold', '7'))[0]).toBe(2);
    const { code: status, out } = await cli('import', name, '--school', schoolId, '--threshold', '8');
    expect([status, out]).toEqual([0, expect.stringContaining(`Changes (3):\n  END    ${all[0]!.name}, `)]);
    expect((await importJson(file('list.csv', all)))[0]).toBe(0);
  });

  it('lists rows with errors by line, refuses them with status 2, and skips them on request', async () => {
    const name = file('wrong.csv', [...all, { name: 'Кривцов Иван', class: 'пятый' }]);
    const [code, { errors, rows: counts }] = await importJson(name);
    expect(code).toBe(2);
    expect(counts.error).toBe(1);
    expect(errors[0].message).toBe('Rows with errors: 1. Correct the file, or add --skip-errors to leave these rows out.');
    expect(errors).toMatchObject([{ code: 'CONFLICT' }, { code: 'CLASS_NAME_INVALID', file: 'wrong.csv', line: 42 }]);
    expect((await importJson(name, '--skip-errors'))[0]).toBe(0);
    expect((await cli('import', name, '--school', schoolId, '--dry-run')).out).toContain('CLASS_NAME_INVALID  wrong.csv:42');
  });

  it('ends with status 1 for a file that cannot be read, and with 2 for one that is not named', async () => {
    cli.file('empty.csv', '');
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

describe('the language of the output', () => {
  it('is Russian in a Russian locale, and in JSON in its messages alone', async () => {
    const name = file('русский.csv', [...all, { name: 'Кривцов Иван', class: 'пятый' }]);
    const args = ['import', name, '--school', schoolId];
    const { code, out } = await cli.withEnv({ LANG: 'ru_RU.UTF-8' }, ...args);
    expect(code).toBe(2);
    expect(out).toMatch(/^План \S+: добавить — 0, [^]*Ошибки \(2\):[^]*Отказано\. Ничего не изменено\.\n$/);
    expect(out).not.toMatch(/[A-Za-z]{4,} [a-z]{3,}/);
    expect(JSON.parse((await cli(...args, '--json', '--lang', 'ru')).out)).toMatchObject({
      rows: { error: 1 },
      errors: [
        { code: 'CONFLICT', message: 'Строк с ошибками: 1. Исправьте файл или добавьте --skip-errors, чтобы пропустить эти строки.' },
        { code: 'CLASS_NAME_INVALID', message: expect.stringMatching(/[а-я]/) },
      ],
    });
  });

  it('is that of usage errors and of the help too', async () => {
    const russian = (...args: string[]) => cli.withEnv({ LANG: 'ru_RU.UTF-8' }, ...args);
    expect(await russian('import', 'a', '--scool', schoolId)).toMatchObject({
      code: 2,
      error: 'Параметра --scool нет. Возможно, вы имели в виду --school?\n',
    });
    expect((await russian('import', '--school', schoolId)).error).toMatch(/^Не указан FILE: /);
    expect((await russian('imprt')).error).toBe('Команды imprt нет. Возможно, вы имели в виду import?\n');
    expect((await russian('undo', '--help')).out).toContain('отменить применённый план');
    expect((await russian('help')).out).not.toMatch(/ (the|of|print) /);
  });
});

describe('npx sfera undo', () => {
  const stranger = { name: 'Новиков Ян Ильич', class: '6А' };

  it('undoes an import with the command that the import prints, once', async () => {
    const { out } = await cli('import', file('new.csv', [stranger]), '--school', schoolId, '--partial');
    const [, ...args] = /npx sfera (undo) (\S+) (--school) (\S+)/.exec(out)!;
    const undone = await cli(...args);
    expect(undone).toMatchObject({ code: 0, error: '' });
    expect(undone.out).toMatch(
      /^Plan \S+: 1 added, 0 changed, 0 ended\.\nThe plan was undone: classes, roles and assignments are as before\.\n$/,
    );
    const people = () =>
      cli.store.use((db) => db.prisma.roleGrant.count({ where: { schoolId, user: { surname: 'Новиков' }, endedAt: null } }));
    expect(await people()).toBe(0);
    const again = await cli(...args, '--lang', 'ru');
    expect([again.code, again.out]).toEqual([0, expect.stringContaining('План уже отменён. Ничего не изменено.')]);
  });

  it('refuses with status 2 when something depends on the import, and says which rows', async () => {
    const [, { planId }] = await importJson(file('joined.csv', [stranger]), '--partial');
    await cli.store.use((db) => db.prisma.user.updateMany({ where: { surname: 'Новиков' }, data: { joinedAt: new Date() } }));
    const { code, out } = await cli('undo', planId, '--school', schoolId, '--json', '--lang', 'ru');
    expect([code, JSON.parse(out)]).toEqual([
      2,
      {
        planId,
        rows: rows(1, 0, 0, 1),
        errors: [{ code: 'CONFLICT', file: null, line: null, message: expect.stringContaining('(joined.csv, строка 2)') }],
      },
    ]);
    expect((await cli('undo', planId, '--school', schoolId)).out).toMatch(/Refused\. Nothing was changed\.\n$/);
  });

  it('ends with status 1 for a plan that the school has not, and with 2 for a missing argument', async () => {
    const [, { planId }] = await importJson(file('none.csv', [stranger]), '--dry-run');
    const other = /School (\S+) was created/.exec((await cli('create-school', '--name', 'Школа № 5')).out)![1]!;
    for (const args of [
      [planId, '--school', other],
      ['x', '--school', schoolId],
    ])
      expect(await cli('undo', ...args)).toMatchObject({
        code: 1,
        out: '',
        error: expect.stringMatching(/^This school has no such plan\./),
      });
    expect((await cli('undo', '--school', schoolId)).code).toBe(2);
    expect((await cli('undo', planId, '--school', schoolId)).code).toBe(2);
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
    expect((await cli('export', `ru-${name}`, '--school', schoolId, '--format', format, '--lang', 'ru')).out).toMatch(
      /^Записано в \S+: людей — \d+, классов — \d+\.\n$/,
    );
  });
});
