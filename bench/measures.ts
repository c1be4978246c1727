import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { openEnv, type BenchEnv } from './env.ts';
import type { Measure, Result, Summary } from './measure.ts';
import { fanOutMixed } from './measures/fan-out-mixed.ts';
import { fanOutSame } from './measures/fan-out.ts';
import { growth } from './measures/growth.ts';
import { heap } from './measures/heap.ts';
import { importRoster } from './measures/import.ts';
import { idle } from './measures/idle.ts';
import { latency } from './measures/latency.ts';
import { nodes } from './measures/nodes.ts';
import { readNested, readOne } from './measures/reads.ts';
import { write } from './measures/write.ts';
import { report } from './report.ts';

/** Runs the measures one after another, prints each result, and writes the results file and docs/performance.md. */

const allMeasures: readonly Measure[] = [
  readNested,
  readOne,
  write,
  fanOutSame,
  fanOutMixed,
  latency,
  idle,
  nodes,
  growth,
  heap,
  importRoster,
];

export interface MeasuredResult extends Result {
  name: string;
  title: string;
  unit: string;
  better: Measure['better'];
  target: Measure['target'];
  ratioToBestPeer: number | null;
  ratioToLimit: number | null;
  /** Whether every target is reached; null for a measure without a target. */
  reached: boolean | null;
  date: string;
  commit: string;
  machine: { cores: number; processor: string; memoryGiB: number; node: string; postgres: string };
}

export interface Results {
  quick: boolean;
  measures: MeasuredResult[];
}

const help = `npm run bench -- [--quick] [measure …]

Measures the product and its peers on the same rows and writes bench/results.json and docs/performance.md. If you name measures, only those run and the other results are kept.
  --quick   less than a minute in all, with fewer rows and listeners, to see that everything works. Figures are rough: written to bench/results.quick.json, not to docs/performance.md
  PG_URL    URL of a PostgreSQL server, 15 or newer, with a role that may create databases

Measures: ${allMeasures.map(({ name }) => name).join(', ')}`;

function evaluate(
  { better, target }: Measure,
  { ours, peers, limit }: Result,
): Pick<MeasuredResult, 'ratioToBestPeer' | 'ratioToLimit' | 'reached'> {
  const ratio = (other: number) => (better === 'higher' ? ours.median / other : other / ours.median);
  const medians = Object.values(peers).map(({ median }) => median);
  const bestPeer = medians.length === 0 ? null : better === 'higher' ? Math.max(...medians) : Math.min(...medians);
  const ratioToBestPeer = bestPeer === null ? null : ratio(bestPeer);
  const ratioToLimit = limit === undefined ? null : ratio(limit.median);
  const checks = [
    ...(target.peer === undefined ? [] : [ratioToBestPeer! >= target.peer]),
    ...(target.limit === undefined ? [] : [ratioToLimit! >= target.limit]),
    ...(target.absolute === undefined ? [] : [ours.median <= target.absolute]),
  ];
  return { ratioToBestPeer, ratioToLimit, reached: checks.length === 0 ? null : checks.every(Boolean) };
}

const figure = (value: number): string => (value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3));
const formatSummary = ({ median, low, high }: Summary): string => `${figure(median)} (${figure(low)}–${figure(high)})`;

function printResult(measured: MeasuredResult): void {
  const { name, title, unit, ours, peers, limit, ratioToBestPeer, ratioToLimit, reached, series } = measured;
  console.log(`\n${name}: ${title}, ${unit}`);
  for (const [contender, summary] of [
    ['Sfera', ours],
    ...Object.entries(peers),
    ...(limit === undefined ? [] : [['limit', limit] as const]),
  ] as [string, Summary][])
    console.log(`  ${contender.padEnd(18)}${formatSummary(summary)}`);
  if (ratioToBestPeer !== null) console.log(`  to the best peer  ${ratioToBestPeer.toFixed(2)}`);
  if (ratioToLimit !== null) console.log(`  to the limit      ${ratioToLimit.toFixed(2)}`);
  if (reached !== null) console.log(`  ${reached ? 'reached' : 'NOT REACHED'}`);
  if (series !== undefined) console.table(series.rows);
}

export async function runMeasures(args: readonly string[]): Promise<void> {
  if (args.includes('--help')) return console.log(help);
  const quick = args.includes('--quick');
  const requested = args.filter((arg) => !arg.startsWith('--'));
  const unknown = [
    ...requested.filter((name) => !allMeasures.some((measure) => measure.name === name)),
    ...args.filter((arg) => arg.startsWith('--') && arg !== '--quick'),
  ];
  if (unknown.length > 0) {
    console.error(`Unknown measure or option: ${unknown.join(', ')}.\n\n${help}`);
    process.exitCode = 2;
    return;
  }
  const chosen = requested.length === 0 ? allMeasures : allMeasures.filter(({ name }) => requested.includes(name));
  const measures: MeasuredResult[] = [];
  const [processor] = cpus();
  const date = new Date().toISOString().slice(0, 10);
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const run = async (measure: Measure, env: BenchEnv) => {
    process.stdout.write(`\n[${chosen.indexOf(measure) + 1}/${chosen.length}] ${measure.name} …`);
    try {
      const startedAt = performance.now();
      const result = await measure.run(env);
      const { name, title, unit, better, target } = measure;
      const machine = {
        cores: cpus().length,
        processor: processor!.model,
        memoryGiB: Math.round(totalmem() / 2 ** 30),
        node: process.version,
        postgres: env.postgres,
      };
      const measured = { name, title, unit, better, target, ...result, ...evaluate(measure, result), date, commit, machine };
      console.log(` ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
      printResult(measured);
      measures.push(measured);
    } catch (error) {
      console.error(`\n${measure.name} failed: ${(error as Error).stack}`);
      process.exitCode = 1;
    }
  };
  // Each measure gets its own database and servers, so that it does not see the rows of another measure. A quick run
  // shares them, to save time.
  for (const group of quick ? [chosen] : chosen.map((measure) => [measure])) {
    const env = await openEnv(quick);
    for (const measure of group) await run(measure, env);
    await env.close();
  }
  const resultsByName = new Map((quick ? measures : [...readPreviousResults(), ...measures]).map((each) => [each.name, each]));
  const results: Results = { quick, measures: allMeasures.flatMap(({ name }) => resultsByName.get(name) ?? []) };
  const file = quick ? 'results.quick.json' : 'results.json';
  writeFileSync(new URL(file, import.meta.url), `${JSON.stringify(results, null, 2)}\n`);
  if (!quick) report(results);
  console.log(
    `\nWrote bench/${file}${quick ? '. Without --quick the files are bench/results.json and docs/performance.md' : ' and docs/performance.md'}.`,
  );
}

/** Returns the results of the previous run. The report keeps the results of measures that do not run now. */
function readPreviousResults(): readonly MeasuredResult[] {
  const file = new URL('results.json', import.meta.url);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Results).measures : [];
}
