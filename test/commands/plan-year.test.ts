import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { listOf, pupils } from '../support/import-lists.ts';
import { yearAfter } from '../support/school-year.ts';

let cli: Cli;
beforeAll(async () => {
  cli = await openCli();
  const teacher = { name: 'Смирнова Ольга Павловна', class: '5А', role: 'Учитель' };
  const list = cli.file('list.csv', listOf([...pupils(12, ['5А', '5Б', '9А', '11А']), teacher]));
  expect(await cli('import', list, '--school', cli.schoolId)).toMatchObject({ code: 0 });
});
afterAll(() => cli?.remove());

const planYear = (...args: string[]) => cli('plan-year', '--school', cli.schoolId, ...args);
const counts = async (...args: string[]) => JSON.parse((await planYear('--json', ...args)).out);

describe('npx sfera plan-year', () => {
  it('prints where the pupils of each class go, and changes nothing', async () => {
    const { code, out } = await planYear('--lang', 'ru');
    expect(code).toBe(0);
    expect(out).toContain('  5А       → 6А               3\n  5Б       → 6Б               3\n');
    expect(out).toContain('  9А       → без класса       3\n  11А      → выпуск           3\n');
    expect(out).toMatch(/Ничего не изменено\. Повторите с --apply или --schedule\.\n$/);
    expect(await counts()).toMatchObject({
      rows: { add: 3, change: 9, end: 8, keep: 0, error: 0 },
      errors: [],
      planId: expect.any(String),
    });
  });

  it('takes the decisions of the school, names what is left to decide, and refuses what is no class or grade', async () => {
    const decided = ['--graduate', '9,11', '--regroup', 'none', '--new-class', '1А', '--new-class', '10А', '--successor', '5Б=6А'];
    expect((await counts(...decided)).rows).toMatchObject({ add: 4, change: 6 });
    expect(await planYear('--graduate', '12')).toMatchObject({ code: 1, error: expect.stringMatching(/^--graduate: /) });
    for (const [option, value] of [
      ['--successor', '5Б=6А=7А'],
      ['--new-class', 'первый'],
      ['--successor', '5Б'],
      ['--graduate', 'все'],
      ['--year', '27'],
    ] as const)
      expect(await planYear(option, value), option).toMatchObject({ code: 2, error: expect.stringMatching(new RegExp(`^${option}`)) });
    expect(await planYear('--apply', '--schedule')).toMatchObject({ code: 2 });
  });

  it('schedules the plan for the start of the year', async () => {
    const { code, out } = await planYear('--schedule');
    const year = yearAfter(1).startsOn.getUTCFullYear();
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(`The server applies the plan on 1 September ${year},? .*00:00 \\(Europe/Moscow\\)\\.`),
    ]);
  });

  it('applies the plan, is undone by the printed command, and takes the list of the new year', async () => {
    const { code, out } = await planYear('--apply');
    const undo = /To undo it: npx sfera (.+)\n$/.exec(out)![1]!.split(' ');
    expect(code).toBe(0);
    const next = String(yearAfter(1).startsOn.getUTCFullYear());
    const list = cli.file('next.csv', listOf(pupils(12, ['6А', '6Б', '10А', '11А']).filter((_, n) => n % 4 === 2)));
    const planned = await cli('import', list, '--school', cli.schoolId, '--year', next, '--dry-run', '--json');
    expect(JSON.parse(planned.out).rows).toEqual({ add: 1, change: 3, end: 0, keep: 0, error: 0 });
    expect(await planYear('--year', next)).toMatchObject({ code: 2, out: expect.stringContaining('has no open classes') });
    const refused = await planYear('--year', next, '--json');
    expect([refused.code, JSON.parse(refused.out)]).toMatchObject([2, { rows: { add: 0 }, errors: [{ code: 'CONFLICT' }], planId: null }]);
    expect(await cli(...undo)).toMatchObject({ code: 0 });
    expect((await counts('--year', next)).rows).toEqual({ add: 1, change: 11, end: 8, keep: 0, error: 0 });
  });
});
