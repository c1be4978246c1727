import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Was the script asked to compare, and not to write? */
export const checking = process.argv.includes('--check');

/** Says what is wrong and which command mends it, and makes the script fail. */
export function complain(wrong: string, mend: string): void {
  console.error(`${wrong} Mend: ${mend}`);
  process.exitCode = 1;
}

/** Writes a printed file; with --check, complains where the committed one differs. */
export function printed(path: string, text: string, mend: string): void {
  const now = existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  if (now === text) return;
  if (checking) return complain(`${path} is ${now === undefined ? 'missing' : 'not what src prints'}.`, mend);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  console.log(`wrote ${path}`);
}

/** A table in Markdown, its columns aligned. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, head.map(() => '-'), ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = head.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[], fill: string) => `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0, fill)).join(' | ')} |`;
  return cells.map((row, at) => line(row, at === 1 ? '-' : ' ')).join('\n');
}
