/** Renders the measured costs as the first table of docs/scale.md. */

/** One line of the table: the cost of an operation in the server and in PostgreSQL. */
export interface Cost {
  /** The name of this cost in the formulas of docs/scale.md. */
  name: string;
  what: string;
  unit: 'ms' | 'B' | 'MiB' | '';
  server?: number;
  postgres?: number;
}

export const figure = (value: number): string => {
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString('en');
  if (size >= 0.1) return Number(value.toPrecision(3)).toString();
  return size < 0.00005 ? '0' : Number(value.toPrecision(2)).toString();
};

export function table(costs: readonly Cost[]): string {
  const cell = (value: number | undefined, unit: string) => (value === undefined ? '–' : `${figure(value)} ${unit}`.trim());
  return [
    '| name | what | server | PostgreSQL |',
    '|---|---|---|---|',
    ...costs.map(({ name, what, unit, server, postgres }) => `| \`${name}\` | ${what} | ${cell(server, unit)} | ${cell(postgres, unit)} |`),
  ].join('\n');
}
