import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../src/config.ts';
import { createSchool } from '../../src/domain/schools.ts';
import { applyPlan } from '../../src/domain/plans/apply-plan.ts';
import { planImportOfFile } from '../../src/domain/plans/plan-import.ts';
import { planYear } from '../../src/domain/plans/plan-year.ts';
import { planCountsOf } from '../../src/domain/plans/plans.ts';
import { undoPlan } from '../../src/domain/plans/undo-plan.ts';
import { open } from '../../src/http/bootstrap.ts';
import { createLogger } from '../../src/logger.ts';
import { summarise, type Measure } from '../measure.ts';

/**
 * Measures the import of a school from one list: 1,500 pupils, 80 members of staff and 50 classes. Then measures the
 * plan that moves this school to its next school year. Runs on PostgreSQL and on the embedded database.
 */

const pupils = 1500;
const staff = 80;
const classes = 50;

const letters = (n: number): string => [...String(n)].map((digit) => 'абвгдежзик'[Number(digit)]).join('');
const className = (n: number): string => `${1 + (n % 10)}${'АБВГД'[Math.floor(n / 10) % 5]}`;

const list = (): string =>
  [
    'Фамилия;Имя;Отчество;Класс;Дата рождения;Роль',
    ...Array.from({ length: pupils }, (_, n) => `Ученик${letters(n)};Пётр;Ильич;${className(n % classes)};01.02.2015;`),
    ...Array.from({ length: staff }, (_, n) => `Учитель${letters(n)};Анна;Павловна;${n < classes ? className(n) : ''};;Учитель`),
  ].join('\r\n');

/** Seconds of each step, and the growth of the process's memory in MB. */
type Figures = Record<'plan' | 'apply' | 'plan again' | 'plan year' | 'apply year' | 'undo year' | 'undo' | 'memory growth (MB)', number>;

async function sample(settings: Record<string, string>, file: string): Promise<Figures> {
  const opened = await open(readConfig(settings), createLogger('warn'));
  try {
    const { operator } = opened;
    const school = await createSchool(operator, { name: 'Школа импорта' });
    const before = process.memoryUsage.rss();
    let peak = before;
    const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
    const timed = async <T>(work: () => Promise<T>): Promise<[T, number]> => {
      const begun = performance.now();
      const result = await work();
      return [result, (performance.now() - begun) / 1000];
    };
    const makePlan = () => planImportOfFile(operator, { schoolId: school.id, path: file });
    const [plan, planSeconds] = await timed(makePlan);
    const [, applySeconds] = await timed(() => applyPlan(operator, { planId: plan.id }));
    peak = Math.max(peak, process.memoryUsage.rss());
    clearInterval(watch);
    const [again, againSeconds] = await timed(makePlan);
    const counts = await planCountsOf(operator, again);
    if (counts.ADD + counts.CHANGE + counts.END + counts.ERROR > 0) throw new Error(`the second import changes: ${JSON.stringify(counts)}`);
    const [year, planYearSeconds] = await timed(() => planYear(operator, { schoolId: school.id }));
    const [, applyYearSeconds] = await timed(() => applyPlan(operator, { planId: year.id }));
    const [, undoYearSeconds] = await timed(() => undoPlan(operator, { planId: year.id }));
    const [, undoSeconds] = await timed(() => undoPlan(operator, { planId: plan.id }));
    return {
      plan: planSeconds,
      apply: applySeconds,
      'plan again': againSeconds,
      'plan year': planYearSeconds,
      'apply year': applyYearSeconds,
      'undo year': undoYearSeconds,
      undo: undoSeconds,
      'memory growth (MB)': (peak - before) / 1e6,
    };
  } finally {
    await opened.close();
  }
}

export const importRoster: Measure = {
  name: 'import',
  title: `Importing ${pupils} pupils, ${staff} members of staff and ${classes} classes from one list: applying the plan on PostgreSQL`,
  unit: 's',
  better: 'lower',
  target: { absolute: 10 },
  async run({ settings, quick }) {
    const folder = mkdtempSync(join(tmpdir(), 'sfera-import-'));
    const file = join(folder, 'list.csv');
    writeFileSync(file, list());
    try {
      const samples: Figures[] = [];
      for (let n = 0; n < (quick ? 1 : 3); n++) samples.push(await sample(settings, file));
      const { DATABASE_URL: _, ...embedded } = settings;
      const rows = { PostgreSQL: samples[0]!, embedded: await sample({ ...embedded, DATA_DIR: join(folder, 'store') }, file) };
      const rounded = Object.fromEntries(
        Object.entries(rows).map(([name, figures]) => [
          name,
          Object.fromEntries(Object.entries(figures).map(([step, value]) => [step, Math.round(value * 100) / 100])),
        ]),
      );
      return {
        ours: summarise(samples.map(({ apply }) => apply)),
        peers: {},
        notes:
          'Importing the same file again changes nothing; that is verified. The targets: plan 5 s, apply 10 s, embedded 30 s, memory 150 MB.',
        series: { title: 'Seconds of each step, in one process', unit: 's', rows: rounded },
      };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
