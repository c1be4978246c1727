import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/** Whether the script compares files (`--check`) instead of writing them. */
export const isCheck = process.argv.includes('--check');

/** Prints a problem and its fix, and makes the script exit with 1. */
export function reportProblem(problem: string, fix: string): void {
  console.error(`${problem} To fix it: ${fix}`);
  process.exitCode = 1;
}

/** Writes a generated file; with `--check`, reports a problem if the committed file differs. */
export function writeGenerated(path: string, text: string): void {
  const current = existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  if (current === text) return;
  if (isCheck) return reportProblem(`${path} is ${current === undefined ? 'missing' : 'out of date'}.`, 'run `npm run generate`.');
  writeFileSync(path, text);
  console.log(`wrote ${path}`);
}

/** Returns a Markdown table with aligned columns. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, head.map(() => '-'), ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = head.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[], fill: string) => `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0, fill)).join(' | ')} |`;
  return cells.map((row, at) => line(row, at === 1 ? '-' : ' ')).join('\n');
}
